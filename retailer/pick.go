package retailer

import (
	"math"
	"math/rand/v2"
	"sort"
)

// zipf draws ranks from 0 to n-1 by inverting the continuous curve 1/x^skew over 1 to n+1 and cutting
// to whole ranks. That takes one random number and no table for any n, where the exact distribution
// would take a table per location or a loop; only the first few ranks differ by some percent.
type zipf struct {
	n     int
	span  float64
	power float64 // 0: the exponent is 1, where the curve integrates to a logarithm
}

func newZipf(n int, skew float64) zipf {
	if math.Abs(skew-1) < 1e-6 {
		return zipf{n: n, span: math.Log(float64(n) + 1)}
	}
	return zipf{n: n, span: math.Pow(float64(n)+1, 1-skew) - 1, power: 1 / (1 - skew)}
}

func (z *zipf) draw(rng *rand.Rand) int {
	u := rng.Float64()
	var x float64
	if z.power == 0 {
		x = math.Exp(u * z.span)
	} else {
		x = math.Pow(1+u*z.span, z.power)
	}
	return min(int(x)-1, z.n-1)
}

// PickSKU draws a SKU of the catalogue, skewed as sales are.
func (r *Retailer) PickSKU(rng *rand.Rand) string {
	return r.catalogue.skus[r.allSKUs.draw(rng)]
}

// PickStore draws a store, busy ones more often.
func (r *Retailer) PickStore(rng *rand.Rand) string { return r.ids[r.pickStore(rng)] }

// PickPosition draws a store as PickStore does and one of the SKUs that it carries, skewed as its
// sales are.
func (r *Retailer) PickPosition(rng *rand.Rand) (store, sku string) {
	i := r.pickStore(rng)
	s := &r.shelves[i]
	return r.ids[i], r.catalogue.skus[s.item(s.zipf.draw(rng))]
}

func (r *Retailer) pickStore(rng *rand.Rand) int { return int(r.busy[rng.IntN(len(r.busy))]) }

// SKUs lists all SKUs, best seller first. The caller must not change it.
func (r *Retailer) SKUs() []string { return r.catalogue.skus }

// Item is the master data of the SKU at that index of SKUs.
func (r *Retailer) Item(index int) Item { return r.catalogue.item(index) }

// Locations lists all locations, stores first. The caller must not change it.
func (r *Retailer) Locations() []Location { return r.locations }

// LocationIDs lists the ids of Locations in the same order. The caller must not change it.
func (r *Retailer) LocationIDs() []string { return r.ids }

// StoreIDs lists the ids of the locations with tills. The caller must not change it.
func (r *Retailer) StoreIDs() []string { return r.ids[:r.config.Stores] }

// Positions is how many positions all locations carry together.
func (r *Retailer) Positions() int {
	n := 0
	for i := range r.shelves {
		n += len(r.shelves[i].onHand)
	}
	return n
}

// find says where a location has a SKU; ok is false when it does not carry it or either is unknown.
func (r *Retailer) find(location, sku string) (s *shelf, place int, ok bool) {
	l, known := r.indexOf[location]
	item, sold := r.catalogue.indexOf[sku]
	if !known || !sold {
		return nil, 0, false
	}
	s = &r.shelves[l]
	if s.items == nil {
		return s, int(item), true
	}
	place = sort.Search(len(s.items), func(i int) bool { return s.items[i] >= item })
	return s, place, place < len(s.items) && s.items[place] == item
}
