package simulate

import (
	"slices"

	"onhand/ledger"
)

type reservation struct {
	state     ledger.State
	expiresAt ledger.Millis
	changedAt ledger.Millis
	call      string // that made it
	first     *answer
	lines     []resLine
}

type resLine struct {
	at                                              place
	quantity, held, committed, fulfilled, cancelled int
}

func (r *reservation) clone() *reservation {
	c := *r
	c.lines = slices.Clone(r.lines)
	return &c
}

func (r *reservation) confirmAll() {
	if r.state == ledger.Held {
		r.state, r.expiresAt = ledger.Confirmed, 0
		for i := range r.lines {
			r.lines[i].committed += r.lines[i].held
			r.lines[i].held = 0
		}
	}
}

// settle ends a reservation under which nothing is left.
func (r *reservation) settle() {
	left, fulfilled := 0, 0
	for _, ln := range r.lines {
		left += ln.held + ln.committed
		fulfilled += ln.fulfilled
	}
	if left == 0 && r.state.Open() {
		r.state, r.expiresAt = ledger.Cancelled, 0
		if fulfilled > 0 {
			r.state = ledger.Fulfilled
		}
	}
}

// callLine is one line of a call; what is "" was not named.
type callLine struct {
	sku, location, from string
	quantity            int
}

// opReserve is POST /v1/reservations.
type opReserve struct {
	key, id, call string
	now, ttl      ledger.Millis
	partial       bool
	lines         []callLine
	answer        *answer
}

// replayed finds the call's key: what it is answered with, or that it is another call's.
func (m *model) replayed(key, call string) (outcome, bool) {
	use := m.keys[key]
	switch {
	case key == "" || use == nil:
		return outcome{}, false
	case use.call != call:
		return refused(ledger.IdempotencyMismatch), true
	}
	return outcome{answer: use.answer, replay: true}, true
}

func (o *opReserve) apply(m *model) outcome {
	m.expire(o.now)
	if out, ok := m.replayed(o.key, o.call); ok {
		return out
	}
	if old := m.reservations[o.id]; old != nil {
		if old.call != o.call {
			return refused(ledger.IdempotencyMismatch)
		}
		out := outcome{answer: old.first, replay: true}
		if o.key != "" {
			m.keys[o.key] = &keyUse{o.call, old.first}
			out.entries = 1
		}
		return out
	}
	if code := m.misnamed(o.lines); code != ledger.OK {
		return refused(code)
	}
	r := &reservation{state: ledger.Held, expiresAt: o.now + o.ttl, changedAt: o.now, call: o.call, first: o.answer}
	for _, ln := range o.lines {
		at := place{ln.sku, ln.location}
		if i := slices.IndexFunc(r.lines, func(l resLine) bool { return l.at == at }); i >= 0 {
			r.lines[i].quantity += ln.quantity
		} else {
			r.lines = append(r.lines, resLine{at: at, quantity: ln.quantity})
		}
		if !m.locations[ln.location] {
			return refused(ledger.LocationInactive)
		}
	}
	short, held := false, 0
	for i := range r.lines {
		ln := &r.lines[i]
		ln.held = min(ln.quantity, m.available(ln.at, 0))
		short = short || ln.held < ln.quantity
		held += ln.held
	}
	if short && (!o.partial || held == 0) {
		return refused(ledger.InsufficientStock)
	}
	m.reservations[o.id] = r
	if o.key != "" {
		m.keys[o.key] = &keyUse{o.call, o.answer}
	}
	return outcome{entries: 1, answer: o.answer}
}

// misnamed says what is wrong with the names and quantities of lines.
func (m *model) misnamed(lines []callLine) ledger.Code {
	unknown := func(name string) bool { _, known := m.locations[name]; return name != "" && !known }
	if slices.ContainsFunc(lines, func(ln callLine) bool { return !m.skus[ln.sku] }) {
		return ledger.UnknownSKU
	}
	if slices.ContainsFunc(lines, func(ln callLine) bool { return unknown(ln.location) || unknown(ln.from) }) {
		return ledger.UnknownLocation
	}
	if slices.ContainsFunc(lines, func(ln callLine) bool { return ln.quantity <= 0 }) {
		return ledger.InvalidQuantity
	}
	return ledger.OK
}

// opChange is POST /v1/reservations/{id}/{op}.
type opChange struct {
	op            ledger.Kind
	key, id, call string
	now, ttl      ledger.Millis
	time          ledger.Millis
	hasLines      bool
	lines         []callLine
	answer        *answer
}

