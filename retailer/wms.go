package retailer

import "iter"

// Sizes of events from the warehouse system, in lines.
const (
	openingLinesMax = 1000
	receiptLinesMax = 64
	receiptLinesDue = 24 // so many newly low places make a delivery worthwhile
)

// Opening counts all positions just before Config.Start: what Expected says before anything moved.
// It can be repeated and gives the same bytes each time. Its records are not in the Tally.
func (r *Retailer) Opening() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for at := range r.shelves {
			if !r.openingCounts(at, yield) {
				return
			}
		}
	}
}

func openingEvents(s *shelf) int {
	return (len(s.onHand) + openingLinesMax - 1) / openingLinesMax
}

func (r *Retailer) openingCounts(at int, yield func(Record) bool) bool {
	s := &r.shelves[at]
	millis := r.config.Start.UnixMilli() - 1 // a movement in the same millisecond would be taken as counted
	id, last, more := uint32(0), len(s.onHand)-1, true
	s.open(r.config.random(purposeOpening, at), &r.catalogue, func(place int, steps int32) {
		if !more {
			return
		}
		if place%openingLinesMax == 0 {
			id++
			r.beginNamed("wms.count", int32(at), 0, id, millis)
		}
		r.line(s.item(place), steps)
		r.endLine(place, 0)
		if place == last || place%openingLinesMax == openingLinesMax-1 {
			more = yield(r.finish(TopicWMS))
		}
	})
	return more
}

// receipt delivers what is low at a store; false when by now nothing is.
func (r *Retailer) receipt(store int32, millis int64) bool {
	s := &r.shelves[store]
	s.due, s.fallen = false, 0
	taken, lines := 0, 0
	for _, place := range s.low {
		if lines == receiptLinesMax {
			break
		}
		taken++
		item := s.item(int(place))
		full := s.target(int(place)) * r.catalogue.unit(item)
		have := s.onHand[place]
		if have >= full/3 {
			continue // refilled since it was noted
		}
		if lines == 0 {
			r.begin("wms.receipt", store, 0, millis)
		}
		r.line(item, full-have)
		r.endLine(int(place), full-have)
		lines++
	}
	s.low = append(s.low[:0], s.low[taken:]...)
	return lines > 0
}

// adjustment is a correction of a single position: mostly something gone.
func (r *Retailer) adjustment(store int32, millis int64) {
	rng := r.stream.rng
	s := &r.shelves[store]
	place := s.zipf.draw(rng)
	item := s.item(place)
	steps, reason := r.pickQuantity(item), "found"
	if p := rng.IntN(8); p > 0 {
		steps = -steps
		reason = [...]string{"breakage", "theft", "expired"}[p%3]
	}
	r.begin("wms.adjustment", store, 0, millis)
	r.line(item, steps)
	r.endLine(place, steps)
	r.closeLines()
	r.member("reason", reason)
}

// move changes on hand and notes what has to be refilled. Warehouses are not: the stream leaves them alone.
func (r *Retailer) move(s *shelf, at int32, m move) {
	before := s.onHand[m.place]
	after := before + m.steps
	s.onHand[m.place] = after
	low := s.target(int(m.place)) * r.catalogue.unit(s.item(int(m.place))) / 3
	if after >= low || s.bulk > 1 {
		return
	}
	// A place is noted when it falls below, and again when a delivery that came late left it there:
	// it would not fall below a second time.
	if before >= low || m.steps > 0 {
		s.low = append(s.low, m.place)
		s.fallen++
	}
	if !s.due && (s.fallen >= receiptLinesDue || after <= 0) {
		s.due = true
		r.stream.due = append(r.stream.due, at)
	}
}
