package ingest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"onhand/ledger"
)

// order is the reservation under an order's id: state, deadline in seconds from now, and
// held/committed/cancelled of each line.
func (s *shop) order(id string) string {
	s.t.Helper()
	r, ok, err := s.ledger.Reservation(id, s.ledger.Now())
	if err != nil || !ok {
		return fmt.Sprint("none ", err)
	}
	out := r.State.String()
	if r.State == ledger.Held {
		out += fmt.Sprintf(" %ds", (r.ExpiresAt-s.ledger.Now())/1000)
	}
	for _, ln := range r.Lines {
		out += fmt.Sprintf(" %s@%s %d/%d/%d", s.ledger.SKUName(ln.SKU), s.ledger.LocationName(ln.Location), ln.Held, ln.Committed, ln.Cancelled)
	}
	return out
}

func (s *shop) isOrder(id, want string) {
	s.t.Helper()
	if got := s.order(id); got != want {
		s.t.Errorf("order %s is %q, want %q", id, got, want)
	}
}

func TestOrderEvents(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.receipt", "1", `{"location":"dc1","lines":[{"sku":"a","quantity":10},{"sku":"kg","quantity":5}]}`))
	placed := `{"order":"o1","channel":"web","location":"dc1","lines":[{"sku":"a","quantity":2},{"sku":"kg","quantity":0.5},{"sku":"a","quantity":1}]}`
	first := s.accept(event("order.placed", "2", placed))
	s.isOrder("o1", "held 14400s a@dc1 3/0/0 kg@dc1 500/0/0")
	if r, _, _ := s.ledger.Reservation("o1", s.ledger.Now()); r.Channel != "web" || r.Reference != "o1" {
		t.Errorf("%+v", r)
	}
	if r := s.accept(event("order.placed", "2", strings.Replace(placed, `"location":"dc1"`, `"currency":"EUR","location":"dc1"`, 1))); !r.Duplicate || r.Seq != first.Seq {
		t.Errorf("the same event is no duplicate: %+v", r)
	}
	s.refuses(event("order.placed", "2", strings.Replace(placed, "web", "app", 1)), ledger.IdempotencyMismatch, "change")
	s.refuses(event("order.placed", "3", strings.Replace(placed, "web", "app", 1)), ledger.IdempotencyMismatch, "another request")
	s.accept(event("order.placed", "4", placed)) // told again, under another name
	s.accept(event("order.paid", "5", `{"order":"o1","lines":"all of them"}`))
	s.isOrder("o1", "confirmed a@dc1 0/3/0 kg@dc1 0/500/0")
	s.accept(event("order.cancelled", "6", `{"order":"o1","lines":[{"sku":"kg","quantity":0.2}],"reason":"too much"}`))
	s.accept(event("order.cancelled", "7", `{"order":"o1","lines":[{"sku":"a","location":"0042","quantity":1}]}`)) // it has none there
	s.isOrder("o1", "confirmed a@dc1 0/3/0 kg@dc1 0/300/200")
	s.accept(event("order.cancelled", "8", `{"order":"o1","lines":null}`))
	s.isOrder("o1", "cancelled a@dc1 0/0/3 kg@dc1 0/0/500")

	s.accept(event("order.placed", "9", `{"order":"o2","ttl_seconds":60,"lines":[{"sku":"a","location":"dc1","quantity":2}]}`))
	s.isOrder("o2", "held 60s a@dc1 2/0/0")
	s.accept(event("order.payment_failed", "10", `{"order":"o2"}`))
	s.isOrder("o2", "cancelled a@dc1 0/0/2")

	before := s.ledger.Seq()
	s.accept(event("order.placed", "11", `{"order":"o3","location":"dc1","lines":[{"sku":"a","quantity":11}]}`))
	s.isOrder("o3", "refused a@dc1 0/0/0")
	e, err := s.ledger.Entry(before + 1)
	if refused, _, _ := e.OrderOutcome(); err != nil || refused != "insufficient-stock" || e.EventID != "11" {
		t.Errorf("%+v, %v", e, err)
	}
	s.check()
	s.reopen()
	s.isOrder("o1", "cancelled a@dc1 0/0/3 kg@dc1 0/0/500")
	s.isOrder("o3", "refused a@dc1 0/0/0")
	if got := s.figures("a", "dc1"); got != "10/0/0/0" {
		t.Error(got)
	}
}

