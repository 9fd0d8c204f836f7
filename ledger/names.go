package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"
)

// Hash is 128 bits of xxh3, enough that two names do not meet by chance.
type Hash struct{ Hi, Lo uint64 }

// EventName is what an event is known by: applied once, however often it comes.
// The zero EventName is a command that is no event.
type EventName struct {
	Source, ID string
	Time       Millis // what the event says
	Content    uint64 // a hash of all that counts when two events of one name are compared
	Sequence   uint64 // where its source numbers its events, one more than the number; it is no part of the content
	absent     uint64 // one more than the generation at which it was not on disk; 0: not looked up. See RecallEvent
}

func (n EventName) isZero() bool { return n.Source == "" && n.ID == "" }

// NameHash is the key under which a name is kept.
func NameHash(source, id string) Hash {
	var buf [256]byte
	b := append(buf[:0], source...)
	b = append(b, 0) // no source or id holds a zero byte
	b = append(b, id...)
	h := xxh3.Hash128(b)
	return Hash{h.Hi, h.Lo}
}

func (h Hash) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, h.Hi)
	return binary.BigEndian.AppendUint64(b, h.Lo)
}

// compare is the order of keys.
func (h Hash) compare(other Hash) int {
	return cmp.Or(cmp.Compare(h.Hi, other.Hi), cmp.Compare(h.Lo, other.Lo))
}

// seen is what is kept of an applied event: its content and, packed, its entry's
// seq (48 bits) and the day of its own time since 1970 (16 bits).
type seen struct {
	content uint64
	seqDay  uint64
}

func packSeqDay(seq Seq, t Millis) uint64 { return uint64(seq)<<16 | uint64(dayOf(t)) }

func (s seen) seq() Seq    { return Seq(s.seqDay >> 16) }
func (s seen) day() uint16 { return uint16(s.seqDay) }

func dayOf(t Millis) uint16 { return uint16(max(0, min(t/dayMillis, 1<<16-1))) }

const (
	nameShardBits = 6
	nameShards    = 1 << nameShardBits
)

// names are the events that were applied, so that none is applied again.
type names struct {
	shards [nameShards]nameShard
	// complete says that all names that are kept are in memory: nothing is looked
	// up on disk. It holds until more than NamesInMemoryMax have come.
	complete atomic.Bool
}

type nameShard struct {
	mu    sync.Mutex // held from the check until the entry has its seq
	seen  seenTable
	fresh []Hash // not yet written to their own key
	_     [32]byte
}

func (n *names) init() {
	for i := range n.shards {
		n.shards[i].seen = seenTable{}
	}
	n.complete.Store(true)
}

// shard is by the name's first bits, so that what a checkpoint writes of one shard lies
// side by side in the store.
func (n *names) shard(h Hash) *nameShard { return &n.shards[h.Hi>>(64-nameShardBits)] }

func (n *names) size() (total int) {
	for i := range n.shards {
		s := &n.shards[i]
		s.mu.Lock()
		total += s.seen.used
		s.mu.Unlock()
	}
	return total
}

// eventSlot is the place of one name, locked from the check that it is new until
// its entry is in the journal: of two copies at once, one is applied.
type eventSlot struct {
	shard *nameShard
	hash  Hash
	name  EventName
}

// taken records that the event was entered as seq.
func (s eventSlot) taken(seq Seq) {
	if s.shard != nil {
		s.shard.put(s.hash, seen{s.name.Content, packSeqDay(seq, s.name.Time)})
	}
}

func (s *nameShard) put(h Hash, v seen) {
	s.seen.put(h, v)
	s.fresh = append(s.fresh, h)
}

func (s eventSlot) end() {
	if s.shard != nil {
		s.shard.mu.Unlock()
	}
}

// beginEvent locks the event's name if it is new. A duplicate gives the result of
// the first; another event of that name is refused.
func (l *Ledger) beginEvent(n EventName) (eventSlot, *Result, error) {
	if n.isZero() {
		return eventSlot{}, nil, nil
	}
	h := NameHash(n.Source, n.ID)
	s := l.names.shard(h)
	looked, generation := n.absent != 0, n.absent-1
	for {
		s.mu.Lock()
		old, ok := s.seen.get(h)
		if !ok && (looked && generation == l.evictions.Load() || l.names.complete.Load()) {
			return eventSlot{s, h, n}, nil, nil
		}
		s.mu.Unlock()
		if !ok {
			generation = l.evictions.Load()
			var err error
			if old, ok, err = l.nameOnDisk(h); err != nil {
				return eventSlot{}, nil, err
			}
			looked = true
		}
		if ok {
			if old.content != n.Content {
				return eventSlot{}, nil, refuseOtherEvent(old.seq())
			}
			return eventSlot{}, &Result{Seq: old.seq(), Duplicate: true}, nil
		}
	}
}

// RecallEvent is Recall of n. Where the name is new, n remembers that it was looked up,
// so that who then submits the event need not do it again.
func (l *Ledger) RecallEvent(n *EventName) (seq Seq, content uint64, ok bool, err error) {
	generation := l.evictions.Load()
	seq, content, ok, err = l.Recall(NameHash(n.Source, n.ID))
	if !ok && err == nil && !l.names.complete.Load() {
		n.absent = generation + 1
	}
	return seq, content, ok, err
}

func refuseOtherEvent(first Seq) *Refused {
	return refuse(IdempotencyMismatch, fmt.Sprintf("an event with this source and id and other content was accepted as change %d", first))
}

// voided says that the event was undone before it came: it is recorded and does nothing.
func (s eventSlot) voided(l *Ledger) bool { return s.shard != nil && l.voids.has(s.hash) }

// Recall finds the entry of an applied event by its name's hash.
func (l *Ledger) Recall(h Hash) (seq Seq, content uint64, ok bool, err error) {
	s := l.names.shard(h)
	s.mu.Lock()
	v, ok := s.seen.get(h)
	s.mu.Unlock()
	if !ok && !l.names.complete.Load() {
		v, ok, err = l.nameOnDisk(h)
	}
	return v.seq(), v.content, ok, err
}

// nameOnDisk looks a name up on disk. Nearly all are new, and Get of a key that is not
// there reads a block of the lowest level, whose filters only an iterator asks.
func (l *Ledger) nameOnDisk(h Hash) (v seen, ok bool, err error) {
	it, err := l.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err == nil {
		v, ok, err = nameIn(it, h)
		err = errors.Join(err, it.Close())
	}
	if err != nil {
		err = fmt.Errorf("look up an event's name: %w", err)
	}
	return v, ok, err
}

func nameIn(it *pebble.Iterator, h Hash) (seen, bool, error) {
	key := nameKey(h)
	if !it.SeekPrefixGE(key) || !bytes.Equal(it.Key(), key) {
		return seen{}, false, it.Error()
	}
	v, err := it.ValueAndErr()
	if err == nil && len(v) != 16 {
		err = fmt.Errorf("%d bytes where 16 belong", len(v))
	}
	if err != nil {
		return seen{}, false, err
	}
	return decodeSeen(v), true, nil
}

func (v seen) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, v.content)
	return binary.BigEndian.AppendUint64(b, v.seqDay)
}

func decodeSeen(v []byte) seen {
	return seen{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}
}
