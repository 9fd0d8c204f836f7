package api

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"onhand/jsonread"
	"onhand/ledger"
)

const dayMillis = 24 * 60 * 60 * 1000

// getAccuracy answers GET /v1/accuracy: what part of the figures was right when counted,
// by location and source, or with by= by one of them. Days are whole, in UTC.
func (r *request) getAccuracy() {
	err := r.onlyParams("location", "since", "by", "cursor", "limit", "min_seq")
	p := page{}
	if err == nil {
		p, err = r.page()
	}
	since := ledger.Millis(0)
	byLocation, bySource := true, true
	if err == nil {
		since, byLocation, bySource, err = r.accuracyQuery()
	}
	if err != nil {
		r.invalid(err)
		return
	}
	asked, ok := r.askedLocations()
	if !ok || !r.waitForSeq() {
		return
	}
	rows, total := r.accuracies(since, asked, byLocation, bySource)
	l := r.s.Ledger
	items, next, last := newList(r.out), "", ""
	for i := range rows {
		a := &rows[i]
		// A location's name holds no control character, so this sorts as the list does.
		place := l.LocationName(a.Location) + "\x00" + a.Source
		if p.cursor != "" && strings.Compare(place, p.cursor) <= 0 {
			continue
		}
		if items.n == p.limit {
			next = last
			break
		}
		items.item()
		items.b = append(items.b, '{')
		if byLocation {
			items.b = append(appendTextOrNull(append(items.b, `"location":`...), l.LocationName(a.Location)), ',')
		}
		if bySource {
			items.b = append(appendTextOrNull(append(items.b, `"source":`...), a.Source), ',')
		}
		items.b = append(appendTally(items.b, a.Tally), '}')
		last = place
	}
	o := l.Options()
	b := items.end(next)
	b = appendMillis(append(b[:len(b)-1], `,"since":`...), since)
	b = strconv.AppendFloat(append(b, `,"tolerance":{"units":`...), o.AccuracyUnits, 'f', -1, 64)
	b = strconv.AppendFloat(append(b, `,"percent":`...), o.AccuracyPercent, 'f', -1, 64)
	b = appendTally(append(b, `},"total":{`...), total)
	r.out = append(b, "}}"...)
	r.answerLarge(r.out)
}

func (r *request) accuracyQuery() (since ledger.Millis, byLocation, bySource bool, err error) {
	by, given, err := r.param("by")
	byLocation, bySource = !given || by == "location", !given || by == "source"
	if err == nil && !byLocation && !bySource {
		err = errors.New("by: want location or source")
	}
	if err != nil {
		return 0, false, false, err
	}
	l := r.s.Ledger
	since = l.Now() - l.Options().JournalKeepMillis
	value, given, err := r.param("since")
	if err == nil && given {
		since, err = parseMoment("since", value)
	}
	return since - since%dayMillis, byLocation, bySource, err
}

// accuracies adds up the days, and what is not to be told apart.
func (r *request) accuracies(since ledger.Millis, asked []ledger.Location, byLocation, bySource bool) (rows []ledger.Accuracy, total ledger.Tally) {
	at := make(map[ledger.Accuracy]int)
	for _, a := range r.s.Ledger.Accuracy(since, asked) {
		total.Add(a.Tally)
		key := ledger.Accuracy{}
		if byLocation {
			key.Location = a.Location
		}
		if bySource {
			key.Source = a.Source
		}
		i, ok := at[key]
		if !ok {
			i = len(rows)
			at[key] = i
			rows = append(rows, key)
		}
		rows[i].Tally.Add(a.Tally)
	}
	if !byLocation {
		slices.SortFunc(rows, func(a, b ledger.Accuracy) int { return strings.Compare(a.Source, b.Source) })
	}
	return rows, total
}

func appendTally(b []byte, t ledger.Tally) []byte {
	b = strconv.AppendUint(append(b, `"counted":`...), t.Counted, 10)
	b = strconv.AppendUint(append(b, `,"within_tolerance":`...), t.Within, 10)
	b = strconv.AppendUint(append(b, `,"exact":`...), t.Exact, 10)
	b = append(b, `,"accuracy":`...)
	if t.Counted == 0 {
		return append(b, "null"...)
	}
	return jsonread.AppendScaled(b, int64(t.Within*10_000/t.Counted), 4)
}
