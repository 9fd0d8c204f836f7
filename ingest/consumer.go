package ingest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"

	"onhand/kafkaio"
	"onhand/ledger"
)

// ConsumerOptions say what is read, and from where. Zero members stand for the defaults in fill.
type ConsumerOptions struct {
	Ledger  *ledger.Ledger
	Applier *Applier
	Brokers []string // host:port of one broker or more
	Topics  []string // of CloudEvents; default pos.events, wms.events, erp.events, order.events
	Sources []Source // those with a topic are read from it

	TLS  *tls.Config    // nil: plain
	SASL sasl.Mechanism // nil: none

	FetchBytesMax int           // asked for at once; default 4 MiB. Each partition keeps twice as much in memory while it catches up
	FetchWait     time.Duration // how long the broker waits for a record; default 250 ms. Stopping may take as long
	MetadataEvery time.Duration // between looks for new topics and partitions; default 3 s
}

func (o ConsumerOptions) fill() ConsumerOptions {
	if o.Topics == nil {
		o.Topics = []string{"pos.events", "wms.events", "erp.events", "order.events"}
	}
	o.Topics = slices.Clone(o.Topics)
	for i := range o.Sources {
		if t := o.Sources[i].Topic; t != "" {
			o.Topics = append(o.Topics, t)
		}
	}
	o.FetchBytesMax = cmp.Or(o.FetchBytesMax, 4<<20)
	o.FetchWait = cmp.Or(o.FetchWait, 250*time.Millisecond)
	o.MetadataEvery = cmp.Or(o.MetadataEvery, 3*time.Second)
	return o
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (o ConsumerOptions) validate() error {
	var complaints []error
	if len(o.Brokers) == 0 {
		complaints = append(complaints, errors.New("no broker's address"))
	}
	for i, t := range o.Topics {
		if !topicName.MatchString(t) {
			complaints = append(complaints, fmt.Errorf("%q is no name of a topic", t))
		}
		if slices.Contains(o.Topics[:i], t) {
			complaints = append(complaints, fmt.Errorf("topic %s: named twice", t))
		}
	}
	return errors.Join(complaints...)
}

// Consumer reads all partitions of some topics into the ledger, each in a loop of
// its own from the offset that the ledger keeps: an event and the offset behind it
// become durable together, or the event first. What one partition meets delays no other.
type Consumer struct {
	ConsumerOptions
	client   *kafka.Client
	metrics  *metrics.Set
	speaking map[string]*Source // by topic

	mu         sync.Mutex // guards partitions and missing
	partitions map[topicPartition]*partition
	missing    map[string]error // why a topic has no partitions yet
}

type topicPartition struct {
	topic     string
	partition int
}

// NewConsumer makes a consumer; Run lets it read.
func NewConsumer(o ConsumerOptions) (*Consumer, error) {
	o = o.fill()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("kafka consumer: %w", err)
	}
	limitDecompression()
	c := &Consumer{ConsumerOptions: o, metrics: metrics.NewSet(),
		partitions: make(map[topicPartition]*partition), missing: make(map[string]error)}
	c.speaking = make(map[string]*Source)
	for i := range o.Sources {
		c.speaking[o.Sources[i].Topic] = &o.Sources[i]
	}
	for _, t := range o.Topics {
		c.missing[t] = errors.New("no broker has answered yet")
	}
	return c, nil
}

// Run reads until ctx ends, and returns when all its goroutines have. A broker that
// is away and a topic that is not there are waited for. It is called once.
func (c *Consumer) Run(ctx context.Context) {
	transport := &kafka.Transport{ClientID: "onhand", MetadataTTL: c.MetadataEvery, TLS: c.TLS, SASL: c.SASL, Dial: kafkaio.DialUntil(ctx)}
	defer transport.CloseIdleConnections()
	c.client = &kafka.Client{Addr: kafka.TCP(c.Brokers...), Transport: kafkaio.Guarded(transport)}
	metrics.RegisterSet(c.metrics)
	defer metrics.UnregisterSet(c.metrics, true)

	var loops sync.WaitGroup
	defer loops.Wait()
	var tries backoff
	said := "" // the last complaint: a topic may be missed for months
	for ctx.Err() == nil {
		found, err := c.discover(ctx)
		for _, p := range found {
			loops.Go(func() { p.run(ctx) })
		}
		if err == nil {
			tries.reset()
			said = ""
			sleep(ctx, c.MetadataEvery)
			continue
		}
		if ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			slog.Warn("kafka: look for topics", "brokers", c.Brokers, "error", err)
		}
		tries.wait(ctx)
	}
}

const requestTimeout = 10 * time.Second

// discover finds partitions that are not read yet. The error says what is missing.
func (c *Consumer) discover(ctx context.Context) (found []*partition, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: c.Topics})
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		for t := range c.missing {
			c.missing[t] = err
		}
		return nil, err
	}
	var complaints []error
	for _, t := range res.Topics {
		if t.Error != nil {
			if c.missing[t.Name] != nil {
				c.missing[t.Name] = t.Error
			}
			complaints = append(complaints, fmt.Errorf("topic %s: %w", t.Name, t.Error))
			continue
		}
		delete(c.missing, t.Name)
		for _, m := range t.Partitions {
			at := topicPartition{t.Name, m.ID}
			if c.partitions[at] == nil {
				p := newPartition(c, at)
				c.partitions[at] = p
				found = append(found, p)
			}
		}
	}
	return found, errors.Join(complaints...)
}

// State is what a partition's loop is about.
type State string

// The states.
const (
	Starting State = "starting" // not yet sure that the log goes on where it was left
	Reading  State = "reading"
	Retrying State = "retrying" // the broker, or the ledger, is in the way; Err says how
	Stopped  State = "stopped"  // the log does not go on where it was left; a person must decide
)

// PartitionStatus is how far a partition was read. Partition is -1 for a topic that
// was not found.
type PartitionStatus struct {
	Topic         string
	Partition     int
	Next          int64 // of the next record to apply
	HighWatermark int64 // where the log ends, as the broker last said
	LagRecords    int64
	State         State
	Err           string
}

// Status lists all partitions, by topic and number.
func (c *Consumer) Status() []PartitionStatus {
	c.mu.Lock()
	out := make([]PartitionStatus, 0, len(c.partitions)+len(c.missing))
	for _, p := range c.partitions {
		out = append(out, p.Status())
	}
	for t, err := range c.missing {
		out = append(out, PartitionStatus{Topic: t, Partition: -1, State: Retrying, Err: err.Error()})
	}
	c.mu.Unlock()
	slices.SortFunc(out, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return out
}
