package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"onhand/retailer"
)

// availabilityScenario reads. One GET of one SKU at one location is measured in turn
// with a bare fasthttp server that answers as many bytes, in rounds short enough that
// both meet the same machine.
type availabilityScenario struct {
	common
	Stores   int     `default:"300" help:"Stores (${default})."`
	SKUs     int     `name:"skus" default:"20000" help:"SKUs (${default})."`
	Coverage float64 `default:"0.166" help:"Mean share of the SKUs that a store carries, up to 1 (${default})."`
	Conns    int     `default:"64" help:"Connections (${default})."`
	Pipeline int     `default:"1" help:"GETs that a connection sends at once, when --rate is 0 (${default})."`
	Rate     float64 `default:"0" help:"GETs a second; 0: as fast as it goes, and then at half of that (${default})."`
	Rounds   int     `default:"5" help:"Rounds of each side (${default})."`
	Batch    int     `default:"100" help:"SKUs of a POST, each at all its locations (${default})."`
}

// readsMade is how many different requests are made beforehand and then repeated.
const readsMade = 1 << 16

func (a *availabilityScenario) run(ctx context.Context, r *report) (err error) {
	b, err := newBed(ctx, &a.common)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	shop, err := retailer.New(retailer.Config{Stores: a.Stores, SKUs: a.SKUs, Coverage: a.Coverage, Seed: a.Seed,
		Start: time.Now().Add(-time.Hour)})
	if err != nil {
		return err
	}
	r.progress("loading %d positions over HTTP", shop.Positions())
	if err := errors.Join(loadEvents(ctx, s, shop.MasterData()), loadEvents(ctx, s, shop.Opening()), awaitPublished(ctx, s)); err != nil {
		return err
	}

	rng := rand.New(rand.NewPCG(a.Seed, 1))
	one, all := make([][]byte, readsMade), make([][]byte, readsMade)
	for i := range one {
		store, sku := shop.PickPosition(rng)
		one[i] = get("/v1/availability/" + sku + "?location=" + store)
		all[i] = get("/v1/availability/" + shop.PickSKU(rng))
	}
	if err := a.measureGets(ctx, r, b, s, one); err != nil {
		return err
	}
	o, err := load{conns: a.Conns, duration: a.Duration}.run(ctx, s, 1, a.reader(s, all, 1))
	if err != nil {
		return err
	}
	r.add("GET a SKU, all locations", "requests", 0, o.kinds[0].units, o.busy, o.kinds[0].latency)
	if err := a.measureBatches(ctx, r, s, shop, rng, 0); err != nil {
		return err
	}
	compared, err := retailerBooks(shop).compare(ctx, s)
	r.check(fmt.Sprintf("on hand of %d positions is what was counted", compared), err)
	return nil
}

// measureGets alternates between the service and the bare server.
func (a *availabilityScenario) measureGets(ctx context.Context, r *report, b *bed, s *service, requests [][]byte) error {
	size, err := meanBody(s, requests[:min(len(requests), 500)])
	if err != nil {
		return err
	}
	bare, err := b.startBare(ctx, size)
	if err != nil {
		return err
	}
	r.note("answers to GET of a SKU at a location have %d bytes of body; the bare server answers as many", size)
	sides := []struct {
		name string
		*service
	}{{"GET a SKU, one location", s}, {"bare fasthttp", bare}}
	perSecond := make([][]float64, len(sides))
	measure := func(side, round int, rate float64) error {
		pipeline := 1
		if rate == 0 {
			pipeline = a.Pipeline
		}
		l := load{conns: a.Conns, rate: rate, duration: a.Duration}
		o, err := l.run(ctx, sides[side].service, 1, a.reader(sides[side].service, requests, pipeline))
		if err != nil {
			return fmt.Errorf("%s: %w", sides[side].name, err)
		}
		name := sides[side].name
		if rate > 0 {
			name += fmt.Sprintf(" at %s/s", grouped(rate))
		}
		if o.backlog > 0 {
			r.note("%s: %d requests were due and never sent", name, o.backlog)
		}
		m := r.add(name, "requests", round, o.kinds[0].units, o.busy, o.kinds[0].latency)
		if l := latencyOf(o.sentLate.latency); l != nil {
			m.SentLateP99 = l.P99
		} else {
			perSecond[side] = append(perSecond[side], m.PerSecond)
		}
		return nil
	}
	for round := range a.Rounds {
		for i := range sides {
			if err := measure((round+i)%2, round+1, a.Rate); err != nil { // who begins changes
				return err
			}
		}
	}
	if a.Rate > 0 {
		return nil
	}
	r.compare("GET a SKU at one location ÷ bare fasthttp, requests/s", perSecond[0], perSecond[1])
	half := 0.0
	for _, v := range perSecond[0] {
		half += v / 2 / float64(a.Rounds)
	}
	return errors.Join(measure(0, 0, half), measure(1, 0, half))
}

