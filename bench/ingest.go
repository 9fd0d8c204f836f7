package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"onhand/retailer"
)

// ingestScenario sends the retailer's stream through Kafka. With Apache Kafka a round
// stops the service, publishes, lets Client.Fetch read all of it as the yardstick, and
// starts the service again, which finds it as a backlog: neither the producer nor the
// broker's writing is then what is measured. With the embedded broker, which stops with
// the service, events are published while they are applied.
type ingestScenario struct {
	common
	kafkaFlags
	Stores   int     `default:"300" help:"Stores (${default})."`
	SKUs     int     `name:"skus" default:"20000" help:"SKUs (${default})."`
	Coverage float64 `default:"0.166" help:"Mean share of the SKUs that a store carries, up to 1 (${default})."`
	Basket   int     `default:"12" help:"Most lines of a sale; 12 makes four or five on average, 1 is an event a line (${default})."`
	Events   int     `default:"1000000" help:"Events of a round (${default})."`
	Rounds   int     `default:"3" help:"Rounds (${default})."`
	Rate     float64 `default:"0" help:"Events a second while latency is measured; 0: half of the most (${default})."`
	Probes   float64 `default:"500" help:"Events a second whose way is timed (${default})."`

	WholeFeed bool `help:"While latency is measured read the whole feed, not that of the timed events' locations only."`

	addr     string // of the broker
	shop     *retailer.Retailer
	begun    time.Time // of the stream; a million events take ten simulated minutes
	produced int64
	marks    *markers
	spans    []span

	title       string // what the names of measures begin with
	franz       bool   // read with franz-go too
	skipLatency bool
	franzed     []float64
	ratios      []float64 // applied ÷ read by Client.Fetch, by round
}

// perEvent is how far apart events of the stream lie: with all of them the stream must
// not come near the present, which it began a day ago.
func (g *ingestScenario) perEvent() time.Duration {
	planned := float64(g.Events*g.Rounds) + 2*g.Duration.Seconds()*1e6
	return time.Duration(float64(20*time.Hour) / planned)
}

