package main

// apply does what op asks for, and says how that must be answered.
func (s *linState) apply(op *linOp) (want linWant) {
	switch op.kind {
	case linHold:
		return s.hold(op)
	case linRead:
		for i := range op.units {
			if op.units[i] != 0 {
				want.rows[i] = s.row(i)
			}
		}
		return want
	case linMove, linCount:
		if s.applied[op.event] != 0 {
			return want
		}
		s.applied[op.event] = linApplied
		for i, u := range op.units {
			switch {
			case u == 0:
			case op.kind == linCount:
				s.settle(i, op)
			default:
				s.move(i, op.time, u)
			}
		}
		want.changed = true
		return want
	}
	r := s.now[op.slot]
	if r == nil {
		want.code = linUnknown
		return want
	}
	if op.kind == linExpire {
		if r.state == "held" && r.deadline == op.time {
			s.now[op.slot] = r.expired()
		}
		return want
	}
	if op.kind == linGet {
		return want
	}
	return s.transition(op, r)
}

func (s *linState) hold(op *linOp) (want linWant) {
	if r := s.now[op.slot]; r != nil {
		want.replayed, want.state = true, r.state
		return want
	}
	r := &linReservation{state: "held", deadline: linUntold}
	short, held := false, int32(0)
	for i, q := range op.units {
		ln := &r.lines[i]
		ln.quantity, ln.held, ln.available = q, q, -1
		if q == 0 {
			continue
		}
		if available := s.row(i).available; available < q {
			short = true
			ln.held, ln.available = available, available
			want.short[i] = linShort{q, available}
		}
		held += ln.held
	}
	if short && (!op.partial || held == 0) {
		want.code = linInsufficient
		return want
	}
	want.short = [linPositionsMax]linShort{}
	s.now[op.slot], s.created[op.slot] = r, r
	want.changed, want.fresh = true, true
	return want
}

func (r *linReservation) expired() *linReservation {
	n := *r
	n.state, n.seq = "expired", 0
	for i := range n.lines {
		n.lines[i].held = 0
	}
	return &n
}

// transition changes a reservation that is there, or says why not.
func (s *linState) transition(op *linOp, r *linReservation) (want linWant) {
	if r.state == "expired" {
		want.code = linExpired
		return want
	}
	if !op.lines && (op.kind == linConfirm && (r.state == "confirmed" || r.state == "fulfilled") ||
		op.kind == linCancel && r.state == "cancelled" || op.kind == linFulfil && r.state == "fulfilled") {
		return want // it is so already
	}
	permitted := false
	switch op.kind {
	case linConfirm, linExtend:
		permitted = r.state == "held"
	case linFulfil:
		permitted = r.state == "confirmed"
	case linAmend:
		permitted = r.state == "held" || r.state == "confirmed" && op.ttl == 0
	case linCancel:
		permitted = r.state == "held" || r.state == "confirmed"
	}
	if !permitted {
		want.code, want.state = linWrongState, r.state
		return want
	}
	n := *r
	n.seq = 0
	for i := range n.lines {
		n.lines[i].available = -1
	}
	switch op.kind {
	case linConfirm:
		want.code = n.confirm(op)
	case linCancel:
		want.code = n.cancel(op)
	case linFulfil:
		want.code = n.fulfil(op)
	case linAmend:
		want.code, want.short = s.amend(op, &n)
	}
	if want.code != linOK {
		return want
	}
	if op.kind == linFulfil {
		for i := range n.lines {
			if left := n.lines[i].fulfilled - r.lines[i].fulfilled; left > 0 {
				s.move(i, op.time, -left)
			}
		}
	}
	if op.ttl != 0 {
		n.deadline, want.fresh = linUntold, true
	}
	if n.finish() {
		want.fresh = false
	}
	s.now[op.slot] = &n
	want.changed = true
	return want
}

func (r *linReservation) confirm(op *linOp) linCode {
	for i := range r.lines {
		ln := &r.lines[i]
		q := ln.held
		if op.lines {
			q = op.units[i]
		}
		if q > ln.held {
			return linOverConfirmation
		}
		ln.committed += q
		ln.cancelled += ln.held - q
		ln.held = 0
	}
	r.state, r.deadline = "confirmed", 0
	return linOK
}

func (r *linReservation) cancel(op *linOp) linCode {
	for i := range r.lines {
		ln := &r.lines[i]
		q := ln.open()
		if op.lines {
			q = op.units[i]
		}
		if q > ln.open() {
			return linOverCancellation
		}
		held := min(q, ln.held)
		ln.held -= held
		ln.committed -= q - held
		ln.cancelled += q
	}
	if !op.lines {
		r.state, r.deadline = "cancelled", 0
	}
	return linOK
}

func (r *linReservation) fulfil(op *linOp) linCode {
	for i := range r.lines {
		ln := &r.lines[i]
		q := ln.committed
		if op.lines {
			q = op.units[i]
		}
		if q > ln.committed {
			return linOverFulfilment
		}
		ln.committed -= q
		ln.fulfilled += q
	}
	return linOK
}

// amend makes the lines what op says: what is fulfilled stays so, and the
// reservation's own units count as available to it.
func (s *linState) amend(op *linOp, r *linReservation) (linCode, [linPositionsMax]linShort) {
	var short [linPositionsMax]linShort
	for i, q := range op.units {
		was := r.lines[i]
		if q < was.fulfilled {
			return linOverFulfilment, [linPositionsMax]linShort{}
		}
		ln := linLine{quantity: q, fulfilled: was.fulfilled, available: -1}
		open := q - was.fulfilled
		if r.state == "held" {
			ln.held = open
		} else {
			ln.committed = open
		}
		if row := s.row(i); open > was.open() {
			free := row.onHand - row.held - row.committed + was.open()
			if available := max(0, free); available < open {
				short[i] = linShort{q, was.fulfilled + max(available, was.open())}
			}
		}
		r.lines[i] = ln
	}
	if short != [linPositionsMax]linShort{} {
		return linInsufficient, short
	}
	return linOK, short
}

// finish gives a reservation under which nothing is left its last state.
func (r *linReservation) finish() bool {
	open, fulfilled := int32(0), int32(0)
	for i := range r.lines {
		open += r.lines[i].open()
		fulfilled += r.lines[i].fulfilled
	}
	if open > 0 || r.state != "held" && r.state != "confirmed" {
		return r.state == "cancelled"
	}
	r.deadline = 0
	if r.state = "cancelled"; fulfilled > 0 {
		r.state = "fulfilled"
	}
	return true
}
