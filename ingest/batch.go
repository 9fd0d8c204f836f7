package ingest

import (
	"errors"
	"fmt"

	"onhand/jsonread"
	"onhand/ledger"
)

// BatchMax is how many events one batch can hold.
const BatchMax = 10_000

// ErrTooManyItems says that a batch holds more than BatchMax events.
var ErrTooManyItems = errors.New("a batch holds at most 10000 events")

// Rejected is an event of a batch that was not applied. HasID is false where no id could be read.
type Rejected struct {
	ID     string
	HasID  bool
	Code   ledger.Code
	Detail string
}

// BatchResult is what a batch did. Seq is the latest change that it made or, of
// duplicates, repeated.
type BatchResult struct {
	Seq        ledger.Seq
	Accepted   int
	Duplicates int
	Rejected   []Rejected
}

// Batch applies one event, or an array of them in order, and returns when all are
// durable. Each is applied or not by itself; what is refused becomes a dead letter.
// Where body is not JSON, or holds more than BatchMax, nothing is applied and nothing
// dead-lettered: the error is one of jsonread's, or ErrTooManyItems.
// ledger.ErrOverloaded comes back only while nothing was applied; after that Batch
// waits for room. With other errors of the ledger a part may have been applied, and
// the whole can be sent again.
func (a *Applier) Batch(body []byte) (BatchResult, error) {
	d := a.decoders.Get().(*decoder)
	defer a.decoders.Put(d)
	events, err := split(&d.json, body)
	if err != nil {
		return BatchResult{}, err
	}
	var b batch
	for _, raw := range events {
		if err := b.apply(d, raw); err != nil {
			return BatchResult{}, err
		}
	}
	if len(events) == 0 {
		b.Seq = a.ledger.Seq()
	}
	return b.BatchResult, a.ledger.Wait(b.Seq)
}

// split checks the syntax of all of body and gives its events as they stand there.
func split(r *jsonread.Reader, body []byte) (events [][]byte, err error) {
	r.Reset(body)
	if r.Kind() != jsonread.Array {
		return [][]byte{r.RawValue()}, r.End()
	}
	n := 0
	for r.BeginArray(); r.NextElem(); n++ {
		if n < BatchMax {
			events = append(events, r.RawValue())
		}
	}
	if err := r.End(); err != nil {
		return nil, err
	}
	if n > BatchMax {
		return nil, fmt.Errorf("%w: this has %d", ErrTooManyItems, n)
	}
	return events, nil
}

type batch struct{ BatchResult }

// apply applies one event, or keeps it as a dead letter.
func (b *batch) apply(d *decoder, raw []byte) error {
	var result ledger.Result
	err := b.retry(d.ledger, func() (err error) {
		result, err = d.submit(raw, nil)
		return err
	})
	var refused *ledger.Refused
	switch {
	case errors.As(err, &refused):
		letter := ledger.DeadLetter{ReceivedAt: d.ledger.Now(), Code: refused.Code.String(), Detail: refused.Detail, Value: raw}
		d.explain(&letter, refused) // before anything else is read
		rejected := Rejected{Code: refused.Code, Detail: refused.Detail}
		rejected.ID, rejected.HasID = d.eventID(raw)
		b.Rejected = append(b.Rejected, rejected)
		if err = b.retry(d.ledger, func() (err error) {
			result, err = d.ledger.Submit(&letter)
			return err
		}); err != nil {
			return err
		}
	case err != nil:
		return err
	case result.Duplicate:
		b.Duplicates++
	default:
		b.Accepted++
	}
	b.Seq = max(b.Seq, result.Seq)
	return nil
}

// retry waits for room in the ledger's queue once a part of the batch is in it:
// half a batch must not be answered as if nothing had happened.
func (b *batch) retry(l *ledger.Ledger, submit func() error) error {
	for {
		err := submit()
		if !errors.Is(err, ledger.ErrOverloaded) || b.Seq == 0 {
			return err
		}
		if err := l.WaitRoom(); err != nil {
			return err
		}
	}
}