// What became of an order is the same in whatever order its events come, how often they
// come, and with a restart between any two.
func TestOrderEventsInAnyOrder(t *testing.T) {
	placed := event("order.placed", "placed", `{"order":"o","location":"dc1","lines":[{"sku":"a","quantity":4}]}`)
	paid := event("order.paid", "paid", `{"order":"o"}`)
	part := event("order.cancelled", "part", `{"order":"o","lines":[{"sku":"a","quantity":1}]}`)
	other := event("order.cancelled", "other", `{"order":"o","lines":[{"sku":"a","location":"dc1","quantity":2}]}`)
	all := event("order.payment_failed", "all", `{"order":"o"}`)
	f := func(want string, events ...string) {
		t.Helper()
		orders(events, func(events []string) {
			s := openShop(t, ledger.Options{})
			s.accept(event("wms.receipt", "1", `{"location":"dc1","lines":[{"sku":"a","quantity":5}]}`))
			for i, e := range events {
				s.accept(e)
				if i%2 == 0 {
					s.reopen()
				}
				if r := s.accept(events[0]); !r.Duplicate {
					t.Errorf("%s came again and was taken for new", events[0])
				}
			}
			s.isOrder("o", want)
			s.check()
			if t.Failed() {
				t.Fatalf("in this order: %s", events)
			}
		})
	}
	f("held 14400s a@dc1 4/0/0", placed)
	f("confirmed a@dc1 0/4/0", placed, paid)
	f("confirmed a@dc1 0/3/1", placed, paid, part)
	f("held 14400s a@dc1 1/0/3", placed, part, other)
	f("confirmed a@dc1 0/1/3", placed, paid, part, other)
	f("cancelled a@dc1 0/0/4", placed, all)
	f("cancelled a@dc1 0/0/4", placed, paid, all)
	f("cancelled a@dc1 0/0/4", placed, all, part, other)
}

// orders calls fn with every permutation of events.
func orders(events []string, fn func([]string)) {
	var from func(done, left []string)
	from = func(done, left []string) {
		if len(left) == 0 {
			fn(done)
		}
		for i := range left {
			from(append(slices.Clip(done), left[i]), append(slices.Clone(left[:i]), left[i+1:]...))
		}
	}
	from(nil, events)
}

func TestRefusedOrders(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.receipt", "1", `{"location":"dc1","lines":[{"sku":"a","quantity":1}]}`))
	sku, _ := s.ledger.LookupSKU([]byte("a"))
	dc1, _ := s.ledger.LookupLocation([]byte("dc1"))
	s.must(&ledger.Hold{ID: "ours", Call: ledger.Hash{Lo: 1}, Now: noon, ExpiresAt: noon + 1, Lines: []ledger.HoldLine{{SKU: sku, Location: dc1, Quantity: 1}}})
	before := s.ledger.Seq()
	f := func(kind, data string, code ledger.Code, detail string) {
		t.Helper()
		s.refuses(event(kind, "x", data), code, detail)
	}
	lines := `"lines":[{"sku":"a","location":"dc1","quantity":1}]`
	f("order.placed", `{`+lines+`}`, ledger.InvalidEvent, "order: missing member")
	f("order.placed", `{"order":"",`+lines+`}`, ledger.InvalidEvent, "order: want 1 to 128 bytes")
	f("order.placed", `{"order":"`+strings.Repeat("o", 129)+`",`+lines+`}`, ledger.InvalidEvent, "order: want 1 to 128 bytes")
	f("order.placed", `{"order":null,`+lines+`}`, ledger.InvalidEvent, "order: want a string")
	f("order.placed", `{"order":"o"}`, ledger.InvalidEvent, "lines: missing member")
	f("order.placed", `{"order":"o","lines":[]}`, ledger.InvalidEvent, "one line or more")
	f("order.placed", `{"order":"o","lines":null}`, ledger.InvalidEvent, "lines: want an array")
	f("order.placed", `{"order":"o","lines":[{"location":"dc1","quantity":1}]}`, ledger.InvalidEvent, "lines[0].sku: missing member")
	f("order.placed", `{"order":"o","lines":[{"sku":"a","location":"dc1"}]}`, ledger.InvalidEvent, "lines[0].quantity: missing member")
	f("order.placed", `{"order":"o","lines":[{"sku":"a","location":7,"quantity":1}]}`, ledger.InvalidEvent, "lines[0].location: want a string")
	f("order.placed", `{"order":"o","channel":"`+strings.Repeat("c", 257)+`",`+lines+`}`, ledger.InvalidEvent, "channel: want 0 to 256 bytes")
	f("order.placed", `{"order":"o","ttl_seconds":0,`+lines+`}`, ledger.InvalidEvent, "ttl_seconds: want a whole number from 1 to 14400")
	f("order.placed", `{"order":"o","ttl_seconds":14401,`+lines+`}`, ledger.InvalidEvent, "ttl_seconds")
	f("order.placed", `{"order":"o","lines":[{"sku":"a","location":"dc1","quantity":1},{"sku":"b","quantity":1}]}`, ledger.NotSupported, "lines[1].location: missing")
	f("order.placed", `{"order":"o","lines":[{"sku":"a","location":"dc1","quantity":0}]}`, ledger.InvalidQuantity, "lines[0].quantity: 0: want more than 0")
	f("order.placed", `{"order":"o","lines":[{"sku":"a","location":"dc1","quantity":-1}]}`, ledger.InvalidQuantity, "lines[0].quantity: -1")
	f("order.placed", `{"order":"o","lines":[{"sku":"a","location":"dc1","quantity":0.5}]}`, ledger.InvalidQuantity, "lines[0].quantity: 0.5")
	f("order.placed", `{"order":"o","location":"dc1","lines":[{"sku":"a","quantity":2147483647},{"sku":"a","quantity":1}]}`, ledger.InvalidQuantity, "lines[1].quantity")
	f("order.placed", `{"order":"o","lines":[{"sku":"c","location":"dc1","quantity":1}]}`, ledger.UnknownSKU, `lines[0].sku: "c"`)
	f("order.placed", `{"order":"o","lines":[{"sku":"a","location":"mars","quantity":1}]}`, ledger.UnknownLocation, `lines[0].location: "mars"`)
	f("order.placed", `{"order":"o","location":"mars","lines":[{"sku":"a","quantity":1}]}`, ledger.UnknownLocation, `location: "mars"`)
	f("order.paid", `{}`, ledger.InvalidEvent, "order: missing member")
	f("order.cancelled", `{"lines":null}`, ledger.InvalidEvent, "order: missing member")
	f("order.cancelled", `{"order":"o","lines":[]}`, ledger.InvalidEvent, "one line or more")
	f("order.cancelled", `{"order":"o","reason":7}`, ledger.InvalidEvent, "reason: want a string")
	f("order.payment_failed", `{"order":"o","lines":[{"sku":"c","quantity":1}]}`, ledger.UnknownSKU, `lines[0].sku: "c"`)
	f("order.payment_failed", `{"order":"o","lines":[{"sku":"a","quantity":0}]}`, ledger.InvalidQuantity, "lines[0].quantity: 0")
	f("order.placed", `{"order":"ours",`+lines+`}`, ledger.IdempotencyMismatch, "another request")
	if s.ledger.Seq() != before {
		t.Error("a refusal changed something")
	}
}

