package main

import (
	"encoding/json"
	"testing"
	"time"

	"onhand/retailer"
)

func newReserve(t *testing.T) *reserveScenario {
	t.Helper()
	shop, err := retailer.New(retailer.Config{Stores: 3, SKUs: 20, Warehouses: -1, Coverage: 1,
		Start: time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	v := &reserveScenario{Stores: 3, SKUs: 20, shop: shop, decimals: decimalsOf(shop), stock: make([]int32, 60)}
	return v
}

func TestReservationBody(t *testing.T) {
	v := newReserve(t)
	var got struct {
		ID         string
		TTLSeconds int `json:"ttl_seconds"`
		Lines      []struct {
			SKU, Location string
			Quantity      int
		}
	}
	body := v.appendReservation(nil, &booking{id: "r1-2-3", lines: []line{{0, 1}, {59, 2}}})
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if got.ID != "r1-2-3" || got.TTLSeconds != 14400 || len(got.Lines) != 2 || got.Lines[1].SKU != v.shop.SKUs()[19] ||
		got.Lines[1].Location != "0003" || got.Lines[1].Quantity != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestCountsNameEveryPositionOnce(t *testing.T) {
	v := newReserve(t)
	for p := range v.stock {
		v.stock[p] = int32(p)
	}
	type position struct{ location, sku string }
	seen := map[position]int{}
	for record := range v.counts(time.Now()) {
		var e struct {
			Data struct {
				Location string
				Lines    []struct {
					SKU      string
					Quantity int
				}
			}
		}
		if err := json.Unmarshal(record.Value, &e); err != nil {
			t.Fatalf("%v: %s", err, record.Value)
		}
		for _, ln := range e.Data.Lines {
			seen[position{e.Data.Location, ln.SKU}] = ln.Quantity
		}
	}
	for p := range v.stock {
		sku, location := v.name(int32(p))
		if got, counted := seen[position{location, sku}]; !counted || got != p {
			t.Errorf("%s at %s was counted as %d (%v), want %d", sku, location, got, counted, p)
		}
	}
}

func TestCoprime(t *testing.T) {
	f := func(a, n, want int64) {
		t.Helper()
		if got := coprime(a, n); got != want {
			t.Errorf("from %d, coprime to %d: %d, want %d", a, n, got, want)
		}
	}
	f(7919, 1_000_000, 7919)
	f(7919, 7919*3, 7921) // 7920 shares 3
	f(4, 1, 4)
}
