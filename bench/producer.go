package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"onhand/kafkaio"
)

const (
	batchRecordsMax = 1000
	batchBytesMax   = 512 << 10 // half of what brokers take by default
	batchesAhead    = 4         // sealed batches that may wait for their partition
)

// producer publishes to several topics: a goroutine per partition with one request in
// flight, so that each partition keeps the order of sending, acknowledged by all
// replicas. send and flush belong to one goroutine.
type producer struct {
	ctx        context.Context
	client     *kafka.Client
	transport  *kafka.Transport
	partitions map[string][]*partition
	places     map[string]int // partition by topic and key: hashing is dearer than a look-up
	unsent     sync.WaitGroup // batches handed over and not acknowledged
	senders    sync.WaitGroup
	failure    atomic.Pointer[error] // the first
}

type partition struct {
	topic string
	index int
	open  *kafkaio.Batch
	queue chan *kafkaio.Batch
	spare chan *kafkaio.Batch
}

// newProducer looks up the topics, which must be there.
func newProducer(ctx context.Context, addr string, topics ...string) (*producer, error) {
	p := &producer{
		ctx:        ctx,
		transport:  &kafka.Transport{},
		partitions: map[string][]*partition{},
		places:     map[string]int{},
	}
	p.client = &kafka.Client{Addr: kafka.TCP(addr), Transport: p.transport}
	for _, topic := range topics {
		n, err := partitionsOf(ctx, p.client, topic)
		if err != nil {
			p.transport.CloseIdleConnections()
			return nil, err
		}
		for i := range n {
			part := &partition{topic: topic, index: i, open: &kafkaio.Batch{},
				queue: make(chan *kafkaio.Batch, batchesAhead), spare: make(chan *kafkaio.Batch, batchesAhead+1)}
			p.partitions[topic] = append(p.partitions[topic], part)
		}
	}
	for _, parts := range p.partitions {
		for _, part := range parts {
			p.senders.Go(func() { p.run(part) })
		}
	}
	return p, nil
}

// partitionsOf waits until the topic is there and says how many partitions it has.
func partitionsOf(ctx context.Context, client *kafka.Client, topic string) (n int, err error) {
	err = poll(ctx, 30*time.Second, pollEvery, func() error {
		res, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err != nil {
			return err
		}
		for _, t := range res.Topics {
			if t.Name == topic {
				n = len(t.Partitions)
				return t.Error
			}
		}
		return errors.New("no such topic")
	})
	if err != nil {
		return 0, fmt.Errorf("partitions of topic %s: %w", topic, err)
	}
	return n, nil
}

// place is the partition of a key: records of one key keep their order.
func (p *producer) place(topic string, key []byte) int {
	name := topic + string(key)
	at, known := p.places[name]
	if !known {
		h := fnv.New32a()
		h.Write(key)
		at = int(h.Sum32() % uint32(len(p.partitions[topic])))
		p.places[name] = at
	}
	return at
}

// send queues a record for the partition of its key. It waits while the partition has
// too many batches before it.
func (p *producer) send(topic string, key, value []byte) {
	p.sendTo(topic, p.place(topic, key), key, value)
}

// sendTo is send for a partition chosen by the caller.
func (p *producer) sendTo(topic string, index int, key, value []byte) {
	part := p.partitions[topic][index]
	part.open.Add(time.Now().UnixMilli(), nil, key, value)
	if part.open.Len() >= batchRecordsMax || part.open.Bytes() >= batchBytesMax {
		p.handOver(part)
	}
}

func (p *producer) handOver(part *partition) {
	if part.open.Len() == 0 {
		return
	}
	p.unsent.Add(1)
	part.queue <- part.open
	select {
	case part.open = <-part.spare:
	default:
		part.open = &kafkaio.Batch{}
	}
}

// push hands over what is queued, without waiting for it to arrive.
func (p *producer) push() {
	for _, parts := range p.partitions {
		for _, part := range parts {
			p.handOver(part)
		}
	}
}

// flush sends what is queued and returns once all of it is acknowledged.
func (p *producer) flush() error {
	p.push()
	p.unsent.Wait()
	return p.err()
}

func (p *producer) err() error {
	if first := p.failure.Load(); first != nil {
		return *first
	}
	return nil
}

// run sends the batches of one partition. After an error nothing more is sent.
func (p *producer) run(part *partition) {
	for b := range part.queue {
		if p.err() == nil {
			if err := p.produce(part, b); err != nil {
				p.failure.CompareAndSwap(nil, &err)
			}
		}
		b.Reset()
		select {
		case part.spare <- b:
		default:
		}
		p.unsent.Done()
	}
}

func (p *producer) produce(part *partition, b *kafkaio.Batch) error {
	res, err := p.client.RawProduce(p.ctx, &kafka.RawProduceRequest{
		Topic: part.topic, Partition: part.index, RequiredAcks: kafka.RequireAll,
		RawRecords: protocol.RawRecordSet{Reader: bytes.NewReader(b.Seal())},
	})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		return fmt.Errorf("publish %d records to %s partition %d: %w", b.Len(), part.topic, part.index, err)
	}
	return nil
}

// close drops what was not flushed.
func (p *producer) close() error {
	for _, parts := range p.partitions {
		for _, part := range parts {
			close(part.queue)
		}
	}
	p.senders.Wait()
	p.transport.CloseIdleConnections()
	return p.err()
}
