package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"onhand/bench/apache"
)

// scaleScenario measures what grows with the number of positions, and what should not.
// Ledgers of several sizes stand side by side and are measured in turn, all others halted.
type scaleScenario struct {
	common
	Only   []string `placeholder:"PART" help:"Some of the parts only: growth, memory, restart, open, checkpoint."`
	Rounds int      `default:"3" help:"Rounds of each side (${default})."`
	Stores int      `default:"300" help:"Stores; each carries every SKU (${default})."`
	SKUs   []int    `name:"skus" default:"3334,33334,100000" help:"SKUs of each ledger (${default}): 1, 10 and 30 million positions."`
	Open   int      `default:"1000000" help:"Open reservations (${default})."`
	Skew   float64  `default:"1" help:"Exponent of the Zipf curve by which SKUs are chosen; negative: all alike (${default})."`

	bed    *bed
	broker *apache.Broker
}

var scaleParts = []string{"growth", "memory", "restart", "open", "checkpoint"}

func (c *scaleScenario) wants(part string) bool {
	return len(c.Only) == 0 || slices.Contains(c.Only, part)
}

// sized is a service with a ledger of one size.
type sized struct {
	*service
	name  string
	args  []string
	books *reserveScenario
}

func (c *scaleScenario) run(ctx context.Context, r *report) (err error) {
	for _, part := range c.Only {
		if !slices.Contains(scaleParts, part) {
			return fmt.Errorf("--only %s: there are %v", part, scaleParts)
		}
	}
	if c.Target != "" || c.Rounds < 1 || len(c.SKUs) == 0 || !slices.IsSorted(c.SKUs) {
		return errors.New("scale starts everything itself, and needs a round and sizes that grow")
	}
	if c.bed, err = newBed(ctx, &c.common); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.bed.close()) }()
	c.broker, err = apache.Start(ctx, apache.Options{Dir: filepath.Join(c.bed.dir, "kafka"), Heap: "1g", Partitions: 4})
	if err != nil {
		return err
	}
	c.bed.onClose(c.broker.Stop)
	skus := c.SKUs
	if !c.wants("growth") {
		skus = skus[len(skus)-1:]
	}
	var all []*sized
	if len(c.Only) != 1 || !c.wants("checkpoint") {
		for _, n := range skus {
			s, err := c.start(ctx, r, n, millions(n*c.Stores))
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		if err := c.measureSizes(ctx, r, all); err != nil {
			return err
		}
	}
	if c.wants("checkpoint") {
		return c.measureCheckpoints(ctx, r)
	}
	return nil
}

func millions(n int) string { return strconv.FormatFloat(float64(n)/1e6, 'g', 2, 64) + " M positions" }

// start begins a service with topics of its own and loads it.
func (c *scaleScenario) start(ctx context.Context, r *report, skus int, name string, args ...string) (*sized, error) {
	s := &sized{name: name, books: &reserveScenario{common: c.common, Stores: c.Stores, SKUs: skus, Skew: c.Skew, Scarce: 16, Lines: 1,
		Events: 100_000, EventBatch: 5000}}
	if err := s.books.plan(); err != nil {
		return nil, err
	}
	i := c.bed.starts
	s.args = append([]string{"--kafka", c.broker.Addr(), "--data", filepath.Join(c.bed.dir, fmt.Sprint("data-", i))}, args...)
	for _, kind := range []string{"availability", "freshness", "dead-letters"} {
		topic := fmt.Sprintf("onhand.%s-%d", kind, i)
		// What nobody reads need not be kept, however much it is.
		err := c.broker.CreateTopic(ctx, topic, 4, map[string]string{"cleanup.policy": "delete", "retention.bytes": "67108864", "segment.bytes": "33554432"})
		if err != nil {
			return nil, err
		}
		s.args = append(s.args, "--topic-"+kind, topic)
	}
	var err error
	if s.service, err = c.bed.serve(ctx, s.args...); err != nil {
		return nil, err
	}
	r.progress("%s: loading over HTTP", name)
	clock := startUsage(s.service)
	if err := s.books.load(ctx, s.service, false); err != nil {
		return nil, err
	}
	r.add(name+": opening counts over HTTP, one connection", "lines", 0, int64(len(s.books.stock)), clock.stop(), nil)
	clock = startUsage(s.service)
	if err := awaitPublished(ctx, s.service); err != nil {
		return nil, err
	}
	r.progress("%s: published %.0f s later", name, clock.stop().wall.Seconds())
	return s, nil
}

