package api

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"unicode/utf8"

	"onhand/ingest"
	"onhand/jsonread"
	"onhand/ledger"
)

// postEvents applies one event or a batch. Each is answered by itself, so the answer
// is 200 also where all of them were refused.
func (r *request) postEvents() {
	batchOnly := false
	if len(r.ctx.Request.Header.Peek("Content-Encoding")) > 0 {
		r.problem("unsupported-media-type", "events come without a Content-Encoding")
		return
	}
	switch mediaType(r.ctx.Request.Header.ContentType()) {
	case "application/json", "application/cloudevents+json":
	case "application/cloudevents-batch+json":
		batchOnly = true
	default:
		r.problem("unsupported-media-type",
			"events are application/cloudevents+json, application/cloudevents-batch+json or application/json")
		return
	}
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return
	}
	body := r.ctx.PostBody()
	if start := bytes.TrimLeft(body, " \t\r\n"); batchOnly && len(start) > 0 && start[0] != '[' {
		r.invalid(errors.New("a batch is a JSON array"))
		return
	}
	result, err := r.s.Ingest.Batch(body)
	switch {
	case errors.Is(err, ingest.ErrTooManyItems):
		r.problem("too-many-items", err.Error())
	case isBadJSON(err):
		r.invalid(err)
	case err != nil:
		r.fail(err)
	default:
		r.out = appendBatchResult(r.out[:0], &result)
		r.answer(200, r.out)
	}
}

// mediaType is a content type without its parameters, in small letters.
func mediaType(contentType []byte) string {
	name, _, _ := bytes.Cut(contentType, []byte{';'})
	return string(bytes.ToLower(bytes.TrimSpace(name)))
}

func isBadJSON(err error) bool {
	var syntax *jsonread.SyntaxError
	var wrong *jsonread.TypeError
	var member *jsonread.MemberError
	return errors.As(err, &syntax) || errors.As(err, &wrong) || errors.As(err, &member)
}

func appendBatchResult(b []byte, result *ingest.BatchResult) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, uint64(result.Seq), 10)
	b = append(b, `,"accepted":`...)
	b = strconv.AppendInt(b, int64(result.Accepted), 10)
	b = append(b, `,"duplicates":`...)
	b = strconv.AppendInt(b, int64(result.Duplicates), 10)
	b = append(b, `,"rejected":[`...)
	for i := range result.Rejected {
		e := &result.Rejected[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		if e.HasID {
			b = jsonread.AppendString(b, e.ID)
		} else {
			b = append(b, "null"...)
		}
		b = append(b, `,"code":`...)
		b = jsonread.AppendString(b, e.Code.String())
		b = append(b, `,"detail":`...)
		b = jsonread.AppendString(b, e.Detail)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// listQuery reads the query of a list, and waits for min_seq. Where ok is false it has answered.
func (r *request) listQuery() (p page, ok bool) {
	err := r.onlyParams("cursor", "limit", "min_seq")
	if err == nil {
		p, err = r.page()
	}
	if err != nil {
		r.invalid(err)
		return p, false
	}
	return p, r.waitForSeq()
}

// A page of dead letters ends early once it has so many bytes: a letter can be as
// large as a record or a request. Few are read from the journal at once.
const (
	letterBytesMax = 8 << 20
	lettersAtOnce  = 32
)

// getDeadLetters lists, oldest first, what could not be applied. Beside the
// contract's members a letter has headers where its record had some, and
// raw_encoding base64 where raw is not text.
func (r *request) getDeadLetters() {
	p, ok := r.listQuery()
	if !ok {
		return
	}
	after, err := p.number(63)
	if err != nil {
		r.invalid(err)
		return
	}
	out, next := newList(r.out), ""
	for more := true; more; {
		letters, err := r.s.Ledger.DeadLetters(ledger.Seq(after), lettersAtOnce)
		if err != nil {
			r.fail(err)
			return
		}
		more = len(letters) == lettersAtOnce
		for i := range letters {
			if out.n == p.limit || len(out.b) > letterBytesMax {
				next, more = strconv.FormatUint(after, 10), false
				break
			}
			out.item()
			out.b = appendDeadLetter(out.b, &letters[i])
			after = uint64(letters[i].Seq)
		}
	}
	r.out = out.end(next)
	r.answerLarge(r.out)
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
	return append(b, `,"attempts":1}`...)
}

func appendMillis(b []byte, t ledger.Millis) []byte {
	b = append(b, '"')
	b = jsonread.AppendTime(b, int64(t))
	return append(b, '"')
}
