package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// replayScenario publishes a file of sales, one event for each basket and store, and
// compares where the ledger ends with plain arithmetic over the file. Such files hold no
// opening stock, so it is derived: each position begins with the most that it was ever
// drawn down by, the least with which no sale takes it below zero.
type replayScenario struct {
	common
	kafkaFlags
	File        string `arg:"" type:"existingfile" help:"CSV, also packed as .gz, with the columns transaction_timestamp, store_id, basket_id, product_id and quantity."`
	Products    string `type:"existingfile" placeholder:"FILE" help:"Master data: CSV with the columns product_id and product_category."`
	StrictCodes bool   `help:"Announce SKUs that have no row in --products only after all sales: their events are dead letters until then."`
	Zone        string `default:"UTC" help:"Time zone of the file's times (${default})."`

	sales     *sales
	balances  []balance
	announced map[string]bool
}

func (y *replayScenario) run(ctx context.Context, r *report) (err error) {
	if y.StrictCodes && y.Products == "" {
		return errors.New("--strict-codes needs --products, or no SKU at all would be known")
	}
	if err := y.read(r); err != nil {
		return err
	}
	b, err := newBed(ctx, &y.common)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	addr, err := b.startKafka(ctx, &y.kafkaFlags, r)
	if err != nil {
		return err
	}
	// The sales may be years old; the default retention would refuse them.
	s, err := b.serve(ctx, append(y.kafkaFlags.args(addr), "--event-retention", "100000h")...)
	if err != nil {
		return err
	}
	if addr == "" {
		addr = s.kafka
	}
	p, err := newProducer(ctx, addr, topicPOS, topicWMS, topicERP)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return y.replay(ctx, r, s, p)
}

func (y *replayScenario) read(r *report) error {
	zone, err := time.LoadLocation(y.Zone)
	if err != nil {
		return err
	}
	in, err := openText(y.File)
	if err != nil {
		return err
	}
	defer in.Close()
	if y.sales, err = readSales(in, zone); err != nil {
		return fmt.Errorf("read %s: %w", y.File, err)
	}
	y.balances = y.sales.balances()
	r.progress("%d lines in %d baskets, %d stores, %d SKUs, %d positions", y.sales.lines, len(y.sales.baskets),
		len(y.sales.stores), len(y.sales.skus), len(y.balances))
	return nil
}

func (y *replayScenario) replay(ctx context.Context, r *report, s *service, p *producer) error {
	if err := y.announce(p); err != nil {
		return err
	}
	marks := newMarkers(p)
	if err := awaitMasterData(ctx, p, s, "first"); err != nil {
		return err
	}
	opened := startUsage(s)
	y.open(p)
	marks.markAll()
	if err := errors.Join(p.flush(), marks.await(ctx, s, 5*time.Minute, 0)); err != nil {
		return err
	}
	r.add("opening counts (derived), published and applied", "lines", 0, int64(len(y.balances)), opened.stop(), nil)
	r.note("the file has no opening stock; each position was given its largest drawdown, as wms.count events a minute before the first sale")

	clock := startUsage(s)
	events, err := y.publish(ctx, s, p, marks)
	if err != nil {
		return err
	}
	published := clock.stop()
	if err := marks.await(ctx, s, 10*time.Minute, 0); err != nil {
		return err
	}
	busy := clock.stop()
	r.note("all sales were published %.2f s after the first, and applied %.2f s after the first", published.wall.Seconds(), busy.wall.Seconds())
	r.add("sales, published and applied", "events", 0, events, busy, nil)
	r.add("sales, published and applied", "lines", 0, int64(y.sales.lines), busy, nil)
	return y.check(ctx, r, s, p, marks)
}

