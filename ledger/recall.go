package ledger

import "errors"

// RecallCall tells the answer to a call that was made before with its key, once
// that is durable. found is false where the key is free; another call's key is
// refused as IdempotencyMismatch. It changes nothing, so who finds something wrong
// with a call can ask whether it was answered before, which comes first.
func (l *Ledger) RecallCall(key CallKey, now Millis) (res Result, found bool, err error) {
	slot, first, err := l.beginKey(key, now)
	if err != nil {
		return Result{}, false, err
	}
	slot.end()
	if first == 0 {
		return Result{}, false, nil
	}
	return l.recalled(first, "", CallKey{}, now)
}

// RecallHold is RecallCall for a hold, which its id answers too. Lines are not looked at.
func (l *Ledger) RecallHold(h *Hold) (res Result, found bool, err error) {
	if res, found, err = l.RecallCall(h.Key, h.Now); found || err != nil {
		return res, found, err
	}
	rs, old, err := l.lockReservation(h.ID)
	if err != nil {
		return Result{}, false, err
	}
	rs.mu.Unlock()
	if old == nil && l.inbound.shipped(h.ID, h.Now) != NoTransfer {
		return Result{}, false, refuseOtherHold()
	}
	if old == nil {
		return Result{}, false, nil
	}
	if old.Call != h.Call {
		return Result{}, false, refuseOtherHold()
	}
	return l.recalled(old.Created, h.ID, h.Key, h.Now)
}

func (l *Ledger) recalled(first Seq, id string, key CallKey, now Millis) (Result, bool, error) {
	res, err := l.replay(first, id, key, now)
	if err == nil {
		err = l.Wait(res.Seq)
	}
	return res, true, err
}

func refuseOtherHold() *Refused {
	return refuse(IdempotencyMismatch, "a reservation or transfer with this id was made by another request")
}

// replay answers a call that was made before from the entry that it made, and
// remembers key for it if that is new. A reservation may outlive the journal that
// tells how it began: then its id, if given, answers with what it is now.
func (l *Ledger) replay(first Seq, id string, key CallKey, now Millis) (Result, error) {
	e, err := l.Entry(first)
	if errors.Is(err, ErrNoEntry) && id != "" {
		e.Reservation, _, err = l.Reservation(id, now)
		if e.Reservation == nil && err == nil {
			err = refuse(UnknownReservation, quoted([]byte(id))) // dropped in between
		}
	}
	if err != nil {
		return Result{}, err
	}
	res := Result{Seq: first, Reservation: e.Reservation, Replayed: true}
	if e.Kind == KindFulfil {
		res.Movement = first
	}
	if key != (CallKey{}) && key != e.Key {
		if res.Seq, err = l.bind(key, e.Reservation, now); err != nil {
			return Result{}, err
		}
	}
	r, ok, err := l.Reservation(e.Reservation.ID, now)
	if ok {
		res.StateNow = r.State
	}
	return res, err
}

// bind enters a key's answer where the call itself changes nothing, and tells the
// entry that holds it.
func (l *Ledger) bind(key CallKey, answer *Reservation, now Millis) (Seq, error) {
	slot, first, err := l.beginKey(key, now)
	if first != 0 || err != nil {
		return first, err
	}
	defer slot.end()
	return l.enterAnswer(slot, answer, now), nil
}

// enterAnswer makes answer what slot's key is answered with from now on.
func (l *Ledger) enterAnswer(slot keySlot, answer *Reservation, now Millis) Seq {
	e := newEntry(KindAnswer, now)
	e.key, e.reservation = slot.key, answer
	seq := l.journal.append(e)
	slot.taken(seq, now)
	return seq
}
