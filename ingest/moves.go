package ingest

import "onhand/ledger"

// movesMax is of how many lines of a refused event it is told what they would have moved.
const movesMax = 1000

// explain adds to a letter what its event, which was refused last, would have moved: a
// difference there may be explained by it. It is for those refusals that leave out units
// which did move: for a code that nobody knows, and for a name that was used before.
func (d *decoder) explain(letter *ledger.DeadLetter, refused *ledger.Refused) {
	if refused.Code != ledger.UnknownSKU && refused.Code != ledger.IdempotencyMismatch || d.kind < kindSale || d.kind > kindAdjustment {
		return
	}
	loc, known := d.ledger.FindLocation(d.system, d.location)
	if !known {
		return
	}
	letter.HappenedAt = d.time
	sums := make(map[ledger.SKU]int64)
	for i := range d.lines[:min(len(d.lines), movesMax)] {
		ln := &d.lines[i]
		sku, known := d.ledger.FindSKU(d.system, ln.sku)
		if !known || ln.quantity.Overflow {
			continue
		}
		if steps, ok := ln.quantity.Scaled(d.ledger.Decimals(sku)); ok && isQuantity(steps) {
			sums[sku] += d.kind.sign() * steps
		}
	}
	for sku, moved := range sums {
		if moved != 0 && isQuantity(moved) {
			letter.Moves = append(letter.Moves, ledger.LetterMove{SKU: sku, Location: loc, Moved: ledger.Qty(moved)})
		}
	}
}
