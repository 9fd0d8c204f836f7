package jsonread

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestAppendString(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(AppendString([]byte("x"), in)); got != "x"+want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	f("", `""`)
	f("plain é€😀", `"plain é€😀"`)
	f("a\"b\\c/", `"a\"b\\c/"`)
	f("\b\f\n\r\t\x00\x1f\x7f", `"\b\f\n\r\t\u0000\u001f`+"\x7f\"")
	f("\u2027\u2028\u2029\u202a", "\"\u2027"+`\u2028\u2029`+"\u202a\"")
	f("a\xffb\xc3", `"a\ufffdb\ufffd"`)
	f("\xed\xa0\x80", `"\ufffd\ufffd\ufffd"`)
	f("\ufffd<&>", "\"\ufffd<&>\"")
}

func FuzzAppendString(f *testing.F) {
	f.Add("a\"\\\n\x00é\u2028\xff😀")
	f.Fuzz(func(t *testing.T, in string) {
		out := AppendString(nil, in)
		want := string([]rune(in)) // each wrong byte becomes one U+FFFD
		var theirs string
		if err := json.Unmarshal(out, &theirs); err != nil || theirs != want {
			t.Fatalf("%q: %s reads as %q, %v", in, out, theirs, err)
		}
		var r Reader
		r.Reset(out)
		if ours := r.Text(); string(ours) != want || r.End() != nil {
			t.Fatalf("%q: %s reads as %q, %v", in, out, ours, r.Err())
		}
	})
}

func TestAppendScaled(t *testing.T) {
	f := func(v int64, decimals int, want string) {
		t.Helper()
		if got := string(AppendScaled(nil, v, decimals)); got != want {
			t.Errorf("%d with %d: got %s, want %s", v, decimals, got, want)
		}
	}
	f(0, 0, "0")
	f(0, 3, "0")
	f(7, 0, "7")
	f(12345, 3, "12.345")
	f(2000, 3, "2")
	f(2050, 3, "2.05")
	f(-5, 1, "-0.5")
	f(5, 3, "0.005")
	f(-1000, 3, "-1")
	f(math.MinInt64, 0, "-9223372036854775808")
	f(math.MinInt64, 18, "-9.223372036854775808")
	f(math.MaxInt64, 3, "9223372036854775.807")
	f(5, -1, "5")
}

func FuzzAppendScaled(f *testing.F) {
	f.Add(int64(-12300), uint8(3))
	f.Fuzz(func(t *testing.T, v int64, decimals uint8) {
		decimals %= 19
		out := string(AppendScaled(nil, v, int(decimals)))
		n, err := readNumber(out)
		if back, ok := n.Scaled(int(decimals)); err != nil || !ok || back != v {
			t.Fatalf("%d with %d: %s reads as %d, %v, %v", v, decimals, out, back, ok, err)
		}
		power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil)
		want := new(big.Rat).SetFrac(big.NewInt(v), power).FloatString(int(decimals))
		if strings.Contains(want, ".") {
			want = strings.TrimRight(strings.TrimRight(want, "0"), ".")
		}
		if out != want {
			t.Fatalf("%d with %d: got %s, want %s", v, decimals, out, want)
		}
	})
}
