package api

import (
	"bytes"
	"errors"
	"strconv"

	"onhand/ingest"
	"onhand/jsonread"
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
