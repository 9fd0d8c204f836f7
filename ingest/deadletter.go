package ingest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"onhand/kafkaio"
	"onhand/ledger"
)

// PublisherOptions say where dead letters are published. Zero members stand for the defaults in fill.
type PublisherOptions struct {
	Ledger  *ledger.Ledger
	Brokers []string // host:port of one broker or more
	Topic   string   // default onhand.dead-letters

	TLS  *tls.Config    // nil: plain
	SASL sasl.Mechanism // nil: none

	MessageBytesMax int           // of a letter with its headers; of a longer one the value is left out; default 1,000,000
	DoneEvery       time.Duration // how often the place is kept while there is nothing to publish; default 5 s
}

func (o PublisherOptions) fill() PublisherOptions {
	o.Topic = cmp.Or(o.Topic, "onhand.dead-letters")
	o.MessageBytesMax = cmp.Or(o.MessageBytesMax, 1_000_000)
	o.DoneEvery = cmp.Or(o.DoneEvery, 5*time.Second)
	return o
}

// Publisher follows the journal and publishes dead letters: each at least once, in
// order. A broker that is away is waited for; the place in the journal outlives the process.
//
// A letter has the key, value and headers of the record that it was, and behind
// those headers "source topic", partition and offset (not of events that came over
// HTTP), code, detail and seq.
type Publisher struct {
	PublisherOptions
	follower *ledger.Follower
	writer   *kafka.Writer
	kept     time.Time // when the place was last kept
}

// publisherName is the follower's in the ledger.
const publisherName = "dead-letters"

// NewPublisher makes a publisher; Run lets it publish.
func NewPublisher(o PublisherOptions) (*Publisher, error) {
	o = o.fill()
	if len(o.Brokers) == 0 || !topicName.MatchString(o.Topic) {
		return nil, fmt.Errorf("publisher of dead letters: to topic %q of brokers %q", o.Topic, o.Brokers)
	}
	f, err := o.Ledger.Follow(publisherName, 0)
	if err != nil {
		return nil, fmt.Errorf("publisher of dead letters: %w", err)
	}
	f.Only(ledger.KindDeadLetter)
	return &Publisher{PublisherOptions: o, follower: f}, nil
}

// Run publishes until ctx ends or the ledger is closed. It is called once.
func (p *Publisher) Run(ctx context.Context) {
	transport := &kafka.Transport{ClientID: "onhand", MetadataTTL: time.Second, TLS: p.TLS, SASL: p.SASL, Dial: kafkaio.DialUntil(ctx)}
	defer transport.CloseIdleConnections()
	p.writer = &kafka.Writer{Addr: kafka.TCP(p.Brokers...), Topic: p.Topic, Balancer: &kafka.Hash{},
		RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond, BatchBytes: int64(p.MessageBytesMax),
		MaxAttempts: 1, AllowAutoTopicCreation: true, Transport: transport}
	defer p.writer.Close()
	p.kept = time.Now()
	var tries backoff
	for {
		entries, gap, err := p.follower.Next(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, ledger.ErrClosed):
			return
		case err != nil:
			slog.Error("dead letters: read the journal", "after", uint64(p.follower.Cursor()), "error", err)
			if !tries.wait(ctx) {
				return
			}
			continue
		case gap:
			slog.Error("dead letters: the journal is no longer kept so far back, some were not published")
		}
		tries.reset()
		messages := p.messages(entries)
		if !p.publish(ctx, messages) {
			return
		}
		if len(messages) > 0 || time.Since(p.kept) > p.DoneEvery {
			if err := p.follower.Done(p.follower.Cursor()); err != nil {
				slog.Error("dead letters: keep the place", "error", err) // they are published again after a restart
			}
			p.kept = time.Now()
		}
	}
}

func (p *Publisher) messages(entries []ledger.Entry) (out []kafka.Message) {
	for i := range entries {
		e := &entries[i]
		if e.Kind != ledger.KindDeadLetter {
			continue
		}
		d, err := e.DeadLetter()
		if err != nil {
			slog.Error("dead letters: decode", "seq", uint64(e.Seq), "error", err)
			continue
		}
		out = append(out, p.message(&d))
	}
	return out
}

const (
	frameBytes      = 1024 // more than what a message's frame and our headers but detail take
	ownHeadersMax   = 6
	detailBytesKept = 1024 // where the value is left out
)

func (p *Publisher) message(d *ledger.DeadLetter) kafka.Message {
	m := kafka.Message{Key: d.Key, Value: d.Value}
	header := func(key, value string) {
		m.Headers = append(m.Headers, kafka.Header{Key: key, Value: []byte(value)})
	}
	size := len(d.Key) + len(d.Value) + len(d.Detail) + frameBytes
	for _, h := range d.Headers {
		header(h.Key, string(h.Value))
		size += len(h.Key) + len(h.Value) + 16
	}
	// Ours go last: of headers of one name, that is the one that clients look up.
	if d.Topic != "" {
		header("source topic", d.Topic)
		header("partition", strconv.Itoa(d.Partition))
		header("offset", strconv.FormatInt(d.Offset, 10))
	}
	header("code", d.Code)
	header("detail", d.Detail)
	header("seq", strconv.FormatUint(uint64(d.Seq), 10))
	if size > p.MessageBytesMax {
		return withoutValue(m)
	}
	return m
}

// withoutValue leaves out all that came from outside: one letter that the topic
// cannot take must not hold up all others, and it can be read at /v1/dead-letters.
func withoutValue(m kafka.Message) kafka.Message {
	omitted := "key, value and headers of the record, which are too long for this topic"
	var own []kafka.Header
	for _, h := range m.Headers[max(0, len(m.Headers)-ownHeadersMax):] {
		if len(h.Value) > detailBytesKept {
			h.Value = h.Value[:detailBytesKept]
		}
		own = append(own, h)
	}
	return kafka.Message{Headers: append(own, kafka.Header{Key: "omitted", Value: []byte(omitted)})}
}

// publish writes until all are written; false if ctx ended first.
func (p *Publisher) publish(ctx context.Context, messages []kafka.Message) bool {
	var tries backoff
	for len(messages) > 0 {
		err := p.writer.WriteMessages(ctx, messages...)
		if err == nil {
			deadLettersPublished.Add(len(messages))
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		slog.Warn("dead letters: publish", "topic", p.Topic, "letters", len(messages), "error", err)
		messages = unwritten(messages, err)
		if !tries.wait(ctx) {
			return false
		}
	}
	return true
}

// unwritten is what must be written again: all of it, or where the library tells
// them apart those that failed, without the value where that was too large.
func unwritten(messages []kafka.Message, err error) []kafka.Message {
	var each kafka.WriteErrors
	if !errors.As(err, &each) || len(each) != len(messages) {
		var large kafka.MessageTooLargeError
		if errors.As(err, &large) {
			for i := range messages {
				if len(messages[i].Value) == len(large.Message.Value) {
					messages[i] = withoutValue(messages[i])
				}
			}
		}
		return messages
	}
	var again []kafka.Message
	for i, err := range each {
		switch {
		case err == nil:
			deadLettersPublished.Inc()
		case errors.Is(err, kafka.MessageSizeTooLarge):
			again = append(again, withoutValue(messages[i]))
		default:
			again = append(again, messages[i])
		}
	}
	return again
}
