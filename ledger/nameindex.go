package ledger

import (
	"sync/atomic"

	"github.com/zeebo/xxh3"
)

// nameBytesInline is how much of a name lies in its slot: with 8 bytes before it two
// slots fill a cache line, and codes in use (GTINs, article numbers) fit.
const nameBytesInline = 24

// nameIndex finds the number of a name. Who looks up takes no lock and, for a name that
// fits its slot, meets one cache line. There is one writer at a time.
type nameIndex struct {
	table atomic.Pointer[[]nameSlot] // a power of two long, at most half full
	used  int
}

// nameSlot is empty while meta is 0; else meta is the number, shifted by 8, and the
// name's length. text is written before meta and never again.
type nameSlot struct {
	meta atomic.Uint64
	text [nameBytesInline]byte
}

const nameSlotsFirst = 1024

func (x *nameIndex) init() {
	t := make([]nameSlot, nameSlotsFirst)
	x.table.Store(&t)
}

// find returns the number of a name. whole gives the name behind a number, for those
// that are longer than a slot.
func (x *nameIndex) find(name []byte, whole func(uint32) string) (uint32, bool) {
	t := *x.table.Load()
	mask := uint64(len(t) - 1)
	head := name[:min(len(name), nameBytesInline)]
	for i := xxh3.Hash(name) & mask; ; i = (i + 1) & mask {
		s := &t[i]
		meta := s.meta.Load()
		if meta == 0 {
			return 0, false
		}
		if byte(meta) != byte(len(name)) || string(s.text[:len(head)]) != string(head) {
			continue
		}
		id := uint32(meta >> 8)
		if len(name) <= nameBytesInline || whole(id) == string(name) {
			return id, true
		}
	}
}

// put adds a name that is not there; it is for one goroutine at a time.
func (x *nameIndex) put(name string, id uint32, whole func(uint32) string) {
	old := *x.table.Load()
	x.used++
	if 2*x.used <= len(old) {
		place(old, name, id)
		return
	}
	grown := make([]nameSlot, 2*len(old))
	for i := range old {
		if meta := old[i].meta.Load(); meta != 0 {
			place(grown, whole(uint32(meta>>8)), uint32(meta>>8))
		}
	}
	place(grown, name, id)
	x.table.Store(&grown)
}

func place(t []nameSlot, name string, id uint32) {
	mask := uint64(len(t) - 1)
	for i := xxh3.HashString(name) & mask; ; i = (i + 1) & mask {
		if s := &t[i]; s.meta.Load() == 0 {
			copy(s.text[:], name)
			s.meta.Store(uint64(id)<<8 | uint64(byte(len(name)))) // an id is never 0, so neither is this
			return
		}
	}
}
