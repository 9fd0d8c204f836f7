package retailer

// sale is one customer at one till.
func (r *Retailer) sale(store int32, millis int64) {
	rng := r.stream.rng
	r.begin("pos.sale", store, r.pickTill(store), millis)
	s := &r.shelves[store]
	for range 1 + min(rng.IntN(r.config.BasketMax), rng.IntN(r.config.BasketMax)) {
		place, item, steps := 0, int32(0), int32(0)
		// Who finds a shelf empty takes something else, mostly. The last try stands: what a till sells
		// need not be what the books say is there.
		for range 4 {
			place = s.zipf.draw(rng)
			item = s.item(place)
			steps = r.pickQuantity(item)
			if s.onHand[place] >= steps {
				break
			}
		}
		r.line(item, steps)
		r.endLine(place, -steps)
	}
}

// customerReturn is goods brought back to one till, a fifth of them damaged.
func (r *Retailer) customerReturn(store int32, millis int64) {
	rng := r.stream.rng
	r.begin("pos.return", store, r.pickTill(store), millis)
	s := &r.shelves[store]
	for range 1 + min(rng.IntN(3), rng.IntN(3)) {
		place := s.zipf.draw(rng)
		item := s.item(place)
		steps := r.pickQuantity(item)
		r.line(item, steps)
		if rng.IntN(5) == 0 {
			r.member("condition", "damaged")
		}
		r.endLine(place, steps)
	}
}

func (r *Retailer) pickTill(store int32) int {
	return 1 + r.stream.rng.IntN(formatOf(int(store)).tills)
}

// pickQuantity is mostly one piece, or between 80 grams and two and a half kilograms.
func (r *Retailer) pickQuantity(item int32) int32 {
	rng := r.stream.rng
	if r.catalogue.weighed[item] {
		return 80 + rng.Int32N(2421)
	}
	switch p := rng.IntN(100); {
	case p < 85:
		return 1
	case p < 95:
		return 2
	default:
		return 3 + rng.Int32N(4)
	}
}
