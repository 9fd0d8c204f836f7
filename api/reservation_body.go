package api

import (
	"errors"
	"strconv"
	"unicode"
	"unicode/utf8"

	"onhand/jsonread"
	"onhand/ledger"
	"onhand/promise"
)

const (
	reservationLinesMax = 10_000
	ttlSecondsMax       = 14_400
	ttlMillisDefault    = 900_000
	idBytesMax          = 128
	skuBytesMax         = 128
	locationBytesMax    = 64
	remarkBytesMax      = 256 // of channel, owner, reference and reason
)

// errTooManyLines is answered with 413.
var errTooManyLines = errors.New("lines: more than " + strconv.Itoa(reservationLinesMax))

// readRequest decodes the body of POST /v1/reservations. Its texts belong to the call.
func (r *request) readRequest(q *promise.Request) error {
	q.ID, q.Channel, q.Owner, q.Reference = nil, nil, nil, nil
	q.TTLMillis, q.AllowPartial, q.Lines = ttlMillisDefault, false, q.Lines[:0]
	j := &r.json
	lines := false
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "id":
			q.ID = readName(j, idBytesMax)
		case "channel":
			q.Channel = readRemark(j)
		case "owner":
			q.Owner = readRemark(j)
		case "reference":
			q.Reference = readRemark(j)
		case "ttl_seconds":
			q.TTLMillis = readTTL(j)
		case "allow_partial":
			q.AllowPartial = j.Bool()
		case "lines":
			lines = true
			q.Lines = readLines(j, q.Lines, lineMembers{locationNeeded: true})
		default:
			j.Unknown()
		}
	}
	if !lines {
		j.Missing("lines")
	}
	return j.End()
}

// readChange decodes the body of a change; c.Op says which.
func (r *request) readChange(c *promise.Change) error {
	c.Lines, c.HasLines, c.Reference, c.Reason, c.TTLMillis, c.Time = c.Lines[:0], false, nil, nil, 0, 0
	j := &r.json
	for j.BeginObject(); j.NextKey(); {
		switch name := string(j.Key()); {
		case name == "lines" && c.Op != ledger.KindExtend:
			c.HasLines = true
			c.Lines = readLines(j, c.Lines, lineMembers{from: c.Op == ledger.KindFulfil})
		case name == "reference" && c.Op == ledger.KindConfirm:
			c.Reference = readRemark(j)
		case name == "reason" && c.Op == ledger.KindCancel:
			c.Reason = readRemark(j)
		case name == "ttl_seconds" && (c.Op == ledger.KindExtend || c.Op == ledger.KindAmend):
			c.TTLMillis = readTTL(j)
		case name == "time" && c.Op == ledger.KindFulfil:
			c.Time = readTime(j)
		default:
			j.Unknown()
		}
	}
	if c.Op == ledger.KindAmend && !c.HasLines {
		j.Missing("lines")
	}
	if c.Op == ledger.KindExtend && c.TTLMillis == 0 {
		j.Missing("ttl_seconds")
	}
	return j.End()
}

// lineMembers says which members a line has beside sku and quantity.
type lineMembers struct {
	locationNeeded bool
	from           bool
}

func readLines(j *jsonread.Reader, dst []promise.Line, m lineMembers) []promise.Line {
	for j.BeginArray(); j.NextElem(); {
		if len(dst) == reservationLinesMax {
			j.Fail(errTooManyLines)
			return dst
		}
		dst = append(dst, readLine(j, m))
	}
	if len(dst) == 0 {
		j.Refuse("at least one line")
	}
	return dst
}

func readLine(j *jsonread.Reader, m lineMembers) (ln promise.Line) {
	quantity := false
	for j.BeginObject(); j.NextKey(); {
		switch name := string(j.Key()); {
		case name == "sku":
			ln.SKU = readName(j, skuBytesMax)
		case name == "location":
			ln.Location = readName(j, locationBytesMax)
		case name == "quantity":
			n := j.Number()
			quantity = true
			ln.Quantity = ledger.Decimal{Coef: n.Coef, Scale: n.Scale, Overflow: n.Overflow}
		case name == "from" && m.from:
			ln.From = readName(j, locationBytesMax)
		default:
			j.Unknown()
		}
	}
	switch {
	case ln.SKU == nil:
		j.Missing("sku")
	case ln.Location == nil && m.locationNeeded:
		j.Missing("location")
	case !quantity:
		j.Missing("quantity")
	}
	return ln
}

// readName reads an opaque id: UTF-8 without control characters.
func readName(j *jsonread.Reader, bytesMax int) []byte {
	name := j.Text()
	if j.Err() == nil && !isName(name, bytesMax) {
		j.Refuse("a text of 1 to " + strconv.Itoa(bytesMax) + " bytes without control characters")
	}
	return name
}

func isName(b []byte, bytesMax int) bool {
	if len(b) == 0 || len(b) > bytesMax {
		return false
	}
	for len(b) > 0 {
		c, size := rune(b[0]), 1
		if c >= utf8.RuneSelf {
			if c, size = utf8.DecodeRune(b); c == utf8.RuneError && size == 1 {
				return false
			}
		}
		if unicode.IsControl(c) {
			return false
		}
		b = b[size:]
	}
	return true
}

func readRemark(j *jsonread.Reader) []byte {
	text := j.Text()
	if len(text) > remarkBytesMax {
		j.Refuse("a text of at most " + strconv.Itoa(remarkBytesMax) + " bytes")
	}
	return text
}

func readTTL(j *jsonread.Reader) ledger.Millis {
	v, ok := j.Number().Int64()
	if j.Err() == nil && (!ok || v < 1 || v > ttlSecondsMax) {
		j.Refuse("a whole number from 1 to " + strconv.Itoa(ttlSecondsMax))
	}
	return ledger.Millis(v) * 1000
}

func readTime(j *jsonread.Reader) ledger.Millis {
	text := j.Text()
	millis, ok := jsonread.ParseTime(text)
	if j.Err() == nil && (!ok || millis <= 0) {
		j.Refuse("a time of RFC 3339 with an offset, after 1970")
	}
	return ledger.Millis(millis)
}
