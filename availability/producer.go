package availability

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"onhand/kafkaio"
)

const (
	batchBytesMax  = 512 << 10 // a batch that is longer is sent; brokers take 1 MiB unless told otherwise
	produceTimeout = 10 * time.Second
	retryFirst     = 50 * time.Millisecond // the pause after the first attempt that was in vain
)

// producer gathers records into a batch per partition and sends all batches at once,
// one to a partition: so each partition keeps the order in which records were added.
// It is for one goroutine.
type producer struct {
	client *kafka.Client
	topics map[string]*outTopic
}

// outTopic is a topic that is written.
type outTopic struct {
	name       string
	partitions []int           // as the broker last said; nil: to be asked
	batches    []kafkaio.Batch // by partition
	waiting    int             // records in batches
}

func newProducer(brokers []string, transport *kafka.Transport, topics ...string) *producer {
	p := &producer{client: &kafka.Client{Addr: kafka.TCP(brokers...), Transport: transport}, topics: map[string]*outTopic{}}
	for _, name := range topics {
		p.topics[name] = &outTopic{name: name}
	}
	return p
}

// ready asks the broker for the partitions of the topics that it does not know yet.
func (p *producer) ready(ctx context.Context) error {
	var missing []string
	for name, t := range p.topics {
		if t.partitions == nil {
			missing = append(missing, name)
		}
	}
	if missing == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	res, err := p.client.Metadata(ctx, &kafka.MetadataRequest{Topics: missing})
	if err != nil {
		return fmt.Errorf("ask for the partitions: %w", err)
	}
	for _, found := range res.Topics {
		switch t := p.topics[found.Name]; {
		case t == nil:
		case found.Error != nil:
			return fmt.Errorf("topic %s: %w", found.Name, found.Error)
		case len(found.Partitions) == 0:
			return fmt.Errorf("topic %s has no partitions", found.Name)
		default:
			t.partitions = make([]int, len(found.Partitions))
			for i := range t.partitions {
				t.partitions[i] = i
			}
			t.batches = make([]kafkaio.Batch, len(t.partitions))
		}
	}
	return nil
}

// place is the partition of a key: where Java producers put it.
func (t *outTopic) place(key []byte) int {
	return kafka.Murmur2Balancer{Consistent: true}.Balance(kafka.Message{Key: key}, t.partitions...)
}

// add puts a record into the batch of its partition, and says whether that is full.
// ready has succeeded before.
func (t *outTopic) add(millis int64, headers kafkaio.Headers, key []byte, value ...[]byte) (full bool) {
	b := &t.batches[t.place(key)]
	b.Add(millis, headers, key, value...)
	t.waiting++
	return b.Bytes() >= batchBytesMax
}

// flush sends every batch and empties those that the broker has. With an error the
// others stay, to be sent again as they are before anything is added.
func (p *producer) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, produceTimeout)
	defer cancel()
	var sending sync.WaitGroup
	var mu sync.Mutex // guards errs and the topics' counts
	var errs []error
	for _, t := range p.topics {
		for i := range t.batches {
			b := &t.batches[i]
			if b.Len() == 0 {
				continue
			}
			sending.Go(func() {
				err := p.send(ctx, t.name, i, b)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					errs = append(errs, fmt.Errorf("publish to topic %s, partition %d: %w", t.name, i, err))
					return
				}
				t.waiting -= b.Len()
				b.Reset()
			})
		}
	}
	sending.Wait()
	return errors.Join(errs...)
}

func (p *producer) send(ctx context.Context, topic string, partition int, b *kafkaio.Batch) error {
	res, err := p.client.RawProduce(ctx, &kafka.RawProduceRequest{Topic: topic, Partition: partition,
		RequiredAcks: kafka.RequireAll, RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(b.SealPacked())}})
	if err != nil {
		return err
	}
	return res.Error
}

func (p *producer) waiting() (n int) {
	for _, t := range p.topics {
		n += t.waiting
	}
	return n
}

// forget drops what was not sent and asks for the partitions again.
func (p *producer) forget() {
	for _, t := range p.topics {
		*t = outTopic{name: t.name}
	}
}

// insist tries for as long as it takes, or until ctx ends, and then gives its error.
func (p *producer) insist(ctx context.Context, retryMax time.Duration, try func(context.Context) error) error {
	for wait := retryFirst; ; wait = min(2*wait, retryMax) {
		err := try(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			return nil
		}
		publishFailures.Inc()
		if wait > retryFirst && p.waiting() > 0 && errors.Is(err, kafka.UnknownTopicOrPartition) {
			return err
		}
		if wait == retryMax { // one that is away for a moment is no news
			slog.Warn("publish: the broker does not take it", "topics", slices.Sorted(maps.Keys(p.topics)), "error", err, "records", p.waiting())
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// pause returns after so long, or with ctx's error.
func pause(ctx context.Context, length time.Duration) error {
	if length <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
