package api

import (
	"bytes"
	"errors"
	"fmt"

	"onhand/availability"
	"onhand/jsonread"
)

const (
	excludedMax      = 20
	availabilityMax  = 5_000     // SKUs in one POST
	availabilityRows = 1_000_000 // rows in one answer
)

var (
	errAt      = errors.New("at: availability at a time is not supported yet")
	errExplain = errors.New("explain: availability is not explained yet")
	errExclude = fmt.Errorf("exclude: want at most %d reservations", excludedMax)
)

// getAvailability answers GET /v1/availability/{sku}.
func (r *request) getAvailability() {
	q := r.s.Stock.Query()
	defer q.Release()
	if !q.Add(r.segments[2]) {
		r.problem("unknown-sku", string(jsonread.AppendString(nil, string(r.segments[2]))))
		return
	}
	unknown, err := r.readAvailability(q)
	if err != nil {
		r.invalid(err)
		return
	}
	if unknown != nil {
		r.problem("unknown-location", string(jsonread.AppendString(nil, string(unknown))))
		return
	}
	if !r.waitForSeq() {
		return
	}
	if err := q.Run(availabilityRows); err != nil {
		r.problem("too-many-items", err.Error())
		return
	}
	r.out = q.AppendItem(r.out[:0], 0)
	r.answerLarge(r.out)
}

// readAvailability reads the query of a GET into q. unknown is the first location
// that nobody knows.
func (r *request) readAvailability(q *availability.Query) (unknown []byte, err error) {
	for i := range r.query {
		p := &r.query[i]
		switch p.name {
		case "location", "exclude", "fields":
			for rest, more := p.raw, true; more; {
				var raw []byte
				raw, rest, more = bytes.Cut(rest, []byte{','})
				value, err := unescape(raw)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", p.name, err)
				}
				if len(value) == 0 {
					return nil, fmt.Errorf("%s: an empty name", p.name)
				}
				switch p.name {
				case "location":
					if !q.At(value) && unknown == nil {
						unknown = value
					}
				case "exclude":
					err = exclude(q, value)
				default:
					err = show(q, value)
				}
				if err != nil {
					return nil, err
				}
			}
		case "channel":
			// There are no quotas, so every channel sees the same.
			if channel, _, err := r.param("channel"); err != nil || !isName([]byte(channel), remarkBytesMax) {
				return nil, errChannel
			}
		case "at":
			return nil, errAt
		case "explain":
			if err := explain(p.raw); err != nil {
				return nil, err
			}
		case "min_seq":
		default:
			return nil, fmt.Errorf("%s: unknown parameter", p.name)
		}
	}
	return unknown, nil
}

var errChannel = fmt.Errorf("channel: want one of 1 to %d bytes without control characters", remarkBytesMax)

func exclude(q *availability.Query, id []byte) error {
	if len(q.Exclude) == excludedMax {
		return errExclude
	}
	q.Exclude = append(q.Exclude, string(id))
	return nil
}

func show(q *availability.Query, name []byte) error {
	f := availability.Field(name)
	if f == 0 {
		return fmt.Errorf("fields: a row has no member %s", jsonread.AppendString(nil, string(name)))
	}
	q.Fields |= f
	return nil
}

func explain(raw []byte) error {
	switch string(raw) {
	case "false":
		return nil
	case "true":
		return errExplain
	}
	return errors.New("explain: want true or false")
}

// postAvailability answers POST /v1/availability. It changes nothing, so an
// Idempotency-Key means nothing to it.
func (r *request) postAvailability() {
	if err := r.onlyParams("min_seq"); err != nil {
		r.invalid(err)
		return
	}
	if !r.bodyIsJSON() {
		r.problem("unsupported-media-type", "want Content-Type: application/json, without a Content-Encoding")
		return
	}
	q := r.s.Stock.Query()
	b := availabilityBody{q: q}
	r.json.Reset(r.ctx.Request.Body())
	if err := b.read(&r.json); err != nil {
		q.Release()
		if errors.Is(err, errTooManyItems) {
			r.problem("too-many-items", err.Error())
			return
		}
		r.invalid(err)
		return
	}
	if !r.waitForSeq() || b.minSeq != 0 && !r.waitFor(b.minSeq) {
		q.Release()
		return
	}
	if err := q.Run(availabilityRows); err != nil {
		q.Release()
		r.problem("too-many-items", fmt.Sprintf("%s: at most %d", err, availabilityRows))
		return
	}
	r.answerItems(q)
}
