package ingest

import (
	"fmt"
	"strings"
	"testing"

	"onhand/ledger"
)

func TestMovements(t *testing.T) {
	s := openShop(t, ledger.Options{})
	n := 0
	f := func(kind, lines, a, kg string) {
		t.Helper()
		n++
		s.accept(event(kind, fmt.Sprint(n), `{"location":"0042","lines":`+lines+`}`))
		if got := s.figures("a", "0042"); got != a {
			t.Errorf("%s %s: a is %s, want %s", kind, lines, got, a)
		}
		if got := s.figures("kg", "0042"); got != kg {
			t.Errorf("%s %s: kg is %s, want %s", kind, lines, got, kg)
		}
	}
	f("wms.receipt", `[{"sku":"a","quantity":10},{"sku":"kg","quantity":2.5}]`, "10/0/0/0", "2500/0/0/0")
	f("wms.receipt", `[{"sku":"a","quantity":3,"condition":"damaged"}]`, "13/3/0/0", "2500/0/0/0")
	f("pos.sale", `[{"sku":"a","quantity":2},{"sku":"kg","quantity":0.501},{"sku":"a","quantity":1.0}]`, "10/3/0/0", "1999/0/0/0")
	f("pos.sale", `[{"sku":"a","quantity":1,"condition":"damaged"}]`, "9/3/0/0", "1999/0/0/0") // tills know no conditions
	f("pos.return", `[{"sku":"a","quantity":1},{"sku":"a","quantity":2,"condition":"quality_control"}]`, "12/5/0/0", "1999/0/0/0")
	f("wms.shipment", `[{"sku":"a","quantity":2,"condition":"quarantine"}]`, "10/3/0/0", "1999/0/0/0")
	f("wms.shipment", `[{"sku":"a","quantity":1,"condition":null}]`, "9/3/0/0", "1999/0/0/0")
	f("wms.adjustment", `[{"sku":"a","quantity":-4},{"sku":"kg","quantity":-1.999}]`, "5/3/0/0", "0/0/0/0")
	f("wms.adjustment", `[{"sku":"a","quantity":-1,"condition":"damaged"}]`, "4/2/0/0", "0/0/0/0")
	f("wms.adjustment", `[{"sku":"a","quantity":0}]`, "4/2/0/0", "0/0/0/0")
	f("pos.sale", `[{"sku":"a","quantity":9}]`, "-5/2/0/0", "0/0/0/0")
	f("pos.sale", `[{"sku":"a","quantity":0},{"sku":"nobody knows","quantity":-0}]`, "-5/2/0/0", "0/0/0/0")
	f("wms.receipt", `[{"sku":"a","quantity":0},{"sku":"kg","quantity":1e-1}]`, "-5/2/0/0", "100/0/0/0")
}

func TestManyLinesOfOneSKU(t *testing.T) {
	s := openShop(t, ledger.Options{})
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf(`{"sku":%q,"quantity":1}`, []string{"a", "b", "kg"}[i%3]))
	}
	s.accept(event("wms.receipt", "1", `{"location":"dc1","lines":[`+strings.Join(lines, ",")+`]}`))
	if got := s.figures("a", "dc1") + " " + s.figures("b", "dc1") + " " + s.figures("kg", "dc1"); got != "34/0/0/0 33/0/0/0 33000/0/0/0" {
		t.Error(got)
	}
	s.refuses(event("wms.count", "2", `{"location":"dc1","lines":[`+strings.Join(lines, ",")+`]}`), ledger.DuplicateLine, "lines[3].sku")
}

