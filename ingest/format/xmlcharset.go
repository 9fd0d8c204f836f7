package format

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const wantCharset = "UTF-8, ISO-8859-1, ISO-8859-15 or windows-1252"

// charset gives what in holds as UTF-8. Other than that and the three below nothing is
// read: to guess would make other codes of them.
func (x *xmlReader) charset(label string, in io.Reader) (io.Reader, error) {
	var runes func(byte) rune
	switch strings.NewReplacer("_", "-").Replace(strings.ToLower(label)) {
	case "us-ascii", "ascii", "utf8":
		return in, nil // bytes above 127 that are not UTF-8 are refused
	case "iso-8859-1", "iso8859-1", "latin1", "latin-1":
		runes = func(c byte) rune { return rune(c) }
	case "iso-8859-15", "iso8859-15", "latin9", "latin-9":
		runes = latin9
	case "windows-1252", "cp1252", "cp-1252":
		runes = windows1252
	default:
		return nil, &Refusal{Place: x.line(), Field: "encoding", Value: cut(label, 64), Why: wantCharset}
	}
	return &charsetReader{in: in.(*tokenBytes), runes: runes, line: x.line}, nil
}

func latin9(c byte) rune {
	switch c {
	case 0xa4:
		return '€'
	case 0xa6:
		return 'Š'
	case 0xa8:
		return 'š'
	case 0xb4:
		return 'Ž'
	case 0xb8:
		return 'ž'
	case 0xbc:
		return 'Œ'
	case 0xbd:
		return 'œ'
	case 0xbe:
		return 'Ÿ'
	}
	return rune(c)
}

// high1252 are the characters of 0x80 to 0x9f; a space stands for the five that it lacks.
var high1252 = [...]rune{
	'€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ',
	' ', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
}

func windows1252(c byte) rune {
	if c < 0x80 || c > 0x9f {
		return rune(c)
	}
	if r := high1252[c-0x80]; r != ' ' {
		return r
	}
	return utf8.RuneError
}

// charsetReader makes UTF-8 of single bytes. It reads no byte ahead, so that the bound of
// a token below it holds.
type charsetReader struct {
	in    *tokenBytes
	runes func(byte) rune
	line  func() Place
	rest  []byte // of the character begun
	buf   [utf8.UTFMax]byte
}

func (c *charsetReader) ReadByte() (byte, error) {
	if len(c.rest) == 0 {
		b, err := c.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if b < utf8.RuneSelf {
			return b, nil
		}
		r := c.runes(b)
		if r == utf8.RuneError {
			return 0, &Refusal{Place: c.line(), Field: "byte", Value: fmt.Sprintf("%#x", b), Why: "a character of the declared encoding"}
		}
		c.rest = c.buf[:utf8.EncodeRune(c.buf[:], r)]
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return b, nil
}

func (c *charsetReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := c.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// utf8Begin leaves out the mark at the beginning of UTF-8 and refuses UTF-16, which has to
// be told apart before there is a declaration to read.
func utf8Begin(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReader(r)
	b, err := in.Peek(3)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("read XML: %w", err)
	}
	switch s := string(b); {
	case s == "\ufeff":
		_, err = in.Discard(len(b))
		return in, err
	case strings.HasPrefix(s, "\xfe\xff"), strings.HasPrefix(s, "\xff\xfe"), strings.HasPrefix(s, "<\x00"), strings.HasPrefix(s, "\x00<"):
		return nil, &Refusal{Place: Place{"line", 1}, Field: "encoding", Value: "UTF-16", Why: wantCharset}
	}
	return in, nil
}
