package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

var (
	linearizeOps   = flag.Int64("linearize-ops", 1_000_000, "how many calls TestLinearizable makes")
	linearizeKills = flag.Int("linearize-kills", 10, "how often TestLinearizableThroughKills kills the service")
	linearizeSeed  = flag.Uint64("linearize-seed", 0, "of what the clients ask for; 0: another one each time")
)

const (
	linGroups       = 32
	linCheckers     = 2
	linCheckTimeout = time.Minute // beyond which a history counts as undecided, and the test fails
)

// TestLinearizable lets many clients reserve, confirm, cancel, fulfil, amend, extend,
// read, sell and count at few positions over HTTP, deadlines passing meanwhile, and
// has their history judged: every answer must be that of a service which does one call
// after another, each at some moment while it was under way.
func TestLinearizable(t *testing.T) {
	run := newLinRun(t)
	run.target = *linearizeOps
	if testing.Short() {
		run.target = min(run.target, 20_000)
	}
	dir := t.TempDir()
	p := start(t, dir)
	run.open(p)
	began := time.Now()
	run.resume(p, func() {})
	asked := time.Since(began)
	run.close()
	t.Logf("seed %d: %d calls in %.1f s, %.0f/s, and judged in %.1f s more", run.seed, run.calls.Load(), asked.Seconds(),
		float64(run.calls.Load())/asked.Seconds(), (time.Since(began) - asked).Seconds())
	run.report()
	p.stop()
	verifyDir(t, dir)
}

// TestLinearizableThroughKills kills the service while they do, again and again. A
// call without an answer was done or not; what was answered stays done.
func TestLinearizableThroughKills(t *testing.T) {
	run := newLinRun(t)
	run.kills = true
	rounds := *linearizeKills
	if testing.Short() {
		rounds = 2
	}
	dir := t.TempDir()
	p := start(t, dir)
	run.open(p)
	random := rand.New(rand.NewPCG(run.seed, 1))
	for range rounds {
		from := run.calls.Load()
		run.target = 1 << 62
		run.resume(p, func() {
			more := 2000 + random.Int64N(4000)
			for run.calls.Load() < from+more && !run.broken.Load() {
				<-time.After(time.Millisecond)
			}
			run.killing.Store(true)
			p.kill()
			run.killedAt = time.Now().UnixNano()
		})
		p = start(t, dir)
	}
	run.killing.Store(false)
	run.target = 0 // what the last kill left behind is still asked for
	run.resume(p, func() {})
	run.close()
	t.Logf("seed %d: %d calls, %d kills, %d calls without an answer", run.seed, run.calls.Load(), rounds, run.unanswered.Load())
	run.report()
	if run.unanswered.Load() == 0 {
		t.Error("no kill met a call")
	}
	p.stop()
	verifyDir(t, dir)
}

func verifyDir(t *testing.T, dir string) {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "verify", "--data", dir).CombinedOutput(); err != nil {
		t.Errorf("onhand verify: %v\n%s", err, out)
	}
}

// linRun is one service under many groups of clients, and those who judge.
type linRun struct {
	t      *testing.T
	seed   uint64
	kills  bool
	addr   string
	target int64
	groups []*linGroup

	segments chan *linSegment
	checkers sync.WaitGroup

	calls, deadlines, replays, duplicates, unanswered atomic.Int64
	tally                                             [linKinds][linCodes]atomic.Int64

	killing  atomic.Bool // calls may go without an answer
	killedAt int64
	broken   atomic.Bool // the test has failed, so no more is asked
}

func newLinRun(t *testing.T) *linRun {
	run := &linRun{t: t, seed: *linearizeSeed, segments: make(chan *linSegment, 4*linGroups)}
	if run.seed == 0 {
		run.seed = uint64(time.Now().UnixNano())
	}
	for n := range linGroups {
		run.groups = append(run.groups, newLinGroup(run, n))
	}
	for range linCheckers {
		run.checkers.Go(func() {
			for seg := range run.segments {
				run.check(seg)
			}
		})
	}
	return run
}

// open stocks what the groups use.
func (run *linRun) open(p *process) {
	var a, b []string
	for _, g := range run.groups {
		a = append(a, g.places[0].sku)
		if len(g.places) > 1 {
			b = append(b, g.places[2].sku)
		}
	}
	p.stock(a, []string{"x", "y"}, linStock)
	p.stock(b, []string{"x"}, linStock)
	for _, g := range run.groups {
		g.quiet = time.Now().UnixNano()
		g.floor = g.quiet/nanosOfMillis + 1
	}
}

// resume lets all groups work until they end; meanwhile is called once they are over
// what a kill left behind.
func (run *linRun) resume(p *process, meanwhile func()) {
	run.addr = strings.TrimPrefix(p.url, "http://")
	run.killing.Store(false)
	var work, resumed sync.WaitGroup
	for _, g := range run.groups {
		resumed.Add(1)
		work.Go(func() {
			over := sync.OnceFunc(resumed.Done)
			defer over()
			g.work(over)
		})
	}
	resumed.Wait()
	meanwhile()
	work.Wait()
}

