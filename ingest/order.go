package ingest

import (
	"encoding/binary"
	"strconv"

	"github.com/zeebo/xxh3"

	"onhand/jsonread"
	"onhand/ledger"
)

const (
	ttlSecondsMax   = 14_400
	orderTTLDefault = ttlSecondsMax * 1000 // payment by bank takes hours, and one that fails is told
	remarkBytesMax  = 256                  // of channel and reason
)

// readOrder reads the data of an order's event. What is paid is the order, so order.paid
// has no lines that count.
func (d *decoder) readOrder(r *jsonread.Reader) {
	hasLines := false
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "order":
			d.orderID = readText(r, 1, reservationBytesMax) // which is the id of its reservation
		case "location": // of the lines that name none
			if d.kind != kindOrderPaid && !r.Null() {
				d.location = readLocation(r)
			}
		case "lines":
			if d.kind != kindOrderPaid && !(d.kind.cancels() && r.Null()) {
				hasLines = true
				d.readOrderLines(r)
			}
		case "channel":
			if d.kind == kindOrderPlaced && !r.Null() {
				d.channel = readText(r, 0, remarkBytesMax)
			}
		case "ttl_seconds":
			if d.kind == kindOrderPlaced && !r.Null() {
				d.ttl = readTTL(r)
			}
		case "reason":
			if d.kind.cancels() && !r.Null() {
				d.reason = readText(r, 0, remarkBytesMax)
			}
		}
	}
	switch {
	case d.orderID == nil:
		r.Missing("order")
	case d.kind == kindOrderPlaced && !hasLines:
		r.Missing("lines")
	}
}

func readTTL(r *jsonread.Reader) ledger.Millis {
	v, ok := r.Number().Int64()
	if r.Err() == nil && (!ok || v < 1 || v > ttlSecondsMax) {
		r.Refuse("a whole number from 1 to " + strconv.Itoa(ttlSecondsMax))
	}
	return ledger.Millis(v) * 1000
}

func (d *decoder) readOrderLines(r *jsonread.Reader) {
	for r.BeginArray(); r.NextElem(); {
		if len(d.lines) == linesMax {
			r.Fail(errTooManyLines)
			return
		}
		d.lines = append(d.lines, line{index: int32(len(d.lines))})
		ln := &d.lines[len(d.lines)-1]
		for r.BeginObject(); r.NextKey(); {
			switch string(r.Key()) {
			case "sku":
				ln.sku = readSKU(r)
			case "location":
				if !r.Null() {
					ln.location = readLocation(r)
				}
			case "quantity":
				ln.quantity = r.Number()
			}
		}
		if ln.sku == nil {
			r.Missing("sku")
		}
		if ln.quantity.Raw == nil {
			r.Missing("quantity")
		}
	}
	if len(d.lines) == 0 {
		r.Refuse("one line or more")
	}
}

// appendOrder writes what counts of an order's event but its kind and time.
func (d *decoder) appendOrder(b []byte) []byte {
	b = appendBytes(b, d.orderID)
	b = appendOptional(b, d.channel)
	b = appendOptional(b, d.reason)
	b = binary.AppendVarint(b, int64(d.ttl))
	for i := range d.lines {
		ln := &d.lines[i]
		b = appendBytes(b, ln.sku)
		b = appendNumber(b, ln.quantity)
		location := ln.location
		if location == nil {
			location = d.location
		}
		b = appendOptional(b, location)
	}
	return b
}

// wish is a hash of what an order that is placed asks for: told again under another name
// it is the same order.
func (d *decoder) wish() ledger.Hash {
	h := xxh3.Hash128(d.appendOrder(d.content[:0]))
	return ledger.Hash{Hi: h.Hi, Lo: h.Lo}
}

// submitOrder applies order.placed, order.paid, order.cancelled and order.payment_failed.
func (d *decoder) submitOrder(name ledger.EventName, now ledger.Millis) (ledger.Result, error) {
	if d.kind == kindOrderPlaced && d.location == nil {
		for i := range d.lines {
			if ln := &d.lines[i]; ln.location == nil {
				return ledger.Result{}, refuse(ledger.NotSupported, "%s.location: missing, and orders are not sourced yet", ln.path())
			}
		}
	}
	if err := d.checkQuantities(); err != nil {
		return ledger.Result{}, err
	}
	o := ledger.Order{Kind: d.kind.entry(), Name: name, Received: now, ID: string(d.orderID), Channel: string(d.channel), Reason: string(d.reason)}
	if d.kind == kindOrderPlaced {
		o.Call, o.ExpiresAt = d.wish(), now+d.ttl
	}
	if len(d.lines) > 0 {
		d.findFirsts()
		lines, err := d.orderLines(now)
		if err != nil {
			return ledger.Result{}, err
		}
		o.Lines = lines
	}
	o.Exceptions = d.exceptions
	return d.commit(&o)
}

// orderLines are the event's in the ledger's terms, one for each position.
func (d *decoder) orderLines(now ledger.Millis) ([]ledger.HoldLine, error) {
	if err := d.lookUp(); err != nil {
		return nil, err
	}
	lines := make([]ledger.HoldLine, len(d.lines))
	for i := range d.lines {
		name, path := d.lines[i].location, d.lines[i].path()+".location"
		if name == nil {
			name, path = d.location, "location"
		}
		if name == nil {
			continue // wherever the order has it
		}
		loc, added, err := d.resolveLocation(name, now)
		if err != nil {
			return nil, at(path, err)
		}
		if added {
			d.exceptions = append(d.exceptions, ledger.Exception{Code: ledger.Unmapped, Location: loc})
		}
		lines[i].Location = loc
	}
	if err := d.addSKUs(now, 0); err != nil {
		return nil, err
	}
	for i := range d.lines {
		lines[i].SKU, lines[i].Quantity = d.lines[i].id, d.lines[i].steps
	}
	merged, i, ok := ledger.MergeHoldLines(lines)
	if !ok {
		return nil, d.badQuantity(&d.lines[i], "with the lines of its position before it the sum is out of range")
	}
	return merged, nil
}
