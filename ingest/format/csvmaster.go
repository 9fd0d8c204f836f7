package format

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/zeebo/xxh3"

	"onhand/jsonread"
)

// master gives a row of master data as an event.
func (c *csvReader) master() error {
	e := Event{Type: c.kind, Place: Place{"line", c.line}, Time: c.o.Time}
	at, ok, err := c.timeIn(csvTime, "")
	if !ok {
		return err
	}
	if !at.IsZero() {
		e.Time = at
	}
	if e.Time.IsZero() {
		return c.refused(csvTime, "a time")
	}
	b := append(c.data[:0], '{')
	member := func(m int, quoted bool) {
		if v := c.field(m); len(v) > 0 && c.where[m] >= 0 {
			if len(b) > 1 {
				b = append(b, ',')
			}
			b = append(jsonread.AppendString(b, csvMembers[m]), ':')
			if quoted {
				b = jsonread.AppendString(b, string(v))
			} else {
				n, _ := number(string(v), c.decimals)
				b = append(b, n...)
			}
		}
	}
	numbers := []int{csvDecimals}
	texts := []int{csvSKU, csvGTIN, csvCategory}
	if c.kind == "erp.location" {
		numbers = []int{csvLat, csvLon}
		texts = []int{csvLocation, csvName, csvKind, csvZone}
	}
	if len(c.field(texts[0])) == 0 {
		return c.refused(texts[0], "a code")
	}
	for _, m := range numbers {
		if v := c.field(m); len(v) > 0 {
			if _, ok := number(string(v), c.decimals); !ok {
				return c.refused(m, "a number")
			}
		}
	}
	for _, m := range texts {
		member(m, true)
	}
	for _, m := range numbers {
		member(m, false)
	}
	b = c.appendAliases(b)
	b = append(b, '}')
	c.data = b
	h := xxh3.Hash128(append(e.Time.UTC().AppendFormat(append(c.key[:0], c.kind...), time.RFC3339Nano), b...))
	e.ID, e.Data = fmt.Sprintf("%016x%016x", h.Hi, h.Lo), b
	return c.to.Event(&e)
}

func (c *csvReader) appendAliases(b []byte) []byte {
	n := 0
	for _, a := range c.aliases {
		code := c.fields[a.column]
		if len(code) == 0 || !utf8.Valid(code) {
			continue
		}
		if n++; n == 1 {
			b = append(b, `,"aliases":{`...)
		} else {
			b = append(b, ',')
		}
		b = append(jsonread.AppendString(b, a.system), `:[`...)
		b = append(jsonread.AppendString(b, string(code)), ']')
	}
	if n > 0 {
		b = append(b, '}')
	}
	return b
}
