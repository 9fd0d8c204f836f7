package api

import (
	"errors"
	"fmt"
	"strconv"

	"onhand/availability"
	"onhand/jsonread"
	"onhand/ledger"
)

// listExceptions answers GET /v1/exceptions: what wants a person's eye, newest first. A
// page ends early, perhaps with nothing in it, where few of many match; next then goes on.
func (r *request) listExceptions() {
	err := r.onlyParams("location", "sku", "category", "code", "cause", "since", "min_size", "state", "cursor", "limit", "min_seq")
	p := page{}
	if err == nil {
		p, err = r.page()
	}
	before, ok := ledger.ParseExceptionID(p.cursor)
	if err == nil && !ok && p.cursor != "" {
		err = errCursor
	}
	f := ledger.ExceptionFilter{}
	if err == nil {
		f, err = r.exceptionFilter()
	}
	if err != nil {
		r.invalid(err)
		return
	}
	if f.Locations, ok = r.askedLocations(); !ok {
		return
	}
	sku, given, err := r.param("sku")
	if err != nil {
		r.invalid(err)
		return
	}
	if given {
		if f.SKU, ok = r.s.Ledger.LookupSKU([]byte(sku)); !ok {
			r.problem("unknown-sku", string(jsonread.AppendString(nil, sku)))
			return
		}
	}
	if !r.waitForSeq() {
		return
	}
	all, after, err := r.s.Ledger.Exceptions(f, before, p.limit)
	if err != nil {
		r.fail(err)
		return
	}
	out, next := newList(r.out), ""
	for i := range all {
		out.item()
		out.b = availability.AppendException(out.b, r.s.Ledger, &all[i])
	}
	if after != (ledger.ExceptionID{}) {
		next = after.String()
	}
	r.out = out.end(next)
	r.answerLarge(r.out)
}

// exceptionFilter reads what of the filter is not in master data.
func (r *request) exceptionFilter() (f ledger.ExceptionFilter, err error) {
	for _, member := range []struct {
		name string
		read func(value string) error
	}{
		{"category", func(v string) error { f.Category = v; return nil }},
		{"code", func(v string) (err error) { f.Code, err = parseWord("code", v, ledger.ParseExceptionCode); return err }},
		{"cause", func(v string) (err error) { f.Cause, err = parseWord("cause", v, ledger.ParseCause); return err }},
		{"since", func(v string) (err error) { f.Since, err = parseMoment("since", v); return err }},
		{"min_size", func(v string) (err error) { f.MinSize, err = parseSize("min_size", v); return err }},
		{"state", func(v string) error {
			f.Open, f.Resolved = v == "open", v == "resolved"
			if !f.Open && !f.Resolved {
				return errors.New("state: want open or resolved")
			}
			return nil
		}},
	} {
		value, given, err := r.param(member.name)
		if err == nil && given {
			err = member.read(value)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func parseWord[T any](name, word string, parse func(string) (T, bool)) (T, error) {
	v, ok := parse(word)
	if !ok {
		return v, fmt.Errorf("%s: there is no %s", name, jsonread.AppendString(nil, word))
	}
	return v, nil
}

func parseMoment(name, value string) (ledger.Millis, error) {
	millis, ok := jsonread.ParseTime([]byte(value))
	if !ok || millis <= 0 {
		return 0, fmt.Errorf("%s: want a time of RFC 3339 with an offset, after 1970", name)
	}
	return ledger.Millis(millis), nil
}

// parseSize reads a number of units in thousandths.
func parseSize(name, value string) (int64, error) {
	var j jsonread.Reader
	j.Reset([]byte(value))
	n, ok := j.Number().Scaled(3)
	if j.End() != nil || !ok || n < 0 {
		return 0, fmt.Errorf("%s: want a number, 0 or more, with at most 3 decimals", name)
	}
	return n, nil
}

// exceptionOf finds the exception that the path names. Where ok is false it has answered.
func (r *request) exceptionOf() (x ledger.Raised, ok bool) {
	id, ok := ledger.ParseExceptionID(string(r.segments[2]))
	if ok {
		var err error
		if x, ok, err = r.s.Ledger.Exception(id); err != nil {
			r.fail(err)
			return x, false
		}
	}
	if !ok {
		r.noException()
	}
	return x, ok
}

func (r *request) noException() {
	r.problem("not-found", "no exception "+string(jsonread.AppendString(nil, string(r.segments[2])))+", or none any more: it goes with its part of the journal")
}

// exceptionEntriesMax is how many entries an exception is shown with.
const exceptionEntriesMax = 100

// getException answers GET /v1/exceptions/{id}: the exception, with the entries of its
// position from itself back to the count before it, and what came later or was refused.
func (r *request) getException() {
	if err := r.onlyParams("min_seq"); err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	x, ok := r.exceptionOf()
	if !ok {
		return
	}
	l := r.s.Ledger
	entries, whole, err := l.Between(&x, exceptionEntriesMax)
	var missed []ledger.Missed
	if err == nil && x.SKU != 0 {
		missed, err = l.Missed(&x)
	}
	if err != nil {
		r.fail(err)
		return
	}
	decimals := l.Decimals(x.SKU)
	b := availability.AppendException(r.out[:0], l, &x)
	b = append(b[:len(b)-1], `,"entries":[`...)
	for i := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendEntry(b, &entries[i], decimals)
	}
	b = append(b, `],"entries_complete":`...)
	b = strconv.AppendBool(b, whole)
	b = append(b, `,"missed":[`...)
	for i, m := range missed {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"seq":`...)
		b = strconv.AppendUint(b, uint64(m.Seq), 10)
		b = append(b, `,"cause":"`...)
		b = append(b, m.Cause.String()...)
		b = appendMillis(append(b, `","time":`...), m.Time)
		b = append(b, `,"quantity":`...)
		b = append(jsonread.AppendScaled(b, int64(m.Moved), decimals), '}')
	}
	r.out = append(b, "]}"...)
	r.answerLarge(r.out)
}

// noteBytesMax is the longest note of a resolution.
const noteBytesMax = 1024

// resolveException answers POST /v1/exceptions/{id}/resolve.
func (r *request) resolveException() {
	call, ok := r.readCall()
	if !ok {
		return
	}
	c := ledger.ResolveException{Key: call.key, Now: r.s.Ledger.Now()}
	j := &r.json
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "note":
			text := j.Text()
			if len(text) > noteBytesMax {
				j.Refuse("a text of at most " + strconv.Itoa(noteBytesMax) + " bytes")
			}
			c.Note = string(text)
		case "by":
			c.By = string(readRemark(j))
		default:
			j.Unknown()
		}
	}
	if err := j.End(); err != nil {
		r.invalid(err)
		return
	}
	c.ID, _ = ledger.ParseExceptionID(string(r.segments[2])) // no exception has the zero id
	res, err := r.s.Ledger.Apply(c)
	switch {
	case errors.Is(err, ledger.ErrNoException):
		r.noException()
	case err != nil:
		r.fail(err)
	default:
		if res.Replayed {
			r.ctx.Response.Header.Set("Idempotent-Replayed", "true")
		}
		r.out = availability.AppendResolution(r.out[:0], res.Resolution)
		r.answer(200, r.out)
	}
}
