package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"onhand/retailer"
)

// linesPerSecond is the target of large requests, one and a half times what TigerBeetle
// 0.17.0's own benchmark gave on such a machine.
const linesPerSecond = 400_000

// measureBatches sends large reservations and large batches of events in turn.
func (c *compareScenario) measureBatches(ctx context.Context, r *report, onhand *contender) error {
	v := onhand.books
	for round := range c.Rounds {
		for _, measure := range []func(context.Context, *report, *service, int) error{v.measureBaskets, v.measureEvents} {
			if err := awaitPublished(ctx, onhand.service); err != nil {
				return err
			}
			if err := measure(ctx, r, onhand.service, round+1); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{fmt.Sprintf("reserve %d lines at once", v.BasketLines), fmt.Sprintf("POST %d events at once", v.EventBatch)} {
		r.atLeast(name+", durable", "lines/s", linesPerSecond, r.rates(name, "lines")...)
	}
	r.note("the anchor for large requests is not measured here: TigerBeetle 0.17.0's own benchmark gave 265,000 two-account transfers/s in batches of 8,189 on such a machine")
	return nil
}

// comparePosts asks for many SKUs at all of 300 stores.
func (c *compareScenario) comparePosts(ctx context.Context, r *report, b *bed) error {
	a := &availabilityScenario{common: c.common, Stores: 300, SKUs: c.PostSKUs, Coverage: 1, Batch: 100}
	shop, err := retailer.New(retailer.Config{Stores: a.Stores, SKUs: a.SKUs, Coverage: a.Coverage, Warehouses: -1, Seed: c.Seed,
		Start: time.Now().Add(-time.Hour)})
	if err != nil {
		return err
	}
	dir, err := b.subdir("data of post")
	if err != nil {
		return err
	}
	s, err := b.serve(ctx, "--data", dir)
	if err != nil {
		return err
	}
	r.progress("loading %d positions over HTTP", shop.Positions())
	for _, load := range []func() error{
		func() error { return loadEvents(ctx, s, shop.MasterData()) },
		func() error { return loadEvents(ctx, s, shop.Opening()) },
		func() error { return awaitPublished(ctx, s) },
	} {
		if err := load(); err != nil {
			return err
		}
	}
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	for round := range c.Rounds {
		if err := a.measureBatches(ctx, r, s, shop, rng, round+1); err != nil {
			return err
		}
	}
	for fields, target := range map[string]float64{"fields=available": 5e6, "all fields": 2e6} {
		name := batchName(a.Batch, fields)
		r.atLeast(fmt.Sprintf("POST %d SKUs at 300 stores, %s", a.Batch, fields), "positions/s", target, r.rates(name, "positions")...)
	}
	compared, err := retailerBooks(shop).compare(ctx, s)
	r.check(fmt.Sprintf("post: on hand of %d positions is what was counted", compared), err)
	return s.stop()
}