func TestReservationIsHandedOver(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.count", "1", `{"location":"0042","counted_at":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":9}]}`))
	hold := func(id string) {
		s.must(&ledger.Hold{ID: id, Now: noon, ExpiresAt: noon + 60_000, Lines: []ledger.HoldLine{{SKU: 1, Location: 1, Quantity: 2}}})
	}
	hold("cart-1")
	hold("cart-2")
	s.accept(event("pos.sale", "2", `{"location":"0042","reservation":"cart-1","lines":[{"sku":"a","quantity":2}]}`))
	s.accept(event("wms.shipment", "3", `{"location":"0042","lines":[{"sku":"a","quantity":2}],"reservation":"cart-2"}`))
	if got := s.figures("a", "0042"); got != "5/0/0/0" {
		t.Error(got)
	}
	hold("cart-3")
	s.accept(event("pos.sale", "4", `{"location":"0042","reservation":"cart-3","lines":[{"sku":"a","quantity":0}]}`))
	s.accept(event("pos.return", "5", `{"location":"0042","reservation":"cart-3","lines":[{"sku":"a","quantity":1}]}`))
	if got := s.figures("a", "0042"); got != "6/0/2/0" {
		t.Errorf("neither a sale of nothing nor a return hands over: %s", got)
	}
}

func TestCount(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.receipt", "1", `{"location":"0042","lines":[{"sku":"a","quantity":10}]}`)) // at 09:59
	s.accept(event("wms.count", "2", `{"location":"0042","counted_at":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":3},{"sku":"b","quantity":0}]}`))
	if got := s.figures("a", "0042"); got != "13/0/0/0" {
		t.Errorf("counted before the receipt: %s", got)
	}
	s.accept(event("wms.count", "3", `{"location":"0042","lines":[{"sku":"a","quantity":4}]}`))
	if got := s.figures("a", "0042"); got != "4/0/0/0" {
		t.Errorf("counted as of the event's time: %s", got)
	}
}