func (run *linRun) wanted() bool { return run.calls.Load() < run.target && !run.broken.Load() }

func (run *linRun) failed(err error) {
	if errors.Is(err, errNoAnswer) && run.killing.Load() {
		return
	}
	if !run.broken.Swap(true) {
		run.t.Errorf("seed %d: %v", run.seed, err)
	}
}

// judge hands a segment to whoever judges.
func (run *linRun) judge(seg *linSegment) {
	for _, op := range seg.ops {
		if op.kind == linCrash {
			continue
		}
		run.calls.Add(1)
		if op.answered {
			run.tally[op.kind][op.answer.code].Add(1)
		}
		if op.answer.replayed {
			run.replays.Add(1)
		}
		if op.answer.duplicate {
			run.duplicates.Add(1)
		}
	}
	run.unanswered.Add(int64(seg.unanswered))
	run.segments <- seg
}

func (run *linRun) close() {
	close(run.segments)
	run.checkers.Wait()
}

func (run *linRun) check(seg *linSegment) {
	passed := seg.deadlines()
	run.deadlines.Add(int64(len(passed)))
	if result := seg.check(passed); result != porcupine.Ok && !run.broken.Swap(true) {
		run.t.Errorf("seed %d: %s is %s:\n%s", run.seed, seg.name, result, seg.describe(passed))
	}
}

// check judges the history. What a crash undid nobody knows, so each number of changes
// is tried.
func (seg *linSegment) check(passed []*linOp) porcupine.CheckResult {
	first := seg.first.clone()
	first.applied = make([]uint64, seg.events)
	first.now = slices.Grow(first.now, len(seg.slots))[:len(seg.slots)]
	first.created = slices.Grow(first.created, len(seg.slots))[:len(seg.slots)]
	model := linModel(first)
	for undone := 0; ; undone++ {
		var history []porcupine.Operation
		for _, op := range slices.Concat(seg.ops, passed) {
			if op.kind == linCrash {
				op.undone = undone
			}
			history = append(history, porcupine.Operation{ClientId: op.client, Input: op, Call: op.call, Return: op.ret})
		}
		result := porcupine.CheckOperationsTimeout(model, history, linCheckTimeout)
		if result != porcupine.Illegal || undone == seg.unanswered {
			return result
		}
	}
}

// describe lists the history by the time of call.
func (seg *linSegment) describe(passed []*linOp) string {
	ops := slices.Concat(seg.ops, passed)
	slices.SortFunc(ops, func(a, b *linOp) int { return int(a.call - b.call) })
	var b strings.Builder
	fmt.Fprintf(&b, "at first: seq %d %+v\n", seg.first.seq, seg.first.places)
	for slot, r := range seg.first.now {
		fmt.Fprintf(&b, "at first: r%d %+v\n", slot, *r)
	}
	for _, op := range ops {
		fmt.Fprintln(&b, op)
	}
	return b.String()
}

// report says what there was, and complains where something that the test is about
// did not occur.
func (run *linRun) report() {
	var b strings.Builder
	missing := []string{}
	for kind := range linExpire {
		fmt.Fprintf(&b, "\n%8s", linKindWords[kind])
		for code := range linCodes {
			if n := run.tally[kind][code].Load(); n > 0 {
				fmt.Fprintf(&b, "  %s %d", linCodeWords[code], n)
			} else if slices.Contains(linMustOccur[kind], code) {
				missing = append(missing, linKindWords[kind]+" "+linCodeWords[code])
			}
		}
	}
	run.t.Logf("%d deadlines passed, %d holds were asked for again, %d events came twice%s", run.deadlines.Load(), run.replays.Load(), run.duplicates.Load(), b.String())
	if run.calls.Load() < 100_000 || run.kills {
		return
	}
	if run.deadlines.Load() == 0 || run.replays.Load() == 0 || run.duplicates.Load() == 0 || len(missing) > 0 {
		run.t.Errorf("something never occurred, answers among it: %q", missing)
	}
}

// linMustOccur are the answers without which a long run has not tried what it is about.
var linMustOccur = [linKinds][]linCode{
	linHold:    {linOK, linInsufficient},
	linConfirm: {linOK, linWrongState, linExpired, linOverConfirmation, linUnknown},
	linCancel:  {linOK, linWrongState, linExpired, linOverCancellation, linUnknown},
	linFulfil:  {linOK, linWrongState, linOverFulfilment},
	linAmend:   {linOK, linWrongState, linExpired, linInsufficient, linOverFulfilment},
	linExtend:  {linOK, linWrongState, linExpired},
	linGet:     {linOK, linUnknown},
	linRead:    {linOK}, linMove: {linOK}, linCount: {linOK},
}
