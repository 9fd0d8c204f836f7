package ingest

import (
	"fmt"
	"strings"
	"testing"

	"onhand/ledger"
)

// What a source says that it sold in a time is held against what was told sale by sale.
func TestPeriod(t *testing.T) {
	s := openShop(t, ledger.Options{})
	at := func(kind, id, time, data string) {
		t.Helper()
		s.accept(strings.Replace(event(kind, id, `{"location":"0042",`+data+`}`), "09:59:00Z", time+"Z", 1))
	}
	period := func(id, from, until, lines string) string {
		return event("erp.period", id, `{"location":"0042","from":"2026-11-23T`+from+`Z","until":"2026-11-23T`+until+`Z","lines":[`+lines+`]}`)
	}
	at("pos.sale", "1", "08:00:00", `"lines":[{"sku":"a","quantity":3},{"sku":"kg","quantity":1.5}]`)
	at("pos.sale", "2", "08:30:00", `"lines":[{"sku":"a","quantity":4}]`)
	at("wms.count", "3", "08:45:00", `"lines":[{"sku":"a","quantity":50}]`)
	at("pos.return", "4", "08:50:00", `"lines":[{"sku":"a","quantity":1}]`)
	at("wms.shipment", "5", "08:50:00", `"lines":[{"sku":"a","quantity":10}]`) // is not sold
	at("pos.sale", "6", "08:10:00", `"lines":[{"sku":"a","quantity":2}]`)      // too late for on hand
	at("pos.sale", "7", "09:00:00", `"lines":[{"sku":"a","quantity":100}]`)
	at("pos.sale", "8", "08:20:00", `"lines":[{"sku":"a","quantity":7}]`)
	at("pos.void", "9", "09:30:00", `"voids":"8"`)
	before := s.figures("a", "0042")
	differences := func(e string) (out string) {
		t.Helper()
		r := s.accept(e)
		entry, err := s.ledger.Entry(r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range entry.Exceptions {
			out += x.Code.String() + " " + s.ledger.SKUName(x.SKU) + " " + fmt.Sprint(x.Believed, " ", x.Counted) + "; "
		}
		return out
	}
	is := func(e, want string) {
		t.Helper()
		if got := differences(e); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	is(period("p1", "08:00:00", "09:00:00", `{"sku":"a","quantity":8},{"sku":"kg","quantity":1.5},{"sku":"b","quantity":0}`), "")
	is(period("p2", "08:00:00", "09:00:00", `{"sku":"a","quantity":9},{"sku":"kg","quantity":-1},{"sku":"b","quantity":2}`),
		"sales-difference a 8 9; sales-difference kg 1500 -1000; sales-difference b 0 2; ")
	is(period("p3", "08:00:00", "08:00:01", `{"sku":"a","quantity":3}`), "")
	is(period("p4", "08:00:01", "09:00:01", `{"sku":"a","quantity":105}`), "")
	if got := s.figures("a", "0042"); got != before {
		t.Errorf("a was %s and is %s", before, got)
	}
	last := s.ledger.Seq()
	s.accept(period("p2", "08:00:00", "09:00:00", `{"sku":"a","quantity":9},{"sku":"kg","quantity":-1},{"sku":"b","quantity":2}`))
	if s.ledger.Seq() != last {
		t.Error("said again it was entered again")
	}
	s.refuses(period("p2", "08:00:00", "09:00:01", `{"sku":"a","quantity":9},{"sku":"kg","quantity":-1},{"sku":"b","quantity":2}`), ledger.IdempotencyMismatch, "")
	s.refuses(period("p5", "08:00:00", "08:00:00", `{"sku":"a","quantity":9}`), ledger.InvalidEvent, "until later than from")
	s.refuses(period("p5", "08:00:00", "09:00:00", `{"sku":"a","quantity":9},{"sku":"a","quantity":9}`), ledger.DuplicateLine, "lines[1]")
	s.refuses(period("p5", "08:00:00", "09:00:00", `{"sku":"c","quantity":9}`), ledger.UnknownSKU, "lines[0]")
	s.refuses(event("erp.period", "p5", `{"location":"0042","until":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":9}]}`), ledger.InvalidEvent, "from")
	s.refuses(event("erp.period", "p5", `{"location":"0042","from":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":9}]}`), ledger.InvalidEvent, "until")
	s.refuses(event("erp.period", "p5", `{"location":"0042","from":"soon","until":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":9}]}`), ledger.InvalidEvent, "from")
	s.check()
	s.reopen()
	s.check()
}