// announce publishes stores and SKUs. SKUs of --products come first; sold ones without a
// row follow, unless codes are strict.
func (y *replayScenario) announce(p *producer) error {
	for _, store := range y.sales.stores {
		p.send(topicERP, []byte(store), masterEvent("erp.location", "location", store, ""))
	}
	y.announced = map[string]bool{}
	if y.Products != "" {
		in, err := openText(y.Products)
		if err != nil {
			return err
		}
		defer in.Close()
		err = readColumns(in, []string{"product_id", "product_category"}, func(v []string) error {
			more := ""
			if v[1] != "" {
				more = `,"category":` + strconv.Quote(v[1])
			}
			p.send(topicERP, []byte(v[0]), masterEvent("erp.item", "sku", v[0], more))
			y.announced[string([]byte(v[0]))] = true
			return nil
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", y.Products, err)
		}
	}
	if !y.StrictCodes {
		y.announceRest(p)
	}
	return nil
}

func (y *replayScenario) announceRest(p *producer) (n int) {
	for _, sku := range y.sales.skus {
		if !y.announced[sku] {
			p.send(topicERP, []byte(sku), masterEvent("erp.item", "sku", sku, ""))
			n++
		}
	}
	return n
}

// open counts every position. SKUs not announced are in events of their own, since one
// bad line refuses its event.
func (y *replayScenario) open(p *producer) {
	at := y.sales.first.Add(-time.Minute)
	type sheet struct {
		store int32
		known bool
	}
	open, sheets := map[sheet]*event{}, 0
	send := func(k sheet) {
		p.send(topicWMS, []byte(y.sales.stores[k.store]), open[k].bytes())
		delete(open, k)
	}
	for _, b := range y.balances {
		sku, store := y.sales.skus[b.sku], y.sales.stores[b.store]
		k := sheet{b.store, !y.StrictCodes || y.announced[sku]}
		if open[k] == nil {
			sheets++
			open[k] = newEvent("wms.count", "wms/"+store, fmt.Sprintf("opening-%d", sheets), at, store)
		}
		open[k].line(sku, b.drawdown)
		if open[k].lines == 1000 {
			send(k)
		}
	}
	for k := range open {
		send(k)
	}
}

// publish sends all sales and then markers, without running away from a log with bounds.
func (y *replayScenario) publish(ctx context.Context, s *service, p *producer, marks *markers) (events int64, err error) {
	for i := range y.sales.baskets {
		b := &y.sales.baskets[i]
		y.sales.events(b, func(value []byte) {
			p.send(topicPOS, []byte(y.sales.stores[b.store]), value)
			events++
		})
		if y.embedded() && i%chunk == chunk-1 {
			marks.markAll()
			p.push()
			if err := marks.await(ctx, s, time.Minute, leadMarkers); err != nil {
				return events, err
			}
		}
	}
	marks.markAll()
	return events, p.flush()
}

func (y *replayScenario) check(ctx context.Context, r *report, s *service, p *producer, marks *markers) error {
	b := y.books().withMarkers(marks)
	if y.StrictCodes {
		if noDeadLetters(s) == nil && y.unknownSold() {
			r.check("sales of unknown SKUs are dead letters", errors.New("there is none"))
		}
		n := y.announceRest(p)
		if err := awaitMasterData(ctx, p, s, "late"); err != nil {
			return err
		}
		clock := startUsage(s)
		err := poll(ctx, time.Minute, pollEvery, func() error { return noDeadLetters(s) })
		r.check(fmt.Sprintf("dead letters of %d SKUs were applied once these were announced", n), err)
		r.note("dead letters were gone %.2f s after their SKUs were announced", clock.stop().wall.Seconds())
	} else {
		r.check("no event is among the dead letters", noDeadLetters(s))
	}
	compared, err := b.compare(ctx, s)
	r.check(fmt.Sprintf("on hand of %d positions is where arithmetic over the file ends", compared), err)
	return nil
}

func (y *replayScenario) unknownSold() bool {
	for _, sku := range y.sales.skus {
		if !y.announced[sku] {
			return true
		}
	}
	return false
}

// books are what arithmetic says.
func (y *replayScenario) books() *books {
	of := make(map[string]map[string]figures, len(y.sales.skus))
	for _, b := range y.balances {
		sku := y.sales.skus[b.sku]
		if of[sku] == nil {
			of[sku] = map[string]figures{}
		}
		of[sku][y.sales.stores[b.store]] = figures{onHand: b.drawdown - b.sold}
	}
	return &books{
		skus:     y.sales.skus,
		decimals: func(string) int { return 0 },
		expected: func(sku string) map[string]figures { return of[sku] },
	}
}
