package ingest

import (
	"cmp"
	"slices"

	"onhand/jsonread"
	"onhand/ledger"
)

const dayMinutes = 24 * 60

var weekdays = map[string]bool{"mon": true, "tue": true, "wed": true, "thu": true, "fri": true, "sat": true, "sun": true}

// decodePickup reads when a location hands over what was collected:
//
//	{"lead_minutes":60,"cutoff":"17:00","hours":{"mon":["08:00-12:00","13:00-18:00"]},"exceptions":{"2026-12-25":[]}}
//
// A day without spans is closed. A span that ends before it begins goes over midnight.
func decodePickup(r *jsonread.Reader, strict bool) *ledger.Pickup {
	var p ledger.Pickup
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "lead_minutes":
			p.LeadMinutes = int(wholeNumber(r, 0, 365*dayMinutes, "a whole number of minutes, 0 or more"))
		case "cutoff":
			if r.Null() {
				continue
			}
			p.Cutoff = string(r.Text())
			if m, ok := clockMinutes(p.Cutoff); !ok || m == dayMinutes {
				r.Refuse("a time of day, HH:MM")
			}
		case "hours":
			if r.Null() {
				continue
			}
			p.Hours = make(map[string][]string)
			for r.BeginObject(); r.NextKey(); {
				day := string(r.Key())
				if !weekdays[day] {
					unknown(r, strict)
					continue
				}
				p.Hours[day] = decodeSpans(r)
			}
		case "exceptions":
			if r.Null() {
				continue
			}
			p.Exceptions = make(map[string][]string)
			for r.BeginObject(); r.NextKey(); {
				date := string(r.Key())
				if _, ok := jsonread.ParseTime([]byte(date + "T00:00:00Z")); !ok || len(date) != len("2026-12-25") {
					r.Refuse("the name of the member to be a date, YYYY-MM-DD")
					break
				}
				p.Exceptions[date] = decodeSpans(r)
			}
		default:
			unknown(r, strict)
		}
	}
	return &p
}

type span struct{ from, to int } // minutes since the day's midnight; to may lie in the next day

func decodeSpans(r *jsonread.Reader) []string {
	texts := []string{}
	var spans []span
	for r.BeginArray(); r.NextElem(); {
		text := string(r.Text())
		s, ok := parseSpan(text)
		if !ok {
			r.Refuse("a span of time, HH:MM-HH:MM")
		}
		texts = append(texts, text)
		spans = append(spans, s)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	for i := 1; i < len(spans); i++ {
		if spans[i].from < spans[i-1].to {
			r.Refuse("spans of time that do not overlap")
		}
	}
	return texts
}

func parseSpan(s string) (out span, ok bool) {
	if len(s) != len("HH:MM-HH:MM") || s[5] != '-' {
		return span{}, false
	}
	from, ok1 := clockMinutes(s[:5])
	to, ok2 := clockMinutes(s[6:])
	if !ok1 || !ok2 || from == to || from == dayMinutes {
		return span{}, false
	}
	if to < from {
		to += dayMinutes
	}
	return span{from, to}, true
}

// clockMinutes reads HH:MM, 00:00 to 24:00.
func clockMinutes(s string) (minutes int, ok bool) {
	if len(s) != len("HH:MM") || s[2] != ':' {
		return 0, false
	}
	for _, i := range []int{0, 1, 3, 4} {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	hour, minute := int(s[0]-'0')*10+int(s[1]-'0'), int(s[3]-'0')*10+int(s[4]-'0')
	minutes = hour*60 + minute
	return minutes, minute < 60 && minutes <= dayMinutes
}
