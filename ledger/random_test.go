package ledger_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

var (
	seedFlag   = flag.Uint64("seed", 0, "repeat the run of this seed; 0: a fresh one")
	roundsFlag = flag.Int("rounds", 40, "how many histories to run")
)

const (
	testSKUs      = 3
	testLocations = 2
)

// generator makes commands from a seed: few positions, so that they meet.
type generator struct {
	rng    *rand.Rand
	now    ledger.Millis
	events []ledger.Command // sent before, to be sent again
	holds  int
	id     int
}

func (g *generator) n(max int) int { return g.rng.IntN(max) }

func (g *generator) location() ledger.Location { return ledger.Location(1 + g.n(testLocations)) }

// time is mostly now, sometimes hours back, sometimes ahead within the skew or beyond.
func (g *generator) time() ledger.Millis {
	switch g.n(8) {
	case 0:
		return g.now - ledger.Millis(g.n(4*3600))*1000
	case 1:
		return g.now + ledger.Millis(g.n(10*60))*1000
	default:
		return g.now - ledger.Millis(g.n(50))
	}
}

func (g *generator) name() ledger.EventName {
	g.id++
	return ledger.EventName{Source: fmt.Sprintf("s%d", g.n(3)), ID: fmt.Sprint(g.id), Time: g.time(), Content: g.rng.Uint64()}
}

func (g *generator) next() ledger.Command {
	g.now += ledger.Millis(g.n(3) * g.n(40_000))
	switch p := g.n(100); {
	case p < 6 && len(g.events) > 0:
		return g.again()
	case p < 40:
		return g.movement()
	case p < 50:
		c := &ledger.Count{Name: g.name(), Received: g.now, Location: g.location()}
		c.CountedAt = c.Name.Time
		for _, sku := range g.rng.Perm(testSKUs)[:1+g.n(testSKUs)] {
			c.Lines = append(c.Lines, ledger.CountLine{SKU: ledger.SKU(1 + sku), Quantity: ledger.Qty(g.n(20))})
		}
		g.events = append(g.events, c)
		return c
	case p < 68:
		return g.hold()
	default:
		return g.transition()
	}
}

// again repeats an event as it was, or under the same name with other content.
func (g *generator) again() ledger.Command {
	switch old := g.events[g.n(len(g.events))].(type) {
	case *ledger.Movement:
		c := *old
		c.Received = g.now
		if g.n(4) == 0 {
			c.Name.Content++
		}
		return &c
	case *ledger.Count:
		c := *old
		c.Received = g.now
		return &c
	}
	panic("unreachable")
}

func (g *generator) movement() ledger.Command {
	kinds := []ledger.Kind{ledger.KindSale, ledger.KindReturn, ledger.KindReceipt, ledger.KindShipment, ledger.KindAdjustment}
	c := &ledger.Movement{Kind: kinds[g.n(len(kinds))], Name: g.name(), Received: g.now, Location: g.location()}
	for _, sku := range g.rng.Perm(testSKUs)[:1+g.n(testSKUs)] {
		q := ledger.Qty(1 + g.n(6))
		ln := ledger.MovementLine{SKU: ledger.SKU(1 + sku), Quantity: q}
		switch c.Kind {
		case ledger.KindSale, ledger.KindShipment:
			ln.Quantity = -q
			if c.Kind == ledger.KindShipment && g.n(4) == 0 {
				ln.Unsellable = -q
			}
		case ledger.KindReturn, ledger.KindReceipt:
			if g.n(6) == 0 {
				ln.Unsellable = q
			}
		}
		c.Lines = append(c.Lines, ln)
	}
	if c.Lines[0].Quantity < 0 && c.Kind != ledger.KindAdjustment && g.holds > 0 && g.n(3) == 0 {
		c.Reservation = fmt.Sprintf("r%d", 1+g.n(g.holds))
	}
	g.events = append(g.events, c)
	return c
}

