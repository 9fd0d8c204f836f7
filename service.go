package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"onhand/api"
	"onhand/availability"
	"onhand/ingest"
	"onhand/ingest/embedded"
	"onhand/ledger"
	"onhand/promise"
)

// stopWithin is how long everything may take to end in order.
const stopWithin = 9 * time.Second

// serve runs the service until ctx ends or it cannot go on.
func serve(ctx context.Context, c serveConfig, stdout io.Writer) error {
	s, err := startService(c.serviceConfig, c.Data, stdout)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	return errors.Join(err, s.stop())
}

// service is the rooms, wired.
type service struct {
	url     string
	brokers []string

	ledger    *ledger.Ledger
	broker    *embedded.Broker // nil with --kafka
	consumer  *ingest.Consumer
	letters   *ingest.DeadLetterPublisher
	publisher *availability.Publisher
	feed      *availability.Feed
	http      *api.Server

	failed  chan error // the listener ended by itself
	cancel  context.CancelFunc
	workers sync.WaitGroup
}

// startService calls the constructors from the bottom up. What was started is
// stopped again if something later cannot be.
func startService(c serviceConfig, dir string, stdout io.Writer) (s *service, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	s = &service{failed: make(chan error, 1), cancel: cancel}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()

	// The address before anything else: one that is taken must not cost a recovery.
	ln, err := net.Listen("tcp", c.HTTP)
	if err != nil {
		return s, fmt.Errorf("listen on %s: %w", c.HTTP, err)
	}
	defer func() {
		if err != nil {
			ln.Close()
		}
	}()
	// The ledger next: it holds the lock of the data directory, and how far each
	// topic was read.
	if s.ledger, err = ledger.Open(c.ledgerOptions(filepath.Join(dir, "ledger"))); err != nil {
		return s, err
	}
	// The broker before who reads and writes it, so that the first try finds it.
	if s.brokers = c.Kafka; len(s.brokers) == 0 {
		// Synced: the ledger must never know more of a topic than the broker after a power cut.
		s.broker, err = embedded.Start(embedded.Options{Dir: filepath.Join(dir, "kafka"), Listen: c.KafkaListen,
			Topics: c.embeddedTopics(), Sync: c.Durability == "sync", Log: slog.Default()})
		if err != nil {
			return s, fmt.Errorf("embedded broker: %w", err)
		}
		s.brokers = []string{s.broker.Addr()}
	} else {
		s.workers.Go(func() { c.makeTopics(ctx) })
	}
	applier := ingest.NewApplier(s.ledger)
	if s.consumer, err = ingest.StartConsumer(ingest.ConsumerOptions{Brokers: s.brokers, Topics: c.TopicsIn, Applier: applier}); err != nil {
		return s, err
	}
	if s.letters, err = ingest.StartDeadLetters(ingest.DeadLetterOptions{Brokers: s.brokers, Topic: c.TopicDeadLetters, Ledger: s.ledger}); err != nil {
		return s, err
	}
	stock := availability.NewStock(s.ledger, c.StaleAfter)
	if s.publisher, err = availability.StartPublisher(stock, availability.PublisherOptions{Brokers: s.brokers,
		Availability: c.TopicAvailability, Freshness: c.TopicFreshness}); err != nil {
		return s, err
	}
	s.feed = availability.NewFeed(stock, c.Subscribers)
	// Last, the door.
	s.http = api.New(api.Options{Ledger: s.ledger, Ingest: applier, Stock: stock, Feed: s.feed, Promises: promise.New(s.ledger),
		Keys: c.APIKey, BodyBytesMax: c.BodyBytes, Connections: c.Connections, ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout,
		Ready: s.ready})
	s.url = "http://" + ln.Addr().String()
	s.workers.Go(func() {
		if err := s.http.Serve(ln); err != nil {
			s.failed <- fmt.Errorf("answer HTTP: %w", err)
		}
	})
	fmt.Fprintf(stdout, "listening on %s\n", s.url)
	fmt.Fprintf(stdout, "kafka on %s\n", strings.Join(s.brokers, ","))
	if len(c.APIKey) == 0 {
		fmt.Fprintln(stdout, "no --api-key: anyone on this machine may call it, and nobody from outside")
	}
	return s, nil
}

// stop ends everything in reverse: no new requests, the open ones answered, no more
// events, all durable.
func (s *service) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	var errs []error
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
	}
	s.cancel()
	if s.feed != nil {
		s.feed.Close()
	}
	if s.publisher != nil {
		errs = append(errs, s.publisher.Close())
	}
	if s.letters != nil {
		errs = append(errs, s.letters.Close())
	}
	if s.consumer != nil {
		errs = append(errs, s.consumer.Close())
	}
	s.workers.Wait()
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close())
	}
	if s.broker != nil {
		errs = append(errs, s.broker.Close())
	}
	return errors.Join(errs...)
}

// ready says why the service is not ready, or nil: it is recovered once it listens,
// must be able to write, and have read what the topics held when it started.
func (s *service) ready() error {
	if err := s.ledger.Writable(); err != nil {
		return err
	}
	return s.consumer.CaughtUp()
}

// lag is how many records wait in the topics.
func (s *service) lag() (records int64) {
	for _, p := range s.consumer.Status() {
		records += max(0, p.HighWatermark-p.Next)
	}
	return records
}

// waitApplied returns when everything that the topics hold is applied and durable.
func (s *service) waitApplied(ctx context.Context) error {
	if err := s.consumer.WaitCaughtUp(ctx); err != nil {
		return err
	}
	return s.ledger.Wait(s.ledger.Seq())
}
