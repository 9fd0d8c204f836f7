package format

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// header reads the names of the columns and finds those that are wanted.
func (c *csvReader) header() error {
	if bom, _ := c.in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		c.in.Discard(3)
	}
	first, err := c.read()
	if err == io.EOF {
		return c.refusal("", "", "a header")
	}
	if err != nil {
		return err
	}
	if c.comma = byte(c.o.Comma); c.comma == 0 {
		c.comma = likelyComma(first)
	}
	c.decimals = c.comma == ';'
	if err := c.split(first); err != nil {
		return err
	}
	if len(c.fields) > csvColumnsMax {
		return c.refusal("", strconv.Itoa(len(c.fields))+" columns", "at most "+strconv.Itoa(csvColumnsMax)+" columns")
	}
	for _, f := range c.fields {
		c.columns = append(c.columns, strings.TrimSpace(string(f)))
	}
	for m := range c.where {
		c.where[m] = c.column(csvMembers[m])
	}
	if at := c.column("counted_at"); c.where[csvMoment] < 0 {
		c.where[csvMoment] = at
	}
	for i, name := range c.columns {
		if system, ok := strings.CutPrefix(name, "aliases."); ok && system != "" {
			c.aliases = append(c.aliases, csvAlias{system, i})
		}
	}
	for member, column := range c.o.Columns {
		if c.index(column) < 0 {
			return c.refusal(member, column, "a column of the header "+cut(strings.Join(c.columns, ", "), 200))
		}
		if system, ok := strings.CutPrefix(member, "aliases."); ok {
			c.aliases = append(c.aliases, csvAlias{system, c.index(column)})
		}
	}
	return c.enough()
}

// enough refuses a file whose rows could not say what their kind needs.
func (c *csvReader) enough() error {
	need := []int{csvLocation, csvSKU, csvQuantity}
	switch c.kind {
	case "erp.item":
		need = []int{csvSKU}
	case "erp.location":
		need = []int{csvLocation}
	case "wms.status":
		need = append(need, csvFrom, csvTo)
	case "wms.transfer":
		need = append(need, csvTransfer, csvTo)
	case "wms.transfer_receipt":
		need = append(need, csvTransfer)
	case "erp.inbound":
		need = append(need, csvInbound, csvExpectedAt)
	case "erp.snapshot", "wms.count", "pos.sale", "pos.return", "wms.receipt", "wms.shipment", "wms.adjustment":
	default:
		return c.refusal("type", c.kind, "a type of events that rows can be")
	}
	for _, m := range need {
		if c.where[m] < 0 && (m != csvLocation || c.o.Location == "") {
			return c.refusal(csvMembers[m], cut(strings.Join(c.columns, string(rune(c.comma))), 64), "a column for it, of this name or mapped")
		}
	}
	if c.where[csvTime] < 0 && c.where[csvMoment] < 0 && c.o.Time.IsZero() {
		return c.refusal("time", "", "a column for it, or the time of the whole file")
	}
	return nil
}

// column is the one of a member: what the options say, else the one of its own name.
func (c *csvReader) column(member string) int {
	if name, ok := c.o.Columns[member]; ok {
		return c.index(name)
	}
	return c.index(member)
}

func (c *csvReader) index(name string) int { return slices.Index(c.columns, name) }

func likelyComma(header []byte) byte {
	best, most := byte(','), 0
	for _, b := range []byte(",;\t|") {
		if n := bytes.Count(header, []byte{b}); n > most {
			best, most = b, n
		}
	}
	return best
}

func (c *csvReader) refusal(field, value, why string) *Refusal {
	return &Refusal{Place: Place{"line", max(c.line, 1)}, Field: field, Value: cut(value, 64), Why: why}
}

// refused gives the row just read as one that gives no event.
func (c *csvReader) refused(field int, why string) error {
	r := c.refusal(csvMembers[field], string(c.field(field)), why)
	r.Raw = bytes.Join(c.fields, []byte{c.comma})
	r.Raw = r.Raw[:min(len(r.Raw), 4096)]
	if c.o.Complete {
		if c.refusedOf == nil {
			c.refusedOf = make(map[string]bool)
		}
		c.refusedOf[string(c.field(csvLocation))] = true
		if loc := c.field(csvLocation); len(loc) == 0 || !utf8.Valid(loc) {
			c.torn = 2 // it may be of the one that is gathered, or of the next
		}
	}
	return c.to.Refused(r)
}
