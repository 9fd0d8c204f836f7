package ledger

import "fmt"

// Transition changes a reservation that was made: Op is one of KindConfirm,
// KindCancel, KindFulfil, KindAmend, KindExtend.
type Transition struct {
	Op        Kind
	ID        string
	Key       CallKey
	Now       Millis
	Lines     []TransitionLine // with HasLines: the part it is about; for KindAmend what the lines become
	HasLines  bool
	Reference string // KindConfirm: given if not ""
	Reason    string // KindCancel
	ExpiresAt Millis // KindExtend, and KindAmend if not 0
	Time      Millis // KindFulfil: when it left, 0: now
	Transfer  bool   // KindCancel, KindAmend: of a transfer asked for, and of that alone
}

// TransitionLine is units of one SKU. A location of 0 takes them from the
// reservation's lines of that SKU, from the last to the first.
type TransitionLine struct {
	SKU      SKU
	Location Location
	Quantity Qty
	From     Location // KindFulfil: where the goods really left, if elsewhere
}

func (t *Transition) apply(l *Ledger) (Result, error) {
	l.expireDue(t.Now)
	res, first, err := t.enter(l)
	if first != 0 {
		return l.replay(first, "", CallKey{}, t.Now)
	}
	return res, err
}

// enter makes the transition, or tells the entry of the call that made it before.
func (t *Transition) enter(l *Ledger) (res Result, first Seq, err error) {
	slot, first, err := l.beginKey(t.Key, t.Now)
	if first != 0 || err != nil {
		return Result{}, first, err
	}
	defer slot.end()
	rs, r, err := l.lockReservation(t.ID)
	if err != nil {
		return Result{}, 0, err
	}
	defer rs.mu.Unlock()
	if err := t.rightKind(l, r); err != nil {
		return Result{}, 0, err
	}
	if r.State == Expired || r.State == Held && r.ExpiresAt <= t.Now {
		// The latter where it was made or shortened after the deadlines were looked at.
		return Result{}, 0, refuseExpired(r, t.Now)
	}
	if t.alreadyDone(r) {
		res = Result{Seq: r.Seq, Reservation: r}
		if t.Key != (CallKey{}) {
			res.Seq = l.enterAnswer(slot, r, t.Now)
		}
		return res, 0, nil
	}
	if !t.permittedIn(r.State) {
		return Result{}, 0, &Refused{Code: WrongState, State: r.State, Detail: "it is " + r.State.String()}
	}
	next := r.clone()
	next.Seq = 0
	for i := range next.Lines {
		next.Lines[i].Available = -1 // belongs to the answer that made it
	}
	e := newEntry(t.Op, t.Now)
	defer e.free()
	e.key, e.reservation = t.Key, next
	if err := t.change(e, next); err != nil {
		return Result{}, 0, err
	}
	next.settle()
	shards, err := e.gather()
	if err != nil {
		return Result{}, 0, err
	}
	l.lockShards(shards)
	defer l.unlockShards(shards)
	if err := t.check(l, e, r, next); err != nil {
		return Result{}, 0, err
	}
	if err := l.settle(e); err != nil {
		return Result{}, 0, err
	}
	seq := l.enter(e)
	next.Seq = seq
	slot.taken(seq, t.Now)
	rs.put(next)
	if next.State == Held && next.ExpiresAt != r.ExpiresAt {
		l.deadlines.push(next.ExpiresAt, next.ID)
	}
	res = Result{Seq: seq, Reservation: next}
	if t.Op == KindFulfil {
		res.Movement = seq
	}
	return res, 0, nil
}

// rightKind refuses what nobody made, a transfer where a reservation is meant and the
// other way round, and a transfer that was shipped.
func (t *Transition) rightKind(l *Ledger, r *Reservation) error {
	if !t.Transfer {
		switch {
		case r == nil:
			return refuse(UnknownReservation, quoted([]byte(t.ID)))
		case r.To != 0:
			return &Refused{Code: WrongState, Word: "transfer", Detail: "it is a transfer"}
		}
		return nil
	}
	state := l.inbound.shipped(t.ID, t.Now)
	switch {
	case state == TransferCancelled && t.Op == KindCancel && r != nil && r.To != 0: // already so
	case state != NoTransfer:
		return &Refused{Code: WrongState, Word: state.String(), Detail: "it is " + state.String()}
	case r == nil || r.To == 0:
		return refuse(UnknownReservation, quoted([]byte(t.ID)))
	}
	return t.leaveFrom(r.Lines[0].Location)
}

// leaveFrom gives each line the location that the whole transfer leaves from.
func (t *Transition) leaveFrom(from Location) error {
	for i := range t.Lines {
		ln := &t.Lines[i]
		if ln.Location != 0 && ln.Location != from {
			return refuse(NotSupported, fmt.Sprintf("lines[%d].location: a transfer leaves from one location, which is another", i))
		}
		ln.Location = from
	}
	return nil
}

func refuseExpired(r *Reservation, now Millis) *Refused {
	return refuse(ReservationExpired, fmt.Sprintf("its deadline was %d ms ago", now-r.ExpiresAt))
}

// alreadyDone says that a call without lines asks for what is so.
func (t *Transition) alreadyDone(r *Reservation) bool {
	if t.HasLines {
		return false
	}
	switch t.Op {
	case KindConfirm:
		return r.State == Confirmed || r.State == Fulfilled
	case KindCancel:
		return r.State == Cancelled
	case KindFulfil:
		return r.State == Fulfilled
	}
	return false
}

func (t *Transition) permittedIn(s State) bool {
	switch t.Op {
	case KindConfirm, KindExtend:
		return s == Held
	case KindFulfil:
		return s == Confirmed
	case KindAmend:
		return s == Confirmed && t.ExpiresAt == 0 || s == Held
	default:
		return s.Open()
	}
}

