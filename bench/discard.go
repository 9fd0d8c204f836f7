package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

// span is a piece of one partition.
type span struct {
	topic     string
	partition int
	from, to  int64 // offsets; to is the first that is not in it
}

// moveTo makes every span begin where it ended and end where its partition now does.
func moveTo(ctx context.Context, client *kafka.Client, spans []span) error {
	ask := map[string][]kafka.OffsetRequest{}
	for _, sp := range spans {
		ask[sp.topic] = append(ask[sp.topic], kafka.LastOffsetOf(sp.partition))
	}
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: ask})
	if err != nil {
		return fmt.Errorf("ends of partitions: %w", err)
	}
	for i := range spans {
		sp := &spans[i]
		for _, p := range res.Topics[sp.topic] {
			if p.Partition != sp.partition {
				continue
			}
			if p.Error != nil {
				return fmt.Errorf("end of %s partition %d: %w", sp.topic, sp.partition, p.Error)
			}
			sp.from, sp.to = sp.to, p.LastOffset
		}
	}
	return nil
}

// discard reads spans with Client.Fetch, all side by side, and does nothing with the
// records: what no consumer written on kafka-go can beat. It returns how many there were.
func discard(ctx context.Context, addr string, spans []span) (int64, usage, error) {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
	for _, sp := range spans { // connects before the clock runs
		if _, err := partitionsOf(ctx, client, sp.topic); err != nil {
			return 0, usage{}, err
		}
	}
	var records atomic.Int64
	errs := make([]error, len(spans))
	var all sync.WaitGroup
	clock := startUsage(nil)
	for i, sp := range spans {
		all.Go(func() {
			n, err := discardSpan(ctx, client, sp)
			records.Add(n)
			errs[i] = err
		})
	}
	all.Wait()
	return records.Load(), clock.stop(), errors.Join(errs...)
}

func discardSpan(ctx context.Context, client *kafka.Client, sp span) (records int64, err error) {
	for at := sp.from; at < sp.to; {
		res, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: sp.topic, Partition: sp.partition, Offset: at,
			MinBytes: 1, MaxBytes: 4 << 20, MaxWait: 500 * time.Millisecond})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			return records, fmt.Errorf("fetch %s partition %d at %d: %w", sp.topic, sp.partition, at, err)
		}
		for {
			r, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return records, fmt.Errorf("read %s partition %d at %d: %w", sp.topic, sp.partition, at, err)
			}
			if r.Offset >= at && r.Offset < sp.to { // a batch may begin before what was asked for
				records++
			}
			at = max(at, r.Offset+1)
			for _, part := range []io.Closer{r.Key, r.Value} {
				if part != nil {
					part.Close()
				}
			}
		}
	}
	return records, nil
}
