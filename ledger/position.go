package ledger

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"
)

// position is one SKU at one location. It holds no pointers, so that 30 million
// of them cost the garbage collector nothing.
type position struct {
	Figures
	loc                 Location
	head, last, counted six // see seq, lastEvent, countedAt and net
}

// six is a number below 2⁴⁸ in 6 bytes: a position takes 40 bytes with its three and
// would take 48.
type six [6]byte

const (
	sixMax    = 1<<48 - 1
	netBit    = 1 << 47 // of counted
	millisMax = netBit - 1
)

func (s *six) get() uint64 {
	return uint64(binary.LittleEndian.Uint32(s[:4])) | uint64(binary.LittleEndian.Uint16(s[4:]))<<32
}

// set keeps v, which every seq is small enough for, and every time from 1970 to the year 6429.
func (s *six) set(v uint64) {
	if v > sixMax {
		panic(fmt.Sprintf("%d does not fit into 6 bytes", v))
	}
	binary.LittleEndian.PutUint32(s[:4], uint32(v))
	binary.LittleEndian.PutUint16(s[4:], uint16(v>>32))
}

// seq is the latest entry that touched the position: the head of its history.
func (p *position) seq() Seq      { return Seq(p.head.get()) }
func (p *position) setSeq(to Seq) { p.head.set(uint64(to)) }

// lastEvent is the latest time at which something moved there or what is committed
// changed; a count later than it needs no history.
func (p *position) lastEvent() Millis { return Millis(p.last.get()) }

// countedAt is the moment up to which movements no longer move on hand; 0: never counted.
func (p *position) countedAt() Millis { return Millis(p.counted.get() &^ netBit) }

// net says that the count which holds had deducted what was committed at its moment.
// What of that changes by an event from before then moves on hand.
func (p *position) net() bool { return p.counted.get()&netBit != 0 }

func (p *position) setCounted(t Millis, net bool) {
	v := uint64(t)
	if net {
		v |= netBit
	}
	p.counted.set(v)
}

// take makes an entry's line its latest change.
func (p *position) take(seq Seq, k Kind, t Millis, ln *EntryLine) {
	p.Figures = ln.After
	p.setSeq(seq)
	if (ln.Moved != 0 && k.movement() || ln.Delta.Committed != 0) && t > p.lastEvent() {
		p.last.set(uint64(t))
	}
	switch {
	case ln.Settled:
		p.setCounted(t, ln.Net)
	case ln.Recounted:
		p.setCounted(ln.CountedAt, ln.Net)
	}
}

// page holds all positions of one SKU, sorted by location number.
type page struct {
	positions []position
	top       Location // the greatest, so that looking for one does not touch the far end
	dirty     bool     // changed since it was last written
}

// index finds the place of loc. Locations are numbered densely, so a guess by
// proportion lands near it; from there the steps double. Halving from the ends would
// touch twice as much memory that no cache holds.
func (p *page) index(loc Location) (int, bool) {
	n := len(p.positions)
	if n == 0 || p.top < loc {
		return n, false
	}
	lo, hi := 0, n-1 // what is looked for is in [lo, hi], or belongs there
	guess := p.guess(loc)
	if p.positions[guess].loc < loc {
		for step := 1; guess < hi && p.positions[guess].loc < loc; step *= 2 {
			lo, guess = guess+1, guess+step
		}
		hi = min(hi, guess)
	} else {
		for step := 1; guess > lo && p.positions[guess].loc > loc; step *= 2 {
			hi, guess = guess, guess-step
		}
		lo = max(lo, guess)
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if p.positions[mid].loc < loc {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, p.positions[lo].loc == loc
}

// guess is where loc would be if locations were spread evenly.
func (p *page) guess(loc Location) int {
	n := len(p.positions)
	return min(int(uint64(loc)*uint64(n)/(uint64(p.top)+1)), n-1)
}

// find returns the position at loc, or nil. It is valid until the shard's lock is let go.
func (p *page) find(loc Location) *position {
	if p == nil {
		return nil
	}
	if i, ok := p.index(loc); ok {
		return &p.positions[i]
	}
	return nil
}

// open returns the position at loc, making it if it is not there.
func (p *page) open(loc Location) *position {
	i, ok := p.index(loc)
	if !ok {
		if n := len(p.positions); n == cap(p.positions) {
			// An eighth more, where Grow would give half and append double: the slack of
			// 100,000 pages is memory that holds nothing.
			p.positions = append(make([]position, 0, n+2+n/8), p.positions...)
		}
		p.positions = slices.Insert(p.positions, i, position{loc: loc})
		p.top = max(p.top, loc)
	}
	return &p.positions[i]
}

// empty says that nothing is there, held or committed at any location.
func (p *page) empty() bool {
	if p == nil {
		return true
	}
	for i := range p.positions {
		if p.positions[i].Figures != (Figures{}) {
			return false
		}
	}
	return true
}

const (
	shardBits         = 6
	shardCount        = 1 << shardBits
	allShards  uint64 = 1<<shardCount - 1
)

// shard owns the SKUs whose number ends in its index. mu guards everything
// below; nothing waits for disk while holding it.
type shard struct {
	mu    sync.RWMutex
	pages []page // by SKU >> shardBits
	dirty []SKU
	_     [64]byte // shards on different cores do not share a cache line
}

func shardIndex(id SKU) int             { return int(id) & (shardCount - 1) }
func (l *Ledger) shardOf(id SKU) *shard { return &l.shards[shardIndex(id)] }
func shardBit(id SKU) uint64            { return 1 << shardIndex(id) }

// page returns the SKU's page, or nil where it never had a position.
func (s *shard) page(id SKU) *page {
	if i := int(id >> shardBits); i < len(s.pages) {
		return &s.pages[i]
	}
	return nil
}

// openPage returns the SKU's page, making it, and marks it as changed.
func (s *shard) openPage(id SKU) *page {
	i := int(id >> shardBits)
	for i >= len(s.pages) {
		s.pages = append(s.pages, page{})
	}
	p := &s.pages[i]
	if !p.dirty {
		p.dirty = true
		s.dirty = append(s.dirty, id)
	}
	return p
}

// lockShards locks the shards in set, in index order.
func (l *Ledger) lockShards(set uint64) {
	for ; set != 0; set &= set - 1 {
		l.shards[bits.TrailingZeros64(set)].mu.Lock()
	}
}

func (l *Ledger) unlockShards(set uint64) {
	for ; set != 0; set &= set - 1 {
		l.shards[bits.TrailingZeros64(set)].mu.Unlock()
	}
}

func (l *Ledger) rlockShards(set uint64) {
	for ; set != 0; set &= set - 1 {
		l.shards[bits.TrailingZeros64(set)].mu.RLock()
	}
}

func (l *Ledger) runlockShards(set uint64) {
	for ; set != 0; set &= set - 1 {
		l.shards[bits.TrailingZeros64(set)].mu.RUnlock()
	}
}

// position finds a position; the caller holds the shard's lock.
func (l *Ledger) position(sku SKU, loc Location) *position {
	return l.shardOf(sku).page(sku).find(loc)
}
