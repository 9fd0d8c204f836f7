package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// contender is a store under comparison, with the books of what it granted.
type contender struct {
	*service
	name     string
	books    *reserveScenario
	customer func(*customer) talker
	settled  func(ctx context.Context) error // waits for what it owes from its round before
	check    func(ctx context.Context, r *report)
}

// compareStores holds the same stock in every store, and asks the same of all.
func (c *compareScenario) compareStores(ctx context.Context, r *report, b *bed) error {
	plan := &reserveScenario{common: c.common, Stores: c.Stores, SKUs: c.SKUs, Skew: c.Skew, Scarce: 16, Lines: 1,
		BasketLines: 2000, BasketConns: 8, Events: 300_000, EventBatch: 5000}
	if err := plan.plan(); err != nil {
		return err
	}
	r.progress("loading %d positions into every store", len(plan.stock))
	onhand, err := c.onhandContender(ctx, b, plan, "onhand")
	if err != nil {
		return err
	}
	all := []*contender{onhand}
	redis, err := b.startRedis(ctx, r)
	if err == nil {
		books := *plan
		all = append(all, &contender{service: redis.service, name: "Redis", books: &books,
			customer: func(k *customer) talker { return &redisCustomer{k, redis} },
			check: func(_ context.Context, r *report) {
				r.check("Redis: positions and reservations are what its clients were told", redis.check(&books))
			}})
		r.note("Redis: %s; appendfsync always, no rewriting of its file", redis.version)
		err = redis.load(plan)
	} else {
		r.note("left out: %v", err)
		redis, err = nil, ctx.Err()
	}
	if err != nil {
		return err
	}
	postgres, err := b.startPostgres(ctx, r)
	if err == nil {
		books := *plan
		all = append(all, &contender{service: postgres.service, name: "PostgreSQL", books: &books,
			customer: func(k *customer) talker { return &postgresCustomer{customer: k} },
			check: func(_ context.Context, r *report) {
				r.check("PostgreSQL: positions and reservations are what its clients were told", postgres.check(&books))
			}})
		r.note("PostgreSQL: %s; synchronous_commit on, shared_buffers 2 GB, no checkpoint within the run", postgres.version)
		err = postgres.load(plan)
	} else {
		r.note("left out: %v", err)
		postgres, err = nil, ctx.Err()
	}
	if err != nil {
		return err
	}

	if c.wants("get") {
		if err := c.compareGets(ctx, r, b, onhand, redis, postgres); err != nil {
			return err
		}
	}
	if c.wants("reserve") {
		if all, err = c.withVariants(ctx, b, plan, all); err == nil {
			err = c.compareReserving(ctx, r, all)
		}
		if err != nil {
			return err
		}
	}
	for _, k := range all {
		k.check(ctx, r)
		r.check(fmt.Sprintf("%s: nothing is oversold", k.name), k.books.oversold())
	}
	for _, k := range all[1:] {
		if err := k.stop(); err != nil {
			return err
		}
	}
	if c.wants("batch") {
		if err := c.measureBatches(ctx, r, onhand); err != nil {
			return err
		}
		onhand.check(ctx, r)
		r.check(fmt.Sprintf("%s: nothing is oversold", onhand.name), onhand.books.oversold())
	}
	return errors.Join(onhand.stop(), ctx.Err())
}

const nobodyListens = "onhand, Kafka away"

// withVariants adds onhand answering before the disk has a change, and onhand without a
// broker of its own to feed.
func (c *compareScenario) withVariants(ctx context.Context, b *bed, plan *reserveScenario, all []*contender) ([]*contender, error) {
	for _, v := range []struct {
		name string
		args []string
	}{
		{"onhand async", []string{"--durability", "async"}},
		// Nobody answers there: the service goes on, and what it would publish waits in its journal.
		{nobodyListens, []string{"--kafka", "127.0.0.1:9"}},
	} {
		k, err := c.onhandContender(ctx, b, plan, v.name, v.args...)
		if err != nil {
			return nil, err
		}
		if v.name == nobodyListens {
			k.settled = nil
		}
		all = append(all, k)
	}
	return all, nil
}

// onhandContender starts an onhand with a directory of its own and loads the stock.
func (c *compareScenario) onhandContender(ctx context.Context, b *bed, plan *reserveScenario, name string, args ...string) (*contender, error) {
	dir := filepath.Join(b.dir, "data of "+name)
	begin := b.serve
	if name == nobodyListens {
		begin = b.launch // it does not call itself ready
	}
	s, err := begin(ctx, append([]string{"--data", dir}, args...)...)
	if err != nil {
		return nil, err
	}
	books := *plan
	k := &contender{service: s, name: name, books: &books}
	k.customer = func(k *customer) talker { return &httpCustomer{customer: k} }
	k.settled = func(ctx context.Context) error { return awaitPublished(ctx, s) }
	k.check = func(ctx context.Context, r *report) {
		books.checkBookings(ctx, r, s)
		books.checkPositions(ctx, r, s, name)
	}
	return k, books.load(ctx, s, name != nobodyListens)
}

// compareReserving has customers reserve, confirm and cancel one line each, at each store
// in turn.
func (c *compareScenario) compareReserving(ctx context.Context, r *report, all []*contender) error {
	services := servicesOf(all)
	for _, conns := range c.Conns {
		perSecond := map[string][]float64{}
		for round := range c.Rounds {
			for _, k := range all {
				err := inTurn(k.service, services, func() error {
					if k.settled != nil {
						if err := k.settled(ctx); err != nil {
							return err
						}
					}
					calls, err := k.trade(ctx, r, loop{conns, c.Duration}, round+1)
					perSecond[k.name] = append(perSecond[k.name], calls)
					return err
				})
				if err != nil {
					return fmt.Errorf("%s, %d connections: %w", k.name, conns, err)
				}
			}
		}
		name := func(against string) string {
			return fmt.Sprintf("reserve, confirm, cancel, %d connections: onhand ÷ %s", conns, against)
		}
		r.atLeast(name("Redis"), "×", 1.2, r.compare(name("Redis"), perSecond["onhand"], perSecond["Redis"])...)
		r.atLeast(name("PostgreSQL"), "×", 4, r.compare(name("PostgreSQL"), perSecond["onhand"], perSecond["PostgreSQL"])...)
		for _, k := range all[1:] {
			if k.name != "Redis" && k.name != "PostgreSQL" {
				r.compare(fmt.Sprintf("reserve, confirm, cancel, %d connections: %s ÷ Redis", conns, k.name), perSecond[k.name], perSecond["Redis"])
			}
		}
	}
	return nil
}

func servicesOf(all []*contender) (services []*service) {
	for _, k := range all {
		services = append(services, k.service)
	}
	return services
}

// trade lets customers at one store for a round.
func (k *contender) trade(ctx context.Context, r *report, l loop, round int) (callsPerSecond float64, err error) {
	var customers []*customer
	o, err := l.run(ctx, k.service, len(callKinds), func(i int) talker {
		one := newCustomer(k.books, i)
		customers = append(customers, one)
		return k.customer(one)
	})
	for _, one := range customers {
		k.books.bookings = append(k.books.bookings, one.bookings...)
	}
	if err != nil {
		return 0, err
	}
	calls := tally{}
	for _, t := range o.kinds {
		calls.merge(t)
	}
	m := r.add(fmt.Sprintf("%s: reserve, confirm, cancel, %d connections", k.name, l.conns), "calls", round, calls.count, o.busy, calls.latency)
	if granted := o.kinds[callReserve].count; granted == 0 {
		err = errors.New("nothing was reserved")
	}
	return m.PerSecond, err
}
