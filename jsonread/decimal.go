package jsonread

import (
	"math"
	"math/bits"
)

// decimal is a number of any size by its significant digits, of which the first
// and the last are not zero: ±digits × 10^exp. Equal numbers have equal decimals
// but for where the digits stand; zero is the zero decimal.
type decimal struct {
	coef        uint64 // the digits, right up to 19 of them
	digits      int
	first, last int // they are raw[first:last], perhaps with a point among them
	negative    bool

	// The exponent in two's complement, modulo 2^128; far says that it has so
	// many digits that it may not fit the low word.
	expHigh, expLow uint64
	far             bool
}

// significant takes a checked token apart.
func significant(raw []byte) (d decimal) {
	i, index, point := 0, 0, -1
	if raw[0] == '-' {
		i++
	}
	lastIndex := 0
	for ; i < len(raw) && raw[i]|0x20 != 'e'; i++ {
		if raw[i] == '.' {
			point = index
			continue
		}
		if raw[i] != '0' {
			if d.last == 0 {
				d.first = i
			}
			d.last, lastIndex = i+1, index
		}
		index++
	}
	if d.last == 0 {
		return decimal{}
	}
	if point < 0 {
		point = index
	}
	for _, c := range raw[d.first:d.last] {
		if c != '.' {
			d.coef = d.coef*10 + uint64(c-'0')
			d.digits++
		}
	}
	d.negative = raw[0] == '-'
	if i < len(raw) {
		d.setExponent(raw[i+1:])
	}
	d.addExponent(int64(point - 1 - lastIndex))
	return d
}

// setExponent takes what stands behind the e.
func (d *decimal) setExponent(text []byte) {
	negative := text[0] == '-'
	digits := 0
	for _, c := range text {
		if c == '+' || c == '-' {
			continue
		}
		if digits > 0 || c != '0' {
			digits++
		}
		carry, low := bits.Mul64(d.expLow, 10)
		var c2 uint64
		d.expLow, c2 = bits.Add64(low, uint64(c-'0'), 0)
		d.expHigh = d.expHigh*10 + carry + c2
	}
	d.far = digits > 17
	if negative {
		var borrow uint64
		d.expLow, borrow = bits.Sub64(0, d.expLow, 0)
		d.expHigh, _ = bits.Sub64(0, d.expHigh, borrow)
	}
}

func (d *decimal) addExponent(n int64) {
	var carry uint64
	d.expLow, carry = bits.Add64(d.expLow, uint64(n), 0)
	d.expHigh, _ = bits.Add64(d.expHigh, uint64(n>>63), carry)
}

func (d decimal) number(raw []byte) Number {
	n := Number{Overflow: true, Raw: raw}
	exp := int64(d.expLow)
	if d.digits > 19 || d.far || exp < -scaleMax || exp >= int64(len(powers)) {
		return n
	}
	coef, scale := d.coef, int8(0)
	if exp < 0 {
		scale = int8(-exp)
	} else {
		high, low := bits.Mul64(coef, uint64(powers[exp]))
		if high != 0 {
			return n
		}
		coef = low
	}
	bound := uint64(math.MaxInt64)
	if d.negative {
		bound++
	}
	if coef > bound {
		return n
	}
	n.Coef, n.Scale, n.Overflow = int64(coef), scale, false
	if d.negative {
		n.Coef = -n.Coef // wraps to itself for -2^63, which is right
	}
	return n
}
