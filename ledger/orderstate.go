package ledger

// waits says that the reservation only keeps what came before its order was placed.
func (r *Reservation) waits() bool {
	return r.State == AwaitedOrder || r.State == PaidOrder || r.State == Cancelled && len(r.Lines) == 0
}

// placed holds what was placed, less what of it was cancelled before. early is what came before, or nil.
func (o *Order) placed(l *Ledger, early *Reservation) (*Reservation, Code, error) {
	next := &Reservation{ID: o.ID, State: Held, Channel: o.Channel, Reference: o.ID, CreatedAt: o.Received, ExpiresAt: o.ExpiresAt,
		Call: o.Call, Lines: make([]ReservationLine, len(o.Lines))}
	for i, ln := range o.Lines {
		next.Lines[i] = ReservationLine{SKU: ln.SKU, Location: ln.Location, Quantity: ln.Quantity, Held: ln.Quantity, Available: -1,
			Decimals: uint8(l.Decimals(ln.SKU))}
	}
	paid := false
	if early != nil {
		paid = early.State == PaidOrder
		if early.State == Cancelled {
			next.cancelAll()
			next.State = Cancelled
		}
		lines := make([]HoldLine, len(early.Lines))
		for i := range early.Lines {
			lines[i] = HoldLine{early.Lines[i].SKU, early.Lines[i].Location, early.Lines[i].Cancelled}
		}
		next.cancelUpTo(lines)
	}
	if next.settle(); next.State != Held {
		next.ExpiresAt = 0
		return next, OK, nil // nothing of it is wanted any more
	}
	refused, err := next.obtain(l)
	if refused == OK && paid {
		next.confirmAll(&entryDraft{}) // what it does to positions is told from its lines
	}
	return next, refused, err
}

// obtain finds whether all that is held of a new order can be; if not, nothing is.
func (r *Reservation) obtain(l *Ledger) (refused Code, err error) {
	err = l.checkPlaces(len(r.Lines), func(i int) (SKU, Location) { return r.Lines[i].SKU, r.Lines[i].Location })
	if err != nil {
		inactive, ok := err.(*Refused)
		if !ok || inactive.Code != LocationInactive {
			return OK, err
		}
		refused = LocationInactive
		for i := range r.Lines {
			if !l.catalogue.locations.trait(uint32(r.Lines[i].Location)).active() {
				r.Lines[i].Available = 0
			}
		}
	} else {
		for i := range r.Lines {
			ln := &r.Lines[i]
			if available := l.available(ln.SKU, ln.Location, 0); available < ln.Held {
				ln.Available, refused = available, InsufficientStock
			}
		}
	}
	if refused != OK {
		r.State, r.ExpiresAt = RefusedOrder, 0
		for i := range r.Lines {
			r.Lines[i].Held = 0
		}
	}
	return refused, nil
}

func (o *Order) paid(r *Reservation) (*Reservation, Code) {
	switch {
	case r == nil:
		return o.early(PaidOrder), OK
	case r.State == PaidOrder || r.State == Confirmed || r.State == Fulfilled:
		return nil, OK
	case r.State == AwaitedOrder:
		next := r.changed()
		next.State = PaidOrder
		return next, OK
	case r.State == Expired || r.State == Held && r.ExpiresAt <= o.Received:
		return nil, ReservationExpired
	case r.State == Held:
		next := r.changed()
		next.confirmAll(&entryDraft{}) // as above
		return next, OK
	}
	return nil, WrongState
}

// cancelled lets go what is named, and no more than is left. Where nothing is left to let
// go it has nothing to do, unless the goods are gone.
func (o *Order) cancelled(l *Ledger, r *Reservation) (next *Reservation, refused Code) {
	switch {
	case r == nil && len(o.Lines) == 0:
		return o.early(Cancelled), OK
	case r == nil:
		next = o.early(AwaitedOrder)
		next.await(l, o.Lines)
	case r.State == Fulfilled:
		return nil, WrongState
	case r.State == AwaitedOrder || r.State == PaidOrder:
		next = r.changed()
		if next.await(l, o.Lines); len(o.Lines) == 0 {
			next.State, next.Lines = Cancelled, nil
		}
	case !r.State.Open():
		return nil, OK
	case len(o.Lines) == 0:
		next = r.changed()
		next.cancelAll()
		next.State, next.ExpiresAt = Cancelled, 0
	default:
		next = r.changed()
		next.cancelUpTo(o.Lines)
		next.settle()
	}
	return next, OK
}

// early is what an event leaves that came before its order was placed.
func (o *Order) early(s State) *Reservation {
	return &Reservation{ID: o.ID, State: s, Reference: o.ID, CreatedAt: o.Received}
}
