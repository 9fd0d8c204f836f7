package ledger

import "fmt"

// amend makes the lines what the call says in one step. What is fulfilled stays
// fulfilled; the rest of each line is held or committed as the reservation is.
func (t *Transition) amend(e *entryDraft, next *Reservation) error {
	lines, err := t.placed(next)
	if err != nil {
		return err
	}
	old := make(map[[2]uint32]ReservationLine, len(next.Lines))
	for _, ln := range next.Lines {
		old[lineKey(ln.SKU, ln.Location)] = ln
	}
	become := make([]ReservationLine, 0, len(lines))
	for _, hl := range lines {
		k := lineKey(hl.SKU, hl.Location)
		was := old[k]
		delete(old, k)
		if hl.Quantity < was.Fulfilled {
			return &Refused{Code: OverFulfilment, Detail: fmt.Sprintf("%d were fulfilled already", was.Fulfilled),
				Short: []Shortfall{{hl.SKU, hl.Location, int64(hl.Quantity), was.Fulfilled}}}
		}
		ln := ReservationLine{SKU: hl.SKU, Location: hl.Location, Quantity: hl.Quantity, Fulfilled: was.Fulfilled, Available: -1}
		open := hl.Quantity - was.Fulfilled
		if next.State == Held {
			ln.Held = open
		} else {
			ln.Committed = open
		}
		e.effect(ln.SKU, ln.Location, 0, Figures{Held: ln.Held - was.Held, Committed: ln.Committed - was.Committed})
		become = append(become, ln)
	}
	for i := range next.Lines { // in their order, not the map's
		was, dropped := old[lineKey(next.Lines[i].SKU, next.Lines[i].Location)]
		if !dropped {
			continue
		}
		if was.Fulfilled > 0 {
			return &Refused{Code: OverFulfilment, Detail: fmt.Sprintf("a line is left out of which %d were fulfilled", was.Fulfilled),
				Short: []Shortfall{{was.SKU, was.Location, 0, was.Fulfilled}}}
		}
		e.effect(was.SKU, was.Location, 0, Figures{Held: -was.Held, Committed: -was.Committed})
	}
	next.Lines = become
	if t.ExpiresAt != 0 {
		next.ExpiresAt = t.ExpiresAt
	}
	return nil
}

func lineKey(sku SKU, loc Location) [2]uint32 { return [2]uint32{uint32(sku), uint32(loc)} }

// placed gives each of the call's lines its location and adds up those of one
// position. Lines without a location are added up by SKU and taken from the
// reservation's lines of it: less takes from the last to the first, but never what
// was fulfilled there; more goes to the last.
func (t *Transition) placed(r *Reservation) ([]HoldLine, error) {
	lines := make([]HoldLine, 0, len(t.Lines))
	floating := make(map[SKU]int64)
	for _, tl := range t.Lines {
		if tl.Location == 0 {
			floating[tl.SKU] += int64(tl.Quantity)
		}
	}
	for i, tl := range t.Lines {
		if tl.Location != 0 {
			lines = append(lines, HoldLine{tl.SKU, tl.Location, tl.Quantity})
			continue
		}
		left, first := floating[tl.SKU]
		if !first {
			continue
		}
		delete(floating, tl.SKU)
		if !inRange(left) {
			return nil, refuseSum()
		}
		var err error
		if lines, err = spread(lines, r, tl.SKU, Qty(left), i); err != nil {
			return nil, err
		}
	}
	merged, _, ok := MergeHoldLines(lines)
	if !ok {
		return nil, refuseSum()
	}
	return merged, nil
}

func refuseSum() *Refused {
	return refuse(InvalidQuantity, "the lines of one position add up to more than a quantity holds")
}

// spread appends what of quantity each of the reservation's lines of a SKU keeps
// or gets; line is the call's line that asks.
func spread(lines []HoldLine, r *Reservation, sku SKU, quantity Qty, line int) ([]HoldLine, error) {
	left, last := int64(quantity), -1
	for i := range r.Lines {
		if r.Lines[i].SKU == sku {
			left -= int64(r.Lines[i].Fulfilled)
			last = i
		}
	}
	switch {
	case last < 0:
		return nil, refuse(NotSupported, fmt.Sprintf("lines[%d].location: the reservation has no line of this SKU, so a location must be named", line))
	case left < 0:
		return nil, &Refused{Code: OverFulfilment, Detail: fmt.Sprintf("lines[%d]: more was fulfilled already", line),
			Short: []Shortfall{{sku, 0, int64(quantity), Qty(int64(quantity) - left)}}}
	}
	for i := range r.Lines {
		ln := &r.Lines[i]
		if ln.SKU != sku {
			continue
		}
		q := min(left, int64(ln.Quantity)-int64(ln.Cancelled)-int64(ln.Fulfilled))
		if i == last {
			q = left
		}
		left -= q
		if q += int64(ln.Fulfilled); q > 0 {
			lines = append(lines, HoldLine{sku, ln.Location, Qty(q)})
		}
	}
	return lines, nil
}

// checkAmend refuses more than there is, the reservation's own units counting as
// available to it. Less than before is never refused, however short the position.
func (t *Transition) checkAmend(l *Ledger, old, next *Reservation) error {
	if err := l.checkActive(next); err != nil {
		return err
	}
	own := make(map[[2]uint32]Qty, len(old.Lines))
	for i := range old.Lines {
		own[lineKey(old.Lines[i].SKU, old.Lines[i].Location)] = old.Lines[i].open()
	}
	var short []Shortfall
	for i := range next.Lines {
		ln := &next.Lines[i]
		ln.Decimals = uint8(l.Decimals(ln.SKU))
		had := own[lineKey(ln.SKU, ln.Location)]
		if ln.open() <= had {
			continue
		}
		if available := l.available(ln.SKU, ln.Location, had); available < ln.open() {
			short = append(short, Shortfall{ln.SKU, ln.Location, int64(ln.Quantity), ln.Fulfilled + max(available, had)})
		}
	}
	if short != nil {
		return &Refused{Code: InsufficientStock, Short: short}
	}
	return nil
}
