package retailer

import (
	"math"
	"math/rand/v2"
)

// shelf is what one location carries and has. A place is an index into it; places are in the order of
// sales, best seller first, so a Zipf draw over places is a Zipf draw over what is carried.
type shelf struct {
	items  []int32 // by place, ascending; nil: everything, place and item are the same number
	onHand []int32 // by place, in smallest steps: counted at opening and moved by the records handed out
	zipf   zipf
	bulk   int32 // how many times a store's quantities it holds

	low    []int32 // places to refill, oldest first
	fallen int     // places that came to be low since the last receipt
	due    bool    // waiting in the stream for a receipt
}

// warehouseBulk keeps the best-selling weighed item of a warehouse within 32 bits of grams.
const warehouseBulk = 200

func newShelves(config Config, c *catalogue) []shelf {
	shelves := make([]shelf, config.Stores+config.Warehouses)
	var chances [len(formats)][]uint32
	for f := range formats {
		chances[f] = carryChances(config, formats[f].size)
	}
	for i := range shelves {
		s := &shelves[i]
		s.bulk = warehouseBulk
		n := config.SKUs
		if i < config.Stores {
			s.bulk = 1
			if config.Coverage < 1 {
				s.items = pickAssortment(config.random(purposeAssortment, i), chances[i%len(formats)])
				n = len(s.items)
			}
		}
		s.zipf = newZipf(n, config.Skew)
		s.onHand = make([]int32, n)
		s.open(config.random(purposeOpening, i), c, func(place int, steps int32) {
			s.onHand[place] = steps
			if steps == 0 {
				s.low = append(s.low, int32(place))
			}
		})
	}
	return shelves
}

// carryChances gives for each item how likely a store of a size carries it, as a fraction of 2^32. From
// certain for the best seller it falls along (1-x)^bend to a floor: the rarest are in few stores. The
// mean over the items is the store's coverage, and over the formats the coverage asked for.
func carryChances(config Config, size float64) []uint32 {
	coverage := config.Coverage
	spread := min(0.4, (1-coverage)/coverage)
	coverage *= 1 + spread*size
	floor := coverage / 10
	bend := (1-floor)/(coverage-floor) - 1
	chances := make([]uint32, config.SKUs)
	for i := range chances {
		x := (float64(i) + 0.5) / float64(config.SKUs)
		p := floor + (1-floor)*math.Pow(1-x, bend)
		chances[i] = uint32(min(p*(1<<32), math.MaxUint32))
	}
	return chances
}

func pickAssortment(rng *rand.Rand, chances []uint32) []int32 {
	items := make([]int32, 0, len(chances)/4)
	for i, chance := range chances {
		if rng.Uint32() < chance {
			items = append(items, int32(i))
		}
	}
	if len(items) == 0 {
		items = append(items, 0) // a store that sells nothing could not be picked from
	}
	return append(make([]int32, 0, len(items)), items...)
}

func (s *shelf) item(place int) int32 {
	if s.items == nil {
		return int32(place)
	}
	return s.items[place]
}

// target is what a place holds when full, in pieces or kilograms: more of what sells fast.
func (s *shelf) target(place int) int32 { return (12 + 500/int32(place+1)) * s.bulk }

// open draws opening quantities in steps, the same each time: half full to full, and at stores one in
// 128 places sold out.
func (s *shelf) open(rng *rand.Rand, c *catalogue, each func(place int, steps int32)) {
	for place := range s.onHand {
		full := s.target(place) * c.unit(s.item(place))
		draw := rng.Uint64()
		steps := full - int32(draw>>32*uint64(full/2+1)>>32)
		if s.bulk == 1 && draw&127 == 0 {
			steps = 0
		}
		each(place, steps)
	}
}
