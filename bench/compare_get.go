package main

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// compareGets asks for one SKU at one location.
func (c *compareScenario) compareGets(ctx context.Context, r *report, b *bed, onhand *contender, redis *redisServer, postgres *postgresServer) error {
	const conns = 64
	v := onhand.books
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	gets, hgets, selects := make([][]byte, readsMade), make([][]byte, readsMade), make([][]byte, readsMade)
	for i := range gets {
		store, sku := v.shop.PickPosition(rng)
		gets[i] = get("/v1/availability/" + sku + "?location=" + store)
		hgets[i] = appendRESP(nil, "HGET", redisPosition(sku, store), "on_hand")
		selects[i] = appendCall(nil, "read", sku, store)
	}
	size, err := meanBody(onhand.service, gets[:500])
	if err != nil {
		return err
	}
	bare, err := b.startBare(ctx, size)
	if err != nil {
		return err
	}
	r.note("GET: answers have %d bytes of body on average; bare fasthttp answers as many, with the same headers", size)
	type side struct {
		name string
		*service
		talker func(i int) talker
	}
	begin := func(requests [][]byte, i int) repeater { return repeater{requests, i * 997} }
	http := func(i int) talker { t := begin(gets, i); return &t }
	sides := []side{{"onhand: GET a SKU, one location", onhand.service, http}, {"bare fasthttp: GET", bare, http}}
	if redis != nil {
		sides = append(sides, side{"Redis: HGET", redis.service, func(i int) talker { return &redisGetter{begin(hgets, i)} }})
	}
	if postgres != nil {
		sides = append(sides, side{"PostgreSQL: select", postgres.service, func(i int) talker { return &postgresGetter{repeater: begin(selects, i)} }})
	}
	var services []*service
	for _, s := range sides {
		services = append(services, s.service)
	}
	perSecond := make([][]float64, len(sides))
	for round := range 2 * c.Rounds {
		for j := range sides {
			i := (round + j) % len(sides) // who begins changes
			s := sides[i]
			err := inTurn(s.service, services, func() error {
				o, err := loop{conns, c.Duration / 2}.run(ctx, s.service, 1, s.talker)
				if err != nil {
					return err
				}
				m := r.add(fmt.Sprintf("%s, %d connections", s.name, conns), "requests", round+1, o.kinds[0].count, o.busy, o.kinds[0].latency)
				perSecond[i] = append(perSecond[i], m.PerSecond)
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	name := "GET a SKU, one location: onhand ÷ bare fasthttp"
	r.atLeast(name, "×", 0.9, r.compare(name, perSecond[0], perSecond[1])...)
	for i, s := range sides[2:] {
		r.compare("GET a SKU, one location: onhand ÷ "+s.name, perSecond[0], perSecond[i+2])
	}
	return bare.stop()
}
