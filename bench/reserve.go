package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"onhand/retailer"
)

// reserveScenario reserves, confirms and cancels, with every answer durable. Nearly
// all positions hold more than can be reserved in a run; every few hold next to
// nothing, so that refusals happen, and only there may they.
type reserveScenario struct {
	common
	Stores      int     `default:"50" help:"Stores; each carries every SKU (${default})."`
	SKUs        int     `name:"skus" default:"20000" help:"SKUs (${default})."`
	Skew        float64 `default:"1" help:"Exponent of the Zipf curve by which SKUs are chosen; negative: all alike (${default})."`
	Scarce      int     `default:"16" help:"One position in so many has 0 to 20 units (${default})."`
	Conns       []int   `default:"64,256" help:"Connections; each number is measured (${default})."`
	Rate        float64 `default:"0" help:"Requests a second; 0: as fast as it goes, and then at half of that (${default})."`
	Lines       int     `default:"1" help:"Lines of a reservation (${default})."`
	BasketLines int     `default:"2000" help:"Lines of a large reservation, at most 10,000 (${default})."`
	BasketConns int     `default:"8" help:"Connections that send those (${default})."`
	Events      int     `default:"300000" help:"Events of the retailer's stream to post (${default})."`
	EventBatch  int     `default:"5000" help:"Events of one POST, at most 10,000 (${default})."`

	start    time.Time
	shop     *retailer.Retailer
	decimals map[string]int
	stock    []int32 // pieces by position, SKU by SKU
	deep     []int32 // positions with plenty
	placeOf  map[string]int
	itemOf   map[string]int
	bookings []*booking // all that were answered 201
}

const deepStock = 1_000_000

func (v *reserveScenario) run(ctx context.Context, r *report) (err error) {
	b, err := newBed(ctx, &v.common)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	if err := v.open(ctx, r, s); err != nil {
		return err
	}
	for _, conns := range v.Conns {
		if err := v.measureSingles(ctx, r, s, conns); err != nil {
			return err
		}
	}
	if err := v.measureBaskets(ctx, r, s, 0); err != nil {
		return err
	}
	v.checkBookings(ctx, r, s)
	v.checkPositions(ctx, r, s, "after the reservations")
	r.check("nothing is oversold: granted less cancelled is within the stock of every position", v.oversold())
	if err := v.measureEvents(ctx, r, s, 0); err != nil {
		return err
	}
	v.checkPositions(ctx, r, s, "after the events")
	r.check("no event is among the dead letters", noDeadLetters(s))
	return nil
}

// open counts the retailer's stock at the service.
func (v *reserveScenario) open(ctx context.Context, r *report, s *service) error {
	if err := v.plan(); err != nil {
		return err
	}
	r.progress("loading %d positions over HTTP", len(v.stock))
	return v.load(ctx, s, true)
}

// load counts the stock, and waits until that is published if it is.
func (v *reserveScenario) load(ctx context.Context, s *service, published bool) error {
	err := errors.Join(loadEvents(ctx, s, v.shop.MasterData()), loadEvents(ctx, s, v.counts(v.start.Add(-time.Millisecond))))
	if err == nil && published {
		err = awaitPublished(ctx, s)
	}
	return err
}

// plan makes the retailer and its stock.
func (v *reserveScenario) plan() (err error) {
	v.start = time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	v.shop, err = retailer.New(retailer.Config{Stores: v.Stores, SKUs: v.SKUs, Warehouses: -1, Coverage: 1, Skew: v.Skew,
		Seed: v.Seed, Start: v.start})
	if err != nil {
		return err
	}
	v.decimals = decimalsOf(v.shop)
	v.placeOf, v.itemOf = map[string]int{}, map[string]int{}
	for i, id := range v.shop.StoreIDs() {
		v.placeOf[id] = i
	}
	for i, sku := range v.shop.SKUs() {
		v.itemOf[sku] = i
	}
	rng := rand.New(rand.NewPCG(v.Seed, 2))
	v.stock = make([]int32, v.SKUs*v.Stores)
	for p := range v.stock {
		v.stock[p] = deepStock
		if rng.IntN(v.Scarce) == 0 {
			v.stock[p] = rng.Int32N(21)
		} else {
			v.deep = append(v.deep, int32(p))
		}
		sku, location := v.name(int32(p))
		v.shop.SetOnHand(location, sku, int64(v.stock[p])*v.unit(sku))
	}
	if len(v.deep) == 0 {
		return errors.New("--scarce 1 leaves no position to sell from")
	}
	return nil
}

// counts are the opening stock as events, a thousand lines each.
func (v *reserveScenario) counts(at time.Time) iter.Seq[retailer.Record] {
	return func(yield func(retailer.Record) bool) {
		for place, location := range v.shop.StoreIDs() {
			for from := 0; from < v.SKUs; from += 1000 {
				e := newEvent("wms.count", "bench/"+location, fmt.Sprintf("opening-%d", from), at, location)
				for item := from; item < min(from+1000, v.SKUs); item++ {
					e.line(v.shop.SKUs()[item], int64(v.stock[item*v.Stores+place]))
				}
				if !yield(retailer.Record{Value: e.bytes()}) {
					return
				}
			}
		}
	}
}

// name is the SKU and the location of a position.
func (v *reserveScenario) name(p int32) (sku, location string) {
	return v.shop.SKUs()[int(p)/v.Stores], v.shop.StoreIDs()[int(p)%v.Stores]
}

// unit is how many smallest steps make one piece or kilogram.
func (v *reserveScenario) unit(sku string) int64 {
	if v.decimals[sku] == 3 {
		return 1000
	}
	return 1
}

