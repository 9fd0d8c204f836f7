package format

import (
	"fmt"
	"strconv"
	"strings"
)

// digitsMax bounds a number's text; what fits a position has far fewer.
const digitsMax = 24

// number gives a decimal number as JSON writes it: "007.50" is "7.50", "-0" is "0". The
// decimal sign is a point, or a comma where the format has it so. ok is false of all else,
// exponents and digits' groups among it.
func number(s string, comma bool) (n string, ok bool) {
	minus := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		minus, s = s[0] == '-', s[1:]
	}
	if comma {
		s = strings.Replace(s, ",", ".", 1)
	}
	whole, part, dotted := strings.Cut(s, ".")
	if len(s) > digitsMax || !digits(whole) || !digits(part) || whole == "" && part == "" || dotted && part == "" && whole == "" {
		return "", false
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if strings.Trim(part, "0") == "" {
		part = ""
	}
	n = whole
	if part != "" {
		n += "." + part
	}
	if minus && n != "0" {
		n = "-" + n
	}
	return n, true
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// trailingSign turns SAP's "2-" into "-2".
func trailingSign(s string) string {
	if n, ok := strings.CutSuffix(s, "-"); ok && n != "" && n[0] != '-' {
		return "-" + n
	}
	return s
}

// negated is the number with the other sign; n is one that number gave.
func negated(n string) string {
	if n == "0" {
		return n
	}
	if p, ok := strings.CutPrefix(n, "-"); ok {
		return p
	}
	return "-" + n
}

// less is a − b of two numbers that number gave; "" is 0. Not ok: one has more digits than
// any quantity.
func less(a, b string) (n string, ok bool) {
	x, ok := micro(a)
	y, ok2 := micro(b)
	if !ok || !ok2 {
		return "", false
	}
	d := x - y
	sign := ""
	if d < 0 {
		sign, d = "-", -d
	}
	n, _ = number(sign+strconv.FormatInt(d/1e6, 10)+"."+fmt.Sprintf("%06d", d%1e6), false)
	if strings.Contains(n, ".") {
		n = strings.TrimRight(n, "0")
	}
	return n, true
}

// micro is a number in millionths.
func micro(s string) (n int64, ok bool) {
	minus := strings.HasPrefix(s, "-")
	whole, part, _ := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if len(whole) > 11 || len(part) > 6 {
		return 0, false
	}
	n, err := strconv.ParseInt("0"+whole+(part + "000000")[:6], 10, 64)
	if minus {
		n = -n
	}
	return n, err == nil
}
