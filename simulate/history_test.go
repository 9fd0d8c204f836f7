package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"onhand/ingest"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
	"onhand/promise"
)

// tally is what was done so far, by all workers.
type tally struct {
	histories, commands, events, calls, replays, retried, cuts, inFlight, startCuts, faults, stops, checks, underWay, rebuilt atomic.Int64
}

func (t *tally) String() string {
	return fmt.Sprintf("%d histories, %d commands (%d events, %d calls, %d replays, %d letters retried), %d power cuts (%d during a command, %d during a start), %d faults (%d stopped it), %d checks, %d figures of goods under way, %d rebuilt",
		t.histories.Load(), t.commands.Load(), t.events.Load(), t.calls.Load(), t.replays.Load(), t.retried.Load(), t.cuts.Load(),
		t.inFlight.Load(), t.startCuts.Load(), t.faults.Load(), t.stops.Load(), t.checks.Load(), t.underWay.Load(), t.rebuilt.Load())
}

// pending is a command whose entries are not known to be durable.
type pending struct {
	op  op
	seq ledger.Seq // of its last entry
}

// history is one seed: a ledger with what feeds it and who calls it, on a disk that
// loses its power and fails, beside the model.
type history struct {
	seed  uint64
	tally *tally
	trace bool
	rng   *rand.Rand
	clock *ledgertest.Clock
	disk  *ledgertest.Disk
	memory,
	namesMax int

	l        *ledger.Ledger
	applier  *ingest.Applier
	promises *promise.Service
	stopped  chan error // the ledger's Fatal

	durable *model    // what is known to be on disk
	pending []pending // what came after, in order
	now_    *model    // durable and all that is pending
	acked   atomic.Uint64

	gen     generator
	sources []*source
	clients clients
	letters int // given so far
	trap    trap
}

// failure is what ends a history that went wrong.
type failure struct{ error }

func (h *history) failf(format string, args ...any) {
	panic(failure{fmt.Errorf("after entry %d: "+format, append([]any{h.l.Seq()}, args...)...)})
}

const commandsPerHistory = 400

// run lives through one seed. An error is what did not hold.
func run(seed uint64, t *tally, trace bool) (err error) {
	h := &history{seed: seed, tally: t, trace: trace, rng: rand.New(rand.NewPCG(seed, 1)),
		clock: ledgertest.NewClock(), disk: ledgertest.NewDisk(), durable: newModel(), now_: newModel()}
	h.memory, h.namesMax = []int{32 << 10, 64 << 10, 256 << 10}[h.rng.IntN(3)], []int{8, 40, 8_000_000}[h.rng.IntN(3)]
	h.trap.disk = h.disk
	h.gen = generator{rng: h.rng, clock: h.clock, orders: h.rng.IntN(2) == 0, placed: map[string][]eventLine{}}
	for _, topic := range []string{"pos.events", "wms.events"} {
		h.sources = append(h.sources, &source{topic: topic})
	}
	defer func() {
		if p := recover(); p != nil {
			f, ok := p.(failure)
			if !ok {
				panic(fmt.Sprintf("seed %d: %v", seed, p))
			}
			err = f.error
		}
	}()
	h.start()
	for _, e := range h.gen.opening() {
		h.http([]*event{e})
	}
	for range commandsPerHistory {
		h.step()
	}
	h.end()
	t.histories.Add(1)
	return nil
}

