package availability

import (
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
)

// Fields are the members of a row that an answer shows; 0 means all.
type Fields uint16

// The members, in the order in which a row shows them.
const (
	fieldLocation Fields = 1 << iota
	fieldAvailable
	fieldOnHand
	fieldUnsellable
	fieldHeld
	fieldCommitted
	fieldSafetyStock
	fieldShortage
	fieldAsOf
	fieldAgeMillis
	fieldStale
	fieldActive
	fieldsAll = 1<<iota - 1
)

// Field is the member of that name, or 0 where a row has no such member.
func Field(name []byte) Fields {
	switch string(name) {
	case "location":
		return fieldLocation
	case "available":
		return fieldAvailable
	case "on_hand":
		return fieldOnHand
	case "unsellable":
		return fieldUnsellable
	case "held":
		return fieldHeld
	case "committed":
		return fieldCommitted
	case "safety_stock":
		return fieldSafetyStock
	case "shortage":
		return fieldShortage
	case "as_of":
		return fieldAsOf
	case "age_ms":
		return fieldAgeMillis
	case "stale":
		return fieldStale
	case "active":
		return fieldActive
	}
	return 0
}

// appendRow appends a row as a JSON object, quantities in units with so many decimals.
func (s *Stock) appendRow(dst []byte, r *ledger.Row, decimals int, now ledger.Millis, f Fields) []byte {
	dst = s.appendMembers(append(dst, '{'), r, decimals, now, f)
	if last := len(dst) - 1; dst[last] == ',' {
		dst = dst[:last]
	}
	return append(dst, '}')
}

// appendMembers appends a row's members, each with a comma behind it.
func (s *Stock) appendMembers(dst []byte, r *ledger.Row, decimals int, now ledger.Millis, f Fields) []byte {
	if f == 0 {
		f = fieldsAll
	}
	if f&fieldLocation != 0 {
		dst = append(dst, `"location":`...)
		dst = jsonread.AppendString(dst, s.ledger.LocationName(r.Location))
		dst = append(dst, ',')
	}
	if f&fieldAvailable != 0 {
		dst = appendQty(append(dst, `"available":`...), r.Available(), decimals)
	}
	if f&fieldOnHand != 0 {
		dst = appendQty(append(dst, `"on_hand":`...), r.OnHand, decimals)
	}
	if f&fieldUnsellable != 0 {
		dst = appendQty(append(dst, `"unsellable":`...), r.Blocked(), decimals)
	}
	if f&fieldHeld != 0 {
		dst = appendQty(append(dst, `"held":`...), r.Held, decimals)
	}
	if f&fieldCommitted != 0 {
		dst = appendQty(append(dst, `"committed":`...), r.Committed, decimals)
	}
	if f&fieldSafetyStock != 0 {
		if r.Promised {
			dst = appendQty(append(dst, `"safety_stock":`...), r.Safety, decimals)
		} else {
			dst = append(dst, `"safety_stock":null,`...)
		}
	}
	if f&fieldShortage != 0 {
		dst = appendQty(append(dst, `"shortage":`...), r.Shortage(), decimals)
	}
	dst = s.appendAge(dst, r.AsOf, now, f)
	if f&fieldActive != 0 && !r.Active {
		dst = append(dst, `"active":false,`...)
	}
	return dst
}

// appendAge appends the members that say how old the figures are.
func (s *Stock) appendAge(dst []byte, asOf, now ledger.Millis, f Fields) []byte {
	age, stale := s.age(asOf, now)
	if f&fieldAsOf != 0 {
		if asOf == 0 {
			dst = append(dst, `"as_of":null,`...)
		} else {
			dst = append(dst, `"as_of":"`...)
			dst = append(jsonread.AppendTime(dst, int64(asOf)), `",`...)
		}
	}
	if f&fieldAgeMillis != 0 {
		if asOf == 0 {
			dst = append(dst, `"age_ms":null,`...)
		} else {
			dst = append(appendInt(append(dst, `"age_ms":`...), int64(age)), ',')
		}
	}
	if f&fieldStale != 0 {
		dst = append(appendBool(append(dst, `"stale":`...), asOf != 0 && stale), ',')
	}
	return dst
}

func appendQty(dst []byte, q ledger.Qty, decimals int) []byte {
	return append(jsonread.AppendScaled(dst, int64(q), decimals), ',')
}

func appendInt(dst []byte, v int64) []byte { return strconv.AppendInt(dst, v, 10) }

func appendBool(dst []byte, v bool) []byte { return strconv.AppendBool(dst, v) }
