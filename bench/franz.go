package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// discardFranz is discard by franz-go, the other client that a team would choose.
func discardFranz(ctx context.Context, addr string, spans []span) (records int64, busy usage, err error) {
	ends, from := map[string]map[int32]int64{}, map[string]map[int32]kgo.Offset{}
	left := 0
	for _, sp := range spans {
		if sp.from >= sp.to {
			continue
		}
		if from[sp.topic] == nil {
			ends[sp.topic], from[sp.topic] = map[int32]int64{}, map[int32]kgo.Offset{}
		}
		ends[sp.topic][int32(sp.partition)] = sp.to
		from[sp.topic][int32(sp.partition)] = kgo.NewOffset().At(sp.from)
		left++
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.FetchMaxPartitionBytes(4<<20))
	if err != nil {
		return 0, usage{}, err
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil { // connects before the clock runs
		return 0, usage{}, err
	}
	clock := startUsage(nil)
	client.AddConsumePartitions(from)
	for left > 0 {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(ctx.Err(), fetches.Err()); err != nil {
			return records, usage{}, fmt.Errorf("franz-go: %w", err)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			end := ends[p.Topic][p.Partition]
			for _, record := range p.Records {
				if record.Offset < end {
					records++
				}
				if record.Offset == end-1 {
					left--
				}
			}
		})
	}
	return records, clock.stop(), nil
}
