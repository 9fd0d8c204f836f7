package retailer

import "iter"

// Tally counts what the stream has handed out.
type Tally struct {
	Events     int64 // distinct ones, late ones among them
	Duplicates int64 // records that repeated an earlier one
	Late       int64 // distinct events handed out after their time
	Lines      int64 // lines of the distinct events
}

// Tally is what Next and Flush have handed out so far; master data and opening counts are not in it.
func (r *Retailer) Tally() Tally { return r.stream.tally }

// Expected is what on hand must be, in smallest steps of the SKU, once the opening counts and all
// records handed out so far are applied, each distinct event once. A position that the location does
// not carry has 0.
func (r *Retailer) Expected(location, sku string) int64 {
	s, place, ok := r.find(location, sku)
	if !ok {
		return 0
	}
	return int64(s.onHand[place])
}

// Carried goes through what a location carries, best seller first, with what Expected says of each.
// An unknown location carries nothing.
func (r *Retailer) Carried(location string) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		l, known := r.indexOf[location]
		if !known {
			return
		}
		s := &r.shelves[l]
		for place, steps := range s.onHand {
			if !yield(r.catalogue.skus[s.item(place)], int64(steps)) {
				return
			}
		}
	}
}

// SetOnHand puts a position of the books at what the service says, for a run that continues another
// one without new opening counts: sales and deliveries then go on from there. It reports whether the
// location carries the SKU; steps beyond 32 bits are cut to them.
func (r *Retailer) SetOnHand(location, sku string, steps int64) bool {
	s, place, ok := r.find(location, sku)
	if ok {
		steps = min(max(steps, -1<<31), 1<<31-1)
		r.move(s, r.indexOf[location], move{int32(place), int32(steps) - s.onHand[place]})
	}
	return ok
}
