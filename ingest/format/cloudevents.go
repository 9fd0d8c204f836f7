package format

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
)

// decodeCloudEvents reads events of the contract: one on each line, or an array of them,
// or one alone over several lines. They are cut apart here and looked at where they are
// applied, so what is wrong inside one is refused there, with its own code.
func decodeCloudEvents(r io.Reader, o *Options, to Sink) error {
	return eachObject(r, o, func(raw []byte, at Place) error { return to.Event(&Event{Raw: raw, Place: at}) })
}

// eachObject cuts a file into JSON objects: one on each line, an array, or one alone.
func eachObject(r io.Reader, o *Options, fn func(raw []byte, at Place) error) error {
	c := &valueReader{in: bufio.NewReaderSize(r, 64<<10), max: o.partBytesMax(), line: 1}
	if bom, _ := c.in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		c.in.Discard(3)
	}
	first, err := c.skip()
	if err == io.EOF {
		return nil
	}
	if err != nil {
		return err
	}
	array := first == '['
	if array {
		c.in.ReadByte()
	}
	for n := 1; ; n++ {
		b, err := c.skip()
		switch {
		case err == io.EOF && array:
			return &Refusal{Place: Place{"line", c.line}, Why: "the array closed before the file ends"}
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case array && b == ']':
			c.in.ReadByte()
			if b, err = c.skip(); err != io.EOF && err != nil {
				return err
			}
			if err == nil {
				return &Refusal{Place: Place{"line", c.line}, Value: string(rune(b)), Field: "after the array", Why: "nothing"}
			}
			return nil
		case array && n > 1:
			if b != ',' {
				return &Refusal{Place: Place{"line", c.line}, Field: "between two events", Value: string(rune(b)), Why: "a comma"}
			}
			c.in.ReadByte()
			if b, err = c.skip(); err == io.EOF {
				return &Refusal{Place: Place{"line", c.line}, Why: "an event behind the comma"}
			}
			if err != nil {
				return err
			}
		}
		if b != '{' {
			return &Refusal{Place: Place{"line", c.line}, Field: "an event", Value: string(rune(b)), Why: "an object"}
		}
		at := Place{"line", c.line}
		raw, err := c.object()
		if err != nil {
			return err
		}
		if err := fn(raw, at); err != nil {
			return err
		}
	}
}

// valueReader cuts JSON into its outermost objects. It looks at braces and strings alone.
type valueReader struct {
	in   *bufio.Reader
	max  int
	line int
	raw  []byte
}

// skip passes over white space and gives the byte that stands next.
func (v *valueReader) skip() (byte, error) {
	for {
		b, err := v.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch b {
		case '\n':
			v.line++
		case ' ', '\t', '\r':
		default:
			return b, v.in.UnreadByte()
		}
	}
}

// object reads one, which ends where its braces do.
func (v *valueReader) object() ([]byte, error) {
	v.raw = v.raw[:0]
	from, depth, quoted, escaped := v.line, 0, false, false
	for {
		part, err := v.in.Peek(1)
		if err == nil {
			part, _ = v.in.Peek(v.in.Buffered())
		}
		for i, b := range part {
			switch {
			case escaped:
				escaped = false
			case quoted && b == '\\':
				escaped = true
			case b == '"':
				quoted = !quoted
			case quoted:
			case b == '{' || b == '[':
				depth++
			case b == '}' || b == ']':
				if depth--; depth == 0 {
					v.raw = append(v.raw, part[:i+1]...)
					v.line += bytes.Count(part[:i+1], []byte{'\n'})
					v.in.Discard(i + 1)
					if len(v.raw) > v.max {
						return nil, v.tooLong(from)
					}
					return v.raw, nil
				}
			}
		}
		v.raw = append(v.raw, part...)
		v.line += bytes.Count(part, []byte{'\n'})
		v.in.Discard(len(part))
		switch {
		case err == io.EOF:
			return nil, &Refusal{Place: Place{"line", from}, Value: cut(string(v.raw), 64), Field: "an event", Why: "one that ends before the file does"}
		case err != nil:
			return nil, err
		case len(v.raw) > v.max:
			return nil, v.tooLong(from)
		}
	}
}

func (v *valueReader) tooLong(from int) error {
	return &Refusal{Place: Place{"line", from}, Field: "an event", Value: cut(string(v.raw), 64), Why: "at most " + strconv.Itoa(v.max) + " bytes"}
}
