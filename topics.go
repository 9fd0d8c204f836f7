package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/segmentio/kafka-go"

	"onhand/ingest"
	"onhand/ingest/embedded"
)

// embeddedBytes bounds what the embedded broker keeps of a partition. Events are in
// the ledger within milliseconds; what is kept longer is for other readers.
const embeddedBytes = 64 << 20

// topicSpec is a topic that the service reads or writes.
type topicSpec struct {
	name    string
	compact bool // only the latest record of each key matters
}

// readSources reads what --sources names.
func (c *kafkaConfig) readSources() ([]ingest.Source, error) {
	if c.Sources == "" {
		return nil, nil
	}
	f, err := os.Open(c.Sources)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sources, err := ingest.ReadSources(f, os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("--sources %s: %w", c.Sources, err)
	}
	taken := make(map[string]bool)
	for _, t := range c.topics(nil) {
		taken[t.name] = true
	}
	for i := range sources {
		if taken[sources[i].Topic] {
			return nil, fmt.Errorf("--sources %s: sources[%d].topic: %s is read or written otherwise", c.Sources, i, sources[i].Topic)
		}
	}
	return sources, nil
}

// topics are all that are read or written, those of sources with a format of their own among them.
func (c *kafkaConfig) topics(sources []ingest.Source) []topicSpec {
	var specs []topicSpec
	for _, name := range c.TopicsIn {
		specs = append(specs, topicSpec{name: name})
	}
	for i := range sources {
		if sources[i].Topic != "" {
			specs = append(specs, topicSpec{name: sources[i].Topic})
		}
	}
	return append(specs, topicSpec{name: c.TopicAvailability, compact: true}, topicSpec{name: c.TopicFreshness},
		topicSpec{name: c.TopicExceptions}, topicSpec{name: c.TopicReservations}, topicSpec{name: c.TopicDeadLetters})
}

func (c *kafkaConfig) embeddedTopics(sources []ingest.Source) []embedded.Topic {
	var topics []embedded.Topic
	for _, s := range c.topics(sources) {
		topics = append(topics, embedded.Topic{Name: s.name, Partitions: c.Partitions, RetentionBytes: embeddedBytes, Compact: s.compact})
	}
	return topics
}

// makeTopics makes the topics that the brokers do not have, trying until it can or
// ctx ends: the brokers may be down. Those that are there stay as they are.
func (c *kafkaConfig) makeTopics(ctx context.Context, sources []ingest.Source) {
	client := &kafka.Client{Addr: kafka.TCP(c.Kafka...), Timeout: 10 * time.Second}
	wait := 100 * time.Millisecond
	for {
		err := c.tryMakeTopics(ctx, client, sources)
		if err == nil || ctx.Err() != nil {
			return
		}
		slog.Warn("make topics; trying again", "error", err, "in", wait)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, 10*time.Second)
	}
}

func (c *kafkaConfig) tryMakeTopics(ctx context.Context, client *kafka.Client, sources []ingest.Source) error {
	req := &kafka.CreateTopicsRequest{}
	for _, s := range c.topics(sources) {
		t := kafka.TopicConfig{Topic: s.name, NumPartitions: c.Partitions, ReplicationFactor: -1}
		if s.compact {
			t.ConfigEntries = []kafka.ConfigEntry{{ConfigName: "cleanup.policy", ConfigValue: "compact"}}
		}
		req.Topics = append(req.Topics, t)
	}
	res, err := client.CreateTopics(ctx, req)
	if err != nil {
		return err
	}
	var errs []error
	for name, err := range res.Errors {
		switch {
		case err == nil, errors.Is(err, kafka.TopicAlreadyExists):
		case errors.Is(err, kafka.TopicAuthorizationFailed), errors.Is(err, kafka.ClusterAuthorizationFailed):
			slog.Warn("topic: not permitted to make it; it must be there", "topic", name)
		default:
			errs = append(errs, fmt.Errorf("topic %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}
