package api

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"onhand/jsonread"
	"onhand/ledger"
)

// getPosition answers GET /v1/positions/{sku}/{location}: the position now or, with at, as
// it was known at a time or after a change, and as it is now known to have been.
func (r *request) getPosition() {
	if err := r.onlyParams("at", "min_seq"); err != nil {
		r.invalid(err)
		return
	}
	value, given, err := r.param("at")
	var seq ledger.Seq
	var at ledger.Millis
	if err == nil && given {
		seq, at, err = parseAt(value)
	}
	if err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	sku, loc, ok := r.positionOf()
	if !ok {
		return
	}
	l := r.s.Ledger
	now := l.Now()
	if !given {
		at = now
	}
	row, _ := l.Position(sku, loc, now)
	p, err := l.PositionAt(sku, loc, seq, at, now)
	switch {
	case errors.Is(err, ledger.ErrAhead):
		r.problem("invalid-request", "at: "+err.Error())
		return
	case errors.Is(err, ledger.ErrForgotten):
		r.problem("not-found", fmt.Sprintf("at: %v: it is kept for %d days", err, l.Options().JournalKeepMillis/(24*60*60*1000)))
		return
	case errors.Is(err, ledger.ErrTooFarBack):
		r.problem("too-many-items", "at: "+err.Error())
		return
	case err != nil:
		r.fail(err)
		return
	}
	b := append(r.out[:0], `{"sku":`...)
	b = jsonread.AppendBytes(b, r.segments[2])
	b = append(b, `,"location":`...)
	b = jsonread.AppendBytes(b, r.segments[3])
	b = append(b, `,"seq":`...)
	b = strconv.AppendUint(b, uint64(p.Seq), 10)
	b = appendMillis(append(b, `,"at":`...), p.At)
	decimals := l.Decimals(sku)
	if !given {
		b = jsonread.AppendScaled(append(b, `,"available":`...), int64(row.Available()), decimals)
	}
	r.out = r.appendPast(b, &p, decimals)
	r.answerLarge(r.out)
}

// parseAt reads a moment: a time, or seq:N or seq=N.
func parseAt(value string) (seq ledger.Seq, at ledger.Millis, err error) {
	for _, prefix := range []string{"seq:", "seq="} {
		if number, found := strings.CutPrefix(value, prefix); found {
			n, err := strconv.ParseUint(number, 10, 63)
			if err != nil || n == 0 {
				return 0, 0, errors.New("at: want a whole number, 1 or more, behind " + prefix)
			}
			return ledger.Seq(n), 0, nil
		}
	}
	at, err = parseMoment("at", value)
	return 0, at, err
}

// positionOf finds the position that the path names. Where ok is false it has answered.
func (r *request) positionOf() (sku ledger.SKU, loc ledger.Location, ok bool) {
	if sku, ok = r.s.Ledger.LookupSKU(r.segments[2]); !ok {
		r.problem("unknown-sku", string(jsonread.AppendString(nil, string(r.segments[2]))))
		return 0, 0, false
	}
	if loc, ok = r.s.Ledger.LookupLocation(r.segments[3]); !ok {
		r.problem("unknown-location", string(jsonread.AppendString(nil, string(r.segments[3]))))
	}
	return sku, loc, ok
}

// appendPast appends what was known, what is known, and where the entries between are.
func (r *request) appendPast(b []byte, p *ledger.Past, decimals int) []byte {
	from := ledger.Seq(1)
	if p.Known == nil {
		b = append(b, `,"known":null`...)
	} else {
		from = p.Known.Seq + 1
		b = append(b, `,"known":{"seq":`...)
		b = strconv.AppendUint(b, uint64(p.Known.Seq), 10)
		b = appendMillis(append(b, `,"recorded_at":`...), p.Known.RecordedAt)
		b = appendFigures(append(b, ','), p.Known.Figures, decimals)
		b = append(b, '}')
	}
	if p.Now == nil {
		b = append(b, `,"as_now_known":null`...)
	} else {
		b = append(appendFigures(append(b, `,"as_now_known":{`...), *p.Now, decimals), '}')
	}
	b = append(b, `,"reservations":[`...)
	for i := range p.Reservations {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonread.AppendString(append(b, `{"id":`...), p.Reservations[i].ID)
		b = jsonread.AppendScaled(append(b, `,"held":`...), int64(p.Reservations[i].Held), decimals)
		b = jsonread.AppendScaled(append(b, `,"committed":`...), int64(p.Reservations[i].Committed), decimals)
		b = append(b, '}')
	}
	b = strconv.AppendBool(append(b, `],"reservations_complete":`...), p.Complete)
	// What was entered since is why known and as_now_known differ.
	link := fmt.Sprintf("/v1/positions/%s/%s/entries?from_seq=%d&to_seq=%d", url.PathEscape(string(r.segments[2])), url.PathEscape(string(r.segments[3])), from, p.Seq)
	b = jsonread.AppendString(append(b, `,"entries":`...), link)
	return append(b, '}')
}
