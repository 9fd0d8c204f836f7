package ingest

import "onhand/ledger"

// submitMovement applies pos.sale, pos.return, wms.receipt, wms.shipment and wms.adjustment.
func (d *decoder) submitMovement(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	if err := d.checkQuantities(); err != nil {
		return ledger.Result{}, err
	}
	d.findFirsts()
	loc, err := d.resolve(now)
	if err != nil {
		return ledger.Result{}, err
	}
	entry, sign := d.kind.movement()
	d.moved = d.moved[:0]
	for i := range d.lines {
		ln := &d.lines[i]
		if ln.first == int32(i) {
			d.moved = append(d.moved, ledger.MovementLine{SKU: ln.id,
				Quantity: ledger.Qty(sign * ln.sum), Unsellable: ledger.Qty(sign * ln.unsellable)})
		}
	}
	d.movement = ledger.Movement{Kind: entry, Name: name, Received: now, Location: loc, Lines: d.moved, Exceptions: d.exceptions}
	// An event with nothing left does nothing, to its reservation neither.
	if len(d.moved) > 0 && d.reservation != nil {
		d.movement.Reservation = string(d.reservation)
	}
	return d.ledger.Submit(&d.movement)
}

// movement is the entry that the kind makes, and the way in which its quantities move on hand.
func (k kind) movement() (entry ledger.Kind, sign int64) {
	switch k {
	case kindSale:
		return ledger.KindSale, -1
	case kindReturn:
		return ledger.KindReturn, 1
	case kindReceipt:
		return ledger.KindReceipt, 1
	case kindShipment:
		return ledger.KindShipment, -1
	}
	return ledger.KindAdjustment, 1
}

// submitCount applies wms.count.
func (d *decoder) submitCount(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	if err := d.checkQuantities(); err != nil {
		return ledger.Result{}, err
	}
	d.findFirsts()
	for i := range d.lines {
		if ln := &d.lines[i]; ln.first != int32(i) {
			return ledger.Result{}, refuse(ledger.DuplicateLine, "%s.sku: %s is in %s as well",
				ln.path(), quote(ln.sku), d.lines[ln.first].path())
		}
	}
	loc, err := d.resolve(now)
	if err != nil {
		return ledger.Result{}, err
	}
	d.counted = d.counted[:0]
	for i := range d.lines {
		d.counted = append(d.counted, ledger.CountLine{SKU: d.lines[i].id, Quantity: d.lines[i].steps})
	}
	d.count = ledger.Count{Name: name, CountedAt: d.countedAt, Received: now, Location: loc, Lines: d.counted, Exceptions: d.exceptions}
	return d.ledger.Submit(&d.count)
}