func (c *scaleScenario) measureSizes(ctx context.Context, r *report, all []*sized) error {
	largest := all[len(all)-1]
	if c.wants("memory") {
		rss := largest.residentBytes()
		r.atMost(fmt.Sprintf("memory, %s, the whole process ÷ positions", largest.name), "bytes", 56, rss/float64(len(largest.books.stock)))
	}
	if c.wants("restart") {
		if err := c.measureRestart(ctx, r, largest); err != nil {
			return err
		}
	}
	if c.wants("growth") {
		if err := c.measureGrowth(ctx, r, all); err != nil {
			return err
		}
	}
	if c.wants("open") {
		if err := c.measureOpen(ctx, r, largest); err != nil {
			return err
		}
	}
	for _, s := range all {
		s.books.checkBookings(ctx, r, s.service)
		s.books.checkPositions(ctx, r, s.service, s.name)
		if err := s.stop(); err != nil {
			return err
		}
	}
	return nil
}

// measureRestart kills the service and times the way back to an answer of 200 on /readyz.
func (c *scaleScenario) measureRestart(ctx context.Context, r *report, s *sized) (err error) {
	var took []float64
	for round := range c.Rounds {
		// So that there is something to replay.
		if _, err := s.trade(ctx, r, loop{64, c.Duration}, "before SIGKILL", round+1); err != nil {
			return err
		}
		if err := s.child.kill(); err != nil {
			return err
		}
		began := time.Now()
		if s.service, err = c.bed.serve(ctx, s.args...); err != nil {
			return err
		}
		took = append(took, time.Since(began).Seconds())
		r.progress("%s: ready %.2f s after SIGKILL", s.name, took[round])
	}
	r.atMost("restart after SIGKILL, "+s.name+", until /readyz", "s", 5, took...)
	return nil
}

// measureGrowth does the same work on each size, in turn.
func (c *scaleScenario) measureGrowth(ctx context.Context, r *report, all []*sized) error {
	var services []*service
	gets := make([][][]byte, len(all))
	for i, s := range all {
		services = append(services, s.service)
		rng := rand.New(rand.NewPCG(c.Seed, 1))
		for range readsMade {
			store, sku := s.books.shop.PickPosition(rng)
			gets[i] = append(gets[i], get("/v1/availability/"+sku+"?location="+store))
		}
	}
	works := []struct {
		name string
		do   func(i, round int) (float64, error)
	}{
		{"GET a SKU, one location", func(i, round int) (float64, error) {
			o, err := loop{64, c.Duration}.run(ctx, all[i].service, 1, func(at int) talker { return &repeater{gets[i], at * 997} })
			if err != nil {
				return 0, err
			}
			return r.add(all[i].name+": GET a SKU, one location", "requests", round, o.kinds[0].count, o.busy, o.kinds[0].latency).PerSecond, nil
		}},
		{"reserve, confirm, cancel", func(i, round int) (float64, error) {
			return all[i].trade(ctx, r, loop{64, c.Duration}, "64 connections", round)
		}},
		{"POST events", func(i, round int) (float64, error) {
			v := all[i].books
			if err := v.measureEvents(ctx, r, all[i].service, round); err != nil {
				return 0, err
			}
			rates := r.rates(fmt.Sprintf("POST %d events at once", v.EventBatch), "lines")
			return rates[len(rates)-1], nil
		}},
	}
	for at, w := range works {
		if at == len(works)-1 {
			for _, s := range all { // before events bring goods
				r.check(s.name+": nothing is oversold", s.books.oversold())
			}
		}
		perSecond := make([][]float64, len(all))
		for round := range c.Rounds {
			for i := range all {
				err := inTurn(all[i].service, services, func() error {
					v, err := w.do(i, round+1)
					perSecond[i] = append(perSecond[i], v)
					return errors.Join(err, awaitPublished(ctx, all[i].service))
				})
				if err != nil {
					return fmt.Errorf("%s, %s: %w", w.name, all[i].name, err)
				}
			}
		}
		for i, s := range all[1:] {
			name := fmt.Sprintf("time of %s: %s ÷ %s", w.name, s.name, all[0].name)
			r.atMost(name, "×", 1.3, r.compare(name, perSecond[0], perSecond[i+1])...)
		}
	}
	return nil
}

