package availability

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"

	"onhand/kafkaio"
	"onhand/ledger"
)

// PublisherOptions are the settings of a Publisher; zero members but Brokers stand
// for the defaults.
type PublisherOptions struct {
	Brokers      []string      // host:port of each to begin with
	Availability string        // the topic of each position's latest state, to be compacted; default onhand.availability
	Freshness    string        // the topic of signals, one for each change of what is available; default onhand.freshness
	Source       string        // the source of the CloudEvents; default onhand
	Window       time.Duration // over how long messages about a position become one, at most 1 s; default 250 ms; under load up to 1 s
	RateMax      int           // positions a second that are published at most; default 50,000, kept to while more than 1,000 changes a second come in. Beyond it the publisher lags, and changes of one position become one message
	RetryMax     time.Duration // the longest pause between attempts while the broker is away; default 5 s
}

func (o PublisherOptions) fill() PublisherOptions {
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def(&o.Availability, "onhand.availability")
	def(&o.Freshness, "onhand.freshness")
	def(&o.Source, "onhand")
	if o.Window == 0 {
		o.Window = 250 * time.Millisecond
	}
	o.Window = min(o.Window, windowMax)
	if o.RateMax == 0 {
		o.RateMax = 50_000
	}
	if o.RetryMax == 0 {
		o.RetryMax = 5 * time.Second
	}
	return o
}

// windowMax is the longest that a signal may be put off.
const windowMax = time.Second

const (
	// publishedAtOnce is how many positions are rendered and sent at a time while the rate
	// is kept to. Few keep the pace even: a burst would take the processor from who applies events and answers.
	publishedAtOnce = 512
	// changesBusy is how many changes a second make the publisher keep to its rate.
	// With fewer there is nobody to make room for, and what has piled up goes out.
	changesBusy = 1000
	// publishedMax is after how many positions the publisher's window is closed.
	publishedMax = 1 << 18
)

// followerName is the publisher's cursor in the ledger.
const followerName = "availability"

// Publisher tells Kafka what the journal says of positions, each entry at least
// once. While the broker is away it stands still, and nothing else waits for it.
type Publisher struct {
	stock     *Stock
	opts      PublisherOptions
	follower  *ledger.Follower
	producer  *producer
	transport *kafka.Transport
	gauges    *metrics.Set
	cursor    *metrics.Gauge
	stop      context.CancelFunc
	done      sync.WaitGroup

	key, rest []byte     // of the signal being rendered
	rendered  int        // positions since the last write
	next      time.Time  // when the rate lets more be written
	busy      bool       // many changes come in: the rate is kept to
	wrote     time.Time  // when, and
	written   ledger.Seq // with which journal, something was last written
}

// StartPublisher goes on where the last publisher of this ledger stopped, or begins
// with the journal. It needs no broker to start.
func StartPublisher(s *Stock, o PublisherOptions) (*Publisher, error) {
	o = o.fill()
	if len(o.Brokers) == 0 {
		return nil, errors.New("publish availability: no brokers are given")
	}
	f, err := s.ledger.Follow(followerName, 0)
	if err != nil {
		return nil, fmt.Errorf("publish availability: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Publisher{stock: s, opts: o, follower: f, gauges: metrics.NewSet(), stop: cancel,
		transport: &kafka.Transport{Dial: kafkaio.DialUntil(ctx)}}
	p.producer = newProducer(o.Brokers, p.transport, o.Availability, o.Freshness)
	p.cursor = p.gauges.NewGauge("onhand_availability_publisher_cursor_seq", nil)
	p.cursor.Set(float64(f.Cursor()))
	p.gauges.NewGauge("onhand_availability_publisher_behind_entries", func() float64 {
		return max(0, float64(s.ledger.Durable())-p.cursor.Get())
	})
	metrics.RegisterSet(p.gauges)
	p.done.Go(func() {
		if err := p.run(ctx); err != nil {
			slog.Error("publish availability", "error", err)
		}
	})
	return p, nil
}

// Close stops publishing. What was not published is when the next one starts.
func (p *Publisher) Close() error {
	p.stop()
	p.done.Wait()
	metrics.UnregisterSet(p.gauges, true)
	p.transport.CloseIdleConnections()
	return nil
}

// run publishes until ctx ends or the ledger closes. Any other end is an error of
// the ledger's store.
func (p *Publisher) run(ctx context.Context) error {
	w := p.stock.window(p.follower, publishedMax)
	w.live = true // who lags is to tell of the present, not of how it came about
	for {
		err := w.gatherBusy(ctx, p.opts.Window, windowMax)
		if err == nil {
			err = p.publish(ctx, w)
		}
		if err == nil {
			err = p.follower.Done(w.to)
		}
		switch {
		case ctx.Err() != nil, errors.Is(err, ledger.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("after entry %d: %w", w.from, err)
		}
		p.cursor.Set(float64(w.to))
	}
}

// publish returns once the broker has all of the window.
func (p *Publisher) publish(ctx context.Context, w *window) error {
	for {
		err := p.tryToPublish(ctx, w)
		if !errors.Is(err, kafka.UnknownTopicOrPartition) {
			return err
		}
		// A topic was made anew with fewer partitions: keys lie elsewhere now.
		p.producer.forget()
	}
}

func (p *Publisher) tryToPublish(ctx context.Context, w *window) error {
	if err := p.insist(ctx, p.producer.ready); err != nil {
		return err
	}
	var failed error
	now := p.stock.ledger.Now()
	err := w.each(nil, func(s *Signal) bool {
		if full := p.add(s, now); full || p.busy && p.rendered >= publishedAtOnce {
			failed = p.write(ctx)
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err == nil && p.producer.waiting() > 0 {
		err = p.write(ctx)
	}
	return err
}

// add renders the records of a signal, and says whether a batch is full.
func (p *Publisher) add(s *Signal, now ledger.Millis) (full bool) {
	states, signals := p.producer.topics[p.opts.Availability], p.producer.topics[p.opts.Freshness]
	p.rendered++
	p.key = p.appendKey(p.key[:0], s)
	if p.gone(s) {
		// Null is how a compacted topic forgets a key.
		return states.add(int64(now), nil, p.key)
	}
	p.rest = p.appendEvent(p.rest[:0], s, p.key, now)
	full = states.add(int64(now), eventHeaders, p.key, stateBegin, p.rest)
	if s.Changed {
		full = signals.add(int64(now), eventHeaders, p.key, signalBegin, p.rest) || full
	}
	return full
}

// write returns once the broker has all records, or with ctx's error. It first waits
// until the rate lets it.
func (p *Publisher) write(ctx context.Context) error {
	now := time.Now()
	seq := p.stock.ledger.Durable()
	p.busy = float64(seq-p.written) > changesBusy*now.Sub(p.wrote).Seconds()
	if p.busy {
		if err := pause(ctx, p.next.Sub(now)); err != nil {
			return err
		}
	}
	p.wrote, p.written = time.Now(), p.stock.ledger.Durable()
	start, n := p.wrote, p.producer.waiting()
	p.next = start.Add(time.Duration(p.rendered) * time.Second / time.Duration(p.opts.RateMax))
	p.rendered = 0
	if err := p.insist(ctx, p.producer.flush); err != nil {
		return err
	}
	published.Add(n)
	publishSeconds.UpdateDuration(start)
	return nil
}

func (p *Publisher) insist(ctx context.Context, try func(context.Context) error) error {
	return p.producer.insist(ctx, p.opts.RetryMax, try)
}
