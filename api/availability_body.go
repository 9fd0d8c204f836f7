package api

import (
	"bytes"
	"fmt"

	"onhand/availability"
	"onhand/jsonread"
	"onhand/ledger"
)

var errTooManyItems = fmt.Errorf("items: want at most %d, with %d locations in all", availabilityMax, availabilityRows)

// availabilityBody reads the body of a POST into q.
type availabilityBody struct {
	q         *availability.Query
	locations int
	minSeq    ledger.Seq
	given     bool
}

func (b *availabilityBody) read(j *jsonread.Reader) error {
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "items":
			b.given = true
			for j.BeginArray(); j.NextElem(); {
				b.readItem(j)
			}
			if j.Err() == nil && b.q.Len() == 0 {
				j.Refuse("at least one item")
			}
		case "channel":
			readName(j, remarkBytesMax)
		case "exclude":
			for j.BeginArray(); j.NextElem(); {
				if err := exclude(b.q, j.Text()); err != nil && j.Err() == nil {
					j.Fail(err)
				}
			}
		case "fields":
			b.readFields(j)
		case "at":
			j.Fail(errAt)
		case "explain":
			if j.Bool() {
				j.Fail(errExplain)
			}
		case "min_seq":
			n, ok := j.Number().Int64()
			if j.Err() == nil && (!ok || n < 0) {
				j.Refuse("a whole number, 0 or more")
			}
			b.minSeq = ledger.Seq(n)
		default:
			j.Unknown()
		}
	}
	if !b.given {
		j.Missing("items")
	}
	return j.End()
}

// readFields reads a list of names, or one text of them as in a URL.
func (b *availabilityBody) readFields(j *jsonread.Reader) {
	one := func(name []byte) {
		if j.Err() != nil {
			return
		}
		if err := show(b.q, name); err != nil {
			j.Fail(err)
		}
	}
	if j.Kind() == jsonread.String {
		for _, name := range bytes.Split(j.Text(), []byte{','}) {
			one(name)
		}
		return
	}
	for j.BeginArray(); j.NextElem(); {
		one(j.Text())
	}
}

func (b *availabilityBody) readItem(j *jsonread.Reader) {
	if b.q.Len() == availabilityMax {
		j.Fail(errTooManyItems)
		return
	}
	var sku []byte
	early := false // locations came before the SKU that they belong to
	start := j.Mark()
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "sku":
			if sku = j.Text(); sku != nil {
				b.q.Add(sku)
			}
		case "locations":
			if early = sku == nil; !early {
				b.readLocations(j)
			}
		default:
			j.Unknown()
		}
	}
	if sku == nil {
		j.Missing("sku")
	}
	if !early || j.Err() != nil {
		return
	}
	j.Rewind(start)
	for j.BeginObject(); j.NextKey(); {
		if string(j.Key()) == "locations" {
			b.readLocations(j)
		}
	}
}

func (b *availabilityBody) readLocations(j *jsonread.Reader) {
	b.q.Only()
	for j.BeginArray(); j.NextElem(); {
		if b.locations++; b.locations > availabilityRows {
			j.Fail(errTooManyItems)
			return
		}
		if name := j.Text(); j.Err() == nil {
			b.q.At(name)
		}
	}
}
