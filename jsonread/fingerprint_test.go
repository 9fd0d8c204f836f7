package jsonread

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestFingerprint(t *testing.T) {
	sum := func(in string) Sum {
		t.Helper()
		s, err := Fingerprint(7, []byte(in))
		if err != nil {
			t.Fatalf("%s: %v", in, err)
		}
		return s
	}
	zeros := strings.Repeat("0", 50)
	nines := strings.Repeat("9", 50)
	for _, same := range [][]string{
		{"0", "-0", "0.0", "-0e5", "0e99999999999999999999999"},
		{"0.1", "0.10", "1e-1", "10E-2", "0.01e+1"},
		{"100", "1e2", "100.00", "0.1e3"},
		{"1e400", "10e399", "0.1e401", "1" + zeros + "e350"},
		{"1e-400", "0." + zeros + "1e-349"},
		{nines, "0." + nines + "e50", nines + zeros + "e-50"},
		{"9999999999999999999.5", "99999999999999999995e-1"},
		{"1e999999999999999999", "10e999999999999999998", "0.1e1000000000000000000"},
		{"1e-99999999999999999999", "10e-100000000000000000000"},
		{`"é/\n"`, `"\u00e9\/\u000A"`},
		{`{"a":1,"b":[1,2]}`, "{ \"b\" :\n[1.0,2e0], \"\\u0061\":1}"},
		{`{"x":{"a":1,"b":2}}`, `{"x":{"b":2,"a":1}}`},
	} {
		for _, in := range same[1:] {
			if sum(in) != sum(same[0]) {
				t.Errorf("%s and %s differ", in, same[0])
			}
		}
	}
	different := map[Sum]string{}
	for _, in := range []string{
		"null", "true", "false", "0", "1", "-1", "10", "0.1", "1e400", "1e401", "1e-400", "-1e400",
		"1e18446744073709551616", "1e18446744073709551617", nines, "-" + nines, nines + "e1", "20000000000000000001", "38446744073709551617", nines + "9",
		`""`, `"0"`, `"1"`, `"null"`, `"\u0000"`, `"\u0000\u0000"`, `"a"`, `"A"`,
		"[]", "{}", "[[]]", "[{}]", "[null]", "[0]", `[""]`, "[1,2]", "[2,1]", "[[1],2]", "[1,[2]]", "[1,2,null]", "[[1,2]]",
		`{"":null}`, `{"a":1}`, `{"a":2}`, `{"b":1}`, `{"a":"1"}`, `{"a":1,"b":2}`, `{"a":2,"b":1}`, `{"1":"a"}`,
		`{"a":{"b":1}}`, `{"b":{"a":1}}`, `{"a":{},"b":1}`, `["a",1]`, `[["a",1]]`, `[{"a":1},{"b":2}]`, `[{"b":2},{"a":1}]`,
		`{"a":[1],"b":[2]}`, `{"a":[2],"b":[1]}`,
	} {
		if other, ok := different[sum(in)]; ok {
			t.Errorf("%s and %s are the same", in, other)
		}
		different[sum(in)] = in
	}
	if other, _ := Fingerprint(8, []byte("{}")); other == sum("{}") {
		t.Error("the seed makes no difference")
	}
	if s, err := Fingerprint(7, []byte("{")); err == nil || s != (Sum{}) {
		t.Errorf("of broken JSON: %x, %v", s, err)
	}
}

// Kept fingerprints are compared after an upgrade: this one must not change.
func TestFingerprintIsStable(t *testing.T) {
	const in = `{"a":[1.5,true,null,"x\n"],"b":{"c":-1e400}}`
	sum, err := Fingerprint(1, []byte(in))
	if got := big.NewInt(0).SetBytes(sum[:]).Text(16); err != nil || got != stableSum {
		t.Errorf("%s: got %s, %v", in, got, err)
	}
}

const stableSum = "600a52d3bd5bb553f63f712868edaad4"

// A part of a text has the fingerprint it has alone.
func TestReaderFingerprint(t *testing.T) {
	var r Reader
	r.Reset([]byte(`{"n":1,"data":{"a":"\u0041","b":[2]}}`))
	var got Sum
	for r.BeginObject(); r.NextKey(); {
		if string(r.Key()) == "data" {
			got = r.Fingerprint(3)
		}
	}
	want, _ := Fingerprint(3, []byte(`{"b":[2],"a":"A"}`))
	if err := r.End(); err != nil || got != want {
		t.Errorf("got %x, want %x, %v", got, want, err)
	}
}

