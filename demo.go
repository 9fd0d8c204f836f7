package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"onhand/ledger"
	"onhand/retailer"
)

// demoTick is how often the simulated tills send what they sold.
const demoTick = 20 * time.Millisecond

// demoState is what a demo started again must know of the one before.
type demoState struct {
	Stores int       `json:"stores"`
	SKUs   int       `json:"skus"`
	Seed   uint64    `json:"seed"`
	Start  time.Time `json:"start"`
	Opened bool      `json:"opened"` // master data and opening stock were applied
	Runs   int       `json:"runs"`
}

// demo runs the service on the embedded broker with a simulated retailer that sells,
// until ctx ends.
func demo(ctx context.Context, c demoConfig, stdout io.Writer) error {
	if len(c.Kafka) > 0 {
		return errors.New("demo: it brings its own broker; leave out --kafka")
	}
	if err := os.MkdirAll(c.Data, 0o755); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	state, err := loadDemoState(c)
	if err != nil {
		return err
	}
	s, err := startService(c.serviceConfig, c.Data, stdout)
	if err != nil {
		return err
	}
	d := &demonstration{config: c, service: s, state: state, out: stdout}
	err = d.run(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.stop())
}

func demoStateFile(dir string) string { return filepath.Join(dir, "demo.json") }

func loadDemoState(c demoConfig) (demoState, error) {
	fresh := demoState{Stores: c.Stores, SKUs: c.SKUs, Seed: c.Seed, Start: time.Now().UTC().Truncate(time.Second)}
	b, err := os.ReadFile(demoStateFile(c.Data))
	if errors.Is(err, os.ErrNotExist) {
		return fresh, fresh.save(c.Data)
	}
	if err != nil {
		return fresh, fmt.Errorf("demo: %w", err)
	}
	var st demoState
	if err := json.Unmarshal(b, &st); err != nil {
		return fresh, fmt.Errorf("demo: %s: %w", demoStateFile(c.Data), err)
	}
	if st.Stores != c.Stores || st.SKUs != c.SKUs || st.Seed != c.Seed {
		return st, fmt.Errorf("demo: %s holds a demo of %d stores, %d SKUs and seed %d: start it with these, or name another --data",
			c.Data, st.Stores, st.SKUs, st.Seed)
	}
	st.Runs++
	return st, st.save(c.Data)
}

// save replaces the file whole, so that a demo killed meanwhile leaves one that can be read.
func (st demoState) save(dir string) error {
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	tmp := demoStateFile(dir) + ".new"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.Rename(tmp, demoStateFile(dir)); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// demonstration is one running demo.
type demonstration struct {
	config   demoConfig
	service  *service
	state    demoState
	out      io.Writer
	retailer *retailer.Retailer
	writer   *kafka.Writer
}

func (d *demonstration) run(ctx context.Context) error {
	var err error
	d.retailer, err = retailer.New(retailer.Config{Stores: d.config.Stores, SKUs: d.config.SKUs, Seed: d.config.Seed,
		Rate: d.config.Rate, Start: d.state.Start, Epoch: strconv.Itoa(d.state.Runs)})
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	d.writer = &kafka.Writer{Addr: kafka.TCP(d.service.brokers...), RequiredAcks: kafka.RequireAll, Balancer: &kafka.Hash{},
		BatchSize: 2000, BatchBytes: 900_000, BatchTimeout: 2 * time.Millisecond}
	defer d.writer.Close()
	if err := d.service.waitReady(ctx); err != nil {
		return err
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	d.suggest()
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { d.shop(ctx) })
	wg.Go(func() { d.report(ctx) })
	return d.sell(ctx)
}

// open announces the retailer's catalogue and opening stock, or takes up what an
// earlier run left.
func (d *demonstration) open(ctx context.Context) error {
	if d.state.Opened {
		d.takeUp()
		return nil
	}
	fmt.Fprintf(d.out, "opening %d stores with %d positions\n", d.config.Stores, d.retailer.Positions())
	if err := d.publish(ctx, d.retailer.MasterData()); err != nil {
		return err
	}
	// A sale of a SKU that is not known yet would be refused, so master data goes first.
	if err := d.service.waitApplied(ctx); err != nil {
		return err
	}
	if err := d.publish(ctx, d.retailer.Opening()); err != nil {
		return err
	}
	if err := d.service.waitApplied(ctx); err != nil {
		return err
	}
	d.state.Opened = true
	return d.state.save(d.config.Data)
}

// takeUp sets the retailer's shelves to what the ledger says, so that it reorders
// from there.
func (d *demonstration) takeUp() {
	l := d.service.ledger
	now := l.Now()
	locations := map[ledger.Location]string{}
	l.Locations(0, func(id ledger.Location, info ledger.LocationInfo) bool {
		locations[id] = info.Location
		return true
	})
	var rows []ledger.Row
	l.SKUs(0, func(id ledger.SKU, info ledger.SKUInfo) bool {
		l.View([]ledger.SKU{id}, nil, now, func(v *ledger.View) { rows = v.Rows(id, rows[:0]) })
		for i := range rows {
			d.retailer.SetOnHand(locations[rows[i].Location], info.SKU, int64(rows[i].OnHand))
		}
		return true
	})
}

func (d *demonstration) publish(ctx context.Context, records iter.Seq[retailer.Record]) error {
	const batch = 2000
	messages := make([]kafka.Message, 0, batch)
	flush := func() error {
		if len(messages) == 0 {
			return nil
		}
		err := d.writer.WriteMessages(ctx, messages...)
		messages = messages[:0]
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("demo: publish: %w", err)
		}
		return ctx.Err()
	}
	for r := range records {
		messages = append(messages, kafka.Message{Topic: r.Topic, Key: r.Key, Value: r.Value})
		if len(messages) == batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// sell publishes what the tills sell, at the rate of the time of day.
func (d *demonstration) sell(ctx context.Context) error {
	tick := time.NewTicker(demoTick)
	defer tick.Stop()
	last, due := time.Now(), 0.0
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			// After a machine was asleep nobody wants the hours between made up for.
			due += min(now.Sub(last).Seconds(), 1) * d.retailer.RateAt(now)
			last = now
			n := int(due)
			due -= float64(n)
			if err := d.publish(ctx, d.next(now, n)); err != nil {
				return err
			}
		}
	}
}

