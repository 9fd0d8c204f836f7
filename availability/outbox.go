package availability

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"

	"onhand/jsonread"
	"onhand/kafkaio"
	"onhand/ledger"
)

// TopicOptions are the settings of a publisher of one topic; zero members but Brokers
// stand for the defaults.
type TopicOptions struct {
	Brokers   []string      // host:port of each to begin with
	Topic     string        // default onhand.exceptions, onhand.reservations
	Source    string        // the source of the CloudEvents; default onhand
	RetryMax  time.Duration // the longest pause between attempts while the broker is away; default 5 s
	DoneEvery time.Duration // how often the place is kept while there is nothing to publish; default 5 s
}

func (o TopicOptions) fill(topic string) TopicOptions {
	o.Topic = cmp.Or(o.Topic, topic)
	o.Source = cmp.Or(o.Source, "onhand")
	o.RetryMax = cmp.Or(o.RetryMax, 5*time.Second)
	o.DoneEvery = cmp.Or(o.DoneEvery, 5*time.Second)
	return o
}

// outbox tells a topic what entries of the journal mean, at least once and in the order of
// the journal. While the broker is away it stands still, and nothing else waits for it.
type outbox struct {
	ledger    *ledger.Ledger
	opts      TopicOptions
	what      string // is told: the name of its cursor, too
	tell      func(context.Context, *ledger.Entry) error
	told      *metrics.Counter
	follower  *ledger.Follower
	producer  *producer
	transport *kafka.Transport
	gauges    *metrics.Set
	cursor    *metrics.Gauge
	stop      context.CancelFunc
	done      sync.WaitGroup

	value []byte // of the record being rendered
}

// open goes on where the last one of this ledger stopped, or begins with the journal. It
// needs no broker. start lets it work.
func (p *outbox) open(l *ledger.Ledger, what string, o TopicOptions) error {
	if len(o.Brokers) == 0 {
		return fmt.Errorf("publish %s: no brokers are given", what)
	}
	f, err := l.Follow(what, 0)
	if err != nil {
		return fmt.Errorf("publish %s: %w", what, err)
	}
	p.ledger, p.opts, p.what, p.follower, p.gauges = l, o, what, f, metrics.NewSet()
	p.cursor = p.gauges.NewGauge("onhand_availability_"+what+"_cursor_seq", nil)
	p.cursor.Set(float64(f.Cursor()))
	p.gauges.NewGauge("onhand_availability_"+what+"_behind_entries", func() float64 {
		return max(0, float64(l.Durable())-p.cursor.Get())
	})
	return nil
}

func (p *outbox) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.transport = cancel, &kafka.Transport{Dial: kafkaio.DialUntil(ctx)}
	p.producer = newProducer(p.opts.Brokers, p.transport, p.opts.Topic)
	metrics.RegisterSet(p.gauges)
	p.done.Go(func() {
		if err := p.run(ctx); err != nil {
			slog.Error("publish", "what", p.what, "error", err)
		}
	})
}

// Close stops publishing. What was not published is when the next one starts.
func (p *outbox) Close() error {
	p.stop()
	p.done.Wait()
	metrics.UnregisterSet(p.gauges, true)
	p.transport.CloseIdleConnections()
	return nil
}

// run publishes until ctx ends or the ledger closes. Any other end is an error of the
// ledger's store.
func (p *outbox) run(ctx context.Context) error {
	kept := time.Now()
	for {
		entries, gap, err := p.follower.Next(ctx)
		if gap {
			slog.Error("publish: the journal is no longer kept so far back, some were not published", "what", p.what)
		}
		if err == nil {
			err = p.publish(ctx, entries)
		}
		if err == nil && (len(entries) > 0 || time.Since(kept) > p.opts.DoneEvery) {
			err = p.follower.Done(p.follower.Cursor())
			kept = time.Now()
		}
		switch {
		case ctx.Err() != nil, errors.Is(err, ledger.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("up to entry %d: %w", p.follower.Cursor(), err)
		}
		p.cursor.Set(float64(p.follower.Cursor()))
	}
}

// publish returns once the broker has what the entries tell.
func (p *outbox) publish(ctx context.Context, entries []ledger.Entry) error {
	for len(entries) > 0 {
		err := p.tryToPublish(ctx, entries)
		if !errors.Is(err, kafka.UnknownTopicOrPartition) {
			return err
		}
		// The topic was made anew with fewer partitions: keys lie elsewhere now.
		p.producer.forget()
	}
	return nil
}

func (p *outbox) tryToPublish(ctx context.Context, entries []ledger.Entry) error {
	if err := p.producer.insist(ctx, p.opts.RetryMax, p.producer.ready); err != nil {
		return err
	}
	for i := range entries {
		if err := p.tell(ctx, &entries[i]); err != nil {
			return err
		}
	}
	return p.flush(ctx)
}

// begin renders the attributes of a CloudEvent in structured mode, up to its data, which
// add ends. A repeat has the id of the first.
func (p *outbox) begin(kind, id string, subject []byte, at ledger.Millis) []byte {
	b := append(p.value[:0], `{"specversion":"1.0","type":"`...)
	b = append(b, kind...)
	b = jsonread.AppendString(append(b, `","source":`...), p.opts.Source)
	b = jsonread.AppendString(append(b, `,"id":`...), id)
	b = jsonread.AppendBytes(append(b, `,"subject":`...), subject)
	b = appendTime(append(b, `,"time":`...), at)
	return append(b, `,"datacontenttype":"application/json","data":`...)
}

// add takes a record whose value is b and a closing brace, and sends what was gathered
// where that is enough.
func (p *outbox) add(ctx context.Context, at ledger.Millis, key, b []byte) error {
	p.value = append(b, '}')
	if p.producer.topics[p.opts.Topic].add(int64(at), eventHeaders, key, p.value) {
		return p.flush(ctx)
	}
	return nil
}

// flush returns once the broker has all records.
func (p *outbox) flush(ctx context.Context) error {
	n := p.producer.waiting()
	if n == 0 {
		return nil
	}
	if err := p.producer.insist(ctx, p.opts.RetryMax, p.producer.flush); err != nil {
		return err
	}
	p.told.Add(n)
	return nil
}
