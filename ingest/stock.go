package ingest

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"

	"onhand/jsonread"
	"onhand/ledger"
)

const (
	linesMax            = 100_000
	reservationBytesMax = 128
)

// line is one line of a movement or count.
type line struct {
	sku        []byte
	quantity   jsonread.Number
	condition  condition
	expectedAt ledger.Millis // of erp.inbound
	to         condition     // of wms.status: condition is the one that they leave
	index      int32         // where it stands in the event
	first      int32         // the place in decoder.lines of the first line of its SKU
	id         ledger.SKU
	known      bool
	steps      ledger.Qty

	// Of a first line, over all lines of its SKU.
	sum, unsellable int64
}

type condition uint8

const (
	sellable condition = iota
	damaged
	qualityControl
	quarantine
)

// readStock reads the data of a movement, a count, a heartbeat or a void.
func (d *decoder) readStock(r *jsonread.Reader) {
	hasLines := false
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "location":
			d.location = readLocation(r)
		case "lines":
			hasLines = true
			if d.kind.hasLines() {
				d.readLines(r)
			}
		case "voids":
			if d.kind.void() {
				d.voids = readText(r, 1, nameBytesMax)
			}
		case "reservation":
			if d.kind.takesReservation() && !r.Null() {
				d.reservation = readText(r, 1, reservationBytesMax)
			}
		case "inbound":
			if d.kind == kindInbound || d.kind == kindReceipt && !r.Null() {
				d.inbound = readText(r, 1, nameBytesMax)
			}
		case "transfer":
			if d.kind.transfer() { // which shares its ids with reservations
				d.inbound = readText(r, 1, reservationBytesMax)
			}
		case "to":
			if d.kind == kindTransfer {
				d.to = readLocation(r)
			}
		case "expected_at":
			if d.kind == kindTransfer && !r.Null() {
				d.expectedAt = readExpected(r)
			}
		case "reason":
			if d.kind == kindAdjustment && !r.Null() {
				d.reason = r.Text()
			}
		case "counted_at", "as_of", "until":
			if d.kind.ofMoment() == string(r.Key()) && !r.Null() {
				millis, ok := jsonread.ParseTime(r.Text())
				if !ok {
					r.Refuse("a time of RFC 3339 with an offset")
				}
				d.moment, d.hasMoment = ledger.Millis(millis), true
			}
		case "from":
			if d.kind == kindPeriod && !r.Null() {
				d.from = readFrom(r)
			}
		case "basis":
			if d.kind == kindSnapshot && !r.Null() {
				d.readBasis(r)
			}
		case "complete":
			if (d.kind == kindTransferReceipt || d.kind == kindSnapshot) && !r.Null() {
				d.complete = r.Bool()
			}
		}
	}
	if d.location == nil {
		r.Missing("location")
	}
	switch {
	case d.kind.hasLines() && !hasLines && !(d.kind == kindTransferReceipt && d.complete):
		r.Missing("lines")
	case d.kind == kindHeartbeat && !d.hasMoment:
		r.Missing("as_of")
	case d.kind == kindPeriod && d.from == 0:
		r.Missing("from")
	case d.kind == kindPeriod && !d.hasMoment:
		r.Missing("until")
	case d.kind == kindPeriod && d.from >= d.moment:
		r.Refuse("an until later than from")
	case d.kind.void() && d.voids == nil:
		r.Missing("voids")
	case d.kind == kindInbound && d.inbound == nil:
		r.Missing("inbound")
	case d.kind.transfer() && d.inbound == nil:
		r.Missing("transfer")
	case d.kind == kindTransferReceipt && len(d.lines) == 0 && !d.complete:
		r.Refuse("one line or more, or complete")
	case d.kind == kindTransfer && d.to == nil:
		r.Missing("to")
	case d.kind == kindTransfer && bytes.Equal(d.to, d.location):
		r.Refuse("another location in to than in location")
	case d.kind == kindSnapshot && len(d.lines) == 0 && !d.complete:
		r.Fail(errNoLines)
	}
}

// readFrom reads when a period begins.
func readFrom(r *jsonread.Reader) ledger.Millis {
	millis, ok := jsonread.ParseTime(r.Text())
	if r.Err() == nil && (!ok || millis <= 0) {
		r.Refuse("a time of RFC 3339 with an offset")
	}
	return ledger.Millis(millis)
}

// readExpected reads when goods are to come.
func readExpected(r *jsonread.Reader) ledger.Millis {
	millis, ok := jsonread.ParseTime(r.Text())
	if r.Err() == nil && (!ok || millis <= 0) {
		r.Refuse("a time of RFC 3339 with an offset, after 1970")
	}
	return ledger.Millis(millis)
}

func (d *decoder) readBasis(r *jsonread.Reader) {
	switch string(r.Text()) {
	case "physical":
		d.net = false
	case "net_of_committed":
		d.net = true
	default:
		r.Refuse("physical or net_of_committed")
	}
}

