package ledger

import "math"

// Decimal is a number exactly as it was written: Coef × 10^-Scale. Overflow says
// that it was beyond what Coef and Scale can say.
type Decimal struct {
	Coef     int64
	Scale    int8
	Overflow bool
}

// Steps turns d into steps of a SKU with so many decimals. ok is false where it has
// more decimals than that or is out of range.
func (d Decimal) Steps(decimals int) (q Qty, ok bool) {
	v, scale := d.Coef, int(d.Scale)
	for ; scale > decimals && v%10 == 0; scale-- {
		if v /= 10; v == 0 {
			break
		}
	}
	if d.Overflow || v != 0 && scale > decimals {
		return 0, false
	}
	for ; v != 0 && scale < decimals; scale++ {
		if v > math.MaxInt64/10 || v < math.MinInt64/10 {
			return 0, false
		}
		v *= 10
	}
	return Qty(v), inRange(v)
}