func (d *demonstration) next(now time.Time, n int) iter.Seq[retailer.Record] {
	return func(yield func(retailer.Record) bool) {
		for range n {
			if !yield(d.retailer.Next(now)) {
				return
			}
		}
	}
}

// shop is the web shop: now and then a customer reserves what a store has, and pays
// for it, thinks better of it, or forgets.
func (d *demonstration) shop(ctx context.Context) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Timeout: 5 * time.Second}
	post := func(path string, body any) int {
		b, err := json.Marshal(body)
		if err != nil {
			return 0
		}
		req, err := http.NewRequestWithContext(ctx, "POST", d.service.url+path, bytes.NewReader(b))
		if err != nil {
			return 0
		}
		req.Header.Set("Content-Type", "application/json")
		if len(d.config.APIKey) > 0 {
			req.Header.Set("Authorization", "Bearer "+d.config.APIKey[0])
		}
		res, err := client.Do(req)
		if err != nil {
			return 0
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		store, sku := d.retailer.PickPosition(rng)
		id := fmt.Sprintf("demo-%d-%d", d.state.Runs, i)
		if post("/v1/reservations", map[string]any{"id": id, "channel": "web", "ttl_seconds": 120,
			"lines": []map[string]any{{"sku": sku, "location": store, "quantity": 1}}}) != http.StatusCreated {
			continue
		}
		switch p := rng.IntN(10); {
		case p < 5:
			post("/v1/reservations/"+id+"/confirm", map[string]any{"reference": "order-" + id})
			post("/v1/reservations/"+id+"/fulfil", map[string]any{})
		case p < 7:
			post("/v1/reservations/"+id+"/cancel", map[string]any{"reason": "changed their mind"})
		}
	}
}

// suggest prints what to try, with the position that sells most: its figure moves
// while one looks.
func (d *demonstration) suggest() {
	rng := rand.New(rand.NewPCG(d.config.Seed, 4))
	sales := map[[2]string]int{}
	var best [2]string
	for range 50_000 {
		store, sku := d.retailer.PickPosition(rng)
		id, _ := d.service.ledger.LookupSKU([]byte(sku))
		if d.service.ledger.Decimals(id) != 0 {
			continue // weighed goods make a less plain example
		}
		at := [2]string{store, sku}
		if sales[at]++; sales[at] > sales[best] {
			best = at
		}
	}
	auth := ""
	if len(d.config.APIKey) > 0 {
		auth = " -H 'Authorization: Bearer …'"
	}
	fmt.Fprintf(d.out, "try:\n  curl%s '%s/v1/availability/%s?location=%s'\n", auth, d.service.url, best[1], best[0])
	fmt.Fprintf(d.out, "  curl%s %s/v1/reservations --json '{\"lines\":[{\"sku\":\"%s\",\"location\":\"%s\",\"quantity\":1}]}'\n", auth, d.service.url, best[1], best[0])
	fmt.Fprintf(d.out, "  curl%s -N %s/v1/feed\n", auth, d.service.url)
}

// report prints a status line every second: over the one before on a terminal, else
// one below the other.
func (d *demonstration) report(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	begin, end := "", "\n"
	if isTerminal(d.out) {
		begin, end = "\r\x1b[K", ""
	}
	last, _ := d.service.consumed()
	at := time.Now()
	for {
		select {
		case <-ctx.Done():
			if begin != "" {
				fmt.Fprintln(d.out)
			}
			return
		case now := <-tick.C:
			applied, lag := d.service.consumed()
			st := d.service.ledger.Stats()
			fmt.Fprintf(d.out, "%s%s  %.0f events/s  lag %d  %d positions  %d held  %d open%s", begin, now.Format(time.TimeOnly),
				float64(applied-last)/now.Sub(at).Seconds(), lag, st.Positions, st.Held, st.Open, end)
			last, at = applied, now
		}
	}
}