// measureBatches posts queries for many SKUs at all their locations.
func (a *availabilityScenario) measureBatches(ctx context.Context, r *report, s *service, shop *retailer.Retailer, rng *rand.Rand, round int) error {
	const queries, posters = 32, 2
	carriers := map[string]int64{}
	for _, location := range shop.LocationIDs() {
		for sku := range shop.Carried(location) {
			carriers[sku]++
		}
	}
	for _, fields := range []string{"fields=available", "all fields"} {
		requests, rows := make([][]byte, queries), make([]int64, queries)
		for i := range requests {
			skus := make([]string, min(a.Batch, a.SKUs))
			for j := range skus {
				skus[j] = shop.PickSKU(rng)
				rows[i] += carriers[skus[j]]
			}
			requests[i] = appendPost(nil, "/v1/availability", availabilityQuery(skus, strings.TrimPrefix(strings.TrimPrefix(fields, "fields="), "all fields")))
		}
		o, err := load{conns: posters, duration: a.Duration}.run(ctx, s, 1, func(i int) (worker, error) {
			c, err := dial(s.addr, time.Now().Add(a.Duration+time.Minute))
			return &poster{conn: c, requests: requests, rows: rows}, err
		})
		if err != nil {
			return err
		}
		r.add(batchName(a.Batch, fields), "positions", round, o.kinds[0].units, o.busy, o.kinds[0].latency)
	}
	return nil
}

func batchName(skus int, fields string) string {
	return fmt.Sprintf("POST %d SKUs, all locations, %s", skus, fields)
}

// reader makes workers that repeat requests, beginning at different ones.
func (a *availabilityScenario) reader(s *service, requests [][]byte, pipeline int) func(int) (worker, error) {
	return func(i int) (worker, error) {
		c, err := dial(s.addr, time.Now().Add(a.Duration+time.Minute))
		return &getter{conn: c, requests: requests, at: i * 997, pipeline: pipeline}, err
	}
}

// getter sends as many requests at once as pipeline says, and takes only 200.
type getter struct {
	*conn
	requests [][]byte
	at       int
	pipeline int
	out      []byte
}

func (g *getter) do(int64) (int, int64, error) {
	g.out = g.out[:0]
	for range g.pipeline {
		g.out = append(g.out, g.requests[g.at%len(g.requests)]...)
		g.at++
	}
	if err := g.send(g.out); err != nil {
		return 0, 0, err
	}
	for range g.pipeline {
		status, body, err := g.receive()
		if err == nil && status != 200 {
			err = fmt.Errorf("answered %d: %s", status, clip(body))
		}
		if err != nil {
			return 0, 0, err
		}
	}
	return 0, int64(g.pipeline), nil
}

// countEvery: the rows of each query's first answer are counted, and then only of one
// answer in so many. It would be the client that is measured.
const countEvery = 16

// poster sends queries of known numbers of rows.
type poster struct {
	*conn
	requests [][]byte
	rows     []int64
}

func (p *poster) do(n int64) (int, int64, error) {
	i := int(n) % len(p.requests)
	body, err := p.expect(200, p.requests[i])
	if n >= int64(len(p.requests)) && n%countEvery != 0 {
		return 0, p.rows[i], err
	}
	if err == nil && bytes.Count(body, []byte(`"available":`)) < int(p.rows[i]) {
		err = fmt.Errorf("fewer than %d rows: %s", p.rows[i], clip(body))
	}
	return 0, p.rows[i], err
}

// meanBody is the mean length of the answers' bodies.
func meanBody(s *service, requests [][]byte) (int, error) {
	c, err := dial(s.addr, time.Now().Add(time.Minute))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	sum := 0
	for _, request := range requests {
		body, err := c.expect(200, request)
		if err != nil {
			return 0, err
		}
		sum += len(body)
	}
	return sum / len(requests), nil
}