func (o *opChange) apply(m *model) outcome {
	m.expire(o.now)
	if out, ok := m.replayed(o.key, o.call); ok {
		return out
	}
	r := m.reservations[o.id]
	if r == nil {
		return refused(ledger.UnknownReservation)
	}
	if r.state == ledger.Expired {
		return refused(ledger.ReservationExpired)
	}
	if code := m.misnamed(o.lines); code != ledger.OK {
		return refused(code)
	}
	done := map[ledger.Kind]bool{
		ledger.KindConfirm: r.state == ledger.Confirmed || r.state == ledger.Fulfilled,
		ledger.KindCancel:  r.state == ledger.Cancelled,
		ledger.KindFulfil:  r.state == ledger.Fulfilled,
	}
	if !o.hasLines && done[o.op] {
		out := outcome{answer: o.answer}
		if o.key != "" {
			m.keys[o.key] = &keyUse{o.call, o.answer}
			out.entries = 1
		}
		return out
	}
	permitted := map[ledger.Kind]bool{
		ledger.KindConfirm: r.state == ledger.Held, ledger.KindExtend: r.state == ledger.Held,
		ledger.KindCancel: r.state.Open(), ledger.KindFulfil: r.state == ledger.Confirmed,
		ledger.KindAmend: r.state == ledger.Held || r.state == ledger.Confirmed && o.ttl == 0,
	}
	if !permitted[o.op] {
		return refused(ledger.WrongState)
	}
	next := r.clone()
	var moves []place
	code := ledger.OK
	switch {
	case o.op == ledger.KindAmend:
		code = m.amend(r, next, o)
	case o.op == ledger.KindExtend:
		next.expiresAt = o.now + o.ttl
	default:
		moves, code = next.step(o)
	}
	if code == ledger.OK && (o.op == ledger.KindExtend || o.op == ledger.KindAmend) {
		code = m.inactive(next)
	}
	if code == ledger.OK && o.op == ledger.KindAmend {
		code = m.short(r, next)
	}
	if code != ledger.OK {
		return refused(code)
	}
	m.committing(o.op == ledger.KindFulfil, func() ledger.Millis {
		t := m.leave(moves, o)
		next.settle()
		next.changedAt = o.now
		m.reservations[o.id] = next
		return t
	})
	if o.key != "" {
		m.keys[o.key] = &keyUse{o.call, o.answer}
	}
	return outcome{entries: 1, answer: o.answer}
}

// step confirms, cancels or fulfils, unit by unit from the last line to the first.
func (r *reservation) step(o *opChange) (moves []place, code ledger.Code) {
	one := func(ln *resLine, from string) bool {
		switch {
		case o.op == ledger.KindConfirm && ln.held > 0:
			ln.held, ln.committed = ln.held-1, ln.committed+1
		case o.op == ledger.KindCancel && ln.held > 0:
			ln.held, ln.cancelled = ln.held-1, ln.cancelled+1
		case o.op == ledger.KindCancel && ln.committed > 0:
			ln.committed, ln.cancelled = ln.committed-1, ln.cancelled+1
		case o.op == ledger.KindFulfil && ln.committed > 0:
			ln.committed, ln.fulfilled = ln.committed-1, ln.fulfilled+1
			at := ln.at
			if from != "" {
				at.location = from
			}
			moves = append(moves, at)
		default:
			return false
		}
		return true
	}
	for _, cl := range o.lines {
		for range cl.quantity {
			taken := false
			for i := len(r.lines) - 1; i >= 0 && !taken; i-- {
				ln := &r.lines[i]
				taken = ln.at.sku == cl.sku && (cl.location == "" || ln.at.location == cl.location) && one(ln, cl.from)
			}
			if !taken {
				return nil, map[ledger.Kind]ledger.Code{ledger.KindConfirm: ledger.OverConfirmation,
					ledger.KindCancel: ledger.OverCancellation, ledger.KindFulfil: ledger.OverFulfilment}[o.op]
			}
		}
	}
	if !o.hasLines {
		for i := range r.lines {
			for one(&r.lines[i], "") {
			}
		}
	}
	switch {
	case o.op == ledger.KindConfirm:
		r.state, r.expiresAt = ledger.Confirmed, 0
		for i := range r.lines { // what was not named is let go
			r.lines[i].cancelled += r.lines[i].held
			r.lines[i].held = 0
		}
	case o.op == ledger.KindCancel && !o.hasLines:
		r.state, r.expiresAt = ledger.Cancelled, 0
	}
	return moves, ledger.OK
}

// leave moves goods out. Without a time they leave after every count accepted before.
func (m *model) leave(moves []place, o *opChange) ledger.Millis {
	t := o.now
	if o.time != 0 && o.time <= o.now+skew {
		t = o.time
	} else {
		for _, at := range moves {
			if c, ok := m.position(at).latest(); ok {
				t = max(t, c.time+1)
			}
		}
	}
	for _, at := range moves {
		p := m.position(at)
		p.moves = append(p.moves, move{t, "", -1})
	}
	return t
}

// amend makes the lines what the call says; what is fulfilled stays fulfilled.
func (m *model) amend(r, next *reservation, o *opChange) ledger.Code {
	was := map[place]resLine{}
	for _, ln := range r.lines {
		was[ln.at] = ln
	}
	next.lines = nil
	for _, cl := range o.lines {
		at := place{cl.sku, cl.location}
		old := was[at]
		delete(was, at)
		if cl.quantity < old.fulfilled {
			return ledger.OverFulfilment
		}
		ln := resLine{at: at, quantity: cl.quantity, fulfilled: old.fulfilled}
		if r.state == ledger.Held {
			ln.held = ln.quantity - ln.fulfilled
		} else {
			ln.committed = ln.quantity - ln.fulfilled
		}
		next.lines = append(next.lines, ln)
	}
	for _, dropped := range was {
		if dropped.fulfilled > 0 {
			return ledger.OverFulfilment
		}
	}
	if o.ttl != 0 {
		next.expiresAt = o.now + o.ttl
	}
	return ledger.OK
}

func (m *model) inactive(r *reservation) ledger.Code {
	for _, ln := range r.lines {
		if !m.locations[ln.at.location] {
			return ledger.LocationInactive
		}
	}
	return ledger.OK
}

// short refuses more than there is, the reservation's own units counting as available to it.
func (m *model) short(r, next *reservation) ledger.Code {
	for _, ln := range next.lines {
		own := 0
		for _, old := range r.lines {
			if old.at == ln.at {
				own = old.held + old.committed
			}
		}
		if open := ln.held + ln.committed; open > own && open > m.available(ln.at, own) {
			return ledger.InsufficientStock
		}
	}
	return ledger.OK
}