func (g *ingestScenario) run(ctx context.Context, r *report) (err error) {
	if g.Events < 1 || g.Rounds < 1 || g.Probes <= 0 || g.Rate < 0 {
		return fmt.Errorf("--events %d --rounds %d --probes %g --rate %g: want at least one of each, and no rate below 0", g.Events, g.Rounds, g.Probes, g.Rate)
	}
	b, err := newBed(ctx, &g.common)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if g.addr, err = b.startKafka(ctx, &g.kafkaFlags, r); err != nil {
		return err
	}
	serveArgs := g.kafkaFlags.args(g.addr)
	s, err := b.serve(ctx, serveArgs...)
	if err != nil {
		return err
	}
	if g.addr == "" {
		g.addr = s.kafka
	}
	p, err := newProducer(ctx, g.addr, topicPOS, topicWMS, topicERP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := g.open(ctx, r, s, p); err != nil {
		return err
	}

	var applied, discarded []float64
	for round := range g.Rounds {
		if err := awaitPublished(ctx, s); err != nil {
			return err
		}
		var err error
		if g.embedded() || g.Target != "" {
			err = g.liveRound(ctx, r, s, p, round+1, &applied, &discarded)
		} else {
			s, err = g.backlogRound(ctx, r, b, s, p, serveArgs, round+1, &applied, &discarded)
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", round+1, err)
		}
	}
	g.ratios = r.compare(g.title+"applied ÷ read and discarded by Client.Fetch, events/s", applied, discarded)
	if len(g.franzed) > 0 {
		r.compare(g.title+"applied ÷ read and discarded by franz-go, events/s", applied, g.franzed)
	}
	if err := awaitPublished(ctx, s); err != nil {
		return err
	}
	if !g.skipLatency {
		if err := g.measureLatencies(ctx, r, s, p, slices.Max(applied)); err != nil {
			return err
		}
	}
	for record := range g.shop.Flush() {
		p.send(record.Topic, record.Key, record.Value)
	}
	g.marks.markAll()
	if err := errors.Join(p.flush(), g.marks.await(ctx, s, time.Minute, 0)); err != nil {
		return err
	}
	compared, err := retailerBooks(g.shop).withMarkers(g.marks).compare(ctx, s)
	r.check(fmt.Sprintf("%son hand of %d positions is what the retailer expects", g.title, compared), err)
	r.check(g.title+"no event is among the dead letters", noDeadLetters(s))
	tally := g.shop.Tally()
	r.note("%sthe stream held %d distinct events, %d repeated ones and %d late ones", g.title, tally.Events, tally.Duplicates, tally.Late)
	return nil
}

// measureLatencies times events at the rate asked for; else at half of what producer,
// broker and service sustain together on this machine, and then at half of what the
// service takes of a backlog, when it has the machine nearly to itself.
func (g *ingestScenario) measureLatencies(ctx context.Context, r *report, s *service, p *producer, backlog float64) error {
	if g.Rate > 0 {
		return g.measureLatency(ctx, r, s, p, g.Rate, "the rate asked for")
	}
	var live, discarded []float64
	if err := g.liveRound(ctx, r, s, p, 0, &live, &discarded); err != nil {
		return err
	}
	if err := awaitPublished(ctx, s); err != nil {
		return err
	}
	if err := g.measureLatency(ctx, r, s, p, live[0]/2, "half of the most that comes in live"); err != nil {
		return err
	}
	if err := awaitPublished(ctx, s); err != nil {
		return err
	}
	return g.measureLatency(ctx, r, s, p, backlog/2, "half of the most of a backlog")
}

// open publishes master data and opening counts and waits until they are applied.
func (g *ingestScenario) open(ctx context.Context, r *report, s *service, p *producer) (err error) {
	g.begun = time.Now().Add(-24 * time.Hour)
	g.shop, err = retailer.New(retailer.Config{Stores: g.Stores, SKUs: g.SKUs, Coverage: g.Coverage, BasketMax: g.Basket, Seed: g.Seed, Start: g.begun})
	if err != nil {
		return err
	}
	for record := range g.shop.MasterData() {
		p.send(record.Topic, record.Key, record.Value)
	}
	g.marks = newMarkers(p)
	if err := awaitMasterData(ctx, p, s, "first"); err != nil {
		return err
	}
	clock := startUsage(s)
	for record := range g.shop.Opening() {
		p.send(record.Topic, record.Key, record.Value)
	}
	g.marks.markAll()
	if err := errors.Join(p.flush(), g.marks.await(ctx, s, 2*time.Minute, 0)); err != nil {
		return err
	}
	r.add(g.title+"opening counts, published and applied", "lines", 0, int64(g.shop.Positions()), clock.stop(), nil)
	for _, topic := range []string{topicPOS, topicWMS} {
		for i := range p.partitions[topic] {
			g.spans = append(g.spans, span{topic: topic, partition: i})
		}
	}
	return moveTo(ctx, p.client, g.spans)
}

func (g *ingestScenario) next() retailer.Record {
	g.produced++
	return g.shop.Next(g.begun.Add(time.Duration(g.produced) * g.perEvent()))
}

// backlogRound returns the service that it started again.
func (g *ingestScenario) backlogRound(ctx context.Context, r *report, b *bed, s *service, p *producer, args []string, round int,
	applied, discarded *[]float64) (*service, error) {
	if err := s.stop(); err != nil {
		return nil, err
	}
	clock := startUsage(nil)
	for range g.Events {
		record := g.next()
		p.send(record.Topic, record.Key, record.Value)
	}
	g.marks.markAll()
	if err := p.flush(); err != nil {
		return nil, err
	}
	r.add(g.title+"made and published", "events", round, int64(g.Events), clock.stop(), nil)
	n, err := g.discardRound(ctx, r, p, round, discarded)
	if err != nil {
		return nil, err
	}
	if s, err = b.launch(ctx, args...); err != nil {
		return nil, err
	}
	from, busy, err := awaitApplied(ctx, s, n)
	if err != nil {
		return nil, err
	}
	if err := g.marks.await(ctx, s, time.Minute, 0); err != nil {
		return nil, err
	}
	m := r.add(g.title+"applied and durable", "events", round, n-from, busy, nil)
	*applied = append(*applied, m.PerSecond)
	return s, s.waitReady(ctx)
}

func (g *ingestScenario) discardRound(ctx context.Context, r *report, p *producer, round int, discarded *[]float64) (int64, error) {
	if err := moveTo(ctx, p.client, g.spans); err != nil {
		return 0, err
	}
	n, busy, err := discard(ctx, g.addr, g.spans)
	if err != nil {
		return 0, err
	}
	m := r.add(g.title+"read and discarded by Client.Fetch", "events", round, n, busy, nil)
	*discarded = append(*discarded, m.PerSecond)
	if !g.franz {
		return n, nil
	}
	again, busy, err := discardFranz(ctx, g.addr, g.spans)
	if err == nil && again != n {
		err = fmt.Errorf("franz-go read %d records, Client.Fetch %d", again, n)
	}
	if err != nil {
		return 0, err
	}
	m = r.add(g.title+"read and discarded by franz-go", "events", round, n, busy, nil)
	g.franzed = append(g.franzed, m.PerSecond)
	return n, nil
}

// appliedMetric counts events once they are decided, since the process began.
const appliedMetric = "onhand_ingest_events_total"

// awaitApplied watches a service that has just begun until it has applied n events. It
// returns how many it already had when first looked at, and what the rest took.
func awaitApplied(ctx context.Context, s *service, n int64) (from int64, busy usage, err error) {
	c, err := dial(s.addr, time.Now().Add(10*time.Minute))
	if err != nil {
		return 0, usage{}, err
	}
	defer c.Close()
	v, err := metric(c, appliedMetric)
	if err != nil {
		return 0, usage{}, err
	}
	from = int64(v)
	clock := startUsage(s)
	// Metrics cost the service a quarter of a millisecond: not too often.
	err = poll(ctx, 10*time.Minute, 40*time.Millisecond, func() error {
		if v, err = metric(c, appliedMetric); err != nil {
			return err
		}
		if int64(v) == from && from == 0 {
			clock = startUsage(s) // it still recovers, or connects
		}
		if int64(v) < n {
			return fmt.Errorf("%d of %d events were applied", int64(v), n)
		}
		return nil
	})
	return from, clock.stop(), err
}

// leadMarkers is how many marks, a chunk apart, the producer may be ahead of a service
// that keeps its log within bounds.
const leadMarkers, chunk = 3, 20_000

func (g *ingestScenario) liveRound(ctx context.Context, r *report, s *service, p *producer, round int, applied, discarded *[]float64) error {
	clock := startUsage(s)
	for i := range g.Events {
		record := g.next()
		p.send(record.Topic, record.Key, record.Value)
		if i%chunk == chunk-1 {
			g.marks.markAll()
			p.push()
			if err := g.marks.await(ctx, s, time.Minute, leadMarkers); err != nil {
				return err
			}
		}
	}
	g.marks.markAll()
	if err := errors.Join(p.flush(), g.marks.await(ctx, s, time.Minute, 0)); err != nil {
		return err
	}
	m := r.add(g.title+"made, published, applied and durable", "events", round, int64(g.Events), clock.stop(), nil)
	*applied = append(*applied, m.PerSecond)
	_, err := g.discardRound(ctx, r, p, round, discarded)
	return err
}