// trade is contender.trade with the books of one size.
func (s *sized) trade(ctx context.Context, r *report, l loop, what string, round int) (float64, error) {
	k := &contender{service: s.service, name: s.name + ", " + what, books: s.books,
		customer: func(k *customer) talker { return &httpCustomer{customer: k} }}
	return k.trade(ctx, r, l, round)
}

// holder only reserves.
type holder struct{ *httpCustomer }

func (h holder) ask(out []byte) []byte {
	h.open = nil
	return h.httpCustomer.ask(out)
}

// measureOpen reserves until so many reservations are open, and sees what they weigh.
func (c *scaleScenario) measureOpen(ctx context.Context, r *report, s *sized) error {
	before, open := s.residentBytes(), 0
	k := &contender{service: s.service, name: s.name + ", opening reservations", books: s.books,
		customer: func(k *customer) talker { return holder{&httpCustomer{customer: k}} }}
	for from := len(s.books.bookings); open < c.Open; open = len(s.books.bookings) - from {
		if _, err := k.trade(ctx, r, loop{256, c.Duration}, 0); err != nil {
			return err
		}
	}
	if err := awaitPublished(ctx, s.service); err != nil {
		return err
	}
	r.atMost(fmt.Sprintf("memory of an open reservation, %d open", open), "bytes", 200, (s.residentBytes()-before)/float64(open))
	return nil
}

// measureCheckpoints puts a ledger that makes a checkpoint every 10 s, three times as
// often as by default, beside one that makes none.
func (c *scaleScenario) measureCheckpoints(ctx context.Context, r *report) error {
	const every, window = "10s", 20 * time.Second
	skus := c.SKUs[len(c.SKUs)/2]
	with, err := c.start(ctx, r, skus, "checkpoints every "+every, "--checkpoint-every", every)
	if err != nil {
		return err
	}
	without, err := c.start(ctx, r, skus, "no checkpoints", "--checkpoint-every", "24h")
	if err != nil {
		return err
	}
	both := []*sized{with, without}
	perSecond, longest := make([][]float64, 2), make([][]float64, 2)
	for round := range c.Rounds {
		for i, s := range both {
			// A start forgets how much was written: many bytes would make a checkpoint too.
			if err := s.stop(); err != nil {
				return err
			}
			if s.service, err = c.bed.serve(ctx, s.args...); err != nil {
				return err
			}
			err := inTurn(s.service, []*service{with.service, without.service}, func() error {
				v, err := s.trade(ctx, r, loop{64, window}, "64 connections", round+1)
				perSecond[i] = append(perSecond[i], v)
				if err == nil {
					s.books.Duration = window
					var m measure
					m, err = s.books.measureCalls(ctx, r, s.service, 16, s.name+", 16 connections", 1000)
					longest[i] = append(longest[i], m.Latency.P999/1000)
				}
				return errors.Join(err, awaitPublished(ctx, s.service))
			})
			if err != nil {
				return err
			}
		}
	}
	name := "reserve, confirm, cancel: with a checkpoint every " + every + " ÷ without"
	r.atLeast(name, "×", 0.9, r.compare(name, perSecond[0], perSecond[1])...)
	var more []float64
	for i := range longest[0] {
		more = append(more, longest[0][i]-longest[1][i])
	}
	r.atMost("p99.9 at 1,000 calls/s: how much longer with checkpoints", "ms", 5, more...)
	return errors.Join(with.stop(), without.stop())
}
