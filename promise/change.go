package promise

import "onhand/ledger"

// Change asks for a change of a reservation. Like Request it may be used again.
type Change struct {
	Op        ledger.Kind // KindConfirm, KindCancel, KindFulfil, KindAmend or KindExtend
	ID        string
	Lines     []Line // with HasLines: the part it is about; amending, what the lines become
	HasLines  bool
	Reference []byte        // confirming; nil: as it is
	Reason    []byte        // cancelling
	TTLMillis ledger.Millis // extending, and amending if not 0: the deadline is so long from now
	Time      ledger.Millis // fulfilling: when it left; 0: now
	Transfer  bool          // cancelling and amending: of a transfer asked for

	Key ledger.CallKey // zero: sent without one

	transition ledger.Transition
	placed     []place
}

// Change makes the change. Errors are *Refusal and those of ledger.Apply.
func (s *Service) Change(c *Change) (ledger.Result, error) {
	changeCalls[c.Op].Inc()
	now := s.ledger.Now()
	t := &c.transition
	*t = ledger.Transition{Op: c.Op, ID: c.ID, Key: c.Key, Now: now, HasLines: c.HasLines, Time: c.Time, Transfer: c.Transfer,
		Reference: string(c.Reference), Reason: string(c.Reason), Lines: t.Lines[:0]}
	if c.TTLMillis != 0 {
		t.ExpiresAt = now + c.TTLMillis
	}
	err := s.prepareChange(c, false)
	if err != nil {
		// An earlier answer goes first, then what is wrong with the reservation.
		res, found, recallErr := s.ledger.RecallCall(c.Key, now)
		if found || recallErr != nil {
			return s.answered(res, recallErr)
		}
		if stateErr := s.changeable(c.ID, now); stateErr != nil {
			return s.answered(ledger.Result{}, stateErr)
		}
		if s.ledger.Options().OpenCatalogue {
			err = s.prepareChange(c, true)
		}
	}
	if err != nil {
		return s.answered(ledger.Result{}, err)
	}
	return s.answered(s.ledger.Apply(t))
}

// prepareChange resolves the change's lines into the transition's. What takes
// units out of lines that are there never adds a name to the catalogue.
func (s *Service) prepareChange(c *Change, onSight bool) (err error) {
	add := adding{stock: onSight && c.Op == ledger.KindAmend, from: onSight}
	c.placed, err = s.places(c.placed[:0], c.Lines, c.transition.Now, add)
	if err != nil {
		return err
	}
	for _, p := range c.placed {
		c.transition.Lines = append(c.transition.Lines,
			ledger.TransitionLine{SKU: p.sku, Location: p.location, Quantity: p.quantity, From: p.from})
	}
	return nil
}

// changeable refuses a reservation that nobody made or whose deadline has passed.
func (s *Service) changeable(id string, now ledger.Millis) error {
	r, ok, err := s.ledger.Reservation(id, now)
	switch {
	case err != nil:
		return err
	case !ok:
		return &Refusal{Code: ledger.UnknownReservation, Detail: quoted([]byte(id))}
	case r.State == ledger.Expired:
		return &Refusal{Code: ledger.ReservationExpired, Detail: "its deadline has passed"}
	}
	return nil
}
