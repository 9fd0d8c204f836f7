package ingest

import (
	"strings"
	"testing"

	"onhand/ledger"
)

// What was confirmed and not yet fulfilled at the moment is deducted from a net figure:
// on hand is so much more, whichever comes first.
func TestNetSnapshot(t *testing.T) {
	s := openShop(t, ledger.Options{})
	is := func(want string) {
		t.Helper()
		if got := s.figures("a", "0042"); got != want {
			t.Errorf("a is %s, want %s", got, want)
		}
	}
	at := func(kind, id, time, data string) {
		t.Helper()
		s.accept(strings.Replace(event(kind, id, `{"location":"0042",`+data+`}`), "09:59:00Z", time+"Z", 1))
	}
	at("wms.receipt", "1", "09:00:00", `"lines":[{"sku":"a","quantity":10}]`)
	hold := func(id string, at ledger.Millis) {
		s.must(&ledger.Hold{ID: id, Now: at, ExpiresAt: at + 60_000, Lines: []ledger.HoldLine{{SKU: 1, Location: 1, Quantity: 2}}})
		s.must(&ledger.Transition{Op: ledger.KindConfirm, ID: id, Now: at})
	}
	hold("before", noon)
	s.clock.Store(int64(noon + 60_000))
	hold("after", noon+60_000)
	at("erp.snapshot", "2", "10:00:30", `"basis":"net_of_committed","lines":[{"sku":"a","quantity":5}]`)
	is("7/0/0/4") // 5 and the 2 that were committed then
	at("pos.sale", "3", "10:00:45", `"reservation":"before","lines":[{"sku":"a","quantity":1}]`)
	is("6/0/0/3") // after the moment: it moves
	at("pos.sale", "4", "10:00:15", `"reservation":"before","lines":[{"sku":"a","quantity":1}]`)
	is("5/0/0/2") // before it: one less was deducted than was thought
	at("pos.sale", "5", "10:00:15", `"lines":[{"sku":"a","quantity":1}]`)
	is("5/0/0/2") // before it, and in the figure
	at("wms.void", "6", "10:00:50", `"voids":"4"`)
	is("6/0/0/3")
	s.must(&ledger.Transition{Op: ledger.KindCancel, ID: "after", Now: noon + 60_000})
	is("6/0/0/1") // a call after the moment gives back what it had committed after it
	s.check()
	s.reopen()
	is("6/0/0/1")
	at("wms.count", "7", "10:00:40", `"lines":[{"sku":"a","quantity":9}]`)
	is("8/0/0/1")
	past := func(sku ledger.SKU, at ledger.Millis, want ledger.Qty) {
		t.Helper()
		if p, err := s.ledger.PositionAt(sku, 1, 0, at, noon+60_000); err != nil || p.Now == nil || p.Now.OnHand != want {
			t.Errorf("at %d: %+v, %v, want %d", at-noon, p.Now, err, want)
		}
	}
	past(1, noon+35_000, 7) // before the later count: the net figure, before what left since
	past(1, noon+46_000, 8)
	past(1, noon+20_000, 10-1)
	at("wms.void", "8", "10:00:50", `"voids":"7"`)
	is("6/0/0/1") // the net figure holds again, with what is committed as it was then
	at("pos.sale", "9", "10:00:10", `"reservation":"before","lines":[{"sku":"a","quantity":1}]`)
	is("5/0/0/0")
	at("wms.void", "10", "10:00:50", `"voids":"2"`)
	is("7/0/0/0") // no figure: 10 less what was sold and not undone
	s.check()
}

