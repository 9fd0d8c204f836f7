package availability

import (
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
)

// AppendReservation appends a reservation as callers and readers of the topic see it. It
// depends on nothing but the reservation and the names of its SKUs and locations, which
// never change, so that a repeated answer has the bytes of the first.
func AppendReservation(b []byte, l *ledger.Ledger, v *ledger.Reservation) []byte {
	b = append(appendReservationHead(append(b, '{'), v), `,"lines":[`...)
	for i := range v.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendReservationLine(b, l, &v.Lines[i])
	}
	return append(b, "]}"...)
}

// appendReservationHead appends the members of a reservation but its lines.
func appendReservationHead(b []byte, v *ledger.Reservation) []byte {
	b = jsonread.AppendString(append(b, `"id":`...), v.ID)
	b = append(b, `,"state":"`...)
	b = append(b, v.State.String()...)
	b = append(b, `","seq":`...)
	b = strconv.AppendUint(b, uint64(v.Seq), 10)
	b = append(b, `,"expires_at":`...)
	if v.ExpiresAt == 0 {
		b = append(b, "null"...)
	} else {
		b = appendTime(b, v.ExpiresAt)
	}
	b = appendText(append(b, `,"channel":`...), v.Channel)
	b = appendText(append(b, `,"owner":`...), v.Owner)
	return appendText(append(b, `,"reference":`...), v.Reference)
}

func appendReservationLine(b []byte, l *ledger.Ledger, ln *ledger.ReservationLine) []byte {
	b = jsonread.AppendString(append(b, `{"sku":`...), l.SKUName(ln.SKU))
	b = appendText(append(b, `,"location":`...), l.LocationName(ln.Location))
	quantity := func(name string, q ledger.Qty) {
		b = jsonread.AppendScaled(append(b, name...), int64(q), int(ln.Decimals))
	}
	quantity(`,"quantity":`, ln.Quantity)
	quantity(`,"held":`, ln.Held)
	quantity(`,"committed":`, ln.Committed)
	quantity(`,"fulfilled":`, ln.Fulfilled)
	quantity(`,"cancelled":`, ln.Cancelled)
	if ln.Available >= 0 {
		quantity(`,"available":`, ln.Available)
	}
	return append(b, '}')
}
