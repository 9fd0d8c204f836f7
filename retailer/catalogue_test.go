package retailer

import (
	"math/rand/v2"
	"testing"
)

func TestCheckDigit(t *testing.T) {
	f := func(digits string, want byte) {
		t.Helper()
		if got := checkDigit([]byte(digits)); got != want {
			t.Errorf("check digit of %s is %c, want %c", digits, got, want)
		}
	}
	f("400638133393", '1')
	f("501234567890", '0')
	f("978020137962", '4')
}

func TestCatalogue(t *testing.T) {
	r := mustNew(t, Config{Stores: 1, Start: morning})
	seen, weighed, byCategory := map[string]bool{}, 0, map[string]int{}
	for i, sku := range r.SKUs() {
		item := r.Item(i)
		if len(sku) != 13 || checkDigit([]byte(sku[:12])) != sku[12] {
			t.Fatalf("%s is not a GTIN-13", sku)
		}
		if seen[sku] || item.SKU != sku || item.GTIN != "0"+sku || len(item.Aliases.ERP) != 1 {
			t.Fatalf("item %d is wrong or a repeat: %+v", i, item)
		}
		seen[sku] = true
		byCategory[item.Category]++
		if item.Decimals == 3 {
			weighed++
		} else if item.Decimals != 0 {
			t.Fatalf("%s has %d decimals", sku, item.Decimals)
		}
	}
	if len(seen) != 20_000 || weighed < 800 || weighed > 1200 || len(byCategory) != 30 {
		t.Errorf("%d SKUs, %d of them weighed, in %d categories; want 20000, about 1000, 30", len(seen), weighed, len(byCategory))
	}
}

func TestAssortment(t *testing.T) {
	r := mustNew(t, Config{Start: morning})
	if n := r.Positions() - 3*20_000; n < 900_000 || n > 1_100_000 {
		t.Errorf("stores carry %d positions, want about a million", n)
	}
	carriers := func(item int) (n int) {
		for _, id := range r.StoreIDs() {
			if _, _, ok := r.find(id, r.SKUs()[item]); ok {
				n++
			}
		}
		return n
	}
	if n := carriers(0); n < 295 {
		t.Errorf("the best seller is in %d of 300 stores", n)
	}
	if n := carriers(19_999); n > 20 {
		t.Errorf("the rarest item is in %d of 300 stores", n)
	}
	for i, l := range r.Locations() {
		if l.Kind == "warehouse" && len(r.shelves[i].onHand) != 20_000 {
			t.Errorf("%s carries %d SKUs, want all", l.ID, len(r.shelves[i].onHand))
		}
	}
}

func TestCoverage(t *testing.T) {
	f := func(coverage float64) {
		t.Helper()
		config := small()
		config.Stores, config.SKUs, config.Warehouses, config.Coverage = 100, 2000, -1, coverage
		r := mustNew(t, config)
		got := float64(r.Positions()) / (100 * 2000)
		if got < coverage*0.95 || got > coverage*1.05 {
			t.Errorf("coverage %g gives %g", coverage, got)
		}
	}
	f(0.01)
	f(0.166)
	f(0.5)
	f(0.9)
	f(1)
}

func TestPickers(t *testing.T) {
	for _, skew := range []float64{-1, 0.8, 1, 1.2} {
		config := small()
		config.Skew = skew
		r := mustNew(t, config)
		rng := rand.New(rand.NewPCG(1, 2))
		top := 0
		for range 10_000 {
			store, sku := r.PickPosition(rng)
			if _, _, ok := r.find(store, sku); !ok {
				t.Fatalf("picked %s at %s, which does not carry it", sku, store)
			}
			if r.PickSKU(rng) == r.SKUs()[0] {
				top++
			}
			if s := r.PickStore(rng); s == "" || s[0] == 'd' {
				t.Fatalf("picked store %q", s)
			}
		}
		if even := skew < 0; even != (top < 60) {
			t.Errorf("skew %g: the best seller of 500 was picked %d times of 10000", skew, top)
		}
	}
}
