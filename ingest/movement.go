package ingest

import "onhand/ledger"

// submitMovement applies pos.sale, pos.return, wms.receipt, wms.shipment, wms.adjustment,
// wms.status, wms.transfer and wms.transfer_receipt.
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
	if err := d.nameDocument(now); err != nil {
		return ledger.Result{}, err
	}
	return d.commit(&d.movement)
}

// nameDocument tells the movement which goods under way it ships or receives.
func (d *decoder) nameDocument(now ledger.Millis) error {
	if d.inbound == nil || d.kind == kindReceipt && len(d.moved) == 0 {
		return nil
	}
	d.change = ledger.InboundChange{ID: string(d.inbound), ExpectedAt: d.expectedAt, Complete: d.complete, Lines: d.change.Lines[:0]}
	switch d.kind {
	case kindReceipt:
		d.change.Op = ledger.InboundReceived
	case kindTransferReceipt:
		d.change.Op = ledger.InboundTransferReceipt
	case kindTransfer:
		d.change.Op = ledger.InboundShipped
		to, added, err := d.resolveLocation(d.to, now)
		if err != nil {
			return at("to", err)
		}
		if added {
			d.exceptions = append(d.exceptions, ledger.Exception{Code: ledger.Unmapped, Location: to})
			d.movement.Exceptions = d.exceptions
		}
		d.change.To = to
	}
	d.movement.Inbound = &d.change
	return nil
}

// submitInbound applies erp.inbound.
func (d *decoder) submitInbound(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	if err := d.checkQuantities(); err != nil {
		return ledger.Result{}, err
	}
	d.findFirsts()
	if err := d.checkDates(); err != nil {
		return ledger.Result{}, err
	}
	loc, err := d.resolve(now)
	if err != nil {
		return ledger.Result{}, err
	}
	if err := d.checkDates(); err != nil { // by another code
		return ledger.Result{}, err
	}
	c := ledger.Inbound{Name: name, ID: string(d.inbound), Received: now, Location: loc, Exceptions: d.exceptions}
	for i := range d.lines {
		ln := &d.lines[i]
		c.Lines = append(c.Lines, ledger.InboundLine{SKU: ln.id, Quantity: ln.steps, ExpectedAt: ln.expectedAt})
	}
	return d.commit(&c)
}

// checkDates refuses two lines of one SKU that are expected at one moment.
func (d *decoder) checkDates() error {
	type dated struct {
		first int32
		at    ledger.Millis
	}
	seen := make(map[dated]*line, len(d.lines))
	for i := range d.lines {
		ln := &d.lines[i]
		if other := seen[dated{ln.first, ln.expectedAt}]; other != nil {
			return refuse(ledger.DuplicateLine, "%s.sku: %s is in %s as well, expected at the same time", ln.path(), quote(ln.sku), other.path())
		}
		seen[dated{ln.first, ln.expectedAt}] = ln
	}
	return nil
}

// submitCount applies wms.count and erp.snapshot.
func (d *decoder) submitCount(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	loc, err := d.figures(now)
	if err != nil {
		return ledger.Result{}, err
	}
	return d.submitMoment(name, now, loc)
}

// submitPeriod applies erp.period.
func (d *decoder) submitPeriod(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	loc, err := d.figures(now)
	if err != nil {
		return ledger.Result{}, err
	}
	return d.commit(&ledger.Period{Name: name, From: d.from, Until: d.moment, Received: now, Location: loc,
		Lines: d.counted, Exceptions: d.exceptions})
}

// figures makes the lines figures, one for each SKU.
func (d *decoder) figures(now ledger.Millis) (ledger.Location, error) {
	if err := d.checkQuantities(); err != nil {
		return 0, err
	}
	d.findFirsts()
	if err := d.eachOnce(); err != nil {
		return 0, err
	}
	loc, err := d.resolve(now)
	if err != nil {
		return 0, err
	}
	if err := d.eachOnce(); err != nil { // by another code
		return 0, err
	}
	d.counted = d.counted[:0]
	for i := range d.lines {
		d.counted = append(d.counted, ledger.CountLine{SKU: d.lines[i].id, Quantity: d.lines[i].steps})
	}
	return loc, nil
}

// eachOnce refuses two lines of one SKU.
func (d *decoder) eachOnce() error {
	for i := range d.lines {
		if ln := &d.lines[i]; ln.first != int32(i) {
			return refuse(ledger.DuplicateLine, "%s.sku: %s is in %s as well", ln.path(), quote(ln.sku), d.lines[ln.first].path())
		}
	}
	return nil
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
	return d.commit(&d.count)
}

// submitVoid applies pos.void and wms.void.
func (d *decoder) submitVoid(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	loc, err := d.resolve(now)
	if err != nil {
		return ledger.Result{}, err
	}
	return d.commit(&ledger.Void{Kind: d.kind.entry(), Name: name, Source: name.Source, Voids: string(d.voids),
		Received: now, Location: loc, Exceptions: d.exceptions})
}
