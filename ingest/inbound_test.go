package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"onhand/ledger"
)

// underWay is what is still to come, as "document sku quantity>location@hour".
func (s *shop) underWay() string {
	var out []string
	for _, r := range s.ledger.InboundRows(ledger.InboundFilter{}, "", 100) {
		text := fmt.Sprintf("%s %s %d>%s", r.ID, s.ledger.SKUName(r.SKU), r.Quantity, s.ledger.LocationName(r.To))
		if r.ExpectedAt != 0 {
			text += "@" + time.UnixMilli(int64(r.ExpectedAt)).UTC().Format("15:04")
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func (s *shop) isUnderWay(want string) {
	s.t.Helper()
	if got := s.underWay(); got != want {
		s.t.Errorf("under way: %q, want %q", got, want)
	}
}

func TestTransferEvents(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.accept(event("wms.receipt", "1", `{"location":"dc1","lines":[{"sku":"a","quantity":10},{"sku":"a","quantity":2,"condition":"damaged"},{"sku":"kg","quantity":5}]}`))
	ship := `{"location":"dc1","to":"0042","transfer":"t1","expected_at":"2026-11-24T08:00:00+01:00","lines":[{"sku":"a","quantity":3},{"sku":"kg","quantity":0.5},{"sku":"a","quantity":1,"condition":"damaged"}]}`
	s.accept(event("wms.transfer", "2", ship))
	s.isUnderWay("t1 a 4>0042@07:00 t1 kg 500>0042@07:00")
	if got := s.figures("a", "dc1"); got != "8/1/0/0" {
		t.Errorf("what was damaged left as such: %s", got)
	}
	if r := s.accept(event("wms.transfer", "2", strings.Replace(ship, `"quantity":3}`, `"quantity":3.0,"note":"x"}`, 1))); !r.Duplicate {
		t.Error("the same event is no duplicate")
	}
	s.refuses(event("wms.transfer", "2", strings.Replace(ship, "08:00", "09:00", 1)), ledger.IdempotencyMismatch, "")
	s.refuses(event("wms.transfer", "2", strings.Replace(ship, "t1", "t2", 1)), ledger.IdempotencyMismatch, "")
	s.refuses(event("wms.transfer", "3", ship), ledger.TransferAlreadyShipped, `"t1" was shipped by event "2"`)
	s.accept(event("wms.transfer_receipt", "4", `{"location":"0042","transfer":"t1","lines":[{"sku":"a","quantity":1,"condition":"damaged"},{"sku":"a","quantity":2}]}`))
	s.isUnderWay("t1 a 1>0042@07:00 t1 kg 500>0042@07:00")
	if got := s.figures("a", "0042"); got != "3/1/0/0" {
		t.Error(got)
	}
	s.accept(event("wms.transfer_receipt", "5", `{"location":"0042","transfer":"t1","complete":true}`))
	s.isUnderWay("")
	s.refuses(event("wms.transfer_receipt", "5", `{"location":"0042","transfer":"t1","complete":false,"lines":[{"sku":"a","quantity":1}]}`), ledger.IdempotencyMismatch, "")
	s.accept(event("wms.void", "6", `{"location":"0042","voids":"5"}`))
	s.accept(event("wms.void", "7", `{"location":"0042","voids":"4"}`))
	s.isUnderWay("t1 a 4>0042@07:00 t1 kg 500>0042@07:00")
	s.check()
	s.reopen()
	s.isUnderWay("t1 a 4>0042@07:00 t1 kg 500>0042@07:00")
	s.accept(event("wms.void", "8", `{"location":"dc1","voids":"2"}`))
	s.isUnderWay("")
	if got := s.figures("a", "dc1"); got != "12/2/0/0" {
		t.Error(got)
	}
	s.check()
}

func TestInboundEvents(t *testing.T) {
	s := openShop(t, ledger.Options{})
	line := func(sku string, quantity string, hour int) string {
		return fmt.Sprintf(`{"sku":%q,"quantity":%s,"expected_at":"2026-11-24T%02d:00:00Z"}`, sku, quantity, hour)
	}
	purchase := func(id string, lines ...string) string {
		return event("erp.inbound", id, `{"location":"dc1","inbound":"po-1","lines":[`+strings.Join(lines, ",")+`]}`)
	}
	s.accept(event("wms.receipt", "1", `{"location":"dc1","inbound":"po-1","lines":[{"sku":"a","quantity":1}]}`)) // at 09:59, as all
	s.accept(strings.Replace(purchase("2", line("a", "4", 9), line("a", "2", 8), line("kg", "1.5", 8)), "09:59:00Z", "09:58:00Z", 1))
	s.isUnderWay("po-1 a 1>dc1@08:00 po-1 a 4>dc1@09:00 po-1 kg 1500>dc1@08:00")
	s.accept(event("wms.receipt", "3", `{"location":"dc1","inbound":"po-1","lines":[{"sku":"a","quantity":0}]}`))
	s.accept(event("wms.receipt", "4", `{"location":"dc1","inbound":null,"lines":[{"sku":"a","quantity":1}]}`))
	s.isUnderWay("po-1 a 1>dc1@08:00 po-1 a 4>dc1@09:00 po-1 kg 1500>dc1@08:00")
	s.accept(purchase("5", line("a", "0", 9), line("kg", "2", 8)))
	s.isUnderWay("po-1 kg 2000>dc1@08:00")
	s.accept(purchase("6"))
	s.isUnderWay("")
	s.refuses(purchase("7", line("a", "1", 8), line("b", "1", 8), line("a", "2", 8)), ledger.DuplicateLine, `lines[2].sku: "a" is in lines[0] as well`)
	s.refuses(purchase("7", line("a", "-1", 8)), ledger.InvalidQuantity, "lines[0].quantity: -1")
	s.refuses(purchase("7", line("a", "2147483647", 8), line("a", "1", 9)), ledger.InvalidQuantity, "lines[1].quantity")
	s.refuses(purchase("7", line("c", "1", 8)), ledger.UnknownSKU, `lines[0].sku: "c"`)
	s.refuses(event("wms.void", "8", `{"location":"dc1","voids":"6"}`), ledger.InvalidEvent, "erp.inbound, which cannot be voided")
	s.check()
	s.reopen()
	s.isUnderWay("")
}

func TestRefusedInbound(t *testing.T) {
	s := openShop(t, ledger.Options{})
	before := s.ledger.Seq()
	f := func(kind, data string, code ledger.Code, detail string) {
		t.Helper()
		s.refuses(event(kind, "x", data), code, detail)
	}
	lines := `"lines":[{"sku":"a","quantity":1}]`
	f("wms.transfer", `{"location":"dc1","to":"0042",`+lines+`}`, ledger.InvalidEvent, "transfer: missing member")
	f("wms.transfer", `{"location":"dc1","transfer":"t",`+lines+`}`, ledger.InvalidEvent, "to: missing member")
	f("wms.transfer", `{"location":"dc1","to":"dc1","transfer":"t",`+lines+`}`, ledger.InvalidEvent, "another location in to")
	f("wms.transfer", `{"location":"dc1","to":"0042","transfer":"t"}`, ledger.InvalidEvent, "lines: missing member")
	f("wms.transfer", `{"location":"dc1","to":"0042","transfer":"t","lines":[]}`, ledger.InvalidEvent, "one line or more")
	f("wms.transfer", `{"location":"dc1","to":"0042","transfer":"",`+lines+`}`, ledger.InvalidEvent, "transfer: want 1 to 128 bytes")
	f("wms.transfer", `{"location":"dc1","to":"0042","transfer":"`+strings.Repeat("t", 129)+`",`+lines+`}`, ledger.InvalidEvent, "transfer: want 1 to 128 bytes")
	f("wms.transfer", `{"location":"dc1","to":"0042","transfer":"t","expected_at":"tomorrow",`+lines+`}`, ledger.InvalidEvent, "expected_at")
	f("wms.transfer", `{"location":"dc1","to":"mars","transfer":"t",`+lines+`}`, ledger.UnknownLocation, `to: "mars"`)
	f("wms.transfer", `{"location":"dc1","to":"0042","transfer":"t","lines":[{"sku":"a","quantity":0}]}`, ledger.InvalidQuantity, "lines[0].quantity: 0")
	f("wms.transfer_receipt", `{"location":"dc1",`+lines+`}`, ledger.InvalidEvent, "transfer: missing member")
	f("wms.transfer_receipt", `{"location":"dc1","transfer":"t"}`, ledger.InvalidEvent, "lines: missing member")
	f("wms.transfer_receipt", `{"location":"dc1","transfer":"t","lines":[]}`, ledger.InvalidEvent, "or complete")
	f("wms.transfer_receipt", `{"location":"dc1","transfer":"t","complete":"yes",`+lines+`}`, ledger.InvalidEvent, "complete")
	f("wms.transfer_receipt", `{"location":"dc1","transfer":"t","lines":[{"sku":"a","quantity":0}]}`, ledger.InvalidQuantity, "lines[0].quantity: 0")
	f("erp.inbound", `{"location":"dc1",`+lines+`}`, ledger.InvalidEvent, "expected_at: missing member")
	f("erp.inbound", `{"location":"dc1","lines":[]}`, ledger.InvalidEvent, "inbound: missing member")
	f("erp.inbound", `{"location":"dc1","inbound":"po"}`, ledger.InvalidEvent, "lines: missing member")
	f("erp.inbound", `{"location":"dc1","inbound":null,"lines":[]}`, ledger.InvalidEvent, "inbound")
	f("erp.inbound", `{"location":"dc1","inbound":"po","lines":[{"sku":"a","quantity":1,"expected_at":"1969-12-31T00:00:00Z"}]}`, ledger.InvalidEvent, "after 1970")
	if s.ledger.Seq() != before {
		t.Error("a refusal changed something")
	}
}

// A place that nobody knew is added on sight where goods go as well, once all else is right.
func TestTransferToPlaceOnSight(t *testing.T) {
	s := openShop(t, ledger.Options{OpenCatalogue: true})
	r := s.accept(event("wms.transfer", "1", `{"location":"dc1","to":"pop-up","transfer":"t","lines":[{"sku":"a","quantity":1}]}`))
	s.isUnderWay("t a 1>pop-up")
	e, err := s.ledger.Entry(r.Seq)
	if err != nil || len(e.Exceptions) != 2 || e.Exceptions[0].Code != ledger.Unmapped {
		t.Errorf("%+v, %v", e.Exceptions, err)
	}
}
