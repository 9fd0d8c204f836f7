package ingest

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"

	"onhand/ledger"
)

// from is an event of another source.
func from(source, e string) string { return strings.Replace(e, "pos/0042/till-3", source, 1) }

// TestAliases names SKUs and locations by the codes of the sources' systems.
func TestAliases(t *testing.T) {
	s := openShop(t, ledger.Options{})
	s.Systems = map[string]string{"tills-of-the-north": "pos"}
	n := 0
	sell := func(source, location, sku string) error {
		n++
		return s.submit(from(source, event("pos.sale", strconv.Itoa(n), `{"location":"`+location+`","lines":[{"sku":"`+sku+`","quantity":1}]}`)))
	}
	f := func(source, location, sku, want string) {
		t.Helper()
		before := map[string]string{}
		for _, p := range []string{"a 0042", "a dc1", "b 0042", "b dc1"} {
			before[p] = s.figures(p[:1], p[2:])
		}
		err := sell(source, location, sku)
		got := "nothing"
		if err != nil {
			got = err.Error()
		}
		for p, was := range before {
			if now := s.figures(p[:1], p[2:]); now != was {
				got = p
			}
		}
		if got != want {
			t.Errorf("%s sells %s at %s: %s, want %s", source, sku, location, got, want)
		}
	}
	item := func(source, data string) {
		t.Helper()
		n++
		s.accept(from(source, event("erp.item", strconv.Itoa(n), data)))
	}
	place := func(source, data string) {
		t.Helper()
		n++
		s.accept(from(source, event("erp.location", strconv.Itoa(n), data)))
	}
	f("pos/1", "0042", "PLU-1", `unknown-sku: lines[0].sku: "PLU-1"`)
	item("erp/hq", `{"sku":"a","gtin":"8710398526001","aliases":{"pos":["PLU-1","b"],"erp":["MAT-1"]}}`)
	place("erp/hq", `{"location":"dc1","aliases":{"pos":["42","0042"],"gln":["5012345004211"]}}`)
	f("pos/1", "42", "PLU-1", "a dc1")
	f("pos/1", "0042", "a", "a dc1") // the system's own word goes first
	f("pos/1", "42", "b", "a dc1")
	f("wms/1", "0042", "b", "b 0042")
	f("wms/1", "42", "b", `unknown-location: location: "42"`)
	f("wms/1", "dc1", "PLU-1", `unknown-sku: lines[0].sku: "PLU-1"`)
	f("tills-of-the-north", "42", "PLU-1", "a dc1")
	f("pos", "42", "PLU-1", "a dc1")
	f("wms/1", "5012345004211", "8710398526001", "a dc1")
	f("wms/1", "dc1", "08710398526001", "a dc1")
	f("wms/1", "dc1", "8710398526002", `unknown-sku: lines[0].sku: "8710398526002"`)
	f("erp/other", "dc1", "MAT-1", "a dc1")

	// A code is one object's, and its owner's to change.
	refused := func(source, typ, data, detail string) {
		t.Helper()
		n++
		s.refuses(from(source, event(typ, strconv.Itoa(n), data)), ledger.InvalidEvent, detail)
	}
	refused("erp/hq", "erp.item", `{"sku":"b","aliases":{"pos":["PLU-1"]}}`, `aliases.pos: "PLU-1" is that of SKU a, as erp/hq says`)
	refused("erp/hq", "erp.item", `{"sku":"b","gtin":"08710398526001"}`, `"08710398526001" is that of SKU a`)
	refused("erp/hq", "erp.item", `{"sku":"8710398526001"}`, `is that of SKU a`)
	refused("wms/1", "erp.location", `{"location":"0042","aliases":{"pos":["42"]}}`, `aliases.pos: "42" is that of location dc1, as erp/hq says`)
	item("pim", `{"sku":"a","gtin":"8710398526001","aliases":{"web":["W1"]}}`) // says nothing of what is not its own
	f("pos/1", "42", "PLU-1", "a dc1")
	f("web", "dc1", "W1", "a dc1")
	item("erp/hq", `{"sku":"a","aliases":{"pos":["PLU-2"]}}`)
	f("pos/1", "42", "PLU-1", `unknown-sku: lines[0].sku: "PLU-1"`)
	f("pos/1", "42", "PLU-2", "a dc1")
	f("web", "dc1", "W1", "a dc1")
	f("wms/1", "dc1", "08710398526001", `unknown-sku: lines[0].sku: "08710398526001"`)

	// A call may map and unmap whatever is whose.
	sku, _ := s.ledger.LookupSKU([]byte("b"))
	s.must(ledger.PutAlias{System: "pos", Code: "PLU-1", SKU: sku, Now: noon})
	f("pos/1", "42", "PLU-1", "b dc1")
	if _, err := s.ledger.Apply(ledger.PutAlias{System: "pos", Code: "PLU-2", SKU: sku, Now: noon}); err == nil || !strings.Contains(err.Error(), "SKU a, as erp/hq says") {
		t.Errorf("a code of another: %v", err)
	}
	a, _ := s.ledger.LookupSKU([]byte("a"))
	s.must(ledger.PutAlias{System: "pos", Code: "PLU-2", SKU: a, Remove: true, Now: noon})
	s.must(ledger.PutAlias{System: "pos", Code: "PLU-2", SKU: sku, Now: noon})
	f("pos/1", "42", "PLU-2", "b dc1")
	owners := ""
	for _, x := range append(s.ledger.AliasesOfSKU(a), s.ledger.AliasesOfSKU(sku)...) {
		owners += x.System + ":" + x.Code + "=" + x.Owner + " "
	}
	if want := "web:W1=pim pos:PLU-1=http pos:PLU-2=http "; owners != want {
		t.Errorf("owners are %s, want %s", owners, want)
	}
	s.check()
	s.reopen()
	f("pos/1", "42", "PLU-2", "b dc1")
	f("web", "dc1", "W1", "a dc1")
	if err := s.ledger.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.reopen()
	f("pos/1", "42", "PLU-2", "b dc1")
	f("pos/1", "42", "PLU-1", "b dc1")
	refused("erp/hq", "erp.item", `{"sku":"a","aliases":{"pos":["PLU-1"]}}`, `SKU b, as http says`)
	s.check()
}