var (
	errTooManyLines = errors.New("lines: an event has at most 100000")
	errNoLines      = errors.New("lines: want one line or more, or complete")
)

func (d *decoder) readLines(r *jsonread.Reader) {
	for r.BeginArray(); r.NextElem(); {
		if len(d.lines) == linesMax {
			r.Fail(errTooManyLines)
			return
		}
		d.lines = append(d.lines, line{index: int32(len(d.lines))})
		ln := &d.lines[len(d.lines)-1]
		hasFrom, hasTo := false, false
		for r.BeginObject(); r.NextKey(); {
			switch string(r.Key()) {
			case "sku":
				ln.sku = readSKU(r)
			case "from":
				if d.kind == kindStatus {
					ln.condition, hasFrom = readCondition(r), true
				}
			case "to":
				if d.kind == kindStatus {
					ln.to, hasTo = readCondition(r), true
				}
			case "quantity":
				ln.quantity = r.Number()
			case "expected_at":
				if d.kind == kindInbound {
					ln.expectedAt = readExpected(r)
				}
			case "condition":
				if d.kind.takesCondition() && !r.Null() {
					ln.condition = readCondition(r)
				}
			}
		}
		if ln.sku == nil {
			r.Missing("sku")
		}
		if ln.quantity.Raw == nil {
			r.Missing("quantity")
		}
		if d.kind == kindInbound && ln.expectedAt == 0 {
			r.Missing("expected_at")
		}
		if d.kind == kindStatus {
			switch {
			case !hasFrom:
				r.Missing("from")
			case !hasTo:
				r.Missing("to")
			case ln.condition == ln.to:
				r.Refuse("two conditions that differ in from and to")
			}
		}
	}
	if len(d.lines) == 0 && !d.kind.mayBeEmpty() {
		r.Refuse("one line or more")
	}
}

func readCondition(r *jsonread.Reader) condition {
	switch string(r.Text()) {
	case "sellable":
		return sellable
	case "damaged":
		return damaged
	case "quality_control":
		return qualityControl
	case "quarantine":
		return quarantine
	}
	r.Refuse("sellable, damaged, quality_control or quarantine")
	return sellable
}

// appendContent writes all that counts when two events of one name are compared:
// the parsed meaning, with defaults filled in, before names are resolved. Its bytes
// are hashed and the hashes kept, so a change of it makes repeated events look different.
func (d *decoder) appendContent(b []byte) []byte {
	b = append(b, byte(d.kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(d.time))
	switch d.kind {
	case kindItem:
		return appendJSON(b, d.item)
	case kindLocation:
		return appendJSON(b, d.place)
	case kindPolicy:
		return appendJSON(b, d.policy)
	case kindCount, kindSnapshot, kindHeartbeat, kindPeriod:
		b = binary.LittleEndian.AppendUint64(b, uint64(d.moment))
	}
	if d.kind == kindPeriod {
		b = binary.LittleEndian.AppendUint64(b, uint64(d.from))
	}
	b = appendBytes(b, d.location)
	if d.voids != nil {
		b = appendBytes(b, d.voids)
	}
	b = appendOptional(b, d.reservation)
	b = appendOptional(b, d.inbound)
	b = appendOptional(b, d.reason)
	if d.kind.transfer() {
		b = appendOptional(b, d.to)
		b = binary.AppendVarint(b, int64(d.expectedAt))
		b = appendFlag(b, d.complete)
	}
	for i := range d.lines {
		ln := &d.lines[i]
		b = appendBytes(b, ln.sku)
		b = binary.AppendVarint(b, ln.quantity.Coef)
		scale := ln.quantity.Scale
		if ln.quantity.Overflow {
			scale = -1 // or it would look like 0; it is never accepted, so no hash that is kept has it
		}
		b = append(b, byte(scale), byte(ln.condition))
		if d.kind == kindStatus {
			b = append(b, byte(ln.to))
		}
		if d.kind == kindInbound {
			b = binary.AppendVarint(b, int64(ln.expectedAt))
		}
	}
	// No line begins with these: a SKU is at most 128 bytes long.
	if d.net {
		b = append(b, 0xfe)
	}
	if d.kind == kindSnapshot && d.complete {
		b = append(b, 0xff)
	}
	return b
}

func appendBytes(b, text []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// appendOptional tells a text that is not there from an empty one.
func appendOptional(b, text []byte) []byte {
	if text == nil {
		return append(b, 0)
	}
	return appendBytes(append(b, 1), text)
}

func appendFlag(b []byte, on bool) []byte {
	if on {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendJSON writes what was read, not what was sent: members in fixed order, maps sorted.
func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("encode master data: " + err.Error()) // plain structs of strings and finite numbers
	}
	return append(b, text...)
}
