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
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

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
	letters   *ingest.Publisher
	publisher *availability.Publisher
	alerts    *availability.ExceptionPublisher
	bookings  *availability.ReservationPublisher
	feed      *availability.Feed
	http      *api.Server
	profiles  net.Listener // nil without --pprof

	failed  chan error         // the listener ended by itself
	cancel  context.CancelFunc // ends what reads and writes Kafka
	workers sync.WaitGroup

	caughtUp atomic.Bool // everything that the topics held at the start was applied
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
	if c.Pprof != "" {
		if s.profiles, err = serveProfiles(c.Pprof); err != nil {
			return s, err
		}
	}
	sources, err := c.readSources()
	if err != nil {
		return s, err
	}
	// The ledger next: it holds the lock of the data directory, and how far each
	// topic was read.
	if s.ledger, err = ledger.Open(c.ledgerOptions(ledgerDir(dir))); err != nil {
		return s, err
	}
	// The broker before who reads and writes it, so that the first try finds it.
	if s.brokers = c.Kafka; len(s.brokers) == 0 {
		// Synced: the ledger must never know more of a topic than the broker after a power cut.
		s.broker, err = embedded.Start(embedded.Options{Dir: filepath.Join(dir, "kafka"), Listen: c.KafkaListen,
			Topics: c.embeddedTopics(sources), Sync: c.Durability == "sync", Log: slog.Default()})
		if err != nil {
			return s, fmt.Errorf("embedded broker: %w", err)
		}
		s.brokers = []string{s.broker.Addr()}
	} else {
		s.workers.Go(func() { c.makeTopics(ctx, sources) })
	}
	applier := newApplier(s.ledger, sources)
	if s.consumer, err = ingest.NewConsumer(ingest.ConsumerOptions{Ledger: s.ledger, Applier: applier, Brokers: s.brokers,
		Topics: c.TopicsIn, Sources: sources}); err != nil {
		return s, err
	}
	if s.letters, err = ingest.NewPublisher(ingest.PublisherOptions{Ledger: s.ledger, Brokers: s.brokers, Topic: c.TopicDeadLetters}); err != nil {
		return s, err
	}
	s.workers.Go(func() { tuneMemory(ctx) })
	s.workers.Go(func() { s.consumer.Run(ctx) })
	s.workers.Go(func() { s.letters.Run(ctx) })
	s.workers.Go(func() { ingest.NewRetrier(s.ledger, applier).Run(ctx) })
	stock := availability.NewStock(s.ledger, c.StaleAfter)
	if s.publisher, err = availability.StartPublisher(stock, availability.PublisherOptions{Brokers: s.brokers,
		Availability: c.TopicAvailability, Freshness: c.TopicFreshness, RateMax: c.PublishRate}); err != nil {
		return s, err
	}
	if s.alerts, err = availability.StartExceptionPublisher(s.ledger, availability.TopicOptions{Brokers: s.brokers, Topic: c.TopicExceptions}); err != nil {
		return s, err
	}
	if s.bookings, err = availability.StartReservationPublisher(s.ledger, availability.TopicOptions{Brokers: s.brokers, Topic: c.TopicReservations}); err != nil {
		return s, err
	}
	s.feed = availability.NewFeed(stock, c.Subscribers)
	// Last, the door.
	s.http = api.New(api.Options{Ledger: s.ledger, Ingest: applier, Stock: stock, Feed: s.feed, Promises: promise.New(s.ledger),
		Sources: sources, Keys: c.APIKey, BodyBytesMax: c.BodyBytes, Connections: connectionsWithin(c.Connections), ReadTimeout: c.ReadTimeout, WriteTimeout: c.WriteTimeout,
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

func ledgerDir(dir string) string { return filepath.Join(dir, "ledger") }

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
	if s.bookings != nil {
		errs = append(errs, s.bookings.Close())
	}
	if s.alerts != nil {
		errs = append(errs, s.alerts.Close())
	}
	if s.publisher != nil {
		errs = append(errs, s.publisher.Close())
	}
	s.workers.Wait()
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close())
	}
	if s.broker != nil {
		errs = append(errs, s.broker.Close())
	}
	if s.profiles != nil {
		errs = append(errs, s.profiles.Close())
	}
	return errors.Join(errs...)
}

// ready says why the service is not ready, or nil: it is recovered once it listens,
// must be able to write, and have read what the topics held when it started.
func (s *service) ready() error {
	if err := s.ledger.Writable(); err != nil {
		return err
	}
	if s.caughtUp.Load() {
		return nil
	}
	for _, p := range s.consumer.Status() {
		if p.State != ingest.Reading && p.State != ingest.Stopped {
			return fmt.Errorf("topic %s: %s %s", p.Topic, p.State, p.Err)
		}
		if p.State == ingest.Reading && p.LagRecords > 0 {
			return fmt.Errorf("topic %s, partition %d: %d records are still to be applied", p.Topic, p.Partition, p.LagRecords)
		}
	}
	s.caughtUp.Store(true)
	return nil
}

// waitReady returns when the service is ready.
func (s *service) waitReady(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.ready() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// consumed is how many records were read from the topics, and how many wait there.
func (s *service) consumed() (records, lag int64) {
	for _, p := range s.consumer.Status() {
		records += max(0, p.Next)
		lag += max(0, p.LagRecords)
	}
	return records, lag
}

// waitApplied returns when everything that is in the topics now is applied and durable.
func (s *service) waitApplied(ctx context.Context) error {
	ends, err := s.topicEnds(ctx)
	if err != nil {
		return err
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !s.reached(ends) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return s.ledger.Wait(s.ledger.Seq())
}

type topicPartition struct {
	topic     string
	partition int
}

// topicEnds asks the broker where each partition ends.
func (s *service) topicEnds(ctx context.Context) (map[topicPartition]int64, error) {
	client := &kafka.Client{Addr: kafka.TCP(s.brokers...), Timeout: 10 * time.Second}
	req := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{}}
	for _, p := range s.consumer.Status() {
		if p.Partition >= 0 {
			req.Topics[p.Topic] = append(req.Topics[p.Topic], kafka.LastOffsetOf(p.Partition))
		}
	}
	res, err := client.ListOffsets(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("ask where the topics end: %w", err)
	}
	ends := make(map[topicPartition]int64)
	for topic, partitions := range res.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("ask where topic %s ends: %w", topic, p.Error)
			}
			ends[topicPartition{topic, p.Partition}] = p.LastOffset
		}
	}
	return ends, nil
}

func (s *service) reached(ends map[topicPartition]int64) bool {
	for _, p := range s.consumer.Status() {
		if p.Next < ends[topicPartition{p.Topic, p.Partition}] {
			return false
		}
	}
	return true
}
