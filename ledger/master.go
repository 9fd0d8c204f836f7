package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// PutSKU replaces the master data of a SKU, or makes it known. The caller has
// validated Info. Refused with InUse when decimals change while there is stock.
type PutSKU struct {
	Info    SKUInfo
	Now     Millis
	OnSight bool // only if nobody knows it yet
	Report  bool // enter it as an Unmapped exception: no event that named it will
	Name    EventName

	alias *PutAlias // only this changes
}

// PutLocation replaces the master data of a location, or makes it known.
type PutLocation struct {
	Info    LocationInfo
	Now     Millis
	OnSight bool
	Report  bool
	Name    EventName

	alias *PutAlias
}

// DeleteSKU forgets a SKU; InUse while it has stock or reservations, or some is under way.
type DeleteSKU struct {
	SKU SKU
	Now Millis
}

// DeleteLocation forgets a location; InUse while it has stock or reservations, or goods are under way to it.
type DeleteLocation struct {
	Location Location
	Now      Millis
}

func (c PutSKU) apply(l *Ledger) (Result, error) {
	l.catalogue.put.Lock()
	defer l.catalogue.put.Unlock()
	reg := &l.catalogue.skus
	id, known := reg.lookup([]byte(c.Info.SKU))
	if !known {
		id = reg.size()
	} else if old := reg.get(id); c.OnSight && !old.deleted {
		return Result{Seq: old.seq}, nil
	}
	slot, done, err := l.beginEvent(c.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()

	l.inbound.mu.RLock()
	defer l.inbound.mu.RUnlock()
	sh := l.shardOf(SKU(id))
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if known && reg.get(id).info.Decimals != c.Info.Decimals && (!sh.page(SKU(id)).empty() || l.inbound.hasSKU(SKU(id))) {
		return Result{}, refuse(InUse, fmt.Sprintf("decimals: cannot change from %d to %d while there is stock, or some is under way",
			reg.get(id).info.Decimals, c.Info.Decimals))
	}
	had := owned{}
	if known && !reg.get(id).deleted {
		had = reg.get(id).info.owned()
	}
	has := had.replacedBy(cmp.Or(c.Name.Source, ByCall), c.Info.Aliases)
	if c.alias != nil {
		if reg.get(id).deleted { // since it was looked up
			return Result{}, refuse(UnknownSKU, "")
		}
		c.Info = reg.get(id).info // as it is now
		has = c.alias.change(had)
	}
	c.Info.Aliases, c.Info.Owner, c.Info.Others = has.aliases, has.owner, has.others
	if err := l.catalogue.checkSKUCodes(id, &c.Info); err != nil {
		return Result{}, err
	}
	e := newEntry(KindSKU, c.Now)
	defer e.free()
	e.name(c.Name)
	e.id = id
	e.payload = mustJSON(c.Info)
	if c.Report {
		e.except(Unmapped, SKU(id), 0, 0, 0)
	}
	next := &record[SKUInfo]{info: c.Info, name: c.Info.SKU, category: l.catalogue.category(c.Info.Category)}
	seq := l.journal.appendThen(e, func(seq Seq) {
		next.seq = seq
		l.catalogue.putSKU(id, next)
	})
	slot.taken(seq)
	return Result{Seq: seq}, nil
}

func (c PutLocation) apply(l *Ledger) (Result, error) {
	l.catalogue.put.Lock()
	defer l.catalogue.put.Unlock()
	reg := &l.catalogue.locations
	id, known := reg.lookup([]byte(c.Info.Location))
	if !known {
		id = reg.size()
	} else if old := reg.get(id); c.OnSight && !old.deleted {
		return Result{Seq: old.seq}, nil
	}
	slot, done, err := l.beginEvent(c.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()

	had := owned{}
	if known && !reg.get(id).deleted {
		had = reg.get(id).info.owned()
	}
	has := had.replacedBy(cmp.Or(c.Name.Source, ByCall), c.Info.Aliases)
	if c.alias != nil {
		if reg.get(id).deleted { // since it was looked up
			return Result{}, refuse(UnknownLocation, "")
		}
		c.Info = reg.get(id).info // as it is now
		has = c.alias.change(had)
	}
	c.Info.Aliases, c.Info.Owner, c.Info.Others = has.aliases, has.owner, has.others
	if err := l.catalogue.checkLocationCodes(id, &c.Info); err != nil {
		return Result{}, err
	}
	// All shards: whether a location is active decides about holds of any SKU.
	l.lockShards(allShards)
	defer l.unlockShards(allShards)
	e := newEntry(KindLocation, c.Now)
	defer e.free()
	e.name(c.Name)
	e.id = id
	e.payload = mustJSON(c.Info)
	if c.Report {
		e.except(Unmapped, 0, Location(id), 0, 0)
	}
	l.feeds.grow(id + 1)
	seq := l.journal.appendThen(e, func(seq Seq) {
		l.catalogue.putLocation(id, &record[LocationInfo]{info: c.Info, name: c.Info.Location, seq: seq})
		l.catalogue.ranks.Store(nil)
	})
	slot.taken(seq)
	return Result{Seq: seq}, nil
}

func (c DeleteSKU) apply(l *Ledger) (Result, error) {
	l.expireDue(c.Now)
	l.catalogue.put.Lock()
	defer l.catalogue.put.Unlock()
	old := l.catalogue.skus.get(uint32(c.SKU))
	if old == nil || old.deleted {
		return Result{}, refuse(UnknownSKU, "")
	}
	l.inbound.mu.RLock()
	defer l.inbound.mu.RUnlock()
	sh := l.shardOf(c.SKU)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if !sh.page(c.SKU).empty() {
		return Result{}, refuse(InUse, "it has stock or reservations")
	}
	if l.inbound.hasSKU(c.SKU) {
		return Result{}, refuse(InUse, "some of it is under way")
	}
	e := newEntry(KindSKUDeleted, c.Now)
	defer e.free()
	e.id = uint32(c.SKU)
	gone := *old
	seq := l.journal.appendThen(e, func(seq Seq) {
		gone.deleted, gone.seq = true, seq
		l.catalogue.putSKU(uint32(c.SKU), &gone)
	})
	return Result{Seq: seq}, nil
}

func (c DeleteLocation) apply(l *Ledger) (Result, error) {
	l.expireDue(c.Now)
	l.catalogue.put.Lock()
	defer l.catalogue.put.Unlock()
	old := l.catalogue.locations.get(uint32(c.Location))
	if old == nil || old.deleted {
		return Result{}, refuse(UnknownLocation, "")
	}
	l.inbound.mu.RLock()
	defer l.inbound.mu.RUnlock()
	if l.inbound.hasLocation(c.Location) {
		return Result{}, refuse(InUse, "goods are under way to it")
	}
	l.lockShards(allShards)
	defer l.unlockShards(allShards)
	for i := range l.shards {
		for j := range l.shards[i].pages {
			if p := l.shards[i].pages[j].find(c.Location); p != nil && p.Figures != (Figures{}) {
				return Result{}, refuse(InUse, "it has stock or reservations")
			}
		}
	}
	e := newEntry(KindLocationDeleted, c.Now)
	defer e.free()
	e.id = uint32(c.Location)
	gone := *old
	seq := l.journal.appendThen(e, func(seq Seq) {
		gone.deleted, gone.seq = true, seq
		l.catalogue.putLocation(uint32(c.Location), &gone)
	})
	return Result{Seq: seq}, nil
}

// rank gives each location its place among all names, so that rows can be sorted
// by number. Changes of locations hold all shards; who calls this holds one.
func (c *catalogue) rank() []uint32 {
	if r := c.ranks.Load(); r != nil {
		return *r
	}
	n := c.locations.size()
	order := make([]uint32, 0, n)
	for id := uint32(1); id < n; id++ {
		order = append(order, id)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		return strings.Compare(c.locations.get(a).name, c.locations.get(b).name)
	})
	ranks := make([]uint32, n)
	for i, id := range order {
		ranks[id] = uint32(i)
	}
	c.ranks.Store(&ranks)
	return ranks
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // plain structs of strings and numbers always encode
	}
	return b
}

func deref(r *Result) Result {
	if r == nil {
		return Result{}
	}
	return *r
}
