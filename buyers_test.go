package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestBuyersOfTheLastUnits lets more buyers than there are units ask for one at once,
// over HTTP: each unit is sold once, every other buyer is told that there is none.
func TestBuyersOfTheLastUnits(t *testing.T) {
	p := start(t, t.TempDir())
	const buyers, units = 200, 60
	p.stock([]string{"milk"}, []string{"0042"}, units)
	var sold, refused atomic.Int64
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range buyers {
		wg.Go(func() {
			<-gate
			code, b := p.call("POST", "/v1/reservations", fmt.Sprintf(`{"id":"b%d","lines":[{"sku":"milk","location":"0042","quantity":1}]}`, i))
			switch code {
			case 201:
				sold.Add(1)
			case 409:
				refused.Add(1)
			default:
				t.Errorf("buyer %d: %d %s", i, code, b)
			}
		})
	}
	close(gate)
	wg.Wait()
	if sold.Load() != units || refused.Load() != buyers-units {
		t.Errorf("%d sold and %d refused, of %d units and %d buyers", sold.Load(), refused.Load(), units, buyers)
	}
	if r, err := p.row("milk", "0042"); err != nil || r.Held != units || r.Available != 0 {
		t.Errorf("%+v %v", r, err)
	}
	p.stop()
}

// TestBuyersOfOverlappingBaskets lets buyers ask for baskets that share SKUs and
// locations: what is granted adds up to what is held, nothing is sold twice, and a
// basket is refused only if something in it was short.
func TestBuyersOfOverlappingBaskets(t *testing.T) {
	p := start(t, t.TempDir())
	skus, locations := []string{"a", "b", "c", "d"}, []string{"x", "y"}
	const units, buyers, tries = 50, 24, 15
	p.stock(skus, locations, units)
	seed := uint64(time.Now().UnixNano())
	var mu sync.Mutex
	granted := map[[2]string]int{}
	grants, refusals := 0, 0
	var wg sync.WaitGroup
	for i := range buyers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			for n := range tries {
				body, basket := "", map[[2]string]int{}
				for _, j := range rng.Perm(len(skus) * len(locations))[:1+rng.IntN(4)] {
					at, q := [2]string{skus[j%len(skus)], locations[j/len(skus)]}, 1+rng.IntN(3)
					basket[at] = q
					body += fmt.Sprintf(`,{"sku":%q,"location":%q,"quantity":%d}`, at[0], at[1], q)
				}
				code, b := p.call("POST", "/v1/reservations", fmt.Sprintf(`{"id":"b%d-%d","lines":[%s]}`, i, n, body[1:]))
				mu.Lock()
				switch code {
				case 201:
					grants++
					for at, q := range basket {
						granted[at] += q
					}
				case 409:
					refusals++
				default:
					t.Errorf("buyer %d: %d %s", i, code, b)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	left := 0
	for _, sku := range skus {
		for _, loc := range locations {
			r, err := p.row(sku, loc)
			if err != nil || r.Held != granted[[2]string{sku, loc}] || r.Held > units || r.Available != units-r.Held {
				t.Errorf("seed %d: %s at %s: %+v %v, granted were %d", seed, sku, loc, r, err, granted[[2]string{sku, loc}])
			}
			left += r.Available
		}
	}
	if grants == 0 || refusals == 0 {
		t.Errorf("%d granted, %d refused, %d units left: the test did not come to what it is about", grants, refusals, left)
	}
	p.stop()
}