func TestRefusals(t *testing.T) {
	s := openShop(t, ledger.Options{})
	n := 0
	sale := func(data string) string { n++; return event("pos.sale", fmt.Sprint(n), data) }
	line := func(line string) string {
		return sale(`{"location":"0042","lines":[{"sku":"a","quantity":1},` + line + `]}`)
	}

	for _, bad := range []struct{ value, detail string }{
		{``, "expected a value"},
		{`{`, "found the end"},
		{`[]`, "want an object, got an array"},
		{`17`, "want an object, got a number"},
		{`{}`, "specversion: missing member"},
		{"\xff\xfe", ""},
		{strings.Replace(sale(`{"location":"0042","lines":[{"sku":"a","quantity":1}]}`), `"1.0"`, `"0.3"`, 1), "specversion: want 1.0"},
		{strings.Replace(sale(`{"location":"0042"}`), `"pos.sale"`, `"pos.sail"`, 1), `type: unknown: "pos.sail"`},
		{`{"specversion":"1.0","type":"pos.sale","source":"","id":"1","time":"2026-11-23T09:59:00Z"}`, "source: want 1 to 512 bytes"},
		{`{"specversion":"1.0","type":"pos.sale","source":"s","id":"` + strings.Repeat("x", 513) + `","time":"2026-11-23T09:59:00Z"}`, "id: want"},
		{`{"specversion":"1.0","type":"pos.sale","source":"s\u0000","id":"1","time":"2026-11-23T09:59:00Z"}`, "source: want"},
		{`{"specversion":"1.0","type":"pos.sale","source":"s","id":5,"time":"2026-11-23T09:59:00Z"}`, "id: want a string, got a number"},
		{`{"specversion":"1.0","type":"pos.sale","source":"s","id":"1"}`, "time: missing member"},
		{`{"specversion":"1.0","type":"pos.sale","source":"s","id":"1","time":"2026-11-23"}`, `time: want a time`},
		{`{"specversion":"1.0","type":"pos.sale","source":"s","id":"1","time":"2026-11-23T09:59:00Z"}`, "data: missing member"},
		{sale(`{"lines":[]}`), "data.lines: want one line or more"},
		{sale(`{"lines":[{"sku":"a","quantity":1}]}`), "data.location: missing member"},
		{sale(`{"location":"0042"}`), "data.lines: missing member"},
		{sale(`{"location":42,"lines":[]}`), "data.location: want a string"},
		{sale(`{"location":"","lines":[]}`), "data.location: want a location"},
		{sale(`{"location":"` + strings.Repeat("x", 65) + `","lines":[]}`), "data.location: want a location"},
		{sale(`{"location":"0042","lines":{}}`), "data.lines: want an array"},
		{line(`{"quantity":1}`), "lines[1].sku: missing member"},
		{line(`{"sku":"a"}`), "lines[1].quantity: missing member"},
		{line(`{"sku":"a","quantity":"1"}`), "lines[1].quantity: want a number, got a string"},
		{line(`{"sku":"a\n","quantity":1}`), "lines[1].sku: want a SKU"},
		{line(`{"sku":"","quantity":1}`), "lines[1].sku: want a SKU"},
		{line(`{"sku":"` + strings.Repeat("x", 129) + `","quantity":1}`), "lines[1].sku: want a SKU"},
		{line(`7`), "lines[1]: want an object"},
		{sale(`{"location":"0042","reservation":"","lines":[{"sku":"a","quantity":1}]}`), "data.reservation: want 1 to 128 bytes"},
		{event("wms.receipt", "x", `{"location":"0042","lines":[{"sku":"a","quantity":1,"condition":"broken"}]}`), `lines[0].condition: want sellable`},
		{event("wms.count", "x", `{"location":"0042","counted_at":"yesterday","lines":[{"sku":"a","quantity":1}]}`), "data.counted_at: want a time"},
		{event("erp.item", "x", `{"decimals":0}`), "data.sku: missing member"},
		{event("erp.location", "x", `{"location":"x","kind":"shop"}`), "data.kind: want store, warehouse"},
		{event("erp.policy", "x", `{"rules":[]}`), "data.policy: missing member"},
		{event("erp.policy", "x", `{"policy":"safety-stock"}`), "data.rules: missing member"},
		{event("erp.policy", "x", `{"policy":"safety-stock","rules":[],"set":[]}`), "not both"},
	} {
		s.refuses(bad.value, ledger.InvalidEvent, bad.detail)
	}
	many := strings.Repeat(`{"sku":"a","quantity":1},`, linesMax)
	s.refuses(sale(`{"location":"0042","lines":[`+many+`{"sku":"a","quantity":1}]}`), ledger.InvalidEvent, "at most 100000")
	s.accept(sale(`{"location":"0042","lines":[` + many[:len(many)-1] + `]}`))

	for _, q := range []string{"-1", "1.5", "0.0001", "2147483648", "1e99", "123456789012345678901234567890", "1e-300"} {
		s.refuses(line(`{"sku":"a","quantity":`+q+`}`), ledger.InvalidQuantity, "lines[1].quantity: "+q)
	}
	s.refuses(line(`{"sku":"a","quantity":2147483647}`), ledger.InvalidQuantity, "lines[1].quantity")
	s.refuses(line(`{"sku":"kg","quantity":2147483.648}`), ledger.InvalidQuantity, "lines[1].quantity")
	s.refuses(event("wms.count", "x", `{"location":"0042","lines":[{"sku":"a","quantity":-1}]}`), ledger.InvalidQuantity, "lines[0].quantity: -1")
	s.refuses(event("wms.adjustment", "x", `{"location":"0042","lines":[{"sku":"a","quantity":-2147483649}]}`), ledger.InvalidQuantity, "lines[0]")
	s.refuses(event("erp.policy", "x", `{"policy":"safety-stock","rules":[{"units":-1}]}`), ledger.InvalidQuantity, "data.rules[0].units: -1")
	s.refuses(event("wms.count", "x", `{"location":"0042","lines":[{"sku":"a","quantity":1},{"sku":"a","quantity":1}]}`), ledger.DuplicateLine, `lines[1].sku: "a" is in lines[0]`)
	s.refuses(line(`{"sku":"c","quantity":1}`), ledger.UnknownSKU, `lines[1].sku: "c"`)
	s.refuses(sale(`{"location":"0043","lines":[{"sku":"a","quantity":1}]}`), ledger.UnknownLocation, `location: "0043"`)
	s.refuses(strings.Replace(sale(`{"location":"0042","lines":[{"sku":"a","quantity":1}]}`), "2026-11-23", "2026-10-08", 1), ledger.TooOld, "46 days")
	s.refuses(event("erp.policy", "x", `{"policy":"quotas","rules":[]}`), ledger.NotSupported, "quotas")
	s.refuses(event("erp.item", "x", `{"sku":"k","components":[{"sku":"a","quantity":1}]}`), ledger.NotSupported, "components")
}

