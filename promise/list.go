package promise

import "onhand/ledger"

// Filter says which reservations are listed; members left empty mean any.
type Filter struct {
	Reference string
	Owner     string
	State     ledger.State
	Locations []string // a line at one of them
	Transfers bool     // transfers asked for, which are left out otherwise
}

// List returns what matches in order of id, after the id after ("": from the
// first), at most limit of them, and whether there are more. Errors are *Refusal
// with UnknownLocation, and those of the store.
func (s *Service) List(f Filter, after string, limit int) (items []*ledger.Reservation, more bool, err error) {
	lf := ledger.ReservationFilter{Reference: f.Reference, Owner: f.Owner, State: f.State, Transfers: f.Transfers}
	for _, name := range f.Locations {
		id, ok := s.ledger.LookupLocation([]byte(name))
		if !ok {
			return nil, false, &Refusal{Code: ledger.UnknownLocation, Detail: quoted([]byte(name))}
		}
		lf.Locations = append(lf.Locations, id)
	}
	items, err = s.ledger.Reservations(lf, after, limit+1, s.ledger.Now())
	if err != nil || len(items) <= limit {
		return items, false, err
	}
	return items[:limit], true, nil
}
