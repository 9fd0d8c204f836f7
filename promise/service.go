// Package promise makes and changes reservations for callers that speak in names
// and decimal quantities.
//
// It promises: what it answers without an error is durable; an answer given before
// comes before anything else that may be said of a call; a refusal changes nothing
// and names every line that is at fault.
package promise

import (
	"crypto/rand"

	"onhand/ledger"
)

// Service makes and changes reservations. All methods may be called from many
// goroutines.
type Service struct {
	// NewID makes the id of a reservation whose caller gave none. It must not
	// repeat itself; set before the first call, if at all.
	NewID func() string

	ledger *ledger.Ledger
}

// New makes a service on l. Ids that it makes have 130 random bits.
func New(l *ledger.Ledger) *Service { return &Service{NewID: rand.Text, ledger: l} }

// Line is units of one SKU, by names.
type Line struct {
	SKU      []byte
	Location []byte // nil: none was named
	From     []byte // when fulfilling: where the goods really left; nil: the line's location
	Quantity ledger.Decimal
}

// Request asks for a reservation. A Request may be used again, by one caller at a
// time; nothing of it is kept but what the reservation copies.
type Request struct {
	ID           []byte // nil: the service makes one
	Channel      []byte
	Owner        []byte
	Reference    []byte
	TTLMillis    ledger.Millis
	AllowPartial bool
	Lines        []Line // each with a location; lines of one position are added up

	To    []byte        // nil: a reservation; else the transfer that the goods are to go by
	DueAt ledger.Millis // when they are expected there; 0: nobody said

	Key  ledger.CallKey // zero: sent without one
	Call ledger.Hash    // of the request: another one with this id is refused

	hold   ledger.Hold
	placed []place
	lines  []ledger.HoldLine
}

// Reserve holds the request's lines until its deadline. Errors are *Refusal and
// those of ledger.Apply.
func (s *Service) Reserve(q *Request) (ledger.Result, error) {
	if q.To == nil {
		reserveCalls.Inc()
	} else {
		transferCalls.Inc()
	}
	now := s.ledger.Now()
	h := &q.hold
	*h = ledger.Hold{Call: q.Call, Key: q.Key, Now: now, ExpiresAt: now + q.TTLMillis, AllowPartial: q.AllowPartial, DueAt: q.DueAt}
	h.ID, h.Channel, h.Owner, h.Reference = q.texts()
	err := s.prepare(q, false)
	if err != nil {
		// Whether the call was answered before goes first; it is looked at only
		// here because the ledger will look at it again with its locks held.
		res, found, recallErr := s.ledger.RecallHold(h)
		if found || recallErr != nil {
			return s.answered(res, recallErr)
		}
		if s.ledger.Options().OpenCatalogue {
			err = s.prepare(q, true)
		}
	}
	if err != nil {
		return s.answered(ledger.Result{}, err)
	}
	if h.ID == "" {
		h.ID = s.NewID()
	}
	return s.answered(s.ledger.Apply(h))
}

// prepare resolves the request's lines into the hold's.
func (s *Service) prepare(q *Request, onSight bool) (err error) {
	q.placed, err = s.places(q.placed[:0], q.Lines, q.hold.Now, adding{stock: onSight})
	if err != nil {
		return err
	}
	if q.To != nil {
		if err := s.destination(q, onSight); err != nil {
			return err
		}
	}
	q.lines = q.lines[:0]
	for _, p := range q.placed {
		q.lines = append(q.lines, ledger.HoldLine{SKU: p.sku, Location: p.location, Quantity: p.quantity})
	}
	merged, at, ok := ledger.MergeHoldLines(q.lines)
	if !ok {
		return badSum(q.Lines, at)
	}
	q.hold.Lines = merged
	return nil
}

// destination resolves where a transfer goes to.
func (s *Service) destination(q *Request, onSight bool) (err error) {
	to, known := s.ledger.LookupLocation(q.To)
	if !known && !onSight {
		return &Refusal{Code: ledger.UnknownLocation, Detail: "to: nobody knows " + quoted(q.To)}
	}
	if !known {
		if to, err = s.addLocation(q.To, q.hold.Now); err != nil {
			return err
		}
	}
	q.hold.To = to
	return nil
}

// texts copies what the reservation keeps, with one allocation for all.
func (q *Request) texts() (id, channel, owner, reference string) {
	var buf [256]byte
	b := append(append(append(append(buf[:0], q.ID...), q.Channel...), q.Owner...), q.Reference...)
	all := string(b)
	cut := func(n int) (part string) {
		part, all = all[:n], all[n:]
		return part
	}
	return cut(len(q.ID)), cut(len(q.Channel)), cut(len(q.Owner)), cut(len(q.Reference))
}

// answered puts the ledger's refusals into names, and counts.
func (s *Service) answered(res ledger.Result, err error) (ledger.Result, error) {
	switch {
	case err != nil:
		return ledger.Result{}, s.refusal(err)
	case res.Replayed:
		replays.Inc()
	}
	return res, nil
}

// Transfer returns a transfer as it is now. Errors are *Refusal with
// UnknownReservation, and those of the store.
func (s *Service) Transfer(id string) (*ledger.Transfer, error) {
	t, ok, err := s.ledger.Transfer(id, s.ledger.Now())
	if err == nil && !ok {
		err = &Refusal{Code: ledger.UnknownReservation, Detail: quoted([]byte(id))}
	}
	return t, err
}

// Get returns the reservation as it is now. Errors are *Refusal with
// UnknownReservation, and those of the store.
func (s *Service) Get(id string) (*ledger.Reservation, error) {
	r, ok, err := s.ledger.Reservation(id, s.ledger.Now())
	if err == nil && !ok {
		err = &Refusal{Code: ledger.UnknownReservation, Detail: quoted([]byte(id))}
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}
