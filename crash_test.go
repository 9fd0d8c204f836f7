package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

var crashRounds = flag.Int("crash-rounds", 20, "how often TestKilledUnderLoad kills the service")

const (
	crashStock = 1_000_000
	crashBuyer = 6 // goroutines that reserve
	crashTill  = 3 // goroutines that send sales to Kafka
)

var (
	crashSKUs      = []string{"a", "b", "c", "d", "e"}
	crashLocations = []string{"0001", "0002", "0003"}
)

// crashBooks is what the clients of a service that keeps being killed know: what was
// acknowledged, and what they asked for without hearing the answer.
type crashBooks struct {
	mu           sync.Mutex
	sold         map[[2]string]int     // by location and SKU: sales that were acknowledged
	reservations map[string]*crashHold // by id
	failed       []string              // answers of 5xx: a call that is not wanted any more gets none
}

// crashHold is a reservation as its buyer knows it. One goroutine writes to it.
type crashHold struct {
	body      string
	location  string
	sku       string
	quantity  int
	state     string // "" until it is acknowledged
	next      string // what was asked for and not answered yet: "", confirm, cancel, fulfil
	nextKey   string
	fulfilled bool
}

// TestKilledUnderLoad kills the service again and again while tills and buyers use
// it over Kafka and HTTP at once. Each client then asks again for what it had no
// answer to, as clients do, and everything must come out exactly once.
func TestKilledUnderLoad(t *testing.T) {
	for _, broker := range brokers(t) {
		t.Run(broker.name, func(t *testing.T) { endUnderLoad(t, broker, *crashRounds, (*process).kill) })
	}
}

// TestEndedUnderLoad asks the service again and again to end while it is at work: it
// must do so in order, and what was true of a kill is true of that.
func TestEndedUnderLoad(t *testing.T) {
	for _, broker := range brokers(t) {
		t.Run(broker.name, func(t *testing.T) { endUnderLoad(t, broker, 5, (*process).stop) })
	}
}

// TestHaltedUnderLoad halts the service while it is at work, lets it go on after a while,
// and only then kills it.
func TestHaltedUnderLoad(t *testing.T) {
	for _, broker := range brokers(t) {
		t.Run(broker.name, func(t *testing.T) {
			endUnderLoad(t, broker, 5, func(p *process) {
				p.halt()
				<-time.After(300 * time.Millisecond) // how long is what a halt is
				p.goOn()
				eventually(t, "an answer after it", func() error {
					if code, body := p.get("/readyz"); code != 200 {
						return fmt.Errorf("/readyz: %d %s", code, body)
					}
					return nil
				})
				p.kill()
			})
		})
	}
}

