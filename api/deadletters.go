package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"onhand/ingest"
	"onhand/jsonread"
	"onhand/ledger"
)

// A page of dead letters ends early once it has so many bytes: a letter can be as
// large as a record or a request. Few are read from the journal at once, and one call
// looks at lettersLookedAt at most: few of many may match.
const (
	letterBytesMax  = 8 << 20
	lettersAtOnce   = 32
	lettersLookedAt = 20_000
)

// How many letters one call replays.
const (
	replaysDefault = 1000
	replaysMax     = 10_000
)

// letterFilter says which dead letters are meant; members left empty mean any.
type letterFilter struct {
	code, source, location, topic string
	since, until                  ledger.Millis // received from since on and before until; 0: at any time
}

func (f *letterFilter) matches(d *ledger.DeadLetter) bool {
	if f.code != "" && d.Code != f.code || f.topic != "" && d.Topic != f.topic || d.ReceivedAt < f.since || f.until != 0 && d.ReceivedAt >= f.until {
		return false
	}
	if f.source == "" && f.location == "" {
		return true
	}
	e := ingest.ReadLetter(d)
	return (f.source == "" || e.Source == f.source) && (f.location == "" || e.Location == f.location)
}

// set is one member of a filter.
func (f *letterFilter) set(member, value string) (err error) {
	at := func(to *ledger.Millis) {
		t, ok := jsonread.ParseTime([]byte(value))
		if !ok || t <= 0 {
			err = fmt.Errorf("%s: want a time of RFC 3339 with an offset, got %q", member, value)
		}
		*to = ledger.Millis(t)
	}
	switch member {
	case "code":
		f.code = value
	case "source":
		f.source = value
	case "location":
		f.location = value
	case "topic":
		f.topic = value
	case "since":
		at(&f.since)
	case "until":
		at(&f.until)
	default:
		return fmt.Errorf("filter.%s: unknown member", member)
	}
	if value == "" {
		return fmt.Errorf("%s: want something, or leave it out", member)
	}
	return err
}

var letterMembers = []string{"code", "source", "location", "topic", "since", "until"}

// getDeadLetters lists, oldest first, what could not be applied. Beside the
// contract's members a letter has headers where its record had some, and
// raw_encoding base64 where raw is not text.
func (r *request) getDeadLetters() {
	err := r.onlyParams(append([]string{"cursor", "limit", "min_seq"}, letterMembers...)...)
	var f letterFilter
	for _, m := range letterMembers {
		v, given, e := r.param(m)
		if given && e == nil {
			e = f.set(m, v)
		}
		err = errors.Join(err, e)
	}
	p := page{}
	after := uint64(0)
	if err == nil {
		p, err = r.page()
	}
	if err == nil {
		after, err = p.number(63)
	}
	if err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	out, next := newList(r.out), ""
	err = r.s.eachLetter(&f, ledger.Seq(after), func(d *ledger.DeadLetter) bool {
		if out.n == p.limit || len(out.b) > letterBytesMax {
			return false
		}
		out.item()
		out.b = appendDeadLetter(out.b, d)
		return true
	}, func(last ledger.Seq) { next = strconv.FormatUint(uint64(last), 10) })
	if err != nil {
		r.fail(err)
		return
	}
	r.out = out.end(next)
	r.answerLarge(r.out)
}

// eachLetter calls fn with waiting letters that match, after one, in order, until it returns
// false; then, or where it has looked at enough, goOn gets the letter to go on after.
func (s *Server) eachLetter(f *letterFilter, after ledger.Seq, fn func(*ledger.DeadLetter) bool, goOn func(ledger.Seq)) error {
	for looked := 0; ; {
		letters, err := s.Ledger.DeadLetters(after, lettersAtOnce)
		if err != nil {
			return err
		}
		for i := range letters {
			if looked == lettersLookedAt || f.matches(&letters[i]) && !fn(&letters[i]) {
				goOn(after)
				return nil
			}
			looked++
			after = letters[i].Seq
		}
		if len(letters) < lettersAtOnce {
			return nil
		}
	}
}

// letterID is the number in the path. Where ok is false it has answered.
func (r *request) letterID() (id ledger.Seq, ok bool) {
	n, err := strconv.ParseUint(string(r.segments[2]), 10, 63)
	if err != nil {
		r.noLetter()
		return 0, false
	}
	return ledger.Seq(n), true
}

func (r *request) noLetter() {
	r.problem("not-found", "no dead letter has this id, or it is past its time")
}

