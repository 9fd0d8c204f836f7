package ledger

import (
	"sync"
	"sync/atomic"
)

// SKUInfo is the master data of one SKU, as PUT and as kept.
type SKUInfo struct {
	SKU      string              `json:"sku"`
	GTIN     string              `json:"gtin,omitempty"`
	Category string              `json:"category,omitempty"`
	Decimals int                 `json:"decimals"`
	Aliases  map[string][]string `json:"aliases,omitempty"` // codes by system
	Owner    string              `json:"owner,omitempty"`   // the source that may change these, ByCall for none; the ledger sets it
	Others   otherOwners         `json:"others,omitempty"`  // of those that another may change
}

// otherOwners are owners of aliases by system and code.
type otherOwners = map[string]map[string]string

// LocationInfo is the master data of one location, as PUT and as kept.
type LocationInfo struct {
	Location string              `json:"location"`
	Name     string              `json:"name,omitempty"`
	Kind     string              `json:"kind"`
	Lat      *float64            `json:"lat,omitempty"`
	Lon      *float64            `json:"lon,omitempty"`
	TimeZone string              `json:"time_zone"`
	Priority *int64              `json:"priority,omitempty"`
	Ships    bool                `json:"ships"`
	Active   bool                `json:"active"`
	Pickup   *Pickup             `json:"pickup,omitempty"`
	Aliases  map[string][]string `json:"aliases,omitempty"` // as in SKUInfo
	Owner    string              `json:"owner,omitempty"`
	Others   otherOwners         `json:"others,omitempty"`
}

// Pickup says when a location hands over what was collected. Spans are
// "09:00-18:00" in the location's time zone; Exceptions are by date.
type Pickup struct {
	LeadMinutes int                 `json:"lead_minutes"`
	Cutoff      string              `json:"cutoff,omitempty"`
	Hours       map[string][]string `json:"hours,omitempty"`
	Exceptions  map[string][]string `json:"exceptions,omitempty"`
}

// record is one version of a master data object. It is never changed in place:
// readers hold it without a lock.
type record[T any] struct {
	info     T
	name     string
	category uint32 // a SKU's category, interned; 0 is none
	deleted  bool
	seq      Seq
}

// registry gives names dense numbers and keeps the latest record of each. A
// deleted name keeps its number, and its positions, should it come back.
type registry[T any] struct {
	index    nameIndex
	recs     atomic.Pointer[[]atomic.Pointer[record[T]]] // by number; a longer slice shares its elements
	traits   atomic.Pointer[[]atomic.Uint32]             // by number, as long as recs: see traits
	traitsOf func(*T) traits

	dirty []uint32 // changed since last written; guarded by catalogue.put
}

// traits are what every event and answer needs of a record, in 4 bytes: those of 100,000
// SKUs stay in the processor's cache, their records would not.
type traits uint32

const (
	traitKnown    traits = 1 << iota // not deleted
	traitActive                      // of a location
	traitDecimals = 2                // a shift: two bits, of a SKU
	traitCategory = 8                // a shift: of a SKU, its category, interned
)

func (t traits) known() bool      { return t&traitKnown != 0 }
func (t traits) active() bool     { return t&traitActive != 0 }
func (t traits) decimals() int    { return int(t >> traitDecimals & 3) }
func (t traits) category() uint32 { return uint32(t >> traitCategory) }

func (g *registry[T]) init(traitsOf func(*T) traits) {
	g.index.init()
	g.traitsOf = traitsOf
	recs := make([]atomic.Pointer[record[T]], 1, 1024)
	g.recs.Store(&recs)
	all := make([]atomic.Uint32, 1, 1024)
	g.traits.Store(&all)
}

// lookup finds a name's number, deleted or not.
func (g *registry[T]) lookup(name []byte) (uint32, bool) { return g.index.find(name, g.name) }

func (g *registry[T]) name(id uint32) string { return g.get(id).name }

// trait is what is kept at hand of a record; 0 where there is none.
func (g *registry[T]) trait(id uint32) traits {
	if all := *g.traits.Load(); int(id) < len(all) {
		return traits(all[id].Load())
	}
	return 0
}

func (g *registry[T]) get(id uint32) *record[T] {
	recs := *g.recs.Load()
	if int(id) >= len(recs) {
		return nil
	}
	return recs[id].Load()
}

// size is one more than the greatest number.
func (g *registry[T]) size() uint32 { return uint32(len(*g.recs.Load())) }

// put makes r the record of id, which is a known number or the next one. Only
// the holder of catalogue.put calls it.
func (g *registry[T]) put(id uint32, r *record[T]) {
	recs := *g.recs.Load()
	for uint32(len(recs)) <= id {
		if len(recs) < cap(recs) {
			recs = recs[:len(recs)+1]
			continue
		}
		grown := make([]atomic.Pointer[record[T]], len(recs), 2*cap(recs))
		for i := range recs {
			grown[i].Store(recs[i].Load())
		}
		recs = grown
	}
	isNew := recs[id].Swap(r) == nil
	g.recs.Store(&recs)
	g.dirty = append(g.dirty, id)
	all := *g.traits.Load()
	for uint32(len(all)) <= id {
		if len(all) < cap(all) {
			all = all[:len(all)+1]
			continue
		}
		grown := make([]atomic.Uint32, len(all), 2*cap(all))
		for i := range all {
			grown[i].Store(all[i].Load())
		}
		all = grown
	}
	t := g.traitsOf(&r.info) | traits(r.category)<<traitCategory
	if !r.deleted {
		t |= traitKnown
	}
	all[id].Store(uint32(t))
	g.traits.Store(&all)
	if isNew {
		g.index.put(r.name, id, g.name)
	}
}

