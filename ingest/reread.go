package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"onhand/kafkaio"
	"onhand/ledger"
)

// Reread is what came of reading topics again.
type Reread struct {
	Records    int
	Applied    int // events that the ledger did not have
	Duplicates int // that it had
	Waiting    int // records that wait as dead letters already
	Letters    int // that have become dead letters now
}

// Reread reads all topics again from the first record of a moment to where the ledger has
// come, and applies what it does not have: events are known by their names, so none is
// applied twice, and a record that waits as a dead letter becomes no other. How far the topics
// were read does not change. It is called in place of Run. say is told of each partition
// as it is begun, and from time to time how far it is.
func (c *Consumer) Reread(ctx context.Context, from time.Time, say func(topic string, partition int, next, until int64)) (Reread, error) {
	transport := &kafka.Transport{ClientID: "onhand", MetadataTTL: c.MetadataEvery, TLS: c.TLS, SASL: c.SASL, Dial: kafkaio.DialUntil(ctx)}
	defer transport.CloseIdleConnections()
	c.client = &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: kafkaio.Guarded(transport)}
	var r rereader
	var err error
	if r.waiting, err = waitingRecords(c.Ledger); err != nil {
		return Reread{}, err
	}
	found, err := c.discover(ctx)
	if err != nil {
		return Reread{}, fmt.Errorf("look for topics: %w", err)
	}
	for _, p := range found {
		if err := r.partition(ctx, p, from, say); err != nil {
			return r.Reread, fmt.Errorf("read %s/%d again: %w", p.topic, p.partition, err)
		}
	}
	return r.Reread, c.Ledger.Wait(c.Ledger.Seq())
}

type place struct {
	topicPartition
	offset int64
}

type rereader struct {
	Reread
	waiting map[place]bool
}

// waitingRecords are the records that wait as dead letters.
func waitingRecords(l *ledger.Ledger) (map[place]bool, error) {
	out := make(map[place]bool)
	for after := ledger.Seq(0); ; {
		letters, err := l.DeadLetters(after, lettersPage)
		if err != nil {
			return nil, err
		}
		for i := range letters {
			d := &letters[i]
			after = d.Seq
			if d.Topic != "" {
				out[place{topicPartition{d.Topic, d.Partition}, d.Offset}] = true
			}
		}
		if len(letters) < lettersPage {
			return out, nil
		}
	}
}

func (r *rereader) partition(ctx context.Context, p *partition, from time.Time, say func(string, int, int64, int64)) error {
	end, ok, err := p.c.Ledger.Offset(p.topic, p.partition)
	if err != nil || !ok {
		return err // it was never read
	}
	start, err := p.offsetAt(ctx, from)
	if err != nil || start < 0 {
		return err
	}
	var f fetched
	for at := (cursor{Next: start}); at.Next < end.Next; at = f.end {
		say(p.topic, p.partition, at.Next, end.Next)
		if err := p.fetch(ctx, at, &f, p.c.FetchBytesMax); err != nil {
			return err
		}
		if f.end.Next == at.Next && f.highWatermark <= at.Next {
			return fmt.Errorf("the log ends at offset %d, and was read up to %d", f.highWatermark, end.Next)
		}
		for i := range f.records {
			if f.records[i].offset >= end.Next {
				break
			}
			if err := r.record(ctx, p, &f, &f.records[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// offsetAt is the first record of a moment or later; below 0 where there is none.
func (p *partition) offsetAt(ctx context.Context, from time.Time) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := p.c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		p.topic: {kafka.TimeOffsetOf(p.partition, from)}}})
	if err != nil {
		return 0, fmt.Errorf("ask where the log was at %s: %w", from.Format(time.RFC3339), err)
	}
	for _, o := range res.Topics[p.topic] {
		if o.Error != nil {
			return 0, fmt.Errorf("ask where the log was at %s: %w", from.Format(time.RFC3339), o.Error)
		}
		for offset := range o.Offsets {
			return offset, nil
		}
	}
	return -1, nil
}

func (r *rereader) record(ctx context.Context, p *partition, f *fetched, rec *record) error {
	r.Records++
	waits := r.waiting[place{p.topicPartition, rec.offset}]
	if waits {
		r.Waiting++
		return nil // it is tried again as a letter
	}
	take := untilTaken(ctx, p.c.Ledger)
	from := ledger.DeadLetter{Topic: p.topic, Partition: p.partition, Offset: rec.offset, Key: f.key(rec), Headers: rec.headers}
	if s := p.c.speaking[p.topic]; s != nil {
		t := translator{decoder: p.decoder, source: s.at(rec.time), from: from, keepRaw: true, take: take}
		err := t.read(f.value(rec))
		r.Applied, r.Duplicates, r.Letters = r.Applied+t.done.Accepted, r.Duplicates+t.done.Duplicates, r.Letters+t.done.Refused
		return err
	}
	var result ledger.Result
	err := take(func() (err error) {
		result, err = p.decoder.submit(f.value(rec), rec.headers)
		return err
	})
	var refused *ledger.Refused
	switch {
	case errors.As(err, &refused):
		from.ReceivedAt, from.Code, from.Detail, from.Value = p.c.Ledger.Now(), refused.Code.String(), refused.Detail, f.value(rec)
		p.decoder.explain(&from, refused)
		r.Letters++
		return take(func() error {
			_, err := p.c.Ledger.Submit(&from)
			return err
		})
	case err != nil:
		return err
	case result.Duplicate:
		r.Duplicates++
	default:
		r.Applied++
	}
	return nil
}
