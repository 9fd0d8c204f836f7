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
	if o.RetryMax == 0 {
		o.RetryMax = 5 * time.Second
	}
	return o
}

// windowMax is the longest that a signal may be put off.
const windowMax = time.Second

// messageBytes is about the most that the messages of one signal take.
const messageBytes = 2048

// retryFirst is the pause after the first attempt that was in vain.
const retryFirst = 50 * time.Millisecond

// followerName is the publisher's cursor in the ledger.
const followerName = "availability"

// Publisher tells Kafka what the journal says of positions, each entry at least
// once. While the broker is away it stands still, and nothing else waits for it.
type Publisher struct {
	stock     *Stock
	opts      PublisherOptions
	follower  *ledger.Follower
	writer    *kafka.Writer
	transport *kafka.Transport
	gauges    *metrics.Set
	cursor    *metrics.Gauge
	stop      context.CancelFunc
	done      sync.WaitGroup

	messages []kafka.Message // of one attempt
	buf      []byte          // memory for further keys and values
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
		transport: &kafka.Transport{Dial: dialUntil(ctx)}}
	p.writer = &kafka.Writer{
		Addr:         kafka.TCP(o.Brokers...),
		Balancer:     kafka.Murmur2Balancer{Consistent: true}, // as Java producers place keys
		RequiredAcks: kafka.RequireAll,
		MaxAttempts:  1, // write tries again, and knows when to stop
		BatchSize:    5000,
		BatchBytes:   900 << 10, // brokers take 1 MiB unless told otherwise
		BatchTimeout: 2 * time.Millisecond,
		Transport:    p.transport,
	}
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
	err := p.writer.Close()
	p.transport.CloseIdleConnections()
	return err
}

// run publishes until ctx ends or the ledger closes. Any other end is an error of
// the ledger's store.
func (p *Publisher) run(ctx context.Context) error {
	w := p.stock.window(p.follower, positionsMax)
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
	var failed error
	now := p.stock.ledger.Now()
	err := w.each(func(s *Signal) bool {
		p.add(s, now)
		if len(p.messages) >= 2*signalsAtOnce {
			failed = p.write(ctx)
		}
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = p.write(ctx)
	}
	return err
}

// add renders the messages of a signal.
func (p *Publisher) add(s *Signal, now ledger.Millis) {
	var key, state, freshness []byte
	if cap(p.buf) < messageBytes {
		p.buf = make([]byte, 0, 256*messageBytes)
	}
	mark := func() []byte { // what was appended since the last mark
		b := p.buf[:len(p.buf):len(p.buf)]
		p.buf = p.buf[len(p.buf):]
		return b
	}
	p.buf = p.appendKey(p.buf, s)
	key = mark()
	if p.gone(s) {
		// Null is how a compacted topic forgets a key.
		p.messages = append(p.messages, kafka.Message{Topic: p.opts.Availability, Key: key})
		return
	}
	p.buf = p.appendEvent(p.buf, s, "onhand.availability", now)
	state = mark()
	p.messages = append(p.messages, kafka.Message{Topic: p.opts.Availability, Key: key, Value: state, Headers: eventHeaders})
	if s.Changed {
		p.buf = p.appendEvent(p.buf, s, "onhand.freshness", now)
		freshness = mark()
		p.messages = append(p.messages, kafka.Message{Topic: p.opts.Freshness, Key: key, Value: freshness, Headers: eventHeaders})
	}
}

// write returns once the broker has all messages, trying for as long as it takes,
// or with ctx's error.
func (p *Publisher) write(ctx context.Context) error {
	start, pause := time.Now(), retryFirst
	left := p.messages
	for len(left) > 0 {
		err := p.writer.WriteMessages(ctx, left...)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			break
		}
		publishFailures.Inc()
		left, err = unwritten(left, err)
		if pause == p.opts.RetryMax { // one that is away for a moment is no news
			slog.Warn("publish availability: the broker does not take it", "error", err, "messages", len(left))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		pause = min(2*pause, p.opts.RetryMax)
	}
	published.Add(len(p.messages))
	publishSeconds.UpdateDuration(start)
	clear(p.messages)
	p.messages = p.messages[:0]
	return nil
}

// unwritten are the messages from the first on that an attempt did not bring to the
// broker, and why: later ones of the same key must come after it again.
func unwritten(messages []kafka.Message, err error) ([]kafka.Message, error) {
	var each kafka.WriteErrors
	if !errors.As(err, &each) || len(each) != len(messages) {
		return messages, err
	}
	for i := range messages {
		if each[i] != nil {
			return messages[i:], each[i]
		}
	}
	return nil, nil
}
