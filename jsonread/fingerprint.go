package jsonread

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/zeebo/xxh3"
)

// Sum is the fingerprint of a JSON value.
type Sum [16]byte

// Fingerprint is a hash of what body says, not of how it is written: the order
// of an object's members, white space, escapes and the notation of numbers make
// no difference; the order of an array's elements does. Equal sums mean equal
// values with overwhelming probability unless somebody searched for a collision:
// the hash is not cryptographic. Sums that are kept need the same seed for ever.
// The error is that of Reader.End, with the default depth.
func Fingerprint(seed uint64, body []byte) (Sum, error) {
	r := readers.Get().(*Reader)
	r.Reset(body)
	sum := r.Fingerprint(seed)
	err := r.End()
	r.Reset(nil)
	readers.Put(r)
	if err != nil {
		return Sum{}, err
	}
	return sum, nil
}

var readers = sync.Pool{New: func() any { return new(Reader) }}

// Fingerprint reads the value that is next, whatever it is, and gives its
// fingerprint; after an error one that means nothing.
func (r *Reader) Fingerprint(seed uint64) Sum {
	kept := len(r.scratch)
	h := hasher{
		literal: xxh3.HashStringSeed("literal", seed),
		number:  xxh3.HashStringSeed("number", seed),
		text:    xxh3.HashStringSeed("text", seed),
		member:  xxh3.HashStringSeed("member", seed),
		object:  xxh3.HashStringSeed("object", seed),
		element: xxh3.HashStringSeed("element", seed),
	}
	sum := Sum(h.value(r).Bytes())
	r.scratch = r.scratch[:kept]
	return sum
}

// hasher has a seed for each sort of thing. They are hashes themselves because
// xxh3 mixes seed and short inputs by exclusive or: seeds close to each other
// would make a text of one sort equal another of the next.
type hasher struct {
	literal, number, text, member, object, element uint64
}

func (h *hasher) value(r *Reader) xxh3.Uint128 {
	switch r.Kind() {
	case Object:
		return h.members(r)
	case Array:
		var sum xxh3.Uint128
		count := uint64(0)
		for r.BeginArray(); r.NextElem(); count++ {
			v := h.value(r)
			sum = words(h.element, sum.Hi, sum.Lo, v.Hi, v.Lo, 1)
		}
		return words(h.element, sum.Hi, sum.Lo, count, 0, 0)
	case String:
		return xxh3.Hash128Seed(r.Text(), h.text)
	case Numeral:
		return h.decimal(r)
	case Bool:
		if r.Bool() {
			return words(h.literal, 1, 0, 0, 0, 0)
		}
		return words(h.literal, 2, 0, 0, 0, 0)
	case Null:
		r.Null()
		return words(h.literal, 3, 0, 0, 0, 0)
	}
	r.Skip() // for its error
	return xxh3.Uint128{}
}

// members adds up the hashes of an object's members, so that their order does
// not matter. No two are equal, for the Reader refuses that.
func (h *hasher) members(r *Reader) xxh3.Uint128 {
	var sum xxh3.Uint128
	count := uint64(0)
	for r.BeginObject(); r.NextKey(); count++ {
		k := xxh3.Hash128Seed(r.Key(), h.text)
		v := h.value(r)
		m := words(h.member, k.Hi, k.Lo, v.Hi, v.Lo, 0)
		var carry uint64
		sum.Lo, carry = bits.Add64(sum.Lo, m.Lo, 0)
		sum.Hi, _ = bits.Add64(sum.Hi, m.Hi, carry)
	}
	return words(h.object, sum.Hi, sum.Lo, count, 0, 0)
}

func (h *hasher) decimal(r *Reader) xxh3.Uint128 {
	r.begin()
	_, raw := r.scanNumber()
	if raw == nil {
		return xxh3.Uint128{}
	}
	d := significant(raw)
	shape := uint64(d.digits) << 1
	if d.negative {
		shape |= 1
	}
	if d.digits <= 19 {
		return words(h.number, 0, d.coef, d.expHigh, d.expLow, shape)
	}
	at := len(r.scratch)
	for _, c := range raw[d.first:d.last] {
		if c != '.' {
			r.scratch = append(r.scratch, c)
		}
	}
	digits := xxh3.Hash128Seed(r.scratch[at:], h.number)
	r.scratch = r.scratch[:at]
	return words(h.number, digits.Hi, digits.Lo, d.expHigh, d.expLow, shape)
}

func words(seed, a, b, c, d, e uint64) xxh3.Uint128 {
	var w [40]byte
	binary.LittleEndian.PutUint64(w[0:], a)
	binary.LittleEndian.PutUint64(w[8:], b)
	binary.LittleEndian.PutUint64(w[16:], c)
	binary.LittleEndian.PutUint64(w[24:], d)
	binary.LittleEndian.PutUint64(w[32:], e)
	return xxh3.Hash128Seed(w[:], seed)
}
