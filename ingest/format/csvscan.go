package format

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"unicode/utf8"
)

// next splits the next row. A row that cannot be split is a *Refusal, and the next one follows.
func (c *csvReader) next() error {
	for {
		row, err := c.read()
		if err != nil {
			return err
		}
		if len(row) == 0 {
			continue
		}
		c.valid = utf8.Valid(row)
		return c.split(row)
	}
}

// read gives one record without its line end. It is good until the next.
func (c *csvReader) read() ([]byte, error) {
	row, err := c.in.ReadSlice('\n')
	c.line++
	if err == nil && bytes.IndexByte(row, '"') < 0 {
		return trimEnd(row), nil
	}
	c.record = append(c.record[:0], row...)
	from := c.line
	for limit := c.o.partBytesMax(); ; {
		switch {
		case err == io.EOF && len(c.record) == 0:
			return nil, io.EOF
		case err == io.EOF && quotesOpen(c.record):
			c.lost = c.refusal("", string(c.record[:min(len(c.record), 64)]), "the quote closed before the file ends")
			c.lost.Place.N = from
			return nil, c.lost
		case err == io.EOF, err == nil && !quotesOpen(c.record):
			return trimEnd(c.record), nil
		case err != nil && err != bufio.ErrBufferFull:
			return nil, err
		case len(c.record) > limit:
			c.lost = c.refusal("", string(c.record[:min(len(c.record), 64)]), "a row of at most "+strconv.Itoa(limit)+" bytes, or a quote closed")
			c.lost.Place.N = from
			return nil, c.lost
		}
		if err == nil {
			c.line++
		}
		row, err = c.in.ReadSlice('\n')
		c.record = append(c.record, row...)
	}
}

func quotesOpen(b []byte) bool { return bytes.Count(b, []byte{'"'})%2 == 1 }

func trimEnd(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte{'\n'})
	return bytes.TrimSuffix(b, []byte{'\r'})
}

// split cuts a record into fields, in place.
func (c *csvReader) split(row []byte) error {
	c.fields = c.fields[:0]
	if bytes.IndexByte(row, '"') < 0 {
		for {
			i := bytes.IndexByte(row, c.comma)
			if i < 0 {
				c.fields = append(c.fields, row)
				break
			}
			c.fields = append(c.fields, row[:i])
			row = row[i+1:]
		}
	} else if err := c.splitQuoted(row); err != nil {
		return err
	}
	if n := len(c.columns); n > 0 && len(c.fields) != n {
		return c.refusal("", strconv.Itoa(len(c.fields))+" fields", strconv.Itoa(n)+" fields, as the header has")
	}
	return nil
}

func (c *csvReader) splitQuoted(row []byte) error {
	for {
		if len(row) == 0 || row[0] != '"' {
			end := bytes.IndexByte(row, c.comma)
			if end < 0 {
				end = len(row)
			}
			c.fields = append(c.fields, row[:end])
			if end == len(row) {
				return nil
			}
			row = row[end+1:]
			continue
		}
		field, rest := row[1:1], row[1:]
		for {
			i := bytes.IndexByte(rest, '"')
			if i < 0 {
				return c.refusal("", string(row[:min(len(row), 64)]), "a quote closed where its field ends")
			}
			field = append(field, rest[:i]...)
			rest = rest[i+1:]
			if len(rest) == 0 || rest[0] != '"' {
				break
			}
			field, rest = append(field, '"'), rest[1:]
		}
		c.fields = append(c.fields, field)
		switch {
		case len(rest) == 0:
			return nil
		case rest[0] != c.comma:
			return c.refusal("", string(row[:min(len(row), 64)]), "a quote closed where its field ends")
		}
		row = rest[1:]
	}
}
