package api

import (
	"slices"
	"strings"

	"onhand/jsonread"
	"onhand/ledger"
)

// getFreshness answers GET /v1/freshness: how far each source has told of each
// location, by location and source.
func (r *request) getFreshness() {
	if err := r.onlyParams("location", "cursor", "limit", "min_seq"); err != nil {
		r.invalid(err)
		return
	}
	p, err := r.page()
	if err != nil {
		r.invalid(err)
		return
	}
	asked, ok := r.askedLocations()
	if !ok {
		return
	}
	l := r.s.Ledger
	if !r.waitForSeq() {
		return
	}
	now, next := l.Now(), ""
	items := newList(r.out)
	for _, f := range l.Feeds() {
		name := l.LocationName(f.Location)
		// A location's name holds no control character, so this sorts as the list does.
		place := name + "\x00" + f.Source
		if p.cursor != "" && strings.Compare(place, p.cursor) <= 0 || len(asked) > 0 && !slices.Contains(asked, f.Location) {
			continue
		}
		if _, known := l.LookupLocation([]byte(name)); !known {
			continue // it was deleted
		}
		if items.n == p.limit {
			r.out = items.end(next)
			r.answerLarge(r.out)
			return
		}
		items.item()
		items.b = r.s.Stock.AppendSource(items.b, &f, now)
		next = place
	}
	r.out = items.end("")
	r.answerLarge(r.out)
}

// askedLocations reads location=, none of which means all. It answers with a problem and
// returns false where one is not known.
func (r *request) askedLocations() (asked []ledger.Location, ok bool) {
	names, err := r.params("location")
	if err != nil {
		r.invalid(err)
		return nil, false
	}
	for _, name := range names {
		loc, known := r.s.Ledger.LookupLocation([]byte(name))
		if !known {
			r.problem("unknown-location", string(jsonread.AppendString(nil, name)))
			return nil, false
		}
		asked = append(asked, loc)
	}
	return asked, true
}
