package ingest

import (
	"strings"
	"testing"

	"onhand/ledger"
)

// check holds the ledger against its journal.
func (s *shop) check() {
	s.t.Helper()
	r, err := s.ledger.Check()
	if err != nil || !r.OK() {
		s.t.Errorf("check: %v, %v", r.Findings, err)
	}
}

// reopen starts again from what is on disk.
func (s *shop) reopen() {
	s.t.Helper()
	if err := s.ledger.Close(); err != nil {
		s.t.Fatal(err)
	}
	l, err := ledger.Open(ledger.Options{Dir: "d", FS: s.fs, CheckpointEvery: -1, Clock: func() ledger.Millis { return ledger.Millis(s.clock.Load()) }})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := l.Close(); err != nil {
			s.t.Error(err)
		}
	})
	s.Applier = NewApplier(l)
}

func TestStatus(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.receipt", "1", `{"location":"0042","lines":[{"sku":"a","quantity":10}]}`))
	move := func(id, lines, want string) {
		t.Helper()
		s.accept(event("wms.status", id, `{"location":"0042","lines":[`+lines+`]}`))
		if got := s.figures("a", "0042"); got != want {
			t.Errorf("%s: a is %s, want %s", lines, got, want)
		}
	}
	move("2", `{"sku":"a","quantity":4,"from":"sellable","to":"damaged"}`, "10/4/0/0")
	move("3", `{"sku":"a","quantity":3,"from":"damaged","to":"quarantine"}`, "10/4/0/0")
	move("4", `{"sku":"a","quantity":1,"from":"quarantine","to":"sellable"},{"sku":"a","quantity":2,"from":"sellable","to":"quality_control"}`, "10/5/0/0")
	for lines, detail := range map[string]string{
		`{"sku":"a","quantity":1,"to":"damaged"}`:                     "from",
		`{"sku":"a","quantity":1,"from":"damaged"}`:                   "to",
		`{"sku":"a","quantity":1,"from":"damaged","to":"damaged"}`:    "differ",
		`{"sku":"a","quantity":1,"from":"damaged","to":"stolen"}`:     "stolen",
		`{"sku":"a","quantity":1,"from":null,"to":"damaged"}`:         "from",
		`{"sku":"a","quantity":"1","from":"sellable","to":"damaged"}`: "quantity",
	} {
		s.refuses(event("wms.status", "x", `{"location":"0042","lines":[`+lines+`]}`), ledger.InvalidEvent, detail)
	}
	for _, q := range []string{"0", "-1", "0.5"} {
		s.refuses(event("wms.status", "x", `{"location":"0042","lines":[{"sku":"a","quantity":`+q+`,"from":"sellable","to":"damaged"}]}`), ledger.InvalidQuantity, "lines[0].quantity")
	}
	s.accept(event("wms.void", "5", `{"location":"0042","voids":"2"}`))
	if got := s.figures("a", "0042"); got != "10/1/0/0" {
		t.Errorf("a is %s once the first of them was undone", got)
	}
}

func TestSnapshot(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.receipt", "1", `{"location":"0042","lines":[{"sku":"a","quantity":10}]}`)) // at 09:59
	s.accept(event("erp.snapshot", "2", `{"location":"0042","as_of":"2026-11-23T09:00:00Z","basis":"physical","lines":[{"sku":"a","quantity":3},{"sku":"b","quantity":0}]}`))
	if got := s.figures("a", "0042"); got != "13/0/0/0" {
		t.Errorf("as of an hour before the receipt: %s", got)
	}
	s.accept(event("erp.snapshot", "3", `{"location":"0042","lines":[{"sku":"a","quantity":3}]}`))
	s.accept(event("wms.count", "4", `{"location":"0042","counted_at":"2026-11-23T09:30:00Z","lines":[{"sku":"a","quantity":7}]}`))
	if got := s.figures("a", "0042"); got != "3/0/0/0" {
		t.Errorf("as of its time, against a count from before: %s", got)
	}
	s.refuses(event("erp.snapshot", "x", `{"location":"0042","lines":[{"sku":"a","quantity":-1}]}`), ledger.InvalidQuantity, "lines[0].quantity")
	s.refuses(event("erp.snapshot", "x", `{"location":"0042","lines":[{"sku":"a","quantity":1},{"sku":"a","quantity":1}]}`), ledger.DuplicateLine, "lines[1]")
	s.refuses(event("erp.snapshot", "x", `{"location":"0042","basis":"net","lines":[{"sku":"a","quantity":1}]}`), ledger.InvalidEvent, "basis")
	s.refuses(event("erp.snapshot", "x", `{"location":"0042","as_of":"now","lines":[{"sku":"a","quantity":1}]}`), ledger.InvalidEvent, "as_of")
}

