package ledger

import "fmt"

// Order is an event of an order: that it was placed, paid, cancelled, or that its payment
// failed. It holds, confirms and cancels the reservation whose id is the order's. It is a
// fact: that its units cannot be had, or that it comes too late, is no error of the event
// but what came of it, and is kept in the entry.
//
// Its events come in any order. What comes before the order was placed is kept under its
// id, as a reservation without units, for as long as finished ones are.
type Order struct {
	Kind       Kind // KindOrderPlaced, KindOrderPaid, KindOrderCancelled or KindPaymentFailed
	Name       EventName
	Received   Millis // when it came to us, which is when it takes effect
	ID         string
	Channel    string // KindOrderPlaced
	Call       Hash   // KindOrderPlaced: of its wish, to tell the same order from another
	ExpiresAt  Millis // KindOrderPlaced: unless it is paid before
	Reason     string // of a cancellation
	Lines      []HoldLine
	Exceptions []Exception // what was found on the way here

	// Lines are what was placed, one for each position. Of a cancellation they are the part
	// that it is about, none: all of it; without a location they are taken from the order's
	// lines of that SKU, from the last to the first.
}

// orderWaitsMax bounds what waits for one order to be placed.
const orderWaitsMax = 100_000

func (o *Order) apply(l *Ledger) (Result, error) {
	_, skewed, err := l.eventTime(o.Name.Time, o.Received)
	if err != nil {
		return Result{}, err
	}
	l.expireDue(o.Received)
	slot, done, err := l.beginEvent(o.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()
	rs, r, err := l.lockReservation(o.ID)
	if err != nil {
		return Result{}, err
	}
	defer rs.mu.Unlock()
	if r != nil && r.To != 0 || r == nil && l.inbound.shipped(o.ID, o.Received) != NoTransfer {
		return Result{}, refuseOtherHold()
	}
	shards := o.shards(r)
	l.lockShards(shards)
	defer l.unlockShards(shards)
	next, refused, err := o.outcome(l, r)
	if err != nil {
		return Result{}, err
	}

	e := newEntry(o.Kind, o.Received)
	defer e.free()
	e.event = o.Name
	e.exceptions = append(e.exceptions, o.Exceptions...)
	if skewed {
		e.except(ClockSkew, 0, o.place(), 0, 0)
	}
	e.payload = orderPayload(refused, o.Reason)
	e.reservation = next
	switch {
	case next != nil:
		e.becomes(r, next)
	case refused != OK:
		e.reservation = r // as it stays
	}
	if _, err := e.gather(); err != nil {
		return Result{}, err
	}
	if err := l.settle(e); err != nil {
		return Result{}, err
	}
	seq := l.enter(e)
	slot.taken(seq)
	if next == nil {
		return Result{Seq: seq, Reservation: r}, nil
	}
	if next.Created == 0 {
		next.Created = seq
	}
	next.Seq = seq
	if r == nil {
		rs.put(next)
	} else {
		rs.putBack(next)
	}
	if next.State == Held && o.Kind == KindOrderPlaced {
		l.deadlines.push(next.ExpiresAt, next.ID)
	}
	return Result{Seq: seq, Reservation: next}, nil
}

// place is where the first line is, 0 if nobody said.
func (o *Order) place() Location {
	if len(o.Lines) == 0 {
		return 0
	}
	return o.Lines[0].Location
}

// shards are those of the SKUs that the event may change.
func (o *Order) shards(r *Reservation) (shards uint64) {
	if o.Kind == KindOrderPlaced {
		for i := range o.Lines {
			shards |= shardBit(o.Lines[i].SKU)
		}
		return shards
	}
	if r != nil && r.State.Open() {
		for i := range r.Lines {
			shards |= shardBit(r.Lines[i].SKU)
		}
	}
	return shards
}

// becomes gathers what it does to positions that r, which may be nil, becomes next.
func (e *entryDraft) becomes(r, next *Reservation) {
	for i := range next.Lines {
		ln := &next.Lines[i]
		d := Figures{Held: ln.Held, Committed: ln.Committed}
		if r != nil && r.State.Open() {
			d.Held -= r.Lines[i].Held
			d.Committed -= r.Lines[i].Committed
		}
		if d != (Figures{}) {
			e.effect(ln.SKU, ln.Location, 0, d)
		}
	}
}

// outcome is what the order's reservation becomes, nil where it stays as it is, and why
// what the event asks for cannot be. The caller holds its lock and the shards.
func (o *Order) outcome(l *Ledger, r *Reservation) (next *Reservation, refused Code, err error) {
	switch o.Kind {
	case KindOrderPlaced:
		switch {
		case r == nil || r.waits():
			return o.placed(l, r)
		case r.Call == o.Call:
			return nil, OK, nil // told once more, under another name
		}
		return nil, OK, refuseOtherHold()
	case KindOrderPaid:
		next, refused = o.paid(r)
		return next, refused, nil
	}
	next, refused = o.cancelled(l, r)
	if next != nil && len(next.Lines) > orderWaitsMax && next.waits() {
		return nil, OK, refuse(InvalidEvent, fmt.Sprintf("lines: more than %d wait for the order to be placed", orderWaitsMax))
	}
	return next, refused, nil
}

// orderPayload is what the entry keeps beside the reservation; nil where that is nothing.
func orderPayload(refused Code, reason string) []byte {
	if refused == OK && reason == "" {
		return nil
	}
	word := ""
	if refused != OK {
		word = refused.String()
	}
	return appendString(appendString(nil, word), reason)
}

// OrderOutcome tells of an entry of an order's event why it could not be done, "" if it
// was, and the reason that the event gave.
func (e *Entry) OrderOutcome() (refused, reason string, err error) {
	if e.Kind < KindOrderPlaced || e.Kind > KindPaymentFailed || len(e.Payload) == 0 {
		return "", "", nil
	}
	d := decoder{b: e.Payload}
	refused, reason = d.string(), d.string()
	if d.bad || len(d.b) != 0 {
		return "", "", fmt.Errorf("entry %d does not say what came of the order", e.Seq)
	}
	return refused, reason, nil
}