type catalogue struct {
	put       sync.Mutex // one change of master data or rules at a time
	skus      registry[SKUInfo]
	locations registry[LocationInfo]
	systems   systems

	catMu      sync.RWMutex
	categories map[string]uint32
	catNames   []string

	ranks atomic.Pointer[[]uint32] // by location: its place among all names, in byte order; nil: to be made anew
}

func (c *catalogue) init() {
	c.systems.init()
	c.skus.init(func(s *SKUInfo) traits { return traits(s.Decimals) << traitDecimals })
	c.locations.init(func(l *LocationInfo) traits {
		if l.Active {
			return traitActive
		}
		return 0
	})
	c.categories = map[string]uint32{"": 0}
	c.catNames = []string{""}
}

func (c *catalogue) category(name string) uint32 {
	c.catMu.RLock()
	id, ok := c.categories[name]
	c.catMu.RUnlock()
	if ok {
		return id
	}
	c.catMu.Lock()
	defer c.catMu.Unlock()
	if id, ok := c.categories[name]; ok {
		return id
	}
	id = uint32(len(c.catNames))
	c.categories[name] = id
	c.catNames = append(c.catNames, name)
	return id
}

func (c *catalogue) categoryName(id uint32) string {
	c.catMu.RLock()
	defer c.catMu.RUnlock()
	return c.catNames[id]
}

// LookupSKU finds the number of a SKU that master data knows.
func (l *Ledger) LookupSKU(name []byte) (SKU, bool) {
	id, ok := l.catalogue.skus.lookup(name)
	if !ok || !l.catalogue.skus.trait(id).known() {
		return 0, false
	}
	return SKU(id), true
}

// LookupLocation finds the number of a location that master data knows.
func (l *Ledger) LookupLocation(name []byte) (Location, bool) {
	id, ok := l.catalogue.locations.lookup(name)
	if !ok || !l.catalogue.locations.trait(id).known() {
		return 0, false
	}
	return Location(id), true
}

// ResolveSKU is FindSKU which, with an open catalogue, adds the name on sight.
// added says that it did; the event that named it carries the exception.
func (l *Ledger) ResolveSKU(s *System, name []byte, now Millis) (id SKU, added bool, err error) {
	if id, ok := l.FindSKU(s, name); ok {
		return id, false, nil
	}
	if !l.opts.OpenCatalogue {
		return 0, false, &Refused{Code: UnknownSKU, Detail: quoted(name), Name: string(name)}
	}
	_, err = l.Submit(PutSKU{Info: SKUInfo{SKU: string(name)}, Now: now, OnSight: true})
	if err != nil {
		return 0, false, err
	}
	id, _ = l.LookupSKU(name)
	return id, true, nil
}

// ResolveLocation is FindLocation which, with an open catalogue, adds the name on sight.
func (l *Ledger) ResolveLocation(s *System, name []byte, now Millis) (id Location, added bool, err error) {
	if id, ok := l.FindLocation(s, name); ok {
		return id, false, nil
	}
	if !l.opts.OpenCatalogue {
		return 0, false, &Refused{Code: UnknownLocation, Detail: quoted(name), Name: string(name)}
	}
	info := LocationInfo{Location: string(name), Kind: "store", TimeZone: "UTC", Active: true}
	_, err = l.Submit(PutLocation{Info: info, Now: now, OnSight: true})
	if err != nil {
		return 0, false, err
	}
	id, _ = l.LookupLocation(name)
	return id, true, nil
}

// SKUName is the name behind a number; "" where there is none.
func (l *Ledger) SKUName(id SKU) string {
	if r := l.catalogue.skus.get(uint32(id)); r != nil {
		return r.name
	}
	return ""
}

// LocationName is the name behind a number; "" where there is none.
func (l *Ledger) LocationName(id Location) string {
	if r := l.catalogue.locations.get(uint32(id)); r != nil {
		return r.name
	}
	return ""
}

// Decimals is how many decimals quantities of the SKU have.
func (l *Ledger) Decimals(id SKU) int {
	return l.catalogue.skus.trait(uint32(id)).decimals()
}

// SKUInfo returns the master data of a SKU and the change that set it.
func (l *Ledger) SKUInfo(id SKU) (SKUInfo, Seq) {
	r := l.catalogue.skus.get(uint32(id))
	return r.info, r.seq
}

// LocationInfo returns the master data of a location and the change that set it.
func (l *Ledger) LocationInfo(id Location) (LocationInfo, Seq) {
	r := l.catalogue.locations.get(uint32(id))
	return r.info, r.seq
}

// SKUs calls fn with every known SKU in order of number until it returns false.
func (l *Ledger) SKUs(from SKU, fn func(SKU, SKUInfo) bool) {
	for id := max(uint32(from), 1); id < l.catalogue.skus.size(); id++ {
		if r := l.catalogue.skus.get(id); r != nil && !r.deleted && !fn(SKU(id), r.info) {
			return
		}
	}
}

// Locations calls fn with every known location in order of number until it returns false.
func (l *Ledger) Locations(from Location, fn func(Location, LocationInfo) bool) {
	for id := max(uint32(from), 1); id < l.catalogue.locations.size(); id++ {
		if r := l.catalogue.locations.get(id); r != nil && !r.deleted && !fn(Location(id), r.info) {
			return
		}
	}
}

func quoted(name []byte) string {
	if len(name) > 128 {
		name = name[:128]
	}
	return `"` + string(name) + `"`
}
