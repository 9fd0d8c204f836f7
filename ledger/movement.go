package ledger

import "fmt"

// Movement is a stock event that moves units by a difference: a sale, return,
// receipt, shipment, adjustment, transfer or a transfer's receipt. It is a fact and is never refused for lack of stock.
type Movement struct {
	Kind        Kind
	Name        EventName
	Received    Millis // when it came to us
	Location    Location
	Reservation string // what it hands over, if any
	Lines       []MovementLine
	Exceptions  []Exception // what was found on the way here

	// Inbound is the document of goods under way that it ships or receives, nil if none;
	// the ledger fills in its lines, and keeps nothing of it.
	Inbound *InboundChange
}

// MovementLine is one SKU of a movement; there is one for each SKU.
type MovementLine struct {
	SKU        SKU
	Quantity   Qty // by how much on hand changes
	Unsellable Qty // by how much unsellable changes with it
}

// eventTime is the time that orders the event: its own, or its arrival's where its
// clock is further ahead of ours than the skew permits.
func (l *Ledger) eventTime(said, received Millis) (t Millis, skewed bool, err error) {
	if said > received+l.opts.MaxSkewMillis {
		return received, true, nil
	}
	if said < max(1, received-l.opts.EventRetentionMillis) { // positions keep no time before 1970
		return 0, false, refuse(TooOld, fmt.Sprintf("it is %d days old, and names of events are kept for %d",
			(received-said)/dayMillis, l.opts.EventRetentionMillis/dayMillis))
	}
	return said, false, nil
}

func (m *Movement) apply(l *Ledger) (Result, error) {
	t, skewed, err := l.eventTime(m.Name.Time, m.Received)
	if err != nil {
		return Result{}, err
	}
	l.expireDue(m.Received)
	slot, done, err := l.beginEvent(m.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()

	e := newEntry(m.Kind, m.Received)
	defer e.free()
	e.event, e.time, e.id = m.Name, t, uint32(m.Location)
	e.exceptions = append(e.exceptions, m.Exceptions...)
	if skewed {
		e.except(ClockSkew, 0, m.Location, 0, 0)
	}
	voided := slot.voided(l)
	for _, ln := range m.Lines {
		if voided {
			ln.Quantity, ln.Unsellable = 0, 0
		}
		e.effect(ln.SKU, m.Location, ln.Quantity, Figures{Unsellable: ln.Unsellable})
	}
	var holder *reservationShard
	var next *Reservation
	if id := m.promise(voided); id != "" {
		rs, r, err := l.lockReservation(id)
		if err != nil {
			return Result{}, err
		}
		defer rs.mu.Unlock()
		if m.Kind == KindTransfer {
			next = m.ship(e, r, voided)
		} else {
			next = m.handOver(e, r)
		}
		if next != nil {
			holder = rs
		}
	}
	if m.Inbound != nil {
		l.inbound.mu.Lock()
		defer l.inbound.mu.Unlock()
		if err := m.changeInbound(l, e, voided); err != nil {
			return Result{}, err
		}
	}
	shards, err := e.gather()
	if err != nil {
		return Result{}, err
	}
	l.lockShards(shards)
	defer l.unlockShards(shards)
	if err := l.settle(e); err != nil {
		return Result{}, err
	}
	e.reservation = next
	seq := l.enter(e)
	if e.payload != nil {
		l.inbound.apply(m.Inbound, e.moment(seq))
	}
	slot.taken(seq)
	l.feeds.saw(m.Location, m.Name.Source, t)
	if holder != nil {
		next.Seq = seq
		holder.put(next)
	}
	return Result{Seq: seq, Reservation: next}, nil
}

// promise is the reservation that the movement hands over, or the transfer asked for that
// it ships: the latter also where it was undone before it came, for then it never ships.
func (m *Movement) promise(voided bool) string {
	switch {
	case m.Kind == KindTransfer:
		return m.Inbound.ID
	case voided:
		return ""
	}
	return m.Reservation
}

// handOver takes what of the movement is still promised under r out of the
// promise, and confirms the rest. It returns the reservation after that, or nil
// where there is none to hand over; what exceeds it is a plain movement.
func (m *Movement) handOver(e *entryDraft, r *Reservation) *Reservation {
	if r == nil || !r.State.Open() || r.To != 0 {
		e.except(ReservationMismatch, 0, m.Location, 0, 0)
		return nil
	}
	next := r.clone()
	next.Seq = 0
	for i := range next.Lines {
		next.Lines[i].Available = -1 // belongs to the answer that made it
	}
	next.confirmAll(e)
	for _, ln := range m.Lines {
		left := -ln.Quantity
		for i := range next.Lines {
			rl := &next.Lines[i]
			if rl.SKU != ln.SKU || rl.Location != m.Location || left <= 0 {
				continue
			}
			q := min(left, rl.Committed)
			rl.Committed -= q
			rl.Fulfilled += q
			left -= q
			e.effect(rl.SKU, rl.Location, 0, Figures{Committed: -q})
		}
		if left > 0 {
			e.except(ReservationMismatch, ln.SKU, m.Location, -ln.Quantity-left, -ln.Quantity)
		}
	}
	next.settle()
	return next
}

// confirmAll turns what is held into committed, without a deadline.
func (r *Reservation) confirmAll(e *entryDraft) {
	if r.State != Held {
		return
	}
	r.State, r.ExpiresAt = Confirmed, 0
	for i := range r.Lines {
		ln := &r.Lines[i]
		if ln.Held > 0 {
			e.effect(ln.SKU, ln.Location, 0, Figures{Held: -ln.Held, Committed: ln.Held})
			ln.Committed += ln.Held
			ln.Held = 0
		}
	}
}
