package jsonread

import (
	"math"
	"strconv"
)

// scaleMax is the most decimals a Number can have.
const scaleMax = math.MaxInt8

// Number is an exact decimal: Coef × 10^-Scale. It is normalised: Scale is not
// negative and as small as can be, so "2", "2.0", "2e0" and "0.2e1" have the
// same Coef and Scale, and "-0" is 0.
type Number struct {
	Coef  int64
	Scale int8
	// Overflow: it has no such form, being too large, too small or of too many
	// digits. Coef and Scale are then 0, and Int64 and Scaled refuse.
	Overflow bool
	// Raw is the token in the input, and lives as long.
	Raw []byte
}

// Int64 is the number where it is whole and fits.
func (n Number) Int64() (int64, bool) {
	if n.Overflow || n.Scale != 0 {
		return 0, false
	}
	return n.Coef, true
}

// Scaled is the number times 10^decimals where that is whole and fits: 1.5 with
// 3 decimals is 1500. False where it has more decimals, or is out of range.
func (n Number) Scaled(decimals int) (int64, bool) {
	if n.Overflow || decimals < int(n.Scale) {
		return 0, false
	}
	if n.Coef == 0 {
		return 0, true
	}
	by := decimals - int(n.Scale)
	if by >= len(powers) {
		return 0, false
	}
	// By 1 anything fits; no other power divides 2^63, so the bound is the same
	// on both sides.
	bound := math.MaxInt64 / powers[by]
	if by > 0 && (n.Coef > bound || n.Coef < -bound) {
		return 0, false
	}
	return n.Coef * powers[by], true
}

// Float64 is the nearest float, of the token and not of Coef; false where it is
// out of range. It is for coordinates and ratios, never for quantities. It
// allocates for tokens of more than 32 bytes.
func (n Number) Float64() (float64, bool) {
	f, err := strconv.ParseFloat(string(n.Raw), 64)
	return f, err == nil
}

// powers are those of ten that fit.
var powers = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// numeral is what checking a number's grammar yields by the way.
type numeral struct {
	coef     uint64 // all digits before an exponent, wrapped where there are many
	digits   int    // how many, leading zeros included
	frac     int    // how many of them stand behind the point
	negative bool
	exponent bool
}

// scanNumber reads the number at pos and goes behind it; a nil token means that
// it failed the Reader.
func (r *Reader) scanNumber() (n numeral, raw []byte) {
	b, start := r.b, r.pos
	i := start
	if b[i] == '-' {
		n.negative = true
		i++
	}
	first := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		n.coef = n.coef*10 + uint64(b[i]-'0')
	}
	n.digits = i - first
	if n.digits > 1 && b[first] == '0' {
		r.fail(first, "a number must not begin with 0")
		return n, nil
	}
	whole := n.digits > 0
	if whole && i < len(b) && b[i] == '.' {
		i++
		first = i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			n.coef = n.coef*10 + uint64(b[i]-'0')
		}
		n.frac = i - first
		n.digits += n.frac
		whole = n.frac > 0
	}
	if whole && i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		first = i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
		}
		n.exponent = true
		whole = i > first
	}
	r.pos = i
	if !whole {
		r.unexpected("expected a digit")
		return n, nil
	}
	r.pending = false
	return n, b[start:i:i]
}

func (n numeral) number(raw []byte) Number {
	if n.exponent || n.digits > 18 {
		return significant(raw).number(raw)
	}
	for n.frac > 0 && n.coef%10 == 0 {
		n.coef /= 10
		n.frac--
	}
	coef := int64(n.coef)
	if n.negative {
		coef = -coef
	}
	return Number{Coef: coef, Scale: int8(n.frac), Raw: raw}
}