func (g *generator) hold() ledger.Command {
	g.holds++
	h := &ledger.Hold{ID: fmt.Sprintf("r%d", g.holds), Now: g.now, ExpiresAt: g.now + ledger.Millis(1+g.n(200))*1000,
		AllowPartial: g.n(3) == 0}
	for _, p := range g.rng.Perm(testSKUs * testLocations)[:1+g.n(4)] {
		h.Lines = append(h.Lines, ledger.HoldLine{SKU: ledger.SKU(1 + p%testSKUs), Location: ledger.Location(1 + p/testSKUs),
			Quantity: ledger.Qty(1 + g.n(5))})
	}
	return h
}

func (g *generator) transition() ledger.Command {
	ops := []ledger.Kind{ledger.KindConfirm, ledger.KindConfirm, ledger.KindCancel, ledger.KindFulfil, ledger.KindFulfil,
		ledger.KindExtend, ledger.KindAmend, ledger.KindAmend}
	t := &ledger.Transition{Op: ops[g.n(len(ops))], ID: fmt.Sprintf("r%d", 1+g.n(g.holds+2)), Now: g.now}
	if t.Op == ledger.KindAmend {
		t.HasLines = true
		for _, p := range g.rng.Perm(testSKUs * testLocations)[:1+g.n(3)] {
			t.Lines = append(t.Lines, ledger.TransitionLine{SKU: ledger.SKU(1 + p%testSKUs), Location: ledger.Location(1 + p/testSKUs),
				Quantity: ledger.Qty(1 + g.n(5))})
		}
	} else if t.Op == ledger.KindExtend {
		t.ExpiresAt = g.now + ledger.Millis(1+g.n(200))*1000
	} else if g.n(3) == 0 {
		t.HasLines = true
		for range 1 + g.n(2) {
			t.Lines = append(t.Lines, ledger.TransitionLine{SKU: ledger.SKU(1 + g.n(testSKUs)),
				Location: ledger.Location(g.n(testLocations + 1)), Quantity: ledger.Qty(1 + g.n(4))})
		}
	}
	return t
}

// step is a command that was accepted, and the entry it became.
type step struct {
	command ledger.Command
	seq     ledger.Seq
}

// history runs one seed: commands against the model, with restarts, checkpoints and
// power cuts in between.
type history struct {
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	gen   *generator
	clock *ledgertest.Clock
	fs    *vfs.MemFS
	l     *ledger.Ledger
	m     *model
	steps []step
	acked ledger.Seq
}

func TestRandomHistories(t *testing.T) {
	rounds := *roundsFlag
	for i := range rounds {
		seed := *seedFlag
		if seed == 0 {
			seed = uint64(time.Now().UnixNano()) + uint64(i)
		}
		runHistory(t, seed)
		if t.Failed() || *seedFlag != 0 {
			return
		}
	}
}

func runHistory(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	h := &history{t: t, seed: seed, rng: rng, clock: ledgertest.NewClock(), fs: vfs.NewCrashableMem(),
		gen: &generator{rng: rng, now: ledgertest.Start}, m: newModel()}
	defer func() {
		if t.Failed() {
			t.Logf("to repeat: go test ./ledger -run TestRandomHistories -seed %d", seed)
		}
	}()
	h.open()
	for i := range testSKUs {
		h.must(ledger.PutSKU{Info: ledger.SKUInfo{SKU: fmt.Sprintf("sku%d", i)}, Now: ledgertest.Start})
	}
	for i := range testLocations {
		h.must(ledger.PutLocation{Info: ledger.LocationInfo{Location: fmt.Sprintf("loc%d", i), Active: true}, Now: ledgertest.Start})
	}
	h.acked = h.l.Seq()
	for range 200 {
		switch h.rng.IntN(60) {
		case 0:
			h.restart()
		case 1:
			h.powerCut()
		case 2:
			if err := h.l.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			h.acked = h.l.Durable()
		default:
			h.step()
		}
		if t.Failed() {
			return
		}
	}
	ledgertest.Balanced(t, h.l)
	if err := h.l.Close(); err != nil {
		t.Fatal(err)
	}
	h.open()
	h.compare()
	ledgertest.Balanced(t, h.l)
	if err := h.l.Close(); err != nil {
		t.Fatal(err)
	}
}

