// Package retailer simulates a grocery retailer from a seed: stores and warehouses, a catalogue, who
// carries what, opening stock, and a stream of sales, returns, receipts and adjustments with the
// duplicates and late arrivals that real feeds have. Demo, benchmarks and tests share it.
//
// It promises: the same Config and the same moments passed to Next give the same bytes; every event
// is one that the service must accept; and Expected says what on hand must be after the records
// handed out so far, however often or late they were delivered.
package retailer

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
	_ "time/tzdata" // the rhythm of the day must not depend on what the machine has installed
)

// Topics that records are for.
const (
	TopicPOS = "pos.events"
	TopicWMS = "wms.events"
	TopicERP = "erp.events"
)

// timeZone is where all locations are.
const timeZone = "Europe/Amsterdam"

// Record is one CloudEvent in structured mode. Key and Value are read-only: keys are shared between
// records, and a value may be handed out a second time.
type Record struct {
	Topic string
	Key   []byte // the location's id; the SKU in item master data
	Value []byte
}

// Retailer is one simulated retailer. What New made up (locations, catalogue, who carries what) never
// changes, so the pickers and lists may be used from any goroutine. Next, Flush, Expected, Carried,
// SetOnHand, Opening and Tally belong to one goroutine at a time.
type Retailer struct {
	config    Config
	zone      *time.Location
	catalogue catalogue
	locations []Location // stores first, then warehouses
	ids       []string   // of locations, by index
	keys      [][]byte   // the same, as records carry them
	indexOf   map[string]int32
	shelves   []shelf // by location
	busy      []int32 // each store as often as its share of the customers
	allSKUs   zipf

	stream stream
}

// Purposes keep the random numbers of one part of the retailer apart from those of the others, so that
// a change to one leaves the rest as it was.
const (
	purposeCatalogue = iota + 1
	purposeLocations
	purposeAssortment
	purposeOpening
	purposeStream
)

func (c Config) random(purpose, index int) *rand.Rand {
	return rand.New(rand.NewPCG(c.Seed, uint64(purpose)<<40|uint64(index)))
}

// New makes up the retailer. The error names everything that is wrong with the config.
func New(config Config) (*Retailer, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("simulated retailer: %w", err)
	}
	zone, err := time.LoadLocation(timeZone)
	if err != nil {
		return nil, fmt.Errorf("simulated retailer: %w", err)
	}
	r := &Retailer{
		config:    config,
		zone:      zone,
		catalogue: newCatalogue(config),
		locations: newLocations(config),
		allSKUs:   newZipf(config.SKUs, config.Skew),
	}
	r.ids = make([]string, len(r.locations))
	r.keys = make([][]byte, len(r.locations))
	r.indexOf = make(map[string]int32, len(r.locations))
	for i, l := range r.locations {
		r.ids[i] = l.ID
		r.keys[i] = []byte(l.ID)
		r.indexOf[l.ID] = int32(i)
	}
	r.shelves = newShelves(config, &r.catalogue)
	for store := range config.Stores {
		for range formatOf(store).customers {
			r.busy = append(r.busy, int32(store))
		}
	}
	r.stream = newStream(config, r.shelves)
	return r, nil
}

// streamRandom differs with the Epoch, so that a run which continues another one goes on with other
// customers rather than with the same ones again.
func (c Config) streamRandom() *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(c.Epoch))
	return rand.New(rand.NewPCG(c.Seed^h.Sum64(), uint64(purposeStream)<<40))
}