// getDeadLetter answers one that waits.
func (r *request) getDeadLetter() {
	if !r.reading() {
		return
	}
	id, ok := r.letterID()
	if !ok {
		return
	}
	d, err := r.s.Ledger.WaitingLetter(id)
	switch {
	case errors.Is(err, ledger.ErrNoLetter):
		r.noLetter()
	case err != nil:
		r.fail(err)
	default:
		r.out = appendDeadLetter(r.out[:0], &d)
		r.answerLarge(r.out)
	}
}

// replayDeadLetter answers POST /v1/dead-letters/{id}/replay {"dry_run":false,"event":{…}}; both may
// be left out, and so may the body. event is applied in place of what the letter holds. Of a
// letter that is closed it is said that it was applied: a call that is repeated does no harm.
func (r *request) replayDeadLetter() {
	dry, event, ok := r.replayBody()
	if !ok {
		return
	}
	id, ok := r.letterID()
	if !ok {
		return
	}
	out, err := r.s.Ingest.Replay(id, event, dry)
	if errors.Is(err, ledger.ErrNoLetter) {
		if e, gone := r.s.Ledger.Entry(id); gone != nil || e.Kind != ledger.KindDeadLetter {
			r.noLetter()
			return
		}
		out, err = ingest.Replayed{Letter: id, Duplicate: true, Seq: r.s.Ledger.Durable()}, nil
	}
	if err != nil {
		r.fail(err)
		return
	}
	r.out = appendReplayed(r.out[:0], &out, dry)
	r.answer(200, r.out)
}

func (r *request) replayBody() (dry bool, event []byte, ok bool) {
	if len(r.ctx.Request.Body()) == 0 {
		if err := r.onlyParams(); err != nil {
			r.invalid(err)
			return false, nil, false
		}
		return false, nil, true
	}
	if !r.readObject() {
		return false, nil, false
	}
	j := &r.json
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "dry_run":
			dry = j.Bool()
		case "event":
			if j.Kind() != jsonread.Object {
				j.Refuse("an event")
			}
			event = j.RawValue()
		default:
			j.Unknown()
		}
	}
	if err := j.End(); err != nil {
		r.malformed(err)
		return false, nil, false
	}
	return dry, event, true
}

func appendReplayed(b []byte, out *ingest.Replayed, dry bool) []byte {
	b = strconv.AppendUint(append(b, `{"id":"`...), uint64(out.Letter), 10)
	b = strconv.AppendBool(append(b, `","applied":`...), out.Applied)
	b = strconv.AppendBool(append(b, `,"duplicate":`...), out.Duplicate)
	if out.Applied || out.Duplicate {
		b = append(b, `,"code":null,"detail":null`...)
	} else {
		b = jsonread.AppendString(append(b, `,"code":`...), out.Code.String())
		b = jsonread.AppendString(append(b, `,"detail":`...), out.Detail)
	}
	b = strconv.AppendBool(append(b, `,"dry_run":`...), dry)
	b = append(b, `,"seq":`...)
	if out.Seq == 0 {
		return append(b, "null}"...)
	}
	return append(strconv.AppendUint(b, uint64(out.Seq), 10), '}')
}

// replayDeadLetters answers POST /v1/dead-letters/replay {"ids":["7"]}, {"filter":{"code":"…"}} or
// {"all":true}, with dry_run, after and limit beside it: what became of each, and next where
// there are more.
func (r *request) replayDeadLetters() {
	if !r.readObject() {
		return
	}
	q, err := readReplayQuery(&r.json)
	if err != nil {
		r.malformed(err)
		return
	}
	if q.ids == nil {
		if err := r.s.eachLetter(&q.filter, q.after, func(d *ledger.DeadLetter) bool {
			if len(q.ids) == q.limit {
				return false
			}
			q.ids = append(q.ids, d.Seq)
			return true
		}, func(last ledger.Seq) { q.next = strconv.FormatUint(uint64(last), 10) }); err != nil {
			r.fail(err)
			return
		}
	}
	items, applied, duplicates, refused := newList(nil), 0, 0, 0
	for _, id := range q.ids {
		out, err := r.s.Ingest.Replay(id, nil, q.dry)
		if errors.Is(err, ledger.ErrNoLetter) {
			continue // closed meanwhile, or never there
		}
		if err != nil {
			r.fail(err) // what was applied is closed, and the call can be made again
			return
		}
		switch {
		case out.Applied:
			applied++
		case out.Duplicate:
			duplicates++
		default:
			refused++
		}
		items.item()
		items.b = appendReplayed(items.b, &out, q.dry)
	}
	b := items.end("")
	b = b[:len(b)-len(`,"next":null}`)]
	b = strconv.AppendInt(append(b, `,"applied":`...), int64(applied), 10)
	b = strconv.AppendInt(append(b, `,"duplicates":`...), int64(duplicates), 10)
	b = strconv.AppendInt(append(b, `,"refused":`...), int64(refused), 10)
	b = append(appendTextOrNull(append(b, `,"next":`...), q.next), '}')
	r.out = b
	r.answerLarge(b)
}

