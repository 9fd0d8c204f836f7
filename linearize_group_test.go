package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	linClientsPerGroup = 6  // more than 8 calls at once and the checker may not decide
	linCallsPerClient  = 10 // between two quiet moments
	linCarried         = 5  // open reservations that go on into the next segment, about
)

// linGroup is some clients and the positions that only they use. Their history is
// judged in segments, each from one quiet moment to the next.
type linGroup struct {
	run     *linRun
	name    string
	places  []linPosition
	counts  bool // counts come too, so every movement says its time
	clients []*linClient
	rng     *rand.Rand

	segment int
	state   *linState  // at the last quiet moment
	slots   []*linSlot // open then
	quiet   int64      // when it was
	floor   int64      // milliseconds: events that happen now are no earlier than this
	cut     *linSegment

	mu   sync.Mutex // guards seen, and the slots and events of the segment under way
	seen linUnits   // available, as last read
}

type linPosition struct{ sku, location string }

func newLinGroup(run *linRun, n int) *linGroup {
	g := &linGroup{run: run, name: fmt.Sprintf("g%d", n), rng: rand.New(rand.NewPCG(run.seed, uint64(n)))}
	g.places = []linPosition{{fmt.Sprintf("a%d", n), "x"}}
	if n%2 == 1 { // a basket may be of three positions, two of one SKU, two at one location
		g.places = append(g.places, linPosition{g.places[0].sku, "y"}, linPosition{fmt.Sprintf("b%d", n), "x"})
	}
	g.counts = n%4 >= 2
	for i := range linClientsPerGroup {
		c := &linClient{n: i, g: g, rng: rand.New(rand.NewPCG(run.seed, uint64(1000*(n+1)+i)))}
		g.clients = append(g.clients, c)
	}
	g.state = &linState{}
	for i := range g.places {
		g.state.places[i].onHand = linStock
	}
	return g
}

func (g *linGroup) place(sku, location []byte) int {
	for i := range g.places {
		if g.places[i].sku == string(sku) && g.places[i].location == string(location) {
			return i
		}
	}
	return -1
}

// work makes calls until the run has enough of them, or the service goes away. It
// says when it is over what the service left behind when it went away before.
func (g *linGroup) work(resumed func()) {
	for _, c := range g.clients {
		c.connect(g.run.addr)
	}
	if g.cut != nil {
		g.cut.crash(g.run.killedAt)
		if g.cut = g.finish(g.cut); g.cut != nil {
			return
		}
	}
	resumed()
	for g.run.wanted() {
		if g.cut = g.finish(g.play()); g.cut != nil {
			return
		}
	}
}

// play is a segment's concurrent part.
func (g *linGroup) play() *linSegment {
	g.segment++
	seg := &linSegment{name: fmt.Sprintf("%s.%d", g.name, g.segment), first: g.state, begin: g.quiet, floor: g.floor, slots: slices.Clone(g.slots)}
	done := make([][]*linOp, len(g.clients))
	var away atomic.Bool
	var wg sync.WaitGroup
	for i, c := range g.clients {
		wg.Go(func() {
			for range linCallsPerClient {
				op := c.choose(seg)
				err := c.do(seg, op)
				done[i] = append(done[i], op)
				if err != nil {
					away.Store(true)
					g.run.failed(err)
				}
				if away.Load() {
					return
				}
				c.heard(seg, op)
			}
		})
	}
	wg.Wait()
	seg.ops = slices.Concat(done...)
	return seg
}

