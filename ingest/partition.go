package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"onhand/ledger"
)

// partition reads one partition: one goroutine fetches, another applies, so that
// the broker and the ledger work at the same time.
type partition struct {
	c *Consumer
	topicPartition
	decoder *decoder  // the applying goroutine's
	asked   time.Time // when the broker was last asked for records; the fetching goroutine's

	mu     sync.Mutex // guards status; nothing waits while holding it
	status PartitionStatus
}

func newPartition(c *Consumer, at topicPartition) *partition {
	p := &partition{c: c, topicPartition: at, decoder: c.Applier.decoder()}
	p.status = PartitionStatus{Topic: at.topic, Partition: at.partition, State: Starting}
	c.metrics.NewGauge(fmt.Sprintf(`onhand_ingest_lag_records{topic="%s",partition="%d"}`, at.topic, at.partition), func() float64 {
		return float64(p.Status().LagRecords)
	})
	return p
}

// Status is how far the partition was read.
func (p *partition) Status() PartitionStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.status
	s.LagRecords = max(0, s.HighWatermark-s.Next)
	return s
}

// say sets the state, and logs it when it changes.
func (p *partition) say(state State, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if state == Stopped {
		partitionsStopped.Inc() // before anyone can see that it is
	}
	p.mu.Lock()
	changed := p.status.State != state
	p.status.State, p.status.Err = state, text
	p.mu.Unlock()
	log := slog.With("topic", p.topic, "partition", p.partition)
	switch {
	case state == Stopped:
		log.Error("kafka: partition stopped, nothing was skipped", "error", text)
	case changed && err != nil:
		log.Warn("kafka: partition waits", "error", text)
	case changed && state == Reading:
		log.Info("kafka: partition is read", "from", p.Status().Next)
	}
}

func (p *partition) progress(next, highWatermark int64) {
	p.mu.Lock()
	p.status.Next = next
	p.status.HighWatermark = max(highWatermark, next)
	p.mu.Unlock()
}

// reading says that the broker answers, and where it says that the log ends.
func (p *partition) reading(highWatermark int64) {
	p.mu.Lock()
	p.status.HighWatermark = max(highWatermark, p.status.Next)
	p.mu.Unlock()
	p.say(Reading, nil)
}

// run reads until ctx ends, or the partition must be stopped.
func (p *partition) run(ctx context.Context) {
	full, empty := make(chan *fetched), make(chan *fetched, 2)
	empty <- new(fetched)
	empty <- new(fetched)
	var fetching sync.WaitGroup
	fetching.Go(func() {
		defer close(full)
		p.fetchAll(ctx, full, empty)
	})
	for f := range full {
		if !p.apply(ctx, f) {
			break // ctx has ended, and with it the fetching
		}
		empty <- f
	}
	fetching.Wait()
}

// apply puts the records into the ledger and then notes how far it came. False: ctx
// has ended, perhaps in between.
func (p *partition) apply(ctx context.Context, f *fetched) bool {
	for i := range f.records {
		r := &f.records[i]
		if ctx.Err() != nil || !p.applyRecord(ctx, f, r) {
			if i > 0 {
				p.note(f, &f.records[i-1])
			}
			return false
		}
	}
	p.c.Ledger.SetOffset(p.topic, p.partition, f.end)
	p.progress(f.end.Next, f.highWatermark)
	return true
}

// note keeps a place within what was fetched.
func (p *partition) note(f *fetched, r *record) {
	next := r.offset + 1
	p.c.Ledger.SetOffset(p.topic, p.partition, cursor{Next: next, Last: hashRecord(f.key(r), f.value(r))})
	p.progress(next, f.highWatermark)
}

// applyRecord applies one record, or keeps it as a dead letter. It never gives one
// up but when ctx ends.
func (p *partition) applyRecord(ctx context.Context, f *fetched, r *record) bool {
	if s := p.c.speaking[p.topic]; s != nil {
		return p.translate(ctx, f, r, s)
	}
	_, err := p.decoder.submit(f.value(r), r.headers)
	if err == nil {
		return true
	}
	var refused *ledger.Refused
	if !errors.As(err, &refused) {
		ok := p.insist(ctx, err, func() error {
			_, err := p.decoder.submit(f.value(r), r.headers)
			if errors.As(err, &refused) {
				return nil
			}
			return err
		})
		if !ok || refused == nil {
			return ok
		}
	}
	letter := ledger.DeadLetter{ReceivedAt: p.c.Ledger.Now(), Code: refused.Code.String(), Detail: refused.Detail,
		Topic: p.topic, Partition: p.partition, Offset: r.offset, Key: f.key(r), Value: f.value(r), Headers: r.headers}
	p.decoder.explain(&letter, refused)
	submit := func() error {
		_, err := p.c.Ledger.Submit(&letter)
		return err
	}
	if err := submit(); err != nil && !p.insist(ctx, err, submit) {
		return false
	}
	// A letter has no name to be known by: with its offset beside it, a crash seldom doubles it.
	p.note(f, r)
	return true
}

// translate applies a record of a source that speaks a format of its own. What of it is
// no event becomes a dead letter as it stands there; where it cannot be read to its end,
// the record does.
func (p *partition) translate(ctx context.Context, f *fetched, r *record, s *Source) bool {
	from := ledger.DeadLetter{Topic: p.topic, Partition: p.partition, Offset: r.offset, Key: f.key(r), Headers: r.headers}
	t := translator{decoder: p.decoder, source: s.at(r.time), from: from, keepRaw: true, take: func(submit func() error) error {
		err := submit()
		var refused *ledger.Refused
		if err == nil || errors.As(err, &refused) {
			return err
		}
		var judged error
		if !p.insist(ctx, err, func() error {
			if judged = submit(); errors.As(judged, &refused) {
				return nil
			}
			return judged
		}) {
			return ctx.Err()
		}
		return judged
	}}
	err := t.read(f.value(r))
	if err != nil {
		return false // ctx has ended
	}
	if t.done.Refused > 0 {
		p.note(f, r)
	}
	return true
}

// insist submits until it is taken, after err was met: a full queue is waited for,
// and any other error of the ledger is met with patience, while the broker keeps
// what follows. False: ctx has ended and it was not taken.
func (p *partition) insist(ctx context.Context, err error, submit func() error) bool {
	var tries backoff
	for ; err != nil; err = submit() {
		if errors.Is(err, ledger.ErrOverloaded) {
			if err = p.c.Ledger.WaitRoom(); err == nil {
				continue
			}
		}
		applyRetries.Inc()
		p.say(Retrying, fmt.Errorf("apply to the ledger: %w", err))
		if !tries.wait(ctx) {
			return false
		}
	}
	p.say(Reading, nil)
	return true
}
