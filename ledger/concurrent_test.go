package ledger_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

var (
	seedFlag    = flag.Uint64("seed", 0, "repeat the run of this seed; 0: a fresh one")
	crashesFlag = flag.Int("crashes", 4, "how many power cuts the concurrent test lives through")
)

const (
	crowdWorkers = 4
	hour         = ledger.Millis(3600_000)
)

// ack is a command that was answered: after any crash its effect is there, and the
// same command again gives the same answer.
type ack struct {
	command ledger.Command
	result  ledger.Result
	at      ledger.Millis
}

// crowd is goroutines that change one ledger at once, while it makes checkpoints and
// drops what is old, until its power is cut.
type crowd struct {
	t     *testing.T
	clock *ledgertest.Clock
	l     *ledger.Ledger

	mu        sync.Mutex
	answered  sync.Cond // there is one more in acks
	acks      []ack
	events    []ledger.Command // sent before, to be sent again by anyone
	holds     []string
	names     int // given so far, of everything
	skus      []ledger.SKU
	locations []ledger.Location
}

// TestConcurrentCrashes cuts the power at random moments of a busy ledger. What was
// answered before is there after, and the books balance.
func TestConcurrentCrashes(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	fs := vfs.NewCrashableMem()
	c := &crowd{t: t, clock: ledgertest.NewClock()}
	c.answered.L = &c.mu
	crashes := *crashesFlag
	if testing.Short() {
		crashes = min(crashes, 2)
	}
	for i := range crashes {
		c.l = c.open(fs)
		if i == 0 {
			c.putSKU(c.clock.Now())
			c.putLocation(c.clock.Now())
		}
		fs = c.run(fs, rng)
		if t.Failed() {
			return
		}
		c.check(fs)
		if t.Failed() {
			return
		}
	}
}

func (c *crowd) open(fs vfs.FS) *ledger.Ledger {
	c.t.Helper()
	l, err := ledger.Open(ledger.Options{Dir: "data", FS: fs, Clock: c.clock.Now, CheckpointEvery: time.Millisecond,
		NamesInMemoryMax: 200, JournalKeepMillis: 1, MemTableBytes: 1 << 20, CacheBytes: 1 << 20,
		Fatal: func(err error) { panic(err) }})
	if err != nil {
		c.t.Fatal(err)
	}
	return l
}

// run lets the crowd work for a while and returns the disk as a power cut leaves it
// in the midst of that. What was answered after the cut is forgotten.
func (c *crowd) run(fs *vfs.MemFS, rng *rand.Rand) *vfs.MemFS {
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range crowdWorkers {
		w := rand.New(rand.NewPCG(rng.Uint64(), 3))
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					c.step(w)
				}
			}
		})
	}
	c.mu.Lock()
	for enough := len(c.acks) + 100 + rng.IntN(900); len(c.acks) < enough && !c.t.Failed(); {
		c.answered.Wait()
	}
	acked := len(c.acks)
	c.mu.Unlock()
	crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	close(stop)
	workers.Wait()
	if err := c.l.Close(); err != nil {
		c.t.Error(err)
	}
	c.acks = c.acks[:acked]
	return crashed
}

func (c *crowd) step(rng *rand.Rand) {
	switch rng.IntN(200) {
	case 0:
		c.clock.Advance(ledger.Millis(rng.IntN(48)) * hour) // days pass, and what is old is dropped
	default:
		c.clock.Advance(ledger.Millis(rng.IntN(100)))
	}
	now := c.clock.Now()
	switch p := rng.IntN(100); {
	case p < 3:
		c.putSKU(now)
		c.movement(rng, now) // the newest is picked most
	case p < 4:
		c.putLocation(now)
	case p < 5:
		c.apply(ledger.SetSafety{Set: []ledger.SafetyRule{{SKU: c.sku(rng), Units: int64(rng.IntN(3)) * 1000}}, Now: now}, now)
	case p < 15:
		c.again(rng, now)
	case p < 50:
		c.movement(rng, now)
	case p < 55:
		c.apply(&ledger.Count{Name: c.name(rng, now), CountedAt: now - ledger.Millis(rng.IntN(2000)), Received: now, Location: c.location(rng),
			Lines: []ledger.CountLine{{SKU: c.sku(rng), Quantity: ledger.Qty(rng.IntN(50))}}}, now)
	case p < 75:
		c.hold(rng, now)
	default:
		c.transition(rng, now)
	}
}

// apply gives a command to the ledger and notes what was answered.
func (c *crowd) apply(cmd ledger.Command, now ledger.Millis) ledger.Result {
	res, err := c.l.Apply(cmd)
	var refused *ledger.Refused
	if err != nil && !errors.As(err, &refused) {
		c.t.Errorf("%+v: %v", cmd, err)
	}
	c.mu.Lock()
	if err == nil {
		c.acks = append(c.acks, ack{cmd, res, now})
	}
	c.answered.Signal()
	c.mu.Unlock()
	return res
}

