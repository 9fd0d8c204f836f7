package ledger

import "math/bits"

// seenTable is a map from names of events to what is kept of them: open addressing, so
// that a look-up among millions meets one cache line where Go's map meets three. A
// value's seqDay is never 0, which marks an empty slot. Slots lie in the order of names
// but for collisions: what goes through many names in their order goes through memory
// from front to back, and so does growing.
type seenTable struct {
	slots []seenSlot // a power of two long, at most three quarters full
	shift uint       // of a name's bits after those of its shard, to the slot
	used  int
}

type seenSlot struct {
	hash Hash
	seen seen
}

const seenSlotsFirst = 64

func (t *seenTable) slot(h Hash) uint64 { return h.Hi << nameShardBits >> t.shift }

func (t *seenTable) get(h Hash) (seen, bool) {
	if t.used == 0 {
		return seen{}, false
	}
	mask := uint64(len(t.slots) - 1)
	for i := t.slot(h); ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.seen.seqDay == 0 {
			return seen{}, false
		}
		if s.hash == h {
			return s.seen, true
		}
	}
}

// put adds a name, or changes what is kept of it.
func (t *seenTable) put(h Hash, v seen) {
	if 4*(t.used+1) > 3*len(t.slots) {
		t.grow()
	}
	mask := uint64(len(t.slots) - 1)
	for i := t.slot(h); ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.seen.seqDay == 0 {
			*s = seenSlot{h, v}
			t.used++
			return
		}
		if s.hash == h {
			s.seen = v
			return
		}
	}
}

func (t *seenTable) grow() {
	old := t.slots
	t.slots, t.used = make([]seenSlot, max(seenSlotsFirst, 2*len(old))), 0
	t.shift = uint(64 - bits.TrailingZeros(uint(len(t.slots))))
	for i := range old {
		if old[i].seen.seqDay != 0 {
			t.put(old[i].hash, old[i].seen)
		}
	}
}