// otherwise writes v in another notation.
func otherwise(b []byte, v any, rng *rand.Rand) []byte {
	space := func() {
		for rng.IntN(4) == 0 {
			b = append(b, " \t\r\n"[rng.IntN(4)])
		}
	}
	text := func(s string) {
		b = append(b, '"')
		for _, c := range s {
			if c < ' ' || c == '"' || c == '\\' || rng.IntN(2) == 0 {
				for _, unit := range utf16.AppendRune(nil, c) {
					hex := strconv.FormatUint(1<<16|uint64(unit), 16)
					b = append(append(b, `\u`...), hex[1:]...)
				}
			} else {
				b = append(b, string(c)...)
			}
		}
		b = append(b, '"')
	}
	space()
	switch v := v.(type) {
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		b = append(b, '{')
		for i, name := range names {
			if i > 0 {
				b = append(b, ',')
			}
			space()
			text(name)
			space()
			b = otherwise(append(b, ':'), v[name], rng)
		}
		b = append(b, '}')
	case []any:
		b = append(b, '[')
		for i, elem := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = otherwise(b, elem, rng)
		}
		b = append(b, ']')
	case json.Number:
		b = append(b, renotate(string(v), rng)...)
	case string:
		text(v)
	default:
		plain, _ := json.Marshal(v)
		b = append(b, plain...)
	}
	space()
	return b
}

// renotate moves a number's point into its exponent and adds zeros.
func renotate(number string, rng *rand.Rand) string {
	mantissa, expText, _ := strings.Cut(strings.ToLower(number), "e")
	exp := new(big.Int)
	exp.SetString(strings.TrimPrefix(expText, "+"), 10)
	whole, frac, _ := strings.Cut(mantissa, ".")
	exp.Sub(exp, big.NewInt(int64(len(frac))))
	sign := ""
	if whole[0] == '-' {
		sign, whole = "-", whole[1:]
	}
	digits := strings.TrimLeft(whole+frac, "0")
	if digits == "" {
		return sign + "0e" + strconv.Itoa(rng.IntN(9))
	}
	if rng.IntN(2) == 0 {
		digits += "00"
		exp.Sub(exp, big.NewInt(2))
	}
	if rng.IntN(2) == 0 {
		exp.Add(exp, big.NewInt(int64(len(digits)+1)))
		digits = "0.0" + digits
	}
	return sign + digits + "e" + exp.String()
}

// canonical is a text equal for equal values, or "" where that takes too long.
func canonical(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var parts []string
		for name, elem := range v {
			c := canonical(elem)
			if c == "" {
				return ""
			}
			parts = append(parts, strconv.Quote(name)+":"+c)
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		var parts []string
		for _, elem := range v {
			c := canonical(elem)
			if c == "" {
				return ""
			}
			parts = append(parts, c)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case json.Number:
		if !modestExponent(string(v)) {
			return ""
		}
		rat, _ := new(big.Rat).SetString(string(v))
		return rat.String()
	case string:
		return strconv.Quote(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return "null"
}

func FuzzFingerprint(f *testing.F) {
	f.Add([]byte(saleEvent), []byte(saleEvent), uint64(1))
	f.Add([]byte(`{"a":1,"b":[1,2,{"c":"\u0000"}]}`), []byte(`{"b":[2,1],"a":1}`), uint64(2))
	f.Add([]byte(`[0.10,1e400,-0,123456789012345678901234567890.5]`), []byte(`[0.1,1e401]`), uint64(3))
	f.Add([]byte(`1e99999999999999999999`), []byte(`1e-99999999999999999999`), uint64(4))
	f.Fuzz(func(t *testing.T, a, b []byte, seed uint64) {
		sumA, err := Fingerprint(seed, a)
		if err != nil {
			return
		}
		valueA, err := readWhole(a)
		if err != nil {
			t.Fatalf("%q: has a fingerprint, but %v", a, err)
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		plain, _ := json.Marshal(valueA)
		for _, other := range [][]byte{plain, otherwise(nil, valueA, rng)} {
			if sum, err := Fingerprint(seed, other); err != nil || sum != sumA {
				t.Fatalf("%q and %q differ: %v", a, other, err)
			}
		}
		sumB, err := Fingerprint(seed, b)
		if err != nil {
			return
		}
		valueB, _ := readWhole(b)
		canonA, canonB := canonical(valueA), canonical(valueB)
		if canonA != "" && canonB != "" && (canonA == canonB) != (sumA == sumB) {
			t.Fatalf("%q and %q: the same fingerprint: %v", a, b, sumA == sumB)
		}
	})
}