func (c *crowd) next() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.names++
	return fmt.Sprintf("n%05d", c.names)
}

func (c *crowd) putSKU(now ledger.Millis) {
	name := c.next()
	c.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: name}, Now: now}, now)
	id, ok := c.l.LookupSKU([]byte(name))
	if !ok {
		c.t.Errorf("SKU %s is not known", name)
	}
	c.mu.Lock()
	c.skus = append(c.skus, id)
	c.mu.Unlock()
}

func (c *crowd) putLocation(now ledger.Millis) {
	name := c.next()
	c.apply(ledger.PutLocation{Info: ledger.LocationInfo{Location: name, Active: true}, Now: now}, now)
	id, ok := c.l.LookupLocation([]byte(name))
	if !ok {
		c.t.Errorf("location %s is not known", name)
	}
	c.mu.Lock()
	c.locations = append(c.locations, id)
	c.mu.Unlock()
}

// pick prefers what is new: its first changes meet the checkpoint that has not seen it yet.
func pick[T any](mu *sync.Mutex, from *[]T, rng *rand.Rand) T {
	mu.Lock()
	defer mu.Unlock()
	return (*from)[max(0, len(*from)-1-min(rng.IntN(8), rng.IntN(8)))]
}

func (c *crowd) sku(rng *rand.Rand) ledger.SKU           { return pick(&c.mu, &c.skus, rng) }
func (c *crowd) location(rng *rand.Rand) ledger.Location { return pick(&c.mu, &c.locations, rng) }

func (c *crowd) name(rng *rand.Rand, now ledger.Millis) ledger.EventName {
	return ledger.EventName{Source: "till", ID: c.next(), Time: now - ledger.Millis(rng.IntN(3000)), Content: 7}
}

func (c *crowd) movement(rng *rand.Rand, now ledger.Millis) {
	m := &ledger.Movement{Kind: ledger.KindReceipt, Name: c.name(rng, now), Received: now, Location: c.location(rng)}
	sign := ledger.Qty(1)
	if rng.IntN(2) == 0 {
		m.Kind, sign = ledger.KindSale, -1
		if c.mu.Lock(); len(c.holds) > 0 && rng.IntN(3) == 0 {
			m.Reservation = c.holds[max(0, len(c.holds)-1-rng.IntN(10))]
		}
		c.mu.Unlock()
	}
	seen := map[ledger.SKU]bool{}
	for range 1 + rng.IntN(3) {
		if sku := c.sku(rng); !seen[sku] {
			seen[sku] = true
			m.Lines = append(m.Lines, ledger.MovementLine{SKU: sku, Quantity: sign * ledger.Qty(1+rng.IntN(9))})
		}
	}
	c.mu.Lock()
	c.events = append(c.events, m)
	c.mu.Unlock()
	c.apply(m, now)
}

// again sends an event that someone else may be sending just now.
func (c *crowd) again(rng *rand.Rand, now ledger.Millis) {
	c.mu.Lock()
	if len(c.events) == 0 {
		c.mu.Unlock()
		return
	}
	m := *c.events[max(0, len(c.events)-1-rng.IntN(len(c.events)))].(*ledger.Movement)
	c.mu.Unlock()
	m.Received = now
	if _, err := c.l.Apply(&m); err != nil && !refusedAs(err, ledger.TooOld) && !refusedAs(err, ledger.UnknownSKU) {
		c.t.Errorf("event %s again: %v", m.Name.ID, err)
	}
}

func refusedAs(err error, code ledger.Code) bool {
	var refused *ledger.Refused
	return errors.As(err, &refused) && refused.Code == code
}

func (c *crowd) hold(rng *rand.Rand, now ledger.Millis) {
	h := &ledger.Hold{ID: c.next(), Now: now, ExpiresAt: now + ledger.Millis(1+rng.IntN(20_000)), AllowPartial: true, Reference: "order"}
	h.Key = ledger.CallKey{Key: ledger.NameHash("hold", h.ID), Call: ledger.Hash{Hi: 1}}
	h.Call = ledger.Hash{Hi: 1}
	seen := map[ledger.SKU]bool{}
	loc := c.location(rng)
	for range 1 + rng.IntN(3) {
		if sku := c.sku(rng); !seen[sku] {
			seen[sku] = true
			h.Lines = append(h.Lines, ledger.HoldLine{SKU: sku, Location: loc, Quantity: ledger.Qty(1 + rng.IntN(4))})
		}
	}
	if res := c.apply(h, now); res.Seq != 0 {
		c.mu.Lock()
		c.holds = append(c.holds, h.ID)
		c.mu.Unlock()
	}
}

