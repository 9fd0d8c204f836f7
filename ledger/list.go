package ledger

import (
	"cmp"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// ReservationFilter says which reservations are listed; members left empty mean any.
type ReservationFilter struct {
	Reference string
	Owner     string
	State     State
	Locations []Location // a line at one of them
	Transfers bool       // transfers asked for, which are left out otherwise
}

func (f *ReservationFilter) matches(r *Reservation) bool {
	if f.Transfers != (r.To != 0) {
		return false
	}
	if f.Reference != "" && r.Reference != f.Reference || f.Owner != "" && r.Owner != f.Owner ||
		f.State != NoState && r.State != f.State {
		return false
	}
	return len(f.Locations) == 0 || slices.ContainsFunc(r.Lines, func(ln ReservationLine) bool {
		return slices.Contains(f.Locations, ln.Location)
	})
}

// Reservations lists what matches in order of id, after the id after, at most limit of them.
func (l *Ledger) Reservations(f ReservationFilter, after string, limit int, now Millis) ([]*Reservation, error) {
	l.expireDue(now)
	found := make(map[string]*Reservation)
	for i := range l.reservations.shards {
		s := &l.reservations.shards[i]
		s.mu.RLock()
		for id, r := range s.byID {
			if id > after && f.matches(r) {
				found[id] = r
			}
		}
		s.mu.RUnlock()
	}
	if f.State == NoState || !f.State.Open() {
		// Last what is on disk: what moved there meanwhile is then found, not missed.
		if err := l.listFinished(&f, after, limit, found); err != nil {
			return nil, err
		}
	}
	out := make([]*Reservation, 0, len(found))
	for _, r := range found {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *Reservation) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(limit, len(out))], nil
}

// listFinished finds those on disk, by index where the filter names what has one.
func (l *Ledger) listFinished(f *ReservationFilter, after string, limit int, found map[string]*Reservation) error {
	prefix := []byte{prefixFinished}
	switch {
	case f.Reference != "":
		prefix = indexPrefix('r', f.Reference)
	case f.Owner != "":
		prefix = indexPrefix('o', f.Owner)
	}
	bounds := span(prefix...)
	bounds.LowerBound = append(slices.Clone(prefix), after...)
	n := 0
	err := scan(l.db, bounds, func(k, v []byte) error {
		id := string(k[len(prefix):])
		if id <= after {
			return nil
		}
		var r *Reservation
		var err error
		if prefix[0] == prefixFinished {
			r, err = decodeReservation(v)
		} else {
			r, err = l.finishedOnDisk(id)
		}
		if err != nil || r == nil || l.inMemory(id) {
			return err // what is in memory is newer
		}
		if f.matches(r) {
			found[id] = r
			if n++; n == limit {
				return errEnough
			}
		}
		return nil
	})
	if err == errEnough {
		return nil
	}
	return err
}

func (l *Ledger) inMemory(id string) bool {
	s := l.reservations.shard(id)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byID[id] != nil
}

// Stats are counts of what the ledger holds.
type Stats struct {
	SKUs, Locations, Positions int
	Open                       int // reservations held or confirmed
	Held                       int
}

// Stats counts what there is.
func (l *Ledger) Stats() Stats {
	st := Stats{SKUs: int(l.catalogue.skus.size()) - 1, Locations: int(l.catalogue.locations.size()) - 1}
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.RLock()
		for j := range sh.pages {
			st.Positions += len(sh.pages[j].positions)
		}
		sh.mu.RUnlock()
	}
	for i := range l.reservations.shards {
		s := &l.reservations.shards[i]
		s.mu.RLock()
		for _, r := range s.byID {
			if r.State == Held {
				st.Held++
			}
			if r.State.Open() {
				st.Open++
			}
		}
		s.mu.RUnlock()
	}
	return st
}

// marked lists the seqs under an index prefix, from after on.
func (l *Ledger) marked(prefix byte, after Seq, limit int, fn func(seq Seq, value []byte) error) error {
	n := 0
	err := scan(l.db, &pebble.IterOptions{LowerBound: seqKey(prefix, after+1), UpperBound: []byte{prefix + 1}}, func(k, v []byte) error {
		if n++; n > limit {
			return errEnough
		}
		d := decoder{b: k[1:]}
		return fn(Seq(d.fixed64()), v)
	})
	if err == errEnough {
		return nil
	}
	return err
}