// measureSingles offers small reservations and what becomes of them.
func (v *reserveScenario) measureSingles(ctx context.Context, r *report, s *service, conns int) error {
	name := fmt.Sprintf("%d connections", conns)
	if v.Rate > 0 {
		_, err := v.measureCalls(ctx, r, s, conns, name, v.Rate)
		return err
	}
	most, err := v.measureCalls(ctx, r, s, conns, name, 0)
	if err != nil {
		return err
	}
	_, err = v.measureCalls(ctx, r, s, conns, name, most.PerSecond/2)
	return err
}

// measureCalls offers them at a rate; 0 is a closed loop.
func (v *reserveScenario) measureCalls(ctx context.Context, r *report, s *service, conns int, name string, rate float64) (measure, error) {
	if rate > 0 {
		name = fmt.Sprintf("%s at %s/s", name, grouped(rate))
	}
	var callers []*caller
	o, err := load{conns: conns, rate: rate, duration: v.Duration}.run(ctx, s, len(callKinds), func(i int) (worker, error) {
		c, err := dial(s.addr, time.Now().Add(v.Duration+time.Minute))
		w := &caller{conn: c, httpCustomer: httpCustomer{customer: newCustomer(v, i)}}
		callers = append(callers, w)
		return w, err
	})
	for _, w := range callers {
		v.bookings = append(v.bookings, w.bookings...)
	}
	if err != nil {
		return measure{}, fmt.Errorf("%s: %w", name, err)
	}
	calls := tally{}
	for _, t := range o.kinds {
		calls.merge(t)
	}
	m := *r.add(name, "requests", 0, calls.count, o.busy, calls.latency)
	r.addKinds(name, 0, o, callKinds)
	return m, nil
}

// measureBaskets reserves many lines at once for a while, and then confirms or cancels
// what was reserved.
func (v *reserveScenario) measureBaskets(ctx context.Context, r *report, s *service, round int) error {
	var callers []*basketCaller
	reserve := load{conns: v.BasketConns, duration: v.Duration}
	o, err := reserve.run(ctx, s, 1, func(i int) (worker, error) {
		c, err := dial(s.addr, time.Now().Add(v.Duration+time.Minute))
		w := &basketCaller{conn: c, v: v, prefix: fmt.Sprintf("basket%d-", len(v.bookings)), lines: min(v.BasketLines, len(v.deep))}
		callers = append(callers, w)
		return w, err
	})
	var baskets []*booking
	for _, w := range callers {
		baskets = append(baskets, w.bookings...)
	}
	v.bookings = append(v.bookings, baskets...)
	if err != nil {
		return fmt.Errorf("baskets: %w", err)
	}
	r.add(fmt.Sprintf("reserve %d lines at once", v.BasketLines), "lines", round, o.kinds[0].units, o.busy, o.kinds[0].latency)

	settle := load{conns: v.BasketConns, duration: 4 * v.Duration, limit: int64(len(baskets))}
	o, err = settle.run(ctx, s, 1, func(i int) (worker, error) {
		c, err := dial(s.addr, time.Now().Add(settle.duration+time.Minute))
		return &settler{conn: c, bookings: baskets}, err
	})
	if err != nil {
		return fmt.Errorf("baskets: %w", err)
	}
	r.add(fmt.Sprintf("confirm or cancel %d lines at once", v.BasketLines), "lines", round, o.kinds[0].units, o.busy, o.kinds[0].latency)
	return nil
}

// measureEvents posts the retailer's stream in large requests.
func (v *reserveScenario) measureEvents(ctx context.Context, r *report, s *service, round int) error {
	const posters = 4
	var requests [][]byte
	var counts, lines []int64
	var body []byte
	last := v.shop.Tally()
	seal := func(n int64) {
		requests = append(requests, appendPost(nil, "/v1/events", append(body, ']')))
		counts, lines = append(counts, n), append(lines, v.shop.Tally().Lines-last.Lines)
		last, body = v.shop.Tally(), body[:0]
	}
	// A day of events within the hour that has passed: none may be ahead of the clock.
	stream := records(v.shop, time.Now().Add(-time.Hour), 50*time.Minute, v.Events)
	n := int64(0)
	for record := range stream {
		body = appendElement(body, record.Value)
		if n++; n == int64(v.EventBatch) {
			seal(n)
			n = 0
		}
	}
	if n > 0 {
		seal(n)
	}
	l := load{conns: posters, duration: 2 * time.Minute, limit: int64(len(requests))}
	o, err := l.run(ctx, s, 1, func(int) (worker, error) {
		c, err := dial(s.addr, time.Now().Add(l.duration+time.Minute))
		return &eventPoster{conn: c, requests: requests, counts: counts, lines: lines}, err
	})
	if err != nil {
		return err
	}
	if o.kinds[0].count != int64(len(requests)) {
		return fmt.Errorf("only %d of %d requests with events were sent within %s", o.kinds[0].count, len(requests), l.duration)
	}
	name := fmt.Sprintf("POST %d events at once", v.EventBatch)
	r.add(name, "lines", round, o.kinds[0].units, o.busy, o.kinds[0].latency)
	events := int64(0)
	for _, n := range counts {
		events += n
	}
	r.add(name, "events", round, events, o.busy, nil)
	return nil
}

// records are n events of a stream, their times spread over a span from start, and
// then those held back.
func records(shop *retailer.Retailer, start time.Time, spread time.Duration, n int) iter.Seq[retailer.Record] {
	return func(yield func(retailer.Record) bool) {
		for i := range n {
			if !yield(shop.Next(start.Add(time.Duration(float64(spread) * float64(i) / float64(n))))) {
				return
			}
		}
		for record := range shop.Flush() {
			if !yield(record) {
				return
			}
		}
	}
}
