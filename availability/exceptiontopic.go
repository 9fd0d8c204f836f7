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

// ExceptionPublisherOptions are the settings of an ExceptionPublisher; zero members but
// Brokers stand for the defaults.
type ExceptionPublisherOptions struct {
	Brokers   []string      // host:port of each to begin with
	Topic     string        // default onhand.exceptions
	Source    string        // the source of the CloudEvents; default onhand
	RetryMax  time.Duration // the longest pause between attempts while the broker is away; default 5 s
	DoneEvery time.Duration // how often the place is kept while there is nothing to publish; default 5 s
}

func (o ExceptionPublisherOptions) fill() ExceptionPublisherOptions {
	o.Topic = cmp.Or(o.Topic, "onhand.exceptions")
	o.Source = cmp.Or(o.Source, "onhand")
	o.RetryMax = cmp.Or(o.RetryMax, 5*time.Second)
	o.DoneEvery = cmp.Or(o.DoneEvery, 5*time.Second)
	return o
}

// exceptionFollowerName is the cursor of who publishes exceptions.
const exceptionFollowerName = "exceptions"

// ExceptionPublisher tells Kafka of each exception, and of each that was resolved, at
// least once and in the order of the journal. Its cause is what can be told when it is
// published. While the broker is away it stands still, and nothing else waits for it.
type ExceptionPublisher struct {
	ledger    *ledger.Ledger
	opts      ExceptionPublisherOptions
	follower  *ledger.Follower
	producer  *producer
	transport *kafka.Transport
	gauges    *metrics.Set
	cursor    *metrics.Gauge
	stop      context.CancelFunc
	done      sync.WaitGroup

	key, value []byte // of the record being rendered
}

// StartExceptionPublisher goes on where the last one of this ledger stopped, or begins
// with the journal. It needs no broker to start.
func StartExceptionPublisher(l *ledger.Ledger, o ExceptionPublisherOptions) (*ExceptionPublisher, error) {
	o = o.fill()
	if len(o.Brokers) == 0 {
		return nil, errors.New("publish exceptions: no brokers are given")
	}
	f, err := l.Follow(exceptionFollowerName, 0)
	if err != nil {
		return nil, fmt.Errorf("publish exceptions: %w", err)
	}
	f.OnlyExceptions()
	ctx, cancel := context.WithCancel(context.Background())
	p := &ExceptionPublisher{ledger: l, opts: o, follower: f, gauges: metrics.NewSet(), stop: cancel,
		transport: &kafka.Transport{Dial: kafkaio.DialUntil(ctx)}}
	p.producer = newProducer(o.Brokers, p.transport, o.Topic)
	p.cursor = p.gauges.NewGauge("onhand_availability_exceptions_cursor_seq", nil)
	p.cursor.Set(float64(f.Cursor()))
	p.gauges.NewGauge("onhand_availability_exceptions_behind_entries", func() float64 {
		return max(0, float64(l.Durable())-p.cursor.Get())
	})
	metrics.RegisterSet(p.gauges)
	p.done.Go(func() {
		if err := p.run(ctx); err != nil {
			slog.Error("publish exceptions", "error", err)
		}
	})
	return p, nil
}

// Close stops publishing. What was not published is when the next one starts.
func (p *ExceptionPublisher) Close() error {
	p.stop()
	p.done.Wait()
	metrics.UnregisterSet(p.gauges, true)
	p.transport.CloseIdleConnections()
	return nil
}

// run publishes until ctx ends or the ledger closes. Any other end is an error of the
// ledger's store.
func (p *ExceptionPublisher) run(ctx context.Context) error {
	kept := time.Now()
	for {
		entries, gap, err := p.follower.Next(ctx)
		if gap {
			slog.Error("publish exceptions: the journal is no longer kept so far back, some were not published")
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
func (p *ExceptionPublisher) publish(ctx context.Context, entries []ledger.Entry) error {
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

func (p *ExceptionPublisher) tryToPublish(ctx context.Context, entries []ledger.Entry) error {
	if err := p.producer.insist(ctx, p.opts.RetryMax, p.producer.ready); err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		for j := range e.Exceptions {
			x := e.Raised(j)
			if err := p.ledger.Explain(&x); err != nil {
				return err
			}
			if err := p.add(ctx, &x, raisedType, x.ID.String(), x.RecordedAt); err != nil {
				return err
			}
		}
		if e.Kind == ledger.KindExceptionResolved {
			if err := p.addResolution(ctx, e); err != nil {
				return err
			}
		}
	}
	return p.flush(ctx)
}

const (
	raisedType   = "onhand.exception"
	resolvedType = "onhand.exception.resolved"
)

func (p *ExceptionPublisher) addResolution(ctx context.Context, e *ledger.Entry) error {
	r, err := e.Resolution()
	if err != nil || r.Seq != e.Seq {
		return err // an entry that only remembers a key tells nothing new
	}
	x, ok, err := p.ledger.Exception(r.Exception)
	if err != nil || !ok {
		return err // it is no longer kept
	}
	return p.add(ctx, &x, resolvedType, x.ID.String()+"/resolved", r.At)
}

// add renders a CloudEvent in structured mode whose data is the exception, and sends what
// was gathered where that is enough. A repeat has the id of the first.
func (p *ExceptionPublisher) add(ctx context.Context, x *ledger.Raised, kind, id string, at ledger.Millis) error {
	p.key = append(append(p.key[:0], p.ledger.SKUName(x.SKU)...), '|')
	p.key = append(p.key, p.ledger.LocationName(x.Location)...)
	b := append(p.value[:0], `{"specversion":"1.0","type":"`...)
	b = append(b, kind...)
	b = jsonread.AppendString(append(b, `","source":`...), p.opts.Source)
	b = jsonread.AppendString(append(b, `,"id":`...), id)
	b = jsonread.AppendBytes(append(b, `,"subject":`...), p.key)
	b = appendTime(append(b, `,"time":`...), at)
	b = append(b, `,"datacontenttype":"application/json","data":`...)
	b = append(AppendException(b, p.ledger, x), '}')
	p.value = b
	if p.producer.topics[p.opts.Topic].add(int64(at), eventHeaders, p.key, b) {
		return p.flush(ctx)
	}
	return nil
}

// flush returns once the broker has all records.
func (p *ExceptionPublisher) flush(ctx context.Context) error {
	n := p.producer.waiting()
	if n == 0 {
		return nil
	}
	if err := p.producer.insist(ctx, p.opts.RetryMax, p.producer.flush); err != nil {
		return err
	}
	exceptionsTold.Add(n)
	return nil
}