// finish brings the segment to its quiet moment: what was not answered is asked
// again, then everything is read. It gives the segment back if it cannot.
func (g *linGroup) finish(seg *linSegment) *linSegment {
	c := g.clients[0]
	ask := func(op *linOp) bool {
		err := c.do(seg, op)
		if err != nil && errors.Is(err, errNoAnswer) && op.kind >= linGet && op.kind <= linRead {
			g.run.failed(err)
			return false // a question changes nothing, whether or not it came
		}
		seg.ops = append(seg.ops, op)
		if err != nil {
			g.run.failed(err)
		}
		return err == nil
	}
	for _, op := range slices.Clone(seg.ops) {
		again := op.kind == linHold || op.kind == linMove || op.kind == linCount
		if op.answered || !again || g.askedAgain(seg, op) {
			continue
		}
		if !ask(&linOp{kind: op.kind, slot: op.slot, units: op.units, partial: op.partial, ttl: op.ttl, event: op.event, time: op.time, counted: op.counted}) {
			return seg
		}
	}
	next := &linState{places: g.lastCounts(seg), acked: seg.durable(g.state.acked)}
	rows := &linOp{kind: linRead}
	for i := range g.places {
		rows.units[i] = 1
	}
	if !ask(rows) {
		return seg
	}
	next.seq = rows.answer.seq
	for i := range g.places {
		next.places[i].onHand = rows.answer.rows[i].onHand
	}
	g.slots = g.slots[:0]
	var open []*linReservation
	for i, s := range seg.slots {
		if over := s.state != "" && s.state != "held" && s.state != "confirmed"; over && !seg.crashed {
			continue // what was only read may be otherwise after a crash
		}
		op := &linOp{kind: linGet, slot: i}
		if !ask(op) {
			return seg
		}
		if a := &op.answer; a.code == linOK && (a.res.state == "held" || a.res.state == "confirmed") {
			g.slots = append(g.slots, &linSlot{id: s.id, state: a.res.state, deadline: a.res.deadline, left: s.left})
			open = append(open, &a.res)
		}
	}
	seg.end = time.Now().UnixNano()
	// What is due by now passes in this segment, whatever was just read.
	kept := g.slots[:0]
	for i, s := range g.slots {
		if s.state == "held" && s.deadline*nanosOfMillis <= seg.end {
			continue
		}
		kept = append(kept, s)
		next.now = append(next.now, open[i])
		next.created = append(next.created, nil)
	}
	g.slots, g.state, g.quiet = kept, next, seg.end
	g.floor = max(seg.floor, seg.end/nanosOfMillis) + 1
	g.run.judge(seg)
	return nil
}

// askedAgain says that a call was answered when it was asked another time.
func (g *linGroup) askedAgain(seg *linSegment, op *linOp) bool {
	return slices.ContainsFunc(seg.ops, func(o *linOp) bool {
		return o.answered && o.call > op.ret && o.kind == op.kind && (op.kind == linHold && o.slot == op.slot || op.kind != linHold && o.event == op.event)
	})
}

// lastCounts is when each position was counted last.
func (g *linGroup) lastCounts(seg *linSegment) [linPositionsMax]linPlace {
	places := g.state.places
	for _, op := range seg.ops {
		if op.kind != linCount {
			continue
		}
		for i, u := range op.units {
			if u != 0 {
				places[i].counted = max(places[i].counted, op.time)
			}
		}
	}
	return places
}

// durable is the latest change that anyone was answered: a read may also tell of one
// that is not on disk yet.
func (seg *linSegment) durable(seq uint64) uint64 {
	for _, op := range seg.ops {
		switch {
		case !op.answered || op.answer.code != linOK:
		case op.kind < linGet:
			seq = max(seq, op.answer.res.seq)
		case op.kind == linMove || op.kind == linCount:
			seq = max(seq, op.answer.seq)
		}
	}
	return seq
}

// deadlines are operations of the history that nobody calls: each that anyone was
// told of and that lies in the segment passes in its millisecond.
func (seg *linSegment) deadlines() (ops []*linOp) {
	type deadline struct {
		slot int
		at   int64
	}
	seen := map[deadline]bool{}
	pass := func(slot int, at int64) {
		d := deadline{slot, at}
		if ns := at * nanosOfMillis; at > 0 && ns > seg.begin && ns <= seg.end && !seen[d] {
			seen[d] = true
			ops = append(ops, &linOp{kind: linExpire, slot: slot, time: at, call: ns, ret: ns, answered: true})
		}
	}
	for slot, r := range seg.first.now {
		pass(slot, r.deadline)
	}
	for _, op := range seg.ops {
		if op.answered && op.kind <= linGet && op.answer.code == linOK {
			pass(op.slot, op.answer.res.deadline)
		}
	}
	return ops
}

// crash ends the calls that were under way when the service was killed. Whether they
// were done nobody knows: they are taken to have been, and the latest of them to be
// gone again after the crash.
func (seg *linSegment) crash(at int64) {
	kept := seg.ops[:0]
	unanswered := 0
	for _, op := range seg.ops {
		if !op.answered {
			if op.kind == linGet || op.kind == linRead || op.call > at {
				continue
			}
			unanswered++
			op.ret = at
		}
		op.ret = min(op.ret, at) // done before the end, heard after it
		kept = append(kept, op)
	}
	seg.ops = append(kept, &linOp{kind: linCrash, call: at + 1, ret: at + 1, answered: true})
	seg.unanswered += unanswered
	seg.crashed = true
}
