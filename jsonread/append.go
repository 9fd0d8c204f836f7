package jsonread

import (
	"strconv"
	"unicode/utf8"
	"unsafe"
)

const hexDigits = "0123456789abcdef"

// AppendBytes is AppendString for text that is bytes.
func AppendBytes(dst, text []byte) []byte {
	return AppendString(dst, unsafe.String(unsafe.SliceData(text), len(text))) // which keeps none of it
}

// AppendString appends s as a JSON string. Quotes, backslashes and control
// characters are escaped, and U+2028 and U+2029, which end a line in older
// JavaScript; other text stays as it is. A byte that is not UTF-8 becomes
// \ufffd, so the result can always be read again.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0 // s[from:i] is plain and not appended yet
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var char rune
			char, size = utf8.DecodeRuneInString(s[i:])
			switch {
			case char == utf8.RuneError && size == 1:
				dst = append(append(dst, s[from:i]...), `\ufffd`...)
			case char == '\u2028' || char == '\u2029':
				dst = append(append(dst, s[from:i]...), `\u202`...)
				dst = append(dst, hexDigits[char&15])
			default:
				i += size
				continue
			}
		} else {
			dst = appendEscape(append(dst, s[from:i]...), c)
		}
		i += size
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// AppendScaled appends v × 10^-decimals as a JSON number without trailing zeros:
// 12345 with 3 decimals is 12.345, 2000 is 2, -5 with 1 is -0.5. Decimals are 0
// to 18; others count as the nearer of these.
func AppendScaled(dst []byte, v int64, decimals int) []byte {
	decimals = min(max(decimals, 0), len(powers)-1)
	for decimals > 0 && v%10 == 0 {
		v /= 10
		decimals--
	}
	if decimals == 0 {
		return strconv.AppendInt(dst, v, 10)
	}
	u := uint64(v)
	if v < 0 {
		dst = append(dst, '-')
		u = -u
	}
	p := uint64(powers[decimals])
	dst = strconv.AppendUint(dst, u/p, 10)
	dst = append(dst, '.')
	for frac := u % p; decimals > 0; decimals-- {
		p /= 10
		dst = append(dst, '0'+byte(frac/p))
		frac %= p
	}
	return dst
}