func (h *history) open() {
	h.t.Helper()
	l, err := ledger.Open(ledger.Options{Dir: "data", FS: h.fs, Clock: h.clock.Now, CheckpointEvery: -1})
	if err != nil {
		h.t.Fatalf("seed %d: %v", h.seed, err)
	}
	h.l = l
}

func (h *history) must(c ledger.Command) {
	h.t.Helper()
	if _, err := h.l.Apply(c); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) step() {
	c := h.gen.next()
	h.clock.Advance(h.gen.now - h.clock.Now())
	before := h.l.Seq()
	res, err := h.l.Submit(c)
	want := h.m.apply(c)
	got := ledger.OK
	var refused *ledger.Refused
	if errors.As(err, &refused) {
		got = refused.Code
	} else if err != nil {
		h.t.Fatalf("seed %d: %+v: %v", h.seed, c, err)
	}
	if got != want {
		h.t.Fatalf("seed %d: %T %+v: %v (%v), the model says %v", h.seed, c, c, got, err, want)
	}
	if h.l.Seq() != before {
		h.steps = append(h.steps, step{c, h.l.Seq()})
	}
	if err == nil && h.rng.IntN(3) > 0 {
		if err := h.l.Wait(res.Seq); err != nil {
			h.t.Fatal(err)
		}
		h.acked = max(h.acked, res.Seq)
	}
	h.compare()
}

// compare holds every figure of the ledger against the model's.
func (h *history) compare() {
	h.t.Helper()
	now := h.clock.Now()
	h.m.expire(now)
	for sku := ledger.SKU(1); sku <= testSKUs; sku++ {
		for loc := ledger.Location(1); loc <= testLocations; loc++ {
			row, _ := h.l.Position(sku, loc, now)
			want := h.m.figures(place{sku, loc})
			if row.Figures != want {
				h.t.Errorf("seed %d: after entry %d SKU %d at location %d is %+v, the model says %+v", h.seed, h.l.Seq(), sku, loc, row.Figures, want)
			}
		}
	}
	for id, want := range h.m.reservations {
		r, ok, err := h.l.Reservation(id, now)
		if err != nil || !ok {
			h.t.Errorf("seed %d: reservation %s: %v %v", h.seed, id, ok, err)
			continue
		}
		for i, ln := range r.Lines {
			w := want.lines[i]
			if r.State != want.state || int(ln.Held) != w.held || int(ln.Committed) != w.committed ||
				int(ln.Fulfilled) != w.fulfilled || int(ln.Cancelled) != w.cancelled {
				h.t.Errorf("seed %d: after entry %d reservation %s is %v %+v, the model says %v %+v", h.seed, h.l.Seq(), id, r.State, ln, want.state, w)
			}
		}
	}
}

func (h *history) restart() {
	if err := h.l.Close(); err != nil {
		h.t.Fatal(err)
	}
	h.open()
	h.acked = h.l.Durable()
	h.compare()
}

// powerCut takes the disk as it is, with some of what was not synced, and goes on
// from there: everything acknowledged must be there, the rest whole or not at all.
func (h *history) powerCut() {
	crashed := h.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: h.rng.IntN(101), RNG: h.rng})
	if err := h.l.Close(); err != nil { // the process that lost its power goes on in a world of its own
		h.t.Fatal(err)
	}
	h.fs = crashed
	h.open()
	if h.l.Seq() < h.acked {
		h.t.Fatalf("seed %d: the power cut left %d entries, %d were acknowledged", h.seed, h.l.Seq(), h.acked)
	}
	h.m = newModel()
	kept := h.steps[:0]
	for _, s := range h.steps {
		if s.seq <= h.l.Seq() {
			h.m.apply(s.command)
			kept = append(kept, s)
		}
	}
	h.steps = kept
	h.acked = h.l.Durable()
	h.compare()
}
