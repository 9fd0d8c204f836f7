package format

import (
	"strings"
	"time"
	"unicode"
)

// posName is what names a transaction, as it is written.
type posName struct{ store, till, day, sequence string }

// id is that of the transaction's event i.
func (n posName) id(i int) string {
	return nthID(n.store+"/"+n.till+"/"+n.day+"/"+n.sequence, i)
}

// named reads a transaction's name; what a link leaves out is as in from.
func (p *posLog) named(e *element, from *posName) (n posName, bad *Refusal) {
	n = posName{e.value("BusinessUnit", "UnitID"), e.value("WorkstationID"), e.value("BusinessDayDate"), e.value("SequenceNumber")}
	if n.store == "" {
		n.store = e.value("RetailStoreID")
	}
	if from != nil {
		for _, m := range [...]struct{ to, from *string }{{&n.store, &from.store}, {&n.till, &from.till}, {&n.day, &from.day}} {
			if *m.to == "" {
				*m.to = *m.from
			}
		}
	} else if n.store == "" {
		n.store = p.o.Location
	}
	if n.day == "" {
		n.day = cut(e.value("EndDateTime"), len(time.DateOnly))
	}
	n.day = cut(n.day, len(time.DateOnly)) // xs:date may end with an offset
	for _, m := range [...]struct{ field, value string }{
		{"BusinessUnit/UnitID", n.store}, {"WorkstationID", n.till}, {"SequenceNumber", n.sequence},
	} {
		if !namePart(m.value) {
			return n, &Refusal{Field: m.field, Value: cut(m.value, 64), Why: wantNamePart}
		}
	}
	if _, err := time.Parse(time.DateOnly, n.day); err != nil {
		return n, &Refusal{Field: "BusinessDayDate", Value: n.day, Why: "a date like " + time.DateOnly}
	}
	return n, nil
}

const (
	wantNamePart = "1 to 64 bytes without / and control characters"
	wantName     = "1 to 128 bytes without control characters"
	nameBytesMax = 128 // of a SKU and a reservation

	wantPlace     = "1 to 64 bytes without control characters"
	placeBytesMax = 64 // of a location
)

// namePart says whether s can be a part of an id: with a / in it two ids could be one.
func namePart(s string) bool { return plainName(s, 64) && !strings.Contains(s, "/") }

// plainName says whether s is a name as the contract wants them.
func plainName(s string, bytesMax int) bool {
	return s != "" && len(s) <= bytesMax && strings.IndexFunc(s, unicode.IsControl) < 0
}