func TestOneNameOneEvent(t *testing.T) {
	s := openShop(t, ledger.Options{})
	first := s.accept(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`))
	same := func(value string) {
		t.Helper()
		if r := s.accept(value); !r.Duplicate || r.Seq != first.Seq {
			t.Errorf("%s: %+v", value, r)
		}
	}
	same(event("pos.sale", "1", `{"lines":[{"quantity":2.00,"sku":"\u0061","note":"x"}],"location":"0042","cashier":7,"reservation":null}`))
	same(strings.Replace(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":20e-1}]}`), "09:59:00Z", "10:59:00.0001+01:00", 1))
	same(`{"data":{"location":"0042","lines":[{"sku":"a","quantity":2}]},"time":"2026-11-23T09:59:00Z","id":"1","traceparent":"x",
		"source":"pos/0042/till-3","type":"pos.sale","specversion":"1.0"}`)

	other := func(value string) {
		t.Helper()
		s.refuses(value, ledger.IdempotencyMismatch, fmt.Sprintf("change %d", first.Seq))
	}
	other(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":3}]}`))
	other(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":-3}]}`))
	other(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"nobody knows","quantity":2}]}`))
	other(event("pos.sale", "1", `{"location":"dc1","lines":[{"sku":"a","quantity":2}]}`))
	other(event("pos.return", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`))
	other(event("pos.sale", "1", `{"location":"0042","reservation":"r","lines":[{"sku":"a","quantity":2}]}`))
	other(strings.Replace(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`), "09:59:00Z", "09:58:00Z", 1))
	if got := s.figures("a", "0042"); got != "-2/0/0/0" {
		t.Error(got)
	}

	// A name that was refused is not used up.
	s.refuses(event("pos.sale", "2", `{"location":"0042","lines":[{"sku":"a","quantity":0.5}]}`), ledger.InvalidQuantity, "")
	s.accept(event("pos.sale", "2", `{"location":"0042","lines":[{"sku":"a","quantity":1}]}`))
	// Neither is one of an event that did nothing free again.
	s.accept(event("pos.sale", "3", `{"location":"0042","lines":[{"sku":"a","quantity":0}]}`))
	s.refuses(event("pos.sale", "3", `{"location":"0042","lines":[{"sku":"a","quantity":1}]}`), ledger.IdempotencyMismatch, "")

	count := s.accept(event("wms.count", "4", `{"location":"0042","lines":[{"sku":"a","quantity":5}]}`))
	if r := s.accept(event("wms.count", "4", `{"location":"0042","counted_at":"2026-11-23T09:59:00.000Z","lines":[{"sku":"a","quantity":5}]}`)); r.Seq != count.Seq || !r.Duplicate {
		t.Errorf("a default written out makes another event: %+v", r)
	}
}

func TestBinaryMode(t *testing.T) {
	s := openShop(t, ledger.Options{})
	header := func(more ...string) []ledger.Header {
		h := []ledger.Header{{Key: "content-type", Value: []byte("application/json")}}
		for i := 0; i < len(more); i += 2 {
			h = append(h, ledger.Header{Key: more[i], Value: []byte(more[i+1])})
		}
		return h
	}
	attributes := []string{"ce_specversion", "1.0", "ce_type", "pos.sale", "ce_source", "pos/0042/till-3", "ce_id", "1", "ce_time", "2026-11-23T09:59:00Z"}
	data := `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`
	r, err := s.Submit([]byte(data), header(attributes...))
	if err != nil || r.Duplicate {
		t.Fatal(r, err)
	}
	if r := s.accept(event("pos.sale", "1", data)); !r.Duplicate {
		t.Error("the same event in structured mode is another one")
	}
	h := header("ce_id", "1")
	h[0].Value = []byte("application/cloudevents+json; charset=utf-8")
	if r, err := s.Submit([]byte(event("pos.sale", "1", data)), h); err != nil || !r.Duplicate {
		t.Error("structured mode with headers beside it:", r, err)
	}
	for _, bad := range [][]string{attributes[:8], append([]string{"ce_id", "2"}, attributes...), {"ce_id", "1"}} {
		if _, err := s.Submit([]byte(data), header(bad...)); err == nil || !strings.HasPrefix(err.Error(), "invalid-event") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestOpenCatalogue(t *testing.T) {
	s := openShop(t, ledger.Options{OpenCatalogue: true})
	s.refuses(event("pos.sale", "1", `{"location":"new","lines":[{"sku":"x","quantity":1},{"sku":"y","quantity":0.5}]}`), ledger.InvalidQuantity, "lines[1]")
	r := s.accept(event("pos.sale", "1", `{"location":"new","lines":[{"sku":"x","quantity":1},{"sku":"a","quantity":1},{"sku":"x","quantity":1}]}`))
	if got := s.figures("x", "new"); got != "-2/0/0/0" {
		t.Error(got)
	}
	if err := s.ledger.Wait(r.Seq); err != nil {
		t.Fatal(err)
	}
	e, err := s.ledger.Entry(r.Seq)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, x := range e.Exceptions {
		codes = append(codes, x.Code.String()+" "+s.ledger.SKUName(x.SKU)+" "+s.ledger.LocationName(x.Location))
	}
	if got := strings.Join(codes, "; "); got != "unmapped  new; unmapped x new; negative-on-hand a new; negative-on-hand x new" {
		t.Error(got)
	}
}

func TestMasterDataEvents(t *testing.T) {
	s := openShop(t, ledger.Options{})
	item := event("erp.item", "1", `{"sku":"new","category":"dairy","decimals":3,"aliases":{"erp":["MAT-1"]},"weight":7}`)
	s.accept(item)
	if r := s.accept(item); !r.Duplicate {
		t.Error("not known again")
	}
	s.accept(event("erp.location", "2", `{"location":"n1","name":"Dam","time_zone":"Europe/Amsterdam","ships":true,"priority":1}`))
	s.accept(event("pos.sale", "3", `{"location":"n1","lines":[{"sku":"new","quantity":0.25}]}`))
	if got := s.figures("new", "n1"); got != "-250/0/0/0" {
		t.Error(got)
	}
	s.refuses(event("erp.item", "4", `{"sku":"new","decimals":0}`), ledger.InvalidEvent, "decimals")

	rules := func() string {
		var out []string
		list, _ := s.ledger.SafetyRules()
		for _, r := range list {
			out = append(out, fmt.Sprintf("%d,%d,%s=%d,%v", r.SKU, r.Location, r.Category, r.Units, r.None))
		}
		return strings.Join(out, " ")
	}
	s.accept(event("erp.policy", "5", `{"policy":"safety-stock","rules":[{"category":"dairy","units":1.5}]}`))
	if got := rules(); got != "0,0,dairy=1500,false" {
		t.Error(got)
	}
	s.accept(event("erp.policy", "6", `{"policy":"safety-stock","set":[{"sku":"a","location":"0042","units":null}],"remove":[{"category":"dairy"},{"sku":"nobody knows"}]}`))
	if got := rules(); got != "1,1,=0,true" {
		t.Error(got)
	}
	s.refuses(event("erp.policy", "7", `{"policy":"safety-stock","rules":[{"sku":"nobody knows","units":1}]}`), ledger.UnknownSKU, "rules[0]")
}

// An event whose quantity is out of any range is not the same event as one with 0.
func TestOverflowIsNotZero(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":0}]}`))
	s.refuses(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":1e999}]}`), ledger.IdempotencyMismatch, "other content")
}
