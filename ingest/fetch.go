package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// fetchAll hands on what the broker has, in order. After every error it first makes
// sure that the log still goes on where it was left.
func (p *partition) fetchAll(ctx context.Context, full, empty chan *fetched) {
	var at cursor
	var tries backoff
	verified, known := false, false
	truncated := 0
	for ctx.Err() == nil {
		var err error
		if !known {
			at, err = p.start(ctx)
			known = err == nil
		}
		if err == nil && !verified {
			err = p.verify(ctx, at)
			verified = err == nil
		}
		if err == nil {
			at, err = p.fetchOnce(ctx, at, full, empty)
		}
		if err == nil {
			truncated = 0
			tries.reset()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		fetchErrors.Inc()
		verified = false
		var broken *brokenLog
		if errors.As(err, &broken) {
			// Just after a change of leader a log can seem to end too early.
			if truncated++; !broken.mayHeal || truncated > truncatedTries {
				p.say(Stopped, err)
				return
			}
		}
		if errors.Is(err, errUnpacked) {
			p.say(Stopped, fmt.Errorf("fetch from offset %d: %w", at.Next, err))
			return
		}
		p.say(Retrying, err)
		tries.wait(ctx)
	}
}

const (
	truncatedTries = 4
	stuckTries     = 10
	// silenceMax is how long the broker may go without being asked anything. A topic that
	// is deleted and made again in that time, with more records than before, answers as
	// if nothing had happened.
	silenceMax = time.Second
)

// start is where the ledger left the partition, or where its log begins.
func (p *partition) start(ctx context.Context) (cursor, error) {
	at, ok, err := p.c.Ledger.Offset(p.topic, p.partition)
	if err == nil && !ok {
		at.Next, _, err = p.bounds(ctx)
	}
	if err == nil {
		p.progress(at.Next, at.Next)
	}
	return at, err
}

// fetchOnce waits for records from at on and hands them to the applying goroutine.
func (p *partition) fetchOnce(ctx context.Context, at cursor, full, empty chan *fetched) (cursor, error) {
	var f *fetched
	select {
	case f = <-empty:
	case <-ctx.Done():
		return at, ctx.Err()
	}
	for stuck := 0; ; {
		since := p.asked
		err := p.fetch(ctx, at, f, p.c.FetchBytesMax)
		if err == nil && time.Since(since) > 2*p.c.FetchWait+silenceMax {
			err = p.verify(ctx, at) // before what came is handed on
		}
		if err == nil && f.end.Next == at.Next && f.highWatermark > at.Next {
			if stuck++; stuck == stuckTries {
				err = fmt.Errorf("the log goes on to offset %d, but the broker gives no record from %d on", f.highWatermark, at.Next)
			}
		}
		if err != nil {
			empty <- f
			return at, err
		}
		p.reading(f.highWatermark)
		if f.end.Next > at.Next {
			break
		}
	}
	at = f.end // before it is handed on: it is not ours after that
	select {
	case full <- f:
		return at, nil
	case <-ctx.Done():
		return at, ctx.Err()
	}
}

func (p *partition) fetch(ctx context.Context, at cursor, f *fetched, bytesMax int) error {
	ctx, cancel := context.WithTimeout(ctx, p.c.FetchWait+requestTimeout)
	defer cancel()
	p.asked = time.Now()
	res, err := p.c.client.Fetch(ctx, &kafka.FetchRequest{Topic: p.topic, Partition: p.partition, Offset: at.Next,
		MinBytes: 1, MaxBytes: int64(bytesMax), MaxWait: p.c.FetchWait})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("fetch from offset %d: %w", at.Next, err)
	}
	f.reset(at, p.c.FetchBytesMax)
	f.highWatermark = res.HighWatermark
	return f.take(res.Records)
}