// change makes next what the reservation becomes, and gathers the effects in e.
func (t *Transition) change(e *entryDraft, next *Reservation) error {
	switch t.Op {
	case KindConfirm:
		return t.confirm(e, next)
	case KindCancel:
		e.payload = []byte(t.Reason)
		return t.cancel(e, next)
	case KindFulfil:
		return t.fulfil(e, next)
	case KindAmend:
		return t.amend(e, next)
	default:
		next.ExpiresAt = t.ExpiresAt
		return nil
	}
}

func (t *Transition) confirm(e *entryDraft, next *Reservation) error {
	if t.Reference != "" {
		next.Reference = t.Reference
	}
	if t.HasLines {
		// What the lines name is set aside as committed; what is then still held is let go.
		err := t.take(next, OverConfirmation, func(ln *ReservationLine) Qty { return ln.Held },
			func(ln *ReservationLine, _ *TransitionLine, q Qty) {
				ln.Held -= q
				ln.Committed += q
				e.effect(ln.SKU, ln.Location, 0, Figures{Held: -q, Committed: q})
			})
		if err != nil {
			return err
		}
		next.release(e)
		next.State, next.ExpiresAt = Confirmed, 0
		return nil
	}
	next.confirmAll(e)
	return nil
}

// release lets go what is held.
func (r *Reservation) release(e *entryDraft) {
	for i := range r.Lines {
		ln := &r.Lines[i]
		if ln.Held > 0 {
			e.effect(ln.SKU, ln.Location, 0, Figures{Held: -ln.Held})
			ln.Cancelled += ln.Held
			ln.Held = 0
		}
	}
}

func (t *Transition) cancel(e *entryDraft, next *Reservation) error {
	drop := func(ln *ReservationLine, _ *TransitionLine, q Qty) {
		fromHeld := min(q, ln.Held)
		ln.Held -= fromHeld
		ln.Committed -= q - fromHeld
		ln.Cancelled += q
		e.effect(ln.SKU, ln.Location, 0, Figures{Held: -fromHeld, Committed: fromHeld - q})
	}
	if t.HasLines {
		return t.take(next, OverCancellation, (*ReservationLine).open, drop)
	}
	for i := range next.Lines {
		if ln := &next.Lines[i]; ln.open() > 0 {
			drop(ln, nil, ln.open())
		}
	}
	next.State, next.ExpiresAt = Cancelled, 0 // also where something was fulfilled: that is what was asked for
	return nil
}

func (t *Transition) fulfil(e *entryDraft, next *Reservation) error {
	leave := func(ln *ReservationLine, tl *TransitionLine, q Qty) {
		ln.Committed -= q
		ln.Fulfilled += q
		from := ln.Location
		if tl != nil && tl.From != 0 {
			from = tl.From
		}
		e.effect(ln.SKU, ln.Location, 0, Figures{Committed: -q})
		e.effect(ln.SKU, from, -q, Figures{})
	}
	if t.HasLines {
		return t.take(next, OverFulfilment, func(ln *ReservationLine) Qty { return ln.Committed }, leave)
	}
	for i := range next.Lines {
		if ln := &next.Lines[i]; ln.Committed > 0 {
			leave(ln, nil, ln.Committed)
		}
	}
	return nil
}

// take finds the units that the call's lines name among the reservation's and
// hands them to use, line by line; over is the refusal where too few are left.
func (t *Transition) take(next *Reservation, over Code, left func(*ReservationLine) Qty,
	use func(*ReservationLine, *TransitionLine, Qty)) error {
	bySKU := make(map[SKU][]int, len(next.Lines))
	for i := range next.Lines {
		bySKU[next.Lines[i].SKU] = append(bySKU[next.Lines[i].SKU], i)
	}
	for i := range t.Lines {
		tl := &t.Lines[i]
		want := tl.Quantity
		of := bySKU[tl.SKU]
		for j := len(of) - 1; j >= 0 && want > 0; j-- {
			ln := &next.Lines[of[j]]
			if tl.Location != 0 && ln.Location != tl.Location {
				continue
			}
			if q := min(want, left(ln)); q > 0 {
				use(ln, tl, q)
				want -= q
			}
		}
		if want > 0 {
			return &Refused{Code: over, Detail: fmt.Sprintf("lines[%d]: %d more than is left", i, want),
				Short: []Shortfall{{tl.SKU, tl.Location, int64(tl.Quantity), tl.Quantity - want}}}
		}
	}
	return nil
}

// check refuses what needs the positions to be known. The caller holds the shards.
func (t *Transition) check(l *Ledger, e *entryDraft, old, next *Reservation) error {
	switch t.Op {
	case KindAmend:
		return t.checkAmend(l, old, next)
	case KindExtend:
		return l.checkActive(next)
	case KindFulfil:
		e.time = t.Now
		if t.Time != 0 && t.Time <= t.Now+l.opts.MaxSkewMillis {
			e.time = t.Time
			return nil
		}
		// No time was said: it is now, and after every count that was accepted before.
		for i := range e.lines {
			ln := &e.lines[i]
			if ln.Moved == 0 {
				continue
			}
			if p := l.position(ln.SKU, ln.Location); p != nil {
				e.time = max(e.time, p.countedAt()+1)
			} else if c := l.completes.ruling(ln.Location); c != nil {
				e.time = max(e.time, c.time+1)
			}
		}
	}
	return nil
}

func (l *Ledger) checkActive(r *Reservation) error {
	return l.checkPlaces(len(r.Lines), func(i int) (SKU, Location) { return r.Lines[i].SKU, r.Lines[i].Location })
}
