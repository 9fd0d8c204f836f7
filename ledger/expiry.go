package ledger

import (
	"sync"
	"sync/atomic"
)

// deadlines are when holds lapse. next lets readers see without a lock that
// nothing is due; it moves on only after what was due has been expired.
type deadlines struct {
	next atomic.Int64 // the earliest deadline; never where there is none
	mu   sync.Mutex
	heap []deadline // least first; may name holds that are over or were extended
	kept int        // how many the latest pruning left
}

type deadline struct {
	at Millis
	id string
}

func (d *deadlines) push(at Millis, id string) {
	d.mu.Lock()
	d.heap = append(d.heap, deadline{at, id})
	for i := len(d.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if d.heap[up].at <= d.heap[i].at {
			break
		}
		d.heap[up], d.heap[i] = d.heap[i], d.heap[up]
		i = up
	}
	d.next.Store(int64(min(Millis(d.next.Load()), at)))
	d.mu.Unlock()
}

// pop takes the earliest deadline that is due at now.
func (d *deadlines) pop(now Millis) (deadline, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.heap) == 0 || d.heap[0].at > now {
		d.next.Store(int64(d.earliest()))
		return deadline{}, false
	}
	top := d.heap[0]
	last := len(d.heap) - 1
	d.heap[0] = d.heap[last]
	d.heap[last] = deadline{}
	d.heap = d.heap[:last]
	d.sink(0)
	return top, true
}

func (d *deadlines) sink(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(d.heap); c++ {
			if d.heap[c].at < d.heap[least].at {
				least = c
			}
		}
		if least == i {
			return
		}
		d.heap[i], d.heap[least] = d.heap[least], d.heap[i]
		i = least
	}
}

func (d *deadlines) earliest() Millis {
	if len(d.heap) == 0 {
		return never
	}
	return d.heap[0].at
}

// expireDue ends every hold whose deadline is at or before now. Whoever reads or
// changes stock at a moment calls it first, so a hold stops counting at its
// deadline to the millisecond, whether or not a sweeper came by.
func (l *Ledger) expireDue(now Millis) {
	if Millis(l.deadlines.next.Load()) > now {
		return
	}
	l.sweepMu.Lock()
	defer l.sweepMu.Unlock()
	for {
		d, due := l.deadlines.pop(now)
		if !due {
			return
		}
		l.expire(d, now)
	}
}

func (l *Ledger) expire(d deadline, now Millis) {
	rs := l.reservations.shard(d.id)
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r := rs.byID[d.id]
	if r == nil || r.State != Held || r.ExpiresAt != d.at {
		return // confirmed, over, or extended: then a later deadline of it waits
	}
	next := r.clone()
	next.State, next.Seq = Expired, 0
	e := newEntry(KindExpire, now)
	defer e.free()
	e.time, e.reservation = d.at, next
	for i := range next.Lines {
		ln := &next.Lines[i]
		ln.Available = -1
		if ln.Held > 0 {
			e.effect(ln.SKU, ln.Location, 0, Figures{Held: -ln.Held})
			ln.Held = 0
		}
	}
	shards, err := e.gather()
	if err != nil {
		panic("an expiring reservation's lines do not add up: " + err.Error())
	}
	l.lockShards(shards)
	defer l.unlockShards(shards)
	if err := l.settle(e); err != nil {
		panic("an expiring reservation's lines do not settle: " + err.Error())
	}
	next.Seq = l.enter(e)
	rs.put(next)
}

// pruneDeadlines drops deadlines of holds that were confirmed, ended or extended.
func (l *Ledger) pruneDeadlines() {
	l.sweepMu.Lock() // whoever sees a deadline due waits here until it is back in the heap
	defer l.sweepMu.Unlock()
	l.deadlines.mu.Lock()
	all := l.deadlines.heap
	l.deadlines.heap = nil
	l.deadlines.mu.Unlock()
	for _, d := range all {
		rs := l.reservations.shard(d.id)
		rs.mu.RLock()
		r := rs.byID[d.id]
		current := r != nil && r.State == Held && r.ExpiresAt == d.at
		rs.mu.RUnlock()
		if current {
			l.deadlines.push(d.at, d.id)
		}
	}
	l.deadlines.mu.Lock()
	l.deadlines.next.Store(int64(l.deadlines.earliest()))
	l.deadlines.kept = len(l.deadlines.heap)
	l.deadlines.mu.Unlock()
}

// crowded says that those of holds that are over may outnumber the others. To prune
// earlier would make all wait, again and again, for the sake of few.
func (d *deadlines) crowded() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.heap) > 2*max(d.kept, 50_000)
}
