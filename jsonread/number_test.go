package jsonread

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

func readNumber(in string) (Number, error) {
	var r Reader
	r.Reset([]byte(in))
	n := r.Number()
	return n, r.End()
}

func TestNumber(t *testing.T) {
	f := func(in string, coef int64, scale int8) {
		t.Helper()
		n, err := readNumber(in)
		if err != nil || n.Coef != coef || n.Scale != scale || n.Overflow || string(n.Raw) != in {
			t.Errorf("%s: got %+v, %v", in, n, err)
		}
	}
	zeros := strings.Repeat("0", 5000)
	f("0", 0, 0)
	f("-0", 0, 0)
	f("-0.000e-999999999999999999999", 0, 0)
	f("0e999999999999999999999", 0, 0)
	f("2", 2, 0)
	f("2.0", 2, 0)
	f("2e0", 2, 0)
	f("0.2e1", 2, 0)
	f("20E-1", 2, 0)
	f("200", 200, 0)
	f("2e2", 200, 0)
	f("-1.50", -15, 1)
	f("0.05", 5, 2)
	f("12345.678", 12345678, 3)
	f("1."+zeros, 1, 0)
	f("1"+zeros+"e-5000", 1, 0)
	f("0."+zeros+"1e5001", 1, 0)
	f("1e18", 1e18, 0)
	f("9223372036854775807", math.MaxInt64, 0)
	f("-9223372036854775808", math.MinInt64, 0)
	f("-9.223372036854775808", math.MinInt64, 18)
	f("922337203685477580.7e1", math.MaxInt64, 0)
	f("1e-127", 1, 127)
	f("1e+00000000000000000000000000002", 100, 0)
	f("999999999999999999", 999999999999999999, 0)
	f("0.00000000000000001", 1, 17)
	f("0.000000000000000001", 1, 18)

	overflow := func(in string) {
		t.Helper()
		n, err := readNumber(in)
		if err != nil || !n.Overflow || n.Coef != 0 || n.Scale != 0 {
			t.Errorf("%s: got %+v, %v", in, n, err)
		}
		_, whole := n.Int64()
		_, scaled := n.Scaled(18)
		if whole || scaled {
			t.Errorf("%s: an overflow passes as a number", in)
		}
	}
	overflow("1e999")
	overflow("-1e999")
	overflow("1e-400")
	overflow("1e-128")
	overflow("1e19")
	overflow("9223372036854775808")
	overflow("-9223372036854775809")
	overflow("18446744073709551617") // 2^64 + 1
	overflow("1" + zeros)
	overflow("0." + zeros + "1")
	overflow("1e18446744073709551616") // the exponent is 2^64
	overflow("1e340282366920938463463374607431768211456")
	overflow("1e-340282366920938463463374607431768211456")
	overflow("1.00000000000000000001")
}

func TestNumberScaled(t *testing.T) {
	f := func(in string, decimals int, want int64, ok bool) {
		t.Helper()
		n, _ := readNumber(in)
		if v, got := n.Scaled(decimals); v != want || got != ok {
			t.Errorf("%s with %d: got %d, %v", in, decimals, v, got)
		}
	}
	f("1.5", 3, 1500, true)
	f("1.5", 1, 15, true)
	f("1.5", 0, 0, false)
	f("2.000", 0, 2, true)
	f("0", 100, 0, true)
	f("0", -1, 0, false)
	f("1", 18, 1e18, true)
	f("1", 19, 0, false)
	f("-9223372036854775.807", 3, -math.MaxInt64, true)
	f("-9223372036854775.808", 3, math.MinInt64, true)
	f("-9223372036854775.808", 4, 0, false)
	f("9223372036854776", 3, 0, false)
	f("-9223372036854776", 3, 0, false)
}

func TestNumberInt64(t *testing.T) {
	for in, ok := range map[string]bool{"900": true, "9e2": true, "-5.0": true, "1.5": false, "1e30": false, "1e-30": false} {
		n, _ := readNumber(in)
		if v, whole := n.Int64(); whole != ok || ok && v != n.Coef {
			t.Errorf("%s: got %d, %v", in, v, whole)
		}
	}
}

func TestNumberFloat64(t *testing.T) {
	for in, ok := range map[string]bool{"52.3702157": true, "-4.895168e0": true, "1e-400": true, "1e999": false, "123456789012345678901234567890": true} {
		n, _ := readNumber(in)
		want, _ := strconv.ParseFloat(in, 64)
		if got, fits := n.Float64(); fits != ok || ok && got != want {
			t.Errorf("%s: got %v, %v", in, got, fits)
		}
	}
}

// modestExponent keeps the slow models from building numbers of gigabytes.
func modestExponent(number string) bool {
	i := strings.IndexAny(number, "eE")
	if i < 0 {
		return true
	}
	exp, err := strconv.Atoi(number[i+1:])
	return err == nil && exp > -2000 && exp < 2000
}

func FuzzNumber(f *testing.F) {
	for _, in := range []string{"0", "-0.0", "1.50", "1e999", "1e-400", "20e-1", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "0.1e-17", "1e-127", "123456789.123456789e9"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		n, err := readNumber(in)
		if err != nil || strings.Trim(in, " \t\r\n") != in {
			return
		}
		if !modestExponent(in) {
			if !n.Overflow && n.Coef != 0 && len(in) < 2000 {
				t.Fatalf("%s: got %+v", in, n)
			}
			return
		}
		want, ok := new(big.Rat).SetString(in)
		if !ok {
			t.Fatalf("%s: not for math/big", in)
		}
		// The scale is the least power of ten that makes want whole.
		scaled, scale := new(big.Rat).Set(want), 0
		for ten := big.NewRat(10, 1); !scaled.IsInt() && scale <= scaleMax; scale++ {
			scaled.Mul(scaled, ten)
		}
		fits := scale <= scaleMax && scaled.Num().IsInt64()
		if n.Overflow == fits {
			t.Fatalf("%s: overflow %v, but fits %v", in, n.Overflow, fits)
		}
		if fits && (n.Coef != scaled.Num().Int64() || int(n.Scale) != scale) {
			t.Fatalf("%s: got %+v, want %s with %d", in, n, scaled.Num(), scale)
		}
		for decimals := range 20 {
			power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
			exact := new(big.Rat).Mul(want, new(big.Rat).SetInt(power))
			v, ok := n.Scaled(decimals)
			if ok != (fits && exact.IsInt() && exact.Num().IsInt64()) || ok && v != exact.Num().Int64() {
				t.Fatalf("%s with %d: got %d, %v, want %s", in, decimals, v, ok, exact)
			}
		}
	})
}
