package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"onhand/bench/apache"
)

// kafkaFlags say where events go through.
type kafkaFlags struct {
	Kafka      string `placeholder:"HOST:PORT" help:"Use this Kafka; its topics must be empty. With --target it is the one that service reads."`
	Broker     string `enum:"apache,embedded" default:"apache" help:"Without --kafka: apache starts Apache Kafka, embedded uses the service's own broker (${default})."`
	Partitions int    `default:"4" help:"Partitions of each topic (${default})."`
}

func (k *kafkaFlags) embedded() bool { return k.Kafka == "" && k.Broker == "embedded" }

// startKafka returns the address that onhand serve is to be given, and that the
// producer uses; "" stands for the embedded broker.
func (b *bed) startKafka(ctx context.Context, k *kafkaFlags, r *report) (string, error) {
	switch {
	case k.Kafka != "":
		return k.Kafka, nil
	case b.Target != "":
		return "", fmt.Errorf("--target needs --kafka: which one does that service read?")
	case k.Broker == "embedded":
		return "", nil
	}
	began := time.Now()
	broker, err := apache.Start(ctx, apache.Options{Dir: filepath.Join(b.dir, "kafka"), Heap: "1g", Partitions: k.Partitions})
	if err != nil {
		return "", err
	}
	b.onClose(broker.Stop)
	for _, topic := range []string{topicPOS, topicWMS, topicERP} {
		// Records keep the time of the sale, which may be years ago.
		if err := broker.CreateTopic(ctx, topic, k.Partitions, map[string]string{"retention.ms": "-1"}); err != nil {
			return "", err
		}
	}
	r.progress("Apache Kafka started in %.1f s", time.Since(began).Seconds())
	return broker.Addr(), nil
}

// kafkaArgs are what onhand serve needs to be told of it.
func (k *kafkaFlags) args(addr string) []string {
	args := []string{"--partitions", fmt.Sprint(k.Partitions)}
	if addr != "" {
		args = append(args, "--kafka", addr)
	}
	return args
}
