package format

import (
	"math/big"
	"strings"
)

// measures are the units of POSLog and IDocs that can be brought to a SKU's own unit,
// pieces, kilograms, metres or litres, and how many of them make one. Cases, boxes and
// pallets are not here: how much is in one only the item's master data could tell.
var measures = map[string]int64{
	"": 1, "EA": 1, "PCE": 1, "PC": 1, "ST": 1, "C62": 1, "H87": 1,
	"KGM": 1, "KG": 1, "GRM": 1000, "G": 1000,
	"MTR": 1, "M": 1, "LTR": 1, "L": 1, "MLT": 1000, "ML": 1000,
}

const wantMeasure = "a unit of pieces, weight, length or volume (EA, KGM, GRM, MTR, LTR)"

// measured is the number n of unit in the SKU's own unit; n is one that number gave.
func measured(n, unit string) (string, bool) {
	parts, ok := measures[strings.ToUpper(unit)]
	if !ok || parts == 1 {
		return n, ok
	}
	r := rational(n)
	return decimal(r.Quo(r, big.NewRat(parts, 1))), true
}

// plus adds two numbers that number gave.
func plus(a, b string) string {
	r := rational(a)
	return decimal(r.Add(r, rational(b)))
}

func rational(n string) *big.Rat {
	r, ok := new(big.Rat).SetString(n)
	if !ok {
		panic("format: not a number: " + n) // number lets nothing else through
	}
	return r
}

func decimal(r *big.Rat) string {
	s := r.FloatString(digitsMax + 3) // exact: no more digits come in, and thousandths add three
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