func endUnderLoad(t *testing.T, broker testBroker, rounds int, end func(*process)) {
	if testing.Short() {
		rounds = min(rounds, 3)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	args := broker.args(t)
	p := start(t, dir, args...)
	p.stock(crashSKUs, crashLocations, crashStock)
	b := &crashBooks{sold: map[[2]string]int{}, reservations: map[string]*crashHold{}}
	buyers := make([]*crashBuyerClient, crashBuyer)
	for i := range buyers {
		buyers[i] = &crashBuyerClient{n: i, books: b, rng: rand.New(rand.NewPCG(seed, uint64(10+i)))}
	}
	tills := make([]*crashTillClient, crashTill)
	for i := range tills {
		tills[i] = &crashTillClient{n: i, books: b, rng: rand.New(rand.NewPCG(seed, uint64(100+i)))}
	}
	for round := range rounds {
		ctx, stop := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		for _, c := range buyers {
			wg.Go(func() { c.run(ctx, p) })
		}
		for _, c := range tills {
			wg.Go(func() { c.run(ctx, p.kafka) })
		}
		<-time.After(time.Duration(50+rng.IntN(600)) * time.Millisecond) // the moment of death is what is being varied
		end(p)
		stop()
		wg.Wait()
		p = start(t, dir, args...)
		for _, c := range tills {
			c.settle(t, p.kafka)
		}
		for _, c := range buyers {
			c.settle(t, p)
		}
		b.compare(t, p)
		if t.Failed() {
			t.Fatalf("after end %d\n%s", round+1, p.logged())
		}
	}
	p.stop()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(bin, "verify", "--data", dir).CombinedOutput()
	if err != nil {
		t.Errorf("onhand verify: %v\n%s", err, out)
	}
	sales, holds := 0, len(b.reservations)
	for _, n := range b.sold {
		sales += n
	}
	t.Logf("%d ends, %d units sold, %d reservations; verify: %s", rounds, sales, holds, out)
	if sales == 0 || holds == 0 {
		t.Errorf("nothing happened: %d sales, %d reservations", sales, holds)
	}
}

// crashTillClient sends sales to Kafka, one at a time, each until it is acknowledged.
type crashTillClient struct {
	n       int
	books   *crashBooks
	rng     *rand.Rand
	id      int
	pending *kafka.Message // sent, and not known whether it arrived
	at      [2]string
	units   int
}

func (c *crashTillClient) run(ctx context.Context, addr string) {
	w := producer(addr, "pos.events")
	defer w.Close()
	for ctx.Err() == nil {
		c.prepare()
		if c.send(ctx, w) != nil {
			return
		}
	}
}

func (c *crashTillClient) prepare() {
	if c.pending != nil {
		return
	}
	c.id++
	c.at = [2]string{crashLocations[c.rng.IntN(len(crashLocations))], crashSKUs[c.rng.IntN(len(crashSKUs))]}
	c.units = 1 + c.rng.IntN(3)
	value := saleEvent(fmt.Sprintf("pos/%s/till-%d", c.at[0], c.n), fmt.Sprint(c.id), c.at[0], c.at[1], c.units)
	c.pending = &kafka.Message{Key: []byte(c.at[0]), Value: value}
}

func (c *crashTillClient) send(ctx context.Context, w *kafka.Writer) error {
	if err := w.WriteMessages(ctx, *c.pending); err != nil {
		return err
	}
	c.books.mu.Lock()
	c.books.sold[c.at] += c.units
	c.books.mu.Unlock()
	c.pending = nil
	return nil
}

// settle sends again what may or may not have arrived.
func (c *crashTillClient) settle(t *testing.T, addr string) {
	if c.pending == nil {
		return
	}
	w := producer(addr, "pos.events")
	defer w.Close()
	eventually(t, "the broker takes a sale again", func() error { return c.send(context.Background(), w) })
}

// crashBuyerClient reserves, and confirms, cancels or fulfils what it reserved.
type crashBuyerClient struct {
	n     int
	books *crashBooks
	rng   *rand.Rand
	id    int
	open  []*crashHold
	ids   map[*crashHold]string
	doing *crashHold
}

var errNoAnswer = errors.New("no answer")

func (c *crashBuyerClient) run(ctx context.Context, p *process) {
	for ctx.Err() == nil {
		c.prepare()
		if err := c.ask(p); err != nil {
			return
		}
	}
}

func (c *crashBuyerClient) prepare() {
	if c.doing != nil {
		return
	}
	if c.ids == nil {
		c.ids = map[*crashHold]string{}
	}
	if len(c.open) > 0 && c.rng.IntN(2) == 0 {
		i := c.rng.IntN(len(c.open))
		c.doing = c.open[i]
		c.open = append(c.open[:i], c.open[i+1:]...)
		c.doing.next = [2]string{"confirm", "cancel"}[c.rng.IntN(2)]
		if c.doing.state == "confirmed" {
			c.doing.next = [2]string{"fulfil", "cancel"}[c.rng.IntN(2)]
		}
		c.id++
		c.doing.nextKey = fmt.Sprintf("key-%d-%d", c.n, c.id)
		return
	}
	c.id++
	h := &crashHold{location: crashLocations[c.rng.IntN(len(crashLocations))], sku: crashSKUs[c.rng.IntN(len(crashSKUs))], quantity: 1 + c.rng.IntN(4)}
	id := fmt.Sprintf("cart-%d-%d", c.n, c.id)
	h.body = fmt.Sprintf(`{"id":%q,"ttl_seconds":14400,"lines":[{"sku":%q,"location":%q,"quantity":%d}]}`, id, h.sku, h.location, h.quantity)
	c.ids[h] = id
	c.doing = h
	c.books.mu.Lock()
	c.books.reservations[id] = h
	c.books.mu.Unlock()
}

// ask makes the request that the buyer is at, until it is answered.
func (c *crashBuyerClient) ask(p *process) error {
	h := c.doing
	var code int
	var b []byte
	if h.state == "" {
		code, b = p.call("POST", "/v1/reservations", h.body)
	} else {
		code, b = p.call("POST", "/v1/reservations/"+c.ids[h]+"/"+h.next, "", "Idempotency-Key", h.nextKey)
	}
	if code >= 500 {
		c.books.mu.Lock()
		c.books.failed = append(c.books.failed, fmt.Sprintf("%d %s", code, b))
		c.books.mu.Unlock()
	}
	if code != 200 && code != 201 {
		return fmt.Errorf("%w: %d %s", errNoAnswer, code, b)
	}
	var v struct{ State string }
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	h.state, h.fulfilled = v.State, v.State == "fulfilled"
	h.next = ""
	c.doing = nil
	if h.state == "held" || h.state == "confirmed" {
		c.open = append(c.open, h)
	}
	return nil
}

func (c *crashBuyerClient) settle(t *testing.T, p *process) {
	if c.doing == nil {
		return
	}
	eventually(t, "the service answers again", func() error { return c.ask(p) })
}

// compare holds what the clients know against what the service says.
func (b *crashBooks) compare(t *testing.T, p *process) {
	t.Helper()
	for _, answer := range b.failed {
		t.Errorf("a buyer was answered %s", answer)
	}
	type sums struct{ held, committed, left int }
	want := map[[2]string]sums{}
	for id, h := range b.reservations {
		v := p.must(200, "GET", "/v1/reservations/"+id, "")
		if v["state"] != h.state {
			t.Errorf("reservation %s is %v, its buyer was told %s", id, v["state"], h.state)
		}
		k := [2]string{h.location, h.sku}
		s := want[k]
		switch h.state {
		case "held":
			s.held += h.quantity
		case "confirmed":
			s.committed += h.quantity
		case "fulfilled":
			s.left += h.quantity
		}
		want[k] = s
	}
	for _, loc := range crashLocations {
		for _, sku := range crashSKUs {
			k := [2]string{loc, sku}
			onHand := crashStock - b.sold[k] - want[k].left
			eventually(t, fmt.Sprintf("every sale of %s at %s is applied", sku, loc), func() error {
				r, err := p.row(sku, loc)
				if err == nil && (r.OnHand != onHand || r.Held != want[k].held || r.Committed != want[k].committed) {
					err = fmt.Errorf("it is %+v, its clients make it %d on hand, %d held, %d committed", r, onHand, want[k].held, want[k].committed)
				}
				return err
			})
		}
	}
}
