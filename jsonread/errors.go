package jsonread

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Text from outside is cut to this many bytes in messages.
const quotedBytesMax = 48

// SyntaxError says that the input is not strict JSON, and where.
type SyntaxError struct {
	Offset int // in bytes, from 0
	Line   int // from 1
	Column int // in characters, from 1
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.What)
}

// TypeError says that a value is of another type than the decoder wants, or is
// not what it can take.
type TypeError struct {
	Path   string // "lines[2].quantity"; empty for the whole input
	Want   string // "a number"
	Got    string // "a string"; for Refuse the value itself, cut where long
	Offset int    // of the value, in bytes
}

func (e *TypeError) Error() string {
	return at(e.Path, "want "+e.Want+", got "+e.Got)
}

// MemberError says that a member is missing or unknown.
type MemberError struct {
	Path    string // of the member: "lines[2].quantty"
	Missing bool
	Offset  int // of the value of an unknown member, of the object where one is missing
}

func (e *MemberError) Error() string {
	if e.Missing {
		return at(e.Path, "missing member")
	}
	return at(e.Path, "unknown member")
}

func at(path, what string) string {
	if path == "" {
		return what
	}
	return path + ": " + what
}

// Fail makes err the Reader's error unless it has one.
func (r *Reader) Fail(err error) {
	if r.err == nil {
		r.err, r.pending = err, false
	}
}

// Refuse fails with a *TypeError about the value read last, or about the next
// one while that is unread: Refuse("a whole number from 1 to 14400").
func (r *Reader) Refuse(want string) {
	switch {
	case r.err != nil:
	case r.pending:
		r.mismatch(want)
	default:
		r.Fail(&TypeError{Path: r.Path(), Want: want, Got: r.lastValue(), Offset: r.last})
	}
}

// Unknown fails with a *MemberError about the current member.
func (r *Reader) Unknown() {
	if r.err == nil {
		r.peek()
		r.Fail(&MemberError{Path: r.Path(), Offset: r.pos})
	}
}

// Missing fails with a *MemberError about member name of the object whose loop
// has just ended.
func (r *Reader) Missing(name string) {
	if r.err == nil {
		path := appendName([]byte(r.Path()), []byte(name))
		r.Fail(&MemberError{Path: string(path), Missing: true, Offset: r.last})
	}
}

// Path names the value that is next or was read last: "lines[2].quantity"; empty
// for the whole input. It allocates.
func (r *Reader) Path() string {
	var p []byte
	for _, f := range r.frames {
		switch {
		case f.count == 0:
		case f.object:
			p = appendName(p, r.members[f.members+f.count-1].name)
		default:
			p = append(p, '[')
			p = strconv.AppendInt(p, int64(f.count-1), 10)
			p = append(p, ']')
		}
	}
	return string(p)
}

// appendName appends one step of a path: .name, or ["name"] where the name is
// not of letters, digits, _ and -.
func appendName(p, name []byte) []byte {
	plain := len(name) > 0 && len(name) <= quotedBytesMax
	for _, c := range name {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c-'0' <= 9 || c == '_' || c == '-'
		plain = plain && letter
	}
	if !plain {
		p = append(p, '[')
		p = AppendString(p, cut(name))
		return append(p, ']')
	}
	if len(p) > 0 {
		p = append(p, '.')
	}
	return append(p, name...)
}

// lastValue shows the value read last, for Refuse.
func (r *Reader) lastValue() string {
	switch k := kindOf(r.b[r.last]); k {
	case Object, Array:
		return k.String()
	}
	return cut(bytes.TrimRight(r.b[r.last:r.pos], " \t\r\n"))
}

// cut shortens valid UTF-8 for a message, between characters.
func cut(b []byte) string {
	if len(b) <= quotedBytesMax {
		return string(b)
	}
	n := quotedBytesMax
	for !utf8.RuneStart(b[n]) {
		n--
	}
	return string(b[:n]) + "…"
}

// mismatch fails because the value at pos is not what is wanted.
func (r *Reader) mismatch(want string) {
	if r.err != nil {
		return
	}
	got := r.Kind()
	switch {
	case got != Invalid:
		r.Fail(&TypeError{Path: r.Path(), Want: want, Got: got.String(), Offset: r.pos})
	case r.pos == 0 && bytes.HasPrefix(r.b, []byte("\xef\xbb\xbf")):
		r.fail(0, "a byte order mark is not allowed")
	default:
		r.unexpected("expected a value")
	}
}

// unexpected fails because of the byte at pos, which it shows.
func (r *Reader) unexpected(what string) {
	if r.err != nil {
		return
	}
	c, size := utf8.DecodeRune(r.b[r.pos:])
	switch {
	case size == 0:
		what += ", found the end"
	case c == utf8.RuneError && size == 1:
		what += fmt.Sprintf(", found the byte 0x%02x", r.b[r.pos])
	default:
		what += ", found " + strconv.QuoteRune(c)
	}
	r.fail(r.pos, what)
}

// fail makes a *SyntaxError at offset.
func (r *Reader) fail(offset int, what string) {
	if r.err != nil {
		return
	}
	before := r.b[:offset]
	r.Fail(&SyntaxError{
		Offset: offset,
		Line:   bytes.Count(before, []byte{'\n'}) + 1,
		Column: utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
		What:   what,
	})
}

func (r *Reader) failRepeat(m member) {
	r.fail(m.at, "member "+string(AppendString(nil, cut(m.name)))+" is there twice")
}

func (r *Reader) failDepth(depthMax int) {
	r.fail(r.pos, fmt.Sprintf("nested deeper than %d", depthMax))
}

// failEncoding fails at the first byte from i on that is not UTF-8.
func (r *Reader) failEncoding(i int) {
	for {
		c, size := utf8.DecodeRune(r.b[i:])
		if c == utf8.RuneError && size <= 1 {
			r.fail(i, "invalid UTF-8 in a string")
			return
		}
		i += size
	}
}
