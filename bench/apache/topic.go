package apache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
)

// CreateTopic makes a topic and waits until each partition has a leader. With
// partitions 0 it gets Options.Partitions. A client that already knows the
// cluster hears of it within its Transport's MetadataTTL, 6 s by default.
func (b *Broker) CreateTopic(ctx context.Context, name string, partitions int, configs map[string]string) error {
	topic := kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}
	if partitions == 0 {
		topic.NumPartitions = b.opts.Partitions
	}
	for k, v := range configs {
		topic.ConfigEntries = append(topic.ConfigEntries, kafka.ConfigEntry{ConfigName: k, ConfigValue: v})
	}
	res, err := b.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{topic}})
	if err == nil {
		err = res.Errors[name]
	}
	if err == nil {
		err = b.waitTopic(ctx, name, func(t kafka.Topic) error {
			if t.Error != nil {
				return t.Error
			}
			for _, p := range t.Partitions {
				if p.Error != nil {
					return p.Error
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return nil
}

// DeleteTopic deletes a topic and waits until the broker no longer knows it.
func (b *Broker) DeleteTopic(ctx context.Context, name string) error {
	res, err := b.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{name}})
	if err == nil {
		err = res.Errors[name]
	}
	if err == nil {
		err = b.waitTopic(ctx, name, func(t kafka.Topic) error {
			if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
				return nil
			}
			return errors.New("it is still there")
		})
	}
	if err != nil {
		return fmt.Errorf("delete topic %s: %w", name, err)
	}
	return nil
}

func (b *Broker) waitTopic(ctx context.Context, name string, done func(kafka.Topic) error) error {
	retry := time.NewTicker(25 * time.Millisecond)
	defer retry.Stop()
	for {
		// A connection of its own: the pool would answer from its memory.
		res, err := b.metadata(ctx, name)
		if err == nil {
			if err = done(res); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, after: %w", ctx.Err(), err)
		case <-retry.C:
		}
	}
}

func (b *Broker) metadata(ctx context.Context, name string) (kafka.Topic, error) {
	transport := &kafka.Transport{MetadataTopics: []string{name}}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport}
	res, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{name}})
	if err != nil {
		return kafka.Topic{}, err
	}
	for _, t := range res.Topics {
		if t.Name == name {
			return t, nil
		}
	}
	return kafka.Topic{Name: name, Error: kafka.UnknownTopicOrPartition}, nil
}
