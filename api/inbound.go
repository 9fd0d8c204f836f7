package api

import (
	"errors"
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
)

// listInbound answers GET /v1/inbound: what is under way, by kind, id, SKU and date.
func (r *request) listInbound() {
	f, err := r.inboundFilter()
	if err != nil {
		var refused *ledger.Refused
		if errors.As(err, &refused) {
			r.fail(err)
			return
		}
		r.invalid(err)
		return
	}
	p, err := r.page()
	if err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	rows := r.s.Ledger.InboundRows(f, p.cursor, p.limit+1)
	more := len(rows) > p.limit
	if more {
		rows = rows[:p.limit]
	}
	out, next := newList(r.out), ""
	for i := range rows {
		out.item()
		out.b = appendInbound(out.b, r.s.Ledger, &rows[i])
		if more {
			next = rows[i].Cursor()
		}
	}
	r.out = out.end(next)
	r.answer(200, r.out)
}

func (r *request) inboundFilter() (f ledger.InboundFilter, err error) {
	if err := r.onlyParams("sku", "location", "cursor", "limit", "min_seq"); err != nil {
		return f, err
	}
	sku, given, err := r.param("sku")
	if err != nil {
		return f, err
	}
	l := r.s.Ledger
	if given {
		id, known := l.LookupSKU([]byte(sku))
		if !known {
			return f, &ledger.Refused{Code: ledger.UnknownSKU, Detail: "sku: nobody knows " + strconv.Quote(sku)}
		}
		f.SKU = id
	}
	locations, err := r.params("location")
	for _, name := range locations {
		id, known := l.LookupLocation([]byte(name))
		if !known {
			return f, &ledger.Refused{Code: ledger.UnknownLocation, Detail: "location: nobody knows " + strconv.Quote(name)}
		}
		f.Locations = append(f.Locations, id)
	}
	return f, err
}

func appendInbound(b []byte, l *ledger.Ledger, row *ledger.InboundRow) []byte {
	b = append(b, `{"id":`...)
	b = jsonread.AppendString(b, row.ID)
	b = append(b, `,"kind":"`...)
	b = append(b, row.Kind.String()...)
	b = append(b, `","from":`...)
	b = appendTextOrNull(b, l.LocationName(row.From))
	b = append(b, `,"location":`...)
	b = jsonread.AppendString(b, l.LocationName(row.To))
	b = append(b, `,"sku":`...)
	b = jsonread.AppendString(b, l.SKUName(row.SKU))
	b = append(b, `,"quantity":`...)
	b = jsonread.AppendScaled(b, int64(row.Quantity), l.Decimals(row.SKU))
	b = appendExpected(b, row.ExpectedAt)
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, uint64(row.Seq), 10)
	return append(b, '}')
}
