package ingest

import "onhand/ledger"

// submitMovement applies pos.sale, pos.return, wms.receipt, wms.shipment, wms.adjustment
// and wms.status.
func (d *decoder) submitMovement(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	if err := d.checkQuantities(); err != nil {
		return ledger.Result{}, err
	}
	d.findFirsts()
	loc, err := d.resolve(now)
	if err != nil {
		return ledger.Result{}, err
	}
	sign := ledger.Qty(d.kind.sign())
	unsellableSign := sign
	if d.kind == kindStatus {
		unsellableSign = 1
	}
	d.moved = d.moved[:0]
	for i := range d.lines {
		ln := &d.lines[i]
		if ln.first == int32(i) {
			d.moved = append(d.moved, ledger.MovementLine{SKU: ln.id,
				Quantity: sign * ledger.Qty(ln.sum), Unsellable: unsellableSign * ledger.Qty(ln.unsellable)})
		}
	}
	d.movement = ledger.Movement{Kind: d.kind.entry(), Name: name, Received: now, Location: loc, Lines: d.moved, Exceptions: d.exceptions}
	// An event with nothing left does nothing, to its reservation neither.
	if len(d.moved) > 0 && d.reservation != nil {
		d.movement.Reservation = string(d.reservation)
	}
	return d.ledger.Submit(&d.movement)
}

// submitCount applies wms.count and erp.snapshot.
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
	return d.submitMoment(name, now, loc)
}

// submitHeartbeat applies feed.heartbeat.
func (d *decoder) submitHeartbeat(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	loc, err := d.resolve(now)
	if err != nil {
		return ledger.Result{}, err
	}
	d.counted = d.counted[:0]
	return d.submitMoment(name, now, loc)
}

func (d *decoder) submitMoment(name ledger.EventName, now ledger.Millis, loc ledger.Location) (ledger.Result, error) {
	d.count = ledger.Count{Kind: d.kind.entry(), Name: name, CountedAt: d.moment, Received: now, Location: loc,
		Lines: d.counted, Exceptions: d.exceptions, NetOfCommitted: d.net, Complete: d.complete}
	return d.ledger.Submit(&d.count)
}

// submitVoid applies pos.void and wms.void.
func (d *decoder) submitVoid(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	loc, err := d.resolve(now)
	if err != nil {
		return ledger.Result{}, err
	}
	return d.ledger.Submit(&ledger.Void{Kind: d.kind.entry(), Name: name, Source: name.Source, Voids: string(d.voids),
		Received: now, Location: loc, Exceptions: d.exceptions})
}