type replayQuery struct {
	ids    []ledger.Seq // nil: those that match
	filter letterFilter
	after  ledger.Seq
	limit  int
	dry    bool
	next   string
}

func readReplayQuery(j *jsonread.Reader) (q replayQuery, err error) {
	q.limit = replaysDefault
	ways := 0
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "dry_run":
			q.dry = j.Bool()
		case "ids":
			ways++
			q.ids = readLetterIDs(j)
		case "filter":
			ways++
			for j.BeginObject(); j.NextKey(); {
				member := string(j.Key())
				if err := q.filter.set(member, string(j.Text())); err != nil {
					j.Fail(err)
				}
			}
		case "all":
			if ways++; !j.Bool() {
				j.Refuse("true, or ids or filter in its place")
			}
		case "after":
			n, err := strconv.ParseUint(string(j.Text()), 10, 63)
			if err != nil {
				j.Refuse("the next of another answer")
			}
			q.after = ledger.Seq(n)
		case "limit":
			n, ok := j.Number().Int64()
			if !ok || n < 1 || n > replaysMax {
				j.Refuse("a whole number from 1 to " + strconv.Itoa(replaysMax))
			}
			q.limit = int(n)
		default:
			j.Unknown()
		}
	}
	if err := j.End(); err != nil {
		return q, err
	}
	if ways != 1 {
		return q, errors.New("ids, filter, all: want one of them")
	}
	return q, nil
}

func readLetterIDs(j *jsonread.Reader) []ledger.Seq {
	ids := []ledger.Seq{}
	for j.BeginArray(); j.NextElem(); {
		n, err := strconv.ParseUint(string(j.Text()), 10, 63)
		if err != nil {
			j.Refuse("the id of a dead letter")
		}
		if len(ids) == replaysMax {
			j.Fail(fmt.Errorf("ids: want at most %d", replaysMax))
		}
		ids = append(ids, ledger.Seq(n))
	}
	return ids
}

func appendDeadLetter(b []byte, d *ledger.DeadLetter) []byte {
	b = append(b, `{"id":"`...)
	b = strconv.AppendUint(b, uint64(d.Seq), 10)
	b = append(b, `","received_at":`...)
	b = appendMillis(b, d.ReceivedAt)
	b = append(b, `,"code":`...)
	b = jsonread.AppendString(b, d.Code)
	b = append(b, `,"detail":`...)
	b = jsonread.AppendString(b, d.Detail)
	if d.Topic == "" {
		b = append(b, `,"topic":null,"partition":null,"offset":null`...)
	} else {
		b = append(b, `,"topic":`...)
		b = jsonread.AppendString(b, d.Topic)
		b = append(b, `,"partition":`...)
		b = strconv.AppendInt(b, int64(d.Partition), 10)
		b = append(b, `,"offset":`...)
		b = strconv.AppendInt(b, d.Offset, 10)
	}
	var json jsonread.Reader
	json.Reset(d.Value)
	json.Skip()
	switch {
	case json.End() == nil:
		b = append(b, `,"event":`...)
		b = append(b, d.Value...)
	case utf8.Valid(d.Value):
		b = append(b, `,"raw":`...)
		b = jsonread.AppendString(b, string(d.Value))
	default:
		b = append(b, `,"raw_encoding":"base64","raw":"`...)
		b = base64.StdEncoding.AppendEncode(b, d.Value)
		b = append(b, '"')
	}
	if len(d.Headers) > 0 {
		b = append(b, `,"headers":[`...)
		for i := range d.Headers {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"key":`...)
			b = jsonread.AppendString(b, d.Headers[i].Key)
			b = append(b, `,"value":`...)
			b = jsonread.AppendString(b, string(d.Headers[i].Value))
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	b = strconv.AppendInt(append(b, `,"attempts":`...), int64(max(d.Attempts, 1)), 10)
	return append(b, '}')
}

func appendMillis(b []byte, t ledger.Millis) []byte {
	b = append(b, '"')
	b = jsonread.AppendTime(b, int64(t))
	return append(b, '"')
}