// Codes that nobody knew are added on sight, each with an exception.
func TestOrderOnSight(t *testing.T) {
	s := openShop(t, ledger.Options{OpenCatalogue: true})
	r := s.accept(event("order.placed", "1", `{"order":"o","location":"pop-up","lines":[{"sku":"new","quantity":1},{"sku":"new","location":"dc1","quantity":1}]}`))
	s.isOrder("o", "refused new@pop-up 0/0/0 new@dc1 0/0/0")
	e, err := s.ledger.Entry(r.Seq)
	if err != nil || len(e.Exceptions) != 2 || e.Exceptions[0].Code != ledger.Unmapped || e.Exceptions[1].Code != ledger.Unmapped {
		t.Errorf("%+v, %v", e.Exceptions, err)
	}
}

// An order uses the codes of its source's system; two codes of one SKU are one position.
func TestOrderInCodesOfItsSystem(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("erp.item", "1", `{"sku":"a","aliases":{"pos":["A-1"]}}`))
	s.accept(event("erp.location", "2", `{"location":"dc1","aliases":{"pos":["D"]}}`))
	s.accept(event("wms.receipt", "3", `{"location":"dc1","lines":[{"sku":"a","quantity":5}]}`))
	s.accept(event("order.cancelled", "4", `{"order":"o","lines":[{"sku":"A-1","location":"D","quantity":1},{"sku":"a","location":"dc1","quantity":1}]}`))
	s.accept(event("order.placed", "5", `{"order":"o","location":"D","lines":[{"sku":"A-1","quantity":2},{"sku":"a","location":"dc1","quantity":3}]}`))
	s.isOrder("o", "held 14400s a@dc1 3/0/2")
	s.check()
}

// An order's codes that nobody knows wait as a dead letter, and what came for the order
// meanwhile is there when it is placed.
func TestOrderRetried(t *testing.T) {
	s := openShop(t, ledger.Options{})
	placed := event("order.placed", "1", `{"order":"o","location":"dc1","lines":[{"sku":"late","quantity":1}]}`)
	s.refuses(placed, ledger.UnknownSKU, "late")
	s.accept(event("order.paid", "2", `{"order":"o"}`))
	s.isOrder("o", "paid")
	s.must(ledger.PutSKU{Info: ledger.SKUInfo{SKU: "late"}, Now: noon})
	s.accept(event("wms.receipt", "3", `{"location":"dc1","lines":[{"sku":"late","quantity":1}]}`))
	s.accept(placed)
	s.isOrder("o", "confirmed late@dc1 0/1/0")
	s.check()
}