// TestMappingFreesLetters: a letter whose code nobody knew is applied when a code is mapped,
// whichever way.
func TestMappingFreesLetters(t *testing.T) {
	s := openShop(t, ledger.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	var retrying sync.WaitGroup
	retrying.Go(func() { NewRetrier(s.ledger, s.Applier).Run(ctx) })
	defer retrying.Wait()
	defer cancel()
	f := func(location, sku string, teach func(), position, want string) {
		t.Helper()
		e := event("pos.sale", location+sku, `{"location":"`+location+`","lines":[{"sku":"`+sku+`","quantity":1}]}`)
		if res, err := s.Batch([]byte(e)); err != nil || len(res.Rejected) != 1 {
			t.Fatalf("%+v %v", res, err)
		}
		teach()
		eventually(t, position+" is "+want, func() bool { return s.figures(position[:1], position[2:]) == want })
	}
	a, _ := s.ledger.LookupSKU([]byte("a"))
	dc1, _ := s.ledger.LookupLocation([]byte("dc1"))
	f("0042", "PLU-1", func() { s.must(ledger.PutAlias{System: "pos", Code: "PLU-1", SKU: a, Now: noon}) }, "a 0042", "-1/0/0/0")
	f("7", "a", func() { s.must(ledger.PutAlias{System: "pos", Code: "7", Location: dc1, Now: noon}) }, "a dc1", "-1/0/0/0")
	f("0042", "0000087103985", func() { s.accept(event("erp.item", "i", `{"sku":"b","gtin":"87103985"}`)) }, "b 0042", "-1/0/0/0")
	f("5012345004211", "b", func() {
		s.accept(event("erp.location", "l", `{"location":"dc1","aliases":{"gln":["5012345004211"],"pos":["7"]}}`))
	}, "b dc1", "-1/0/0/0")
	s.check()
}
