package jsonread

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// scanText reads the string whose opening quote is at pos, and goes behind it.
// Text decoded from escapes lies in scratch, its capacity cut so that nobody who
// appends to it writes into the next one.
func (r *Reader) scanText() (text []byte, ok bool) {
	start := r.pos + 1
	end, ascii := plainEnd(r.b, start)
	if end < len(r.b) && r.b[end] == '"' {
		text = r.b[start:end:end]
		if !ascii && !utf8.Valid(text) {
			r.failEncoding(start)
			return nil, false
		}
		r.pos = end + 1
		return text, true
	}
	return r.decodeText(start)
}

// decodeText is scanText for a string with escapes, or with an error in it.
func (r *Reader) decodeText(i int) (text []byte, ok bool) {
	kept := len(r.scratch)
	for {
		end, ascii := plainEnd(r.b, i)
		if !ascii && !utf8.Valid(r.b[i:end]) {
			r.failEncoding(i)
			return nil, false
		}
		r.scratch = append(r.scratch, r.b[i:end]...)
		if end == len(r.b) {
			r.fail(end, "the input ends within a string")
			return nil, false
		}
		switch r.b[end] {
		case '"':
			r.pos = end + 1
			return r.scratch[kept:len(r.scratch):len(r.scratch)], true
		case '\\':
			if i = r.decodeEscape(end); i < 0 {
				return nil, false
			}
		default:
			r.fail(end, "a control character in a string must be escaped")
			return nil, false
		}
	}
}

// decodeEscape appends what the escape at offset at stands for and gives the
// offset behind it, or -1 after failing the Reader.
func (r *Reader) decodeEscape(at int) int {
	if at+1 == len(r.b) {
		r.fail(at+1, "the input ends within a string")
		return -1
	}
	c := r.b[at+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return r.decodeUnicode(at)
	default:
		r.fail(at, "no such escape in a string")
		return -1
	}
	r.scratch = append(r.scratch, c)
	return at + 2
}

func (r *Reader) decodeUnicode(at int) int {
	c := hexEscape(r.b[at:])
	if c < 0 {
		r.fail(at, `\u must be followed by four hexadecimal digits`)
		return -1
	}
	end := at + 6
	if utf16.IsSurrogate(c) {
		c = utf16.DecodeRune(c, hexEscape(r.b[end:]))
		if c == utf8.RuneError {
			r.fail(at, "half of a surrogate pair without the other")
			return -1
		}
		end += 6
	}
	r.scratch = utf8.AppendRune(r.scratch, c)
	return end
}

// hexEscape is the code unit of the \uXXXX with which b begins, or -1.
func hexEscape(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	var v rune
	for _, c := range b[2:6] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		v = v<<4 | rune(c)
	}
	return v
}

// plainEnd is the offset of the first quote, backslash or control character from
// i on, or len(b). Not ascii: there may be bytes from 0x80 up before it.
//
// Eight bytes are looked at in one word: taking 1 from a byte that is 0 borrows
// into its top bit. A borrow can also flag bytes above, so only the lowest flag
// is exact, and only that one is used.
func plainEnd(b []byte, i int) (end int, ascii bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	var all uint64
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		all |= w
		quote, slash := w^(ones*'"'), w^(ones*'\\')
		stop := ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*' ')&^w) & tops
		if stop != 0 {
			return i + bits.TrailingZeros64(stop)/8, all&tops == 0
		}
	}
	for ; i < len(b); i++ {
		c := b[i]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		all |= uint64(c)
	}
	return i, all&tops == 0
}