func TestHeartbeat(t *testing.T) {
	s := openShop(t, ledger.Options{})
	asOf := func() ledger.Millis { loc, _ := s.ledger.LookupLocation([]byte("0042")); return s.ledger.AsOf(loc) }
	s.accept(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":1}]}`)) // at 09:59
	s.accept(event("feed.heartbeat", "2", `{"location":"0042","as_of":"2026-11-23T10:00:30Z"}`))
	if got := asOf(); got != noon+30_000 {
		t.Errorf("as of %d", got)
	}
	before := asOf()
	s.accept(event("feed.heartbeat", "3", `{"location":"0042","as_of":"2026-11-23T09:00:00Z"}`))
	if asOf() != before {
		t.Error("an old heartbeat takes back what was told")
	}
	s.refuses(event("feed.heartbeat", "x", `{"location":"0042"}`), ledger.InvalidEvent, "as_of")
	s.refuses(event("feed.heartbeat", "x", `{"as_of":"2026-11-23T10:00:30Z"}`), ledger.InvalidEvent, "location")
	s.refuses(event("feed.heartbeat", "x", `{"location":"0044","as_of":"2026-11-23T10:00:30Z"}`), ledger.UnknownLocation, "0044")
	s.refuses(event("wms.void", "x", `{"location":"0042","voids":"2"}`), ledger.InvalidEvent, "cannot be voided")
}

func TestVoid(t *testing.T) {
	s := openShop(t, ledger.Options{})
	is := func(want string) {
		t.Helper()
		if got := s.figures("a", "0042"); got != want {
			t.Errorf("a is %s, want %s", got, want)
		}
	}
	s.accept(event("wms.count", "1", `{"location":"0042","counted_at":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":20}]}`))
	s.accept(event("pos.sale", "2", `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`))
	s.accept(event("pos.return", "3", `{"location":"0042","lines":[{"sku":"a","quantity":1,"condition":"damaged"}]}`))
	is("19/1/0/0")
	s.accept(event("pos.void", "4", `{"location":"0042","voids":"2"}`))
	is("21/1/0/0")
	if r := s.accept(event("pos.void", "4", `{"location":"0042","voids":"2"}`)); !r.Duplicate {
		t.Errorf("a void that comes again: %+v", r)
	}
	s.accept(event("pos.void", "5", `{"location":"0042","voids":"3"}`))
	is("20/0/0/0")
	s.refuses(event("pos.void", "6", `{"location":"0042","voids":"2"}`), ledger.AlreadyVoided, "voids")
	s.refuses(event("pos.void", "6", `{"location":"0042","voids":"4"}`), ledger.InvalidEvent, "a void")
	s.refuses(event("pos.void", "6", `{"location":"0042","voids":"6"}`), ledger.InvalidEvent, "itself")
	s.refuses(event("pos.void", "6", `{"location":"0042"}`), ledger.InvalidEvent, "voids")
	s.refuses(event("pos.void", "6", `{"location":"0044","voids":"2"}`), ledger.UnknownLocation, "0044")

	s.accept(event("pos.void", "7", `{"location":"0042","voids":"8"}`))
	s.refuses(event("pos.void", "9", `{"location":"0042","voids":"8"}`), ledger.AlreadyVoided, "voids")
	s.accept(event("pos.sale", "8", `{"location":"0042","lines":[{"sku":"a","quantity":5}]}`))
	is("20/0/0/0")
	if r := s.accept(event("pos.sale", "8", `{"location":"0042","lines":[{"sku":"a","quantity":5}]}`)); !r.Duplicate {
		t.Errorf("an event that was voided before it came, and comes again: %+v", r)
	}
	s.check()
}

// A later count has settled what a voided sale took: undoing it moves nothing.
func TestVoidBehindACount(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`)) // at 09:59
	s.accept(event("wms.count", "2", `{"location":"0042","counted_at":"2026-11-23T09:59:30Z","lines":[{"sku":"a","quantity":7}]}`))
	s.accept(event("pos.void", "3", `{"location":"0042","voids":"1"}`))
	if got := s.figures("a", "0042"); got != "7/0/0/0" {
		t.Error(got)
	}
	s.check()
}

func TestVoidOfACount(t *testing.T) {
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
	at("wms.receipt", "1", "09:00:00", `"lines":[{"sku":"a","quantity":10,"condition":"damaged"}]`)
	at("wms.count", "2", "09:10:00", `"lines":[{"sku":"a","quantity":8}]`)
	at("pos.sale", "3", "09:20:00", `"lines":[{"sku":"a","quantity":1}]`)
	at("wms.count", "4", "09:30:00", `"lines":[{"sku":"a","quantity":5}]`)
	at("pos.sale", "5", "09:15:00", `"lines":[{"sku":"a","quantity":1}]`) // late: the count has it
	at("pos.sale", "6", "09:40:00", `"lines":[{"sku":"a","quantity":1}]`)
	is("4/5/0/0")
	at("wms.void", "7", "09:50:00", `"voids":"4"`)
	is("5/8/0/0") // 8 counted, less three sales since
	at("wms.count", "8", "09:12:00", `"lines":[{"sku":"a","quantity":9}]`)
	is("6/8/0/0")
	at("wms.void", "9", "09:50:00", `"voids":"2"`) // which the later one had overtaken
	is("6/10/0/0")
	at("wms.void", "10", "09:50:00", `"voids":"8"`)
	is("7/10/0/0") // nothing counted: a receipt of 10, less three sales
	at("wms.void", "11", "09:50:00", `"voids":"12"`)
	at("wms.count", "12", "09:45:00", `"lines":[{"sku":"a","quantity":1}]`)
	is("7/10/0/0")
	s.check()
	s.reopen()
	is("7/10/0/0")
	s.refuses(event("wms.void", "13", `{"location":"0042","voids":"12"}`), ledger.AlreadyVoided, "voids")
	s.check()
}

func TestVoidGivesAReservationBack(t *testing.T) {
	s := openShop(t, ledger.Options{})
	is := func(want string, state ledger.State) {
		t.Helper()
		r, ok, err := s.ledger.Reservation("cart", noon)
		if got := s.figures("a", "0042"); got != want || !ok || err != nil || r.State != state {
			t.Errorf("a is %s and the reservation %v, want %s and %v", got, r.State, want, state)
		}
	}
	s.accept(event("wms.count", "1", `{"location":"0042","counted_at":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":9}]}`))
	s.must(&ledger.Hold{ID: "cart", Now: noon, ExpiresAt: noon + 60_000, Lines: []ledger.HoldLine{{SKU: 1, Location: 1, Quantity: 2}}})
	s.accept(event("pos.sale", "2", `{"location":"0042","reservation":"cart","lines":[{"sku":"a","quantity":3}]}`))
	is("6/0/0/0", ledger.Fulfilled)
	if err := s.ledger.Checkpoint(); err != nil { // it moves to disk
		t.Fatal(err)
	}
	s.accept(event("pos.void", "3", `{"location":"0042","voids":"2"}`))
	is("9/0/0/2", ledger.Confirmed)
	s.reopen()
	is("9/0/0/2", ledger.Confirmed)
	if err := s.ledger.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	is("9/0/0/2", ledger.Confirmed)
	s.check()
	r := s.must(&ledger.Transition{Op: ledger.KindFulfil, ID: "cart", Now: noon})
	is("7/0/0/0", ledger.Fulfilled)
	void := strings.Replace(event("wms.void", "4", `{"location":"0042","voids":"`+ledger.MovementID(r.Movement)+`"}`), "pos/0042/till-3", "onhand", 1)
	s.accept(void)
	is("9/0/0/2", ledger.Confirmed)
	s.refuses(strings.Replace(void, `"id":"4"`, `"id":"5"`, 1), ledger.AlreadyVoided, "voids")
	for _, id := range []string{"f1", "f999999"} { // no fulfilment, no entry
		bad := strings.Replace(event("wms.void", "6", `{"location":"0042","voids":"`+id+`"}`), "pos/0042/till-3", "onhand", 1)
		s.refuses(bad, ledger.InvalidEvent, "voids")
	}
	s.check()
}
