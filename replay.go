package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"onhand/ingest"
	"onhand/ingest/embedded"
	"onhand/ledger"
)

// replay reads the source topics again from a moment into a data directory that no process
// has open, and says what came of it.
func replay(ctx context.Context, c replayConfig, out io.Writer) (err error) {
	sources, err := c.readSources()
	if err != nil {
		return err
	}
	l, err := ledger.Open(c.ledgerOptions(ledgerDir(c.Data)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	brokers := c.Kafka
	if len(brokers) == 0 {
		b, err := embedded.Start(embedded.Options{Dir: filepath.Join(c.Data, "kafka"), Listen: c.KafkaListen, Topics: c.embeddedTopics(sources), Log: slog.Default()})
		if err != nil {
			return fmt.Errorf("embedded broker: %w", err)
		}
		defer b.Close()
		brokers = []string{b.Addr()}
	}
	consumer, err := ingest.NewConsumer(ingest.ConsumerOptions{Ledger: l, Applier: newApplier(l, sources), Brokers: brokers, Topics: c.TopicsIn, Sources: sources})
	if err != nil {
		return err
	}
	reading := ""
	r, err := consumer.Reread(ctx, c.From, func(topic string, partition int, next, until int64) {
		if at := fmt.Sprintf("%s/%d", topic, partition); at != reading {
			reading = at
			fmt.Fprintf(out, "%s from offset %d to %d\n", at, next, until)
		}
	})
	fmt.Fprintf(out, "%d records: %d events applied, %d there already, %d wait as dead letters, %d have become one\n",
		r.Records, r.Applied, r.Duplicates, r.Waiting, r.Letters)
	return err
}

// newApplier makes the applier that knows whose codes the sources use.
func newApplier(l *ledger.Ledger, sources []ingest.Source) *ingest.Applier {
	a := ingest.NewApplier(l)
	a.Systems = make(map[string]string)
	for i := range sources {
		if sources[i].System != "" {
			a.Systems[sources[i].Name] = sources[i].System
		}
	}
	return a
}
