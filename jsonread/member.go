package jsonread

import (
	"bytes"
	"cmp"
	"slices"
)

// linearMembersMax is up to how many names a new one is compared with each as it
// is read. Comparing each with each would cost the square of an object's size,
// so what lies beyond is found by sorting when the object ends.
const linearMembersMax = 16

// member is one name in an open object.
type member struct {
	name []byte
	at   int // offset of its opening quote
}

// repeated says whether name is among the names of f already. Most are told
// apart by one bit in f.seen.
func (f *frame) repeated(members []member, name []byte) bool {
	h := uint(len(name))
	if h > 0 {
		h += uint(name[0])*5 + uint(name[len(name)-1])*3
	}
	bit := uint64(1) << (h & 63)
	if f.seen&bit == 0 {
		f.seen |= bit
		return false
	}
	if f.count >= linearMembersMax {
		return false // sortedRepeat will look
	}
	for _, m := range members[f.members:] {
		if string(m.name) == string(name) {
			return true
		}
	}
	return false
}

// sortedRepeat looks for equal names in a large object that ends here, and fails
// the Reader if there are any. It loses the order of the names, which nobody
// needs any more.
func (r *Reader) sortedRepeat(f *frame) bool {
	names := r.members[f.members:]
	slices.SortFunc(names, func(a, b member) int {
		if len(a.name) != len(b.name) {
			return cmp.Compare(len(a.name), len(b.name))
		}
		return bytes.Compare(a.name, b.name)
	})
	for i := 1; i < len(names); i++ {
		if bytes.Equal(names[i-1].name, names[i].name) {
			r.failRepeat(member{names[i].name, max(names[i-1].at, names[i].at)})
			return true
		}
	}
	return false
}