func (h *history) log(format string, args ...any) {
	if h.trace {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// step does one thing, and perhaps loses the power meanwhile or after.
func (h *history) step() {
	h.pass()
	if !h.trap.armed() && h.rng.IntN(3) == 0 {
		h.trap.arm(h.rng, &h.acked)
	}
	h.tally.commands.Add(1)
	switch p := h.rng.IntN(100); {
	case p < 22:
		h.consume(h.sources[h.rng.IntN(len(h.sources))])
	case p < 32:
		h.http(h.gen.events(h.now_, 1+h.rng.IntN(4), false))
	case p < 55:
		h.call(h.gen.reserve(&h.clients))
	case p < 82:
		h.call(h.gen.change(h.now_, &h.clients))
	case p < 90:
		if c := h.clients.again(h.rng, h.clock.Now()); c != nil {
			h.call(c)
		}
	case p < 93:
		h.masterArrives()
	case p < 96:
		h.checkpoint()
	case p < 97:
		h.prune()
	case p < 98:
		h.restart()
	case p < 99:
		h.fault()
	default:
		h.retry()
	}
	h.compare()
	if h.trap.sprung() || h.trap.armed() && h.rng.IntN(12) == 0 {
		h.cut()
	}
}

// pass lets time pass: mostly moments, sometimes to the very deadline of a hold or one
// millisecond short of it, sometimes hours, rarely days.
func (h *history) pass() {
	now := h.clock.Now()
	by := ledger.Millis(h.rng.IntN(3) * h.rng.IntN(20_000))
	switch h.rng.IntN(40) {
	case 0:
		by = ledger.Millis(h.rng.IntN(int(6 * hour)))
	case 1:
		if h.rng.IntN(4) == 0 {
			by = ledger.Millis(h.rng.IntN(int(60 * hour)))
		}
	case 2, 3, 4:
		if next, ok := h.now_.nextDeadline(); ok {
			by = max(0, next-now-ledger.Millis(h.rng.IntN(2)))
		}
	}
	h.clock.Advance(by)
	now = h.clock.Now()
	// What is due expires when somebody looks; then it is an entry of its own.
	h.l.Position(1, 1, now)
	h.did(opExpire{now}, h.l.Seq())
	h.wait()
}

func (m *model) nextDeadline() (next ledger.Millis, ok bool) {
	for _, r := range m.reservations {
		if r.state == ledger.Held && (!ok || r.expiresAt < next) {
			next, ok = r.expiresAt, true
		}
	}
	return next, ok
}

// did notes a command that the model was or is to be given, too.
func (h *history) did(o op, seq ledger.Seq) outcome {
	out := o.apply(h.now_)
	h.pending = append(h.pending, pending{o, seq})
	return out
}

// ack says that everything up to seq was answered.
func (h *history) ack(seq ledger.Seq) {
	h.acked.Store(max(h.acked.Load(), uint64(seq)))
	if h.trap.sprung() {
		return // of a world that is about to be left
	}
	n := 0
	for ; n < len(h.pending) && h.pending[n].seq <= seq; n++ {
		h.pending[n].op.apply(h.durable)
	}
	h.pending = h.pending[n:]
}

// wait waits for everything to be durable, and notes that it is.
func (h *history) wait() {
	seq := h.l.Seq()
	if err := h.l.Wait(seq); err != nil {
		h.failf("wait for entry %d: %v", seq, err)
	}
	h.ack(seq)
}

func (h *history) checkpoint() {
	h.log("checkpoint")
	if err := h.l.Checkpoint(); err != nil {
		h.failf("%v", err)
	}
	h.wait()
}

// prune drops what is old, after a person has looked through the letters that are: with
// them what is done and what is not would depend on when.
func (h *history) prune() {
	h.log("prune")
	for _, l := range slices.Clone(h.now_.letters) {
		if l.at < h.clock.Now()-7*day {
			if _, err := h.l.Submit(ledger.CloseDeadLetter{Letter: h.letterSeq(l), Now: h.clock.Now()}); err != nil {
				h.failf("close a letter: %v", err)
			}
			h.did(opClose{l.id}, h.l.Seq())
			h.wait() // the list is read from the disk
		}
	}
	h.checkpoint()
	if err := h.l.Prune(); err != nil {
		h.failf("prune: %v", err)
	}
}

// letterSeq finds the letter in the ledger by its place among those that wait.
func (h *history) letterSeq(l *letter) ledger.Seq {
	listed, err := h.l.DeadLetters(0, 1000)
	if err != nil {
		h.failf("list dead letters: %v", err)
	}
	for i, other := range h.now_.letters {
		if other.id == l.id && i < len(listed) {
			return listed[i].Seq
		}
	}
	h.failf("letter %d is not listed", l.id)
	return 0
}

func (h *history) end() {
	h.trap.disarm()
	h.check()
	h.stop()
	r, err := ledger.Verify(h.options())
	if err != nil {
		h.failf("%v", err)
	}
	for _, f := range r.Findings {
		h.failf("verify: %s", f)
	}
	h.rebuild()
	h.start()
	h.compareAll()
	h.check()
	h.stop()
}

// rebuild makes the ledger again from its journal, where that goes back to the beginning.
func (h *history) rebuild() {
	into := h.options()
	into.Dir, into.FS = "anew", vfs.NewMem()
	r, err := ledger.Rebuild(h.options(), into)
	if errors.Is(err, ledger.ErrTruncated) {
		return
	}
	if err != nil {
		h.failf("rebuild: %v", err)
	}
	h.tally.rebuilt.Add(1)
	for _, f := range r.Findings {
		h.failf("rebuild: %s", f)
	}
}

func (h *history) check() {
	h.tally.checks.Add(1)
	r, err := h.l.Check()
	if err != nil {
		h.failf("check: %v", err)
	}
	for _, f := range r.Findings {
		h.failf("check: %s", f)
	}
	if r, err = h.l.Inspect(context.Background(), 0); err != nil {
		h.failf("inspect: %v", err)
	}
	for _, f := range r.Findings {
		h.failf("inspect: %s", f)
	}
}

func (h *history) options() ledger.Options {
	keep := ledger.Millis(0) // the default
	if h.gen.orders {
		keep = 60 * day // the model never forgets what waits for an order
	}
	return ledger.Options{FinishedKeepMillis: keep, Dir: "data", FS: h.disk, Clock: h.clock.Now, CheckpointEvery: -1, NamesInMemoryMax: h.namesMax,
		JournalKeepMillis: 1, MemTableBytes: uint64(h.memory), CacheBytes: 128 << 10,
		Fatal: func(err error) { h.stopped <- err }}
}

// open opens the ledger, or tells why it cannot be.
func (h *history) open() (*ledger.Ledger, error) {
	h.stopped = make(chan error, 16)
	type opened struct {
		l   *ledger.Ledger
		err error
	}
	stopped, done := h.stopped, make(chan opened, 1)
	o := h.options()
	o.Fatal = func(err error) { stopped <- err }
	go func() {
		l, err := ledger.Open(o)
		done <- opened{l, err}
	}()
	select {
	case o := <-done:
		return o.l, o.err
	case err := <-stopped:
		return nil, fmt.Errorf("it stopped the process: %w", err)
	}
}

func (h *history) start() {
	l, err := h.open()
	if err != nil {
		panic(failure{fmt.Errorf("open: %w", err)})
	}
	h.use(l)
}

func (h *history) use(l *ledger.Ledger) {
	h.l, h.applier, h.promises = l, ingest.NewApplier(l), promise.New(l)
}

func (h *history) stop() {
	if err := h.l.Close(); err != nil {
		h.failf("close: %v", err)
	}
	h.ack(h.l.Seq())
}

func (h *history) restart() {
	h.log("restart")
	h.stop()
	if h.trap.sprung() {
		return // the cut that follows opens what was left
	}
	h.start()
	h.resume()
}

// code is why err refuses; other errors end the history.
func (h *history) code(err error) ledger.Code {
	code := refusal(err)
	if err != nil && code == ledger.OK {
		h.failf("an error that is no refusal: %v", err)
	}
	return code
}

func refusal(err error) ledger.Code {
	var r *ledger.Refused
	var p *promise.Refusal
	switch {
	case errors.As(err, &r):
		return r.Code
	case errors.As(err, &p):
		return p.Code
	}
	return ledger.OK
}

// patience is how long a history may take. It takes less than a second.
const patience = 20 * time.Second
