package retailer

import (
	"bytes"
	"slices"
	"testing"
)

func TestBooksAreTheSumOfDistinctEvents(t *testing.T) {
	r := mustNew(t, small())
	type position struct{ location, sku string }
	onHand, seen := map[position]int64{}, map[string][]byte{}
	var want Tally
	apply := func(record Record) {
		e := decode(t, record)
		if old, ok := seen[e.name()]; ok {
			if !bytes.Equal(old, record.Value) {
				t.Fatalf("two events named %s", e.name())
			}
			want.Duplicates++
			return
		}
		seen[e.name()] = record.Value
		want.Events++
		sign := int64(1)
		if e.Type == "pos.sale" {
			sign = -1
		}
		for _, ln := range e.Data.Lines {
			onHand[position{e.Data.Location, ln.SKU}] += sign * steps(t, r, ln)
			want.Lines++
		}
	}
	for record := range r.Opening() {
		apply(record)
	}
	if len(onHand) != r.Positions() {
		t.Errorf("%d positions were counted, want %d", len(onHand), r.Positions())
	}
	want = Tally{}
	run(r, 60_000, apply)

	compared := 0
	for _, id := range r.LocationIDs() {
		for sku, expected := range r.Carried(id) {
			compared++
			if got := onHand[position{id, sku}]; got != expected || r.Expected(id, sku) != expected {
				t.Fatalf("%s at %s: events add up to %d, the books say %d", sku, id, got, expected)
			}
		}
	}
	if compared != len(onHand) {
		t.Errorf("%d positions in the books, %d in the events", compared, len(onHand))
	}
	got := r.Tally()
	want.Late = got.Late
	if got != want {
		t.Errorf("tally %+v, want %+v", got, want)
	}
	if r.Expected("0001", "nothing") != 0 || r.Expected("nowhere", r.SKUs()[0]) != 0 {
		t.Error("something is expected where nothing is")
	}
}

func TestSetOnHand(t *testing.T) {
	r := mustNew(t, small())
	sku := r.SKUs()[0]
	if !r.SetOnHand("0001", sku, -3) || r.Expected("0001", sku) != -3 {
		t.Errorf("expected %d after setting -3", r.Expected("0001", sku))
	}
	if r.SetOnHand("0001", "nothing", 1) {
		t.Error("set a SKU that nobody carries")
	}
	// An empty shelf asks for a delivery.
	if record := r.Next(morning); decode(t, record).Type != "wms.receipt" || !slices.ContainsFunc(decode(t, record).Data.Lines, func(ln eventLine) bool { return ln.SKU == sku }) {
		t.Errorf("no delivery came: %s", record.Value)
	}
}