func (c *crowd) transition(rng *rand.Rand, now ledger.Millis) {
	c.mu.Lock()
	if len(c.holds) == 0 {
		c.mu.Unlock()
		return
	}
	id := c.holds[max(0, len(c.holds)-1-rng.IntN(10))]
	c.mu.Unlock()
	ops := []ledger.Kind{ledger.KindConfirm, ledger.KindConfirm, ledger.KindFulfil, ledger.KindFulfil, ledger.KindCancel, ledger.KindExtend}
	t := &ledger.Transition{Op: ops[rng.IntN(len(ops))], ID: id, Now: now}
	t.Key = ledger.CallKey{Key: ledger.NameHash("transition", c.next()), Call: ledger.Hash{Hi: 2}}
	if t.Op == ledger.KindExtend {
		t.ExpiresAt = now + ledger.Millis(1+rng.IntN(20_000))
	}
	c.apply(t, now)
}

// check opens what the power cut left and asks for everything that was answered.
func (c *crowd) check(fs *vfs.MemFS) {
	c.t.Helper()
	report, err := ledger.Verify(ledger.Options{Dir: "data", FS: fs, Clock: c.clock.Now})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range report.Findings {
		c.t.Error("verify: " + f)
	}
	l, err := ledger.Open(ledger.Options{Dir: "data", FS: fs, Clock: c.clock.Now, CheckpointEvery: -1, NamesInMemoryMax: 200})
	if err != nil {
		c.t.Fatal(err)
	}
	ledgertest.Balanced(c.t, l)
	c.keepKnown(l)
	now := c.clock.Now()
	for _, a := range c.acks {
		if a.result.Seq > l.Seq() {
			c.t.Errorf("%+v was answered as entry %d, the journal ends at %d", a.command, a.result.Seq, l.Seq())
			continue
		}
		c.repeat(l, a, now)
	}
	ledgertest.Balanced(c.t, l)
	if err := l.Close(); err != nil {
		c.t.Error(err)
	}
}

// keepKnown forgets what was told of after the cut, or refused.
func (c *crowd) keepKnown(l *ledger.Ledger) {
	skus, locations, holds := c.skus[:0], c.locations[:0], c.holds[:0]
	for _, id := range c.skus {
		if l.SKUName(id) != "" {
			skus = append(skus, id)
		}
	}
	for _, id := range c.locations {
		if l.LocationName(id) != "" {
			locations = append(locations, id)
		}
	}
	for _, id := range c.holds {
		if _, ok, err := l.Reservation(id, c.clock.Now()); ok {
			holds = append(holds, id)
		} else if err != nil {
			c.t.Error(err)
		}
	}
	c.skus, c.locations, c.holds, c.events = skus, locations, holds, nil
}

// repeat makes an answered call again, if it is still remembered.
func (c *crowd) repeat(l *ledger.Ledger, a ack, now ledger.Millis) {
	var got ledger.Result
	var err error
	switch cmd := a.command.(type) {
	case *ledger.Movement:
		m := *cmd
		m.Received = now
		if got, err = l.Apply(&m); err == nil && !got.Duplicate {
			err = errors.New("it was applied again")
		}
	case *ledger.Count:
		again := *cmd
		again.Received = now
		if got, err = l.Apply(&again); err == nil && !got.Duplicate {
			err = errors.New("it was applied again")
		}
	case *ledger.Hold:
		h := *cmd
		h.Now = now
		if now-a.at > 40*hour {
			return
		}
		got, err = l.Apply(&h)
		err = errors.Join(err, sameAnswer(a.result, got))
	case *ledger.Transition:
		t := *cmd
		t.Now = now
		if now-a.at > 40*hour {
			return
		}
		got, err = l.Apply(&t)
		err = errors.Join(err, sameAnswer(a.result, got))
	default:
		return
	}
	if err == nil && got.Seq != a.result.Seq {
		err = fmt.Errorf("it answers with entry %d, not %d", got.Seq, a.result.Seq)
	}
	if err != nil && !refusedAs(err, ledger.TooOld) {
		c.t.Errorf("%T %+v again: %v", a.command, a.command, err)
	}
}

func sameAnswer(first, again ledger.Result) error {
	if again.Reservation == nil || !again.Replayed {
		return errors.New("it was made again")
	}
	if a, b := fmt.Sprintf("%+v", *first.Reservation), fmt.Sprintf("%+v", *again.Reservation); a != b {
		return fmt.Errorf("the answer was %s, now it is %s", a, b)
	}
	return nil
}
