package ledger

// changed is a copy to be changed by a new entry.
func (r *Reservation) changed() *Reservation {
	next := r.clone()
	next.Seq = 0
	for i := range next.Lines {
		next.Lines[i].Available = -1 // belongs to the answer that made it
	}
	return next
}

// await adds to what is to be cancelled once the order is placed.
func (r *Reservation) await(l *Ledger, lines []HoldLine) {
	at := make(map[[2]uint32]int, len(r.Lines)+len(lines))
	for i := range r.Lines {
		at[lineKey(r.Lines[i].SKU, r.Lines[i].Location)] = i
	}
	for _, ln := range lines {
		k := lineKey(ln.SKU, ln.Location)
		i, ok := at[k]
		if !ok {
			i = len(r.Lines)
			at[k] = i
			r.Lines = append(r.Lines, ReservationLine{SKU: ln.SKU, Location: ln.Location, Available: -1, Decimals: uint8(l.Decimals(ln.SKU))})
		}
		r.Lines[i].Cancelled = clampQty(int64(r.Lines[i].Cancelled) + int64(ln.Quantity))
	}
}

func (r *Reservation) cancelAll() {
	for i := range r.Lines {
		r.Lines[i].drop(r.Lines[i].open())
	}
}

// cancelUpTo lets go what lines name, as far as it is there: first of those that say where,
// or one that does not could take what only another can have.
func (r *Reservation) cancelUpTo(lines []HoldLine) {
	bySKU := make(map[SKU][]int, len(r.Lines))
	for i := range r.Lines {
		bySKU[r.Lines[i].SKU] = append(bySKU[r.Lines[i].SKU], i)
	}
	for _, anywhere := range [...]bool{false, true} {
		for _, want := range lines {
			of := bySKU[want.SKU]
			for j := len(of) - 1; j >= 0 && want.Quantity > 0 && (want.Location == 0) == anywhere; j-- {
				ln := &r.Lines[of[j]]
				if anywhere || ln.Location == want.Location {
					q := min(want.Quantity, ln.open())
					ln.drop(q)
					want.Quantity -= q
				}
			}
		}
	}
}

// drop lets go so many units, which are there.
func (ln *ReservationLine) drop(q Qty) {
	fromHeld := min(q, ln.Held)
	ln.Held -= fromHeld
	ln.Committed -= q - fromHeld
	ln.Cancelled += q
}