// A complete snapshot says of what it does not list that nothing was there: of what is
// known, and of what becomes known later.
func TestCompleteSnapshot(t *testing.T) {
	s := openShop(t, ledger.Options{})
	is := func(sku, want string) {
		t.Helper()
		if got := s.figures(sku, "0042"); got != want {
			t.Errorf("%s is %s, want %s", sku, got, want)
		}
	}
	at := func(kind, id, time, data string) {
		t.Helper()
		s.accept(strings.Replace(event(kind, id, `{"location":"0042",`+data+`}`), "09:59:00Z", time+"Z", 1))
	}
	at("wms.receipt", "1", "09:00:00", `"lines":[{"sku":"a","quantity":10},{"sku":"b","quantity":4,"condition":"damaged"}]`)
	s.accept(event("wms.receipt", "2", `{"location":"dc1","lines":[{"sku":"b","quantity":4}]}`))
	at("erp.snapshot", "3", "09:30:00", `"complete":true,"lines":[{"sku":"a","quantity":7}]`)
	is("a", "7/0/0/0")
	is("b", "0/0/0/0")
	if got := s.figures("b", "dc1"); got != "4/0/0/0" {
		t.Errorf("elsewhere b is %s", got)
	}
	at("pos.sale", "4", "09:20:00", `"lines":[{"sku":"kg","quantity":1}]`) // its position is new
	is("kg", "0/0/0/0")
	at("pos.return", "5", "09:40:00", `"lines":[{"sku":"kg","quantity":2}]`)
	is("kg", "2000/0/0/0")
	at("wms.count", "6", "09:25:00", `"lines":[{"sku":"kg","quantity":9}]`)
	is("kg", "2000/0/0/0")
	at("erp.snapshot", "7", "09:10:00", `"complete":true,"lines":[]`) // an older one
	is("a", "7/0/0/0")
	s.check()
	if err := s.ledger.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	s.check()
	kg, _ := s.ledger.LookupSKU([]byte("kg"))
	if p, err := s.ledger.PositionAt(kg, 1, 0, noon-25*60_000, noon); err != nil || p.Now == nil || p.Now.OnHand != 0 {
		t.Errorf("%+v, %v where a complete snapshot says nothing is there", p.Now, err)
	}
	at("wms.void", "8", "09:50:00", `"voids":"3"`)
	is("a", "0/0/0/0") // the older one had said so
	is("b", "0/4/0/0") // what it cut off is there again, though there is no more
	is("kg", "11000/0/0/0")
	at("wms.void", "9", "09:50:00", `"voids":"7"`)
	is("a", "10/0/0/0")
	is("b", "4/4/0/0")
	is("kg", "11000/0/0/0")
	at("wms.void", "10", "09:50:00", `"voids":"6"`)
	is("kg", "1000/0/0/0") // sold one, two came back
	at("wms.void", "11", "09:50:00", `"voids":"12"`)
	at("erp.snapshot", "12", "09:45:00", `"complete":true,"lines":[]`) // undone before it came
	is("a", "10/0/0/0")
	at("erp.snapshot", "13", "09:46:00", `"complete":true,"lines":[]`)
	is("a", "0/0/0/0")
	s.check()
	s.reopen()
	is("a", "0/0/0/0")
	s.check()
	s.refuses(event("erp.snapshot", "x", `{"location":"0042","lines":[]}`), ledger.InvalidEvent, "lines")
	s.refuses(event("erp.snapshot", "x", `{"location":"0042","complete":"yes","lines":[]}`), ledger.InvalidEvent, "complete")
	s.refuses(event("erp.snapshot", "x", `{"location":"0042","complete":true}`), ledger.InvalidEvent, "lines")
}

// A fulfilment that says no time is after a complete snapshot of a place that it is
// the first to know.
func TestFulfilAfterACompleteSnapshot(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.receipt", "1", `{"location":"dc1","lines":[{"sku":"a","quantity":4}]}`))
	s.accept(strings.Replace(event("erp.snapshot", "2", `{"location":"0042","complete":true,"lines":[]}`), "09:59", "10:03", 1))
	s.must(&ledger.Hold{ID: "cart", Now: noon, ExpiresAt: noon + 60_000, Lines: []ledger.HoldLine{{SKU: 1, Location: 2, Quantity: 2}}})
	s.must(&ledger.Transition{Op: ledger.KindConfirm, ID: "cart", Now: noon})
	s.must(&ledger.Transition{Op: ledger.KindFulfil, ID: "cart", Now: noon, HasLines: true,
		Lines: []ledger.TransitionLine{{SKU: 1, Location: 2, Quantity: 2, From: 1}}})
	if got := s.figures("a", "0042"); got != "-2/0/0/0" {
		t.Errorf("a is %s where it left", got)
	}
	s.check()
}
