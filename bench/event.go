package main

import (
	"fmt"
	"strconv"
	"time"
)

// event writes a CloudEvent of a movement or a count.
type event struct {
	b     []byte
	lines int
}

// newEvent begins an event at a location. Its ids are put in quotes by Go's rules,
// which are JSON's for all that has no control characters.
func newEvent(kind, source, id string, at time.Time, location string) *event {
	return &event{b: fmt.Appendf(nil, `{"specversion":"1.0","type":"%s","source":%q,"id":%q,"time":"%s","data":{"location":%q,"lines":[`,
		kind, source, id, at.UTC().Format("2006-01-02T15:04:05.000Z"), location)}
}

// line adds a line of whole pieces or kilograms.
func (e *event) line(sku string, quantity int64) {
	if e.lines++; e.lines > 1 {
		e.b = append(e.b, ',')
	}
	e.b = append(e.b, `{"sku":`...)
	e.b = strconv.AppendQuote(e.b, sku)
	e.b = append(e.b, `,"quantity":`...)
	e.b = strconv.AppendInt(e.b, quantity, 10)
	e.b = append(e.b, '}')
}

func (e *event) bytes() []byte { return append(e.b, "]}}"...) }

// masterEvent announces a SKU (erp.item) or a location (erp.location).
func masterEvent(kind, member, id, more string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"%s","source":"bench","id":%q,"time":"%s","data":{"%s":%q%s}}`,
		kind, member+"/"+id, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), member, id, more)
}
