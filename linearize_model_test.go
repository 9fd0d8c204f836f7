package main

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// linState is what a group's positions and reservations are at one moment, and how
// the service has to answer then. It is written from the contract, for one call after
// another. A state never changes: step makes another one.
type linState struct {
	seq     uint64 // of the latest change that anyone was told of
	acked   uint64 // of the latest change that was answered, so is on disk
	places  [linPositionsMax]linPlace
	moves   []linMoved        // those after the last count, least first: what a count that comes late adds up
	applied []uint64          // by event: the change that it was; linApplied where nobody was told
	now     []*linReservation // by slot; nil: nobody made it
	created []*linReservation // by slot: as it was answered first
	undo    []*linState       // before each change that nobody was answered since the latest that someone was
}

type linPlace struct {
	onHand  int32
	counted int64 // milliseconds
	event   int   // that counted
}

type linMoved struct {
	place int
	time  int64
	units int32
}

const (
	linApplied    = ^uint64(0) // a change's seq that nobody was told
	linUntold     = -1         // a deadline that nobody was told
	nanosOfMillis = 1_000_000
)

func (s *linState) clone() *linState {
	n := *s
	n.now = slices.Clone(s.now)
	n.created = slices.Clone(s.created)
	n.applied = slices.Clone(s.applied)
	return &n
}

// step is the state after op. False: nothing that is in this state can answer so.
func (s *linState) step(op *linOp) (*linState, bool) {
	n := s.clone()
	if op.kind == linCrash {
		return n.crash(op)
	}
	want := n.apply(op)
	switch {
	case !op.answered:
		if want.changed {
			n.undo = append(slices.Clip(s.undo), s)
		}
		return n, true
	case op.kind == linExpire:
		return n, true
	}
	return n, n.agrees(s, op, &want)
}

// linWant is how the service has to answer.
type linWant struct {
	linAnswer
	changed bool // a change, of which nobody can know the number before
	fresh   bool // the deadline counts from when the call was taken
}

// agrees says whether op was answered as it must be, and takes over what only the
// answer tells: numbers of changes and deadlines.
func (s *linState) agrees(before *linState, op *linOp, want *linWant) bool {
	got := &op.answer
	if got.code != want.code || got.code == linWrongState && got.state != want.state || got.short != want.short {
		return false
	}
	if got.code != linOK {
		return true
	}
	switch op.kind {
	case linRead:
		if got.rows != want.rows || got.seq < before.seq {
			return false
		}
		s.seq = got.seq
		return true
	case linMove, linCount:
		if got.duplicate == want.changed {
			return false
		}
		if !want.changed {
			s.keep(func(o *linState) bool { return o.applied[op.event] != 0 })
			return s.applied[op.event] == linApplied || s.applied[op.event] == got.seq
		}
		s.applied[op.event] = got.seq
		return s.change(before, got.seq)
	}
	if got.replayed != want.replayed || got.replayed && got.state != want.state {
		return false
	}
	of := s.now
	if got.replayed {
		of = s.created
	}
	r := *of[op.slot]
	of[op.slot] = &r
	if want.fresh {
		if got.res.deadline < op.call/nanosOfMillis+op.ttl || got.res.deadline > op.ret/nanosOfMillis+op.ttl {
			return false
		}
		r.deadline = got.res.deadline
	}
	if !r.told(&got.res, op.kind == linHold) {
		return false
	}
	if !want.changed {
		switch now := s.now[op.slot]; {
		case got.replayed:
			s.keep(func(o *linState) bool { return o.created[op.slot] != nil })
		case op.kind != linGet:
			s.keep(func(o *linState) bool { return o.now[op.slot] != nil && o.now[op.slot].state == now.state })
		}
		return true
	}
	if op.kind == linHold {
		first := r
		s.created[op.slot] = &first
	}
	return s.change(before, got.res.seq)
}

// change takes over the number of a change that was answered: it is on disk, and so
// is all before it.
func (s *linState) change(before *linState, seq uint64) bool {
	s.seq, s.acked, s.undo = seq, seq, nil
	return seq > before.seq
}

// keep drops the states to which a crash cannot lead any more, because someone was
// answered what is not so in them.
func (s *linState) keep(so func(*linState) bool) {
	for i := len(s.undo) - 1; i >= 0; i-- {
		if !so(s.undo[i]) {
			s.undo = s.undo[i+1:]
			return
		}
	}
}

// told says whether an answer shows this reservation, and takes over what nobody was
// told before.
func (r *linReservation) told(got *linReservation, first bool) bool {
	if r.seq == 0 {
		r.seq = got.seq
	}
	if r.deadline == linUntold {
		r.deadline = got.deadline
	}
	if got.state != r.state || got.seq != r.seq || got.deadline != r.deadline {
		return false
	}
	for i := range got.lines {
		g, w := got.lines[i], r.lines[i]
		if !first {
			g.available, w.available = -1, -1
		}
		if g != w {
			return false
		}
	}
	return true
}

// crash goes back by so many changes that nobody was answered. Deadlines pass
// meanwhile.
func (s *linState) crash(op *linOp) (*linState, bool) {
	if op.undone > len(s.undo) {
		return nil, false
	}
	n := s
	if op.undone > 0 {
		n = s.undo[len(s.undo)-op.undone].clone()
	}
	n.undo, n.seq = nil, s.acked
	for slot, r := range n.now {
		if r != nil && r.state == "held" && r.deadline != linUntold && r.deadline <= op.call/nanosOfMillis {
			n.now[slot] = r.expired()
		}
	}
	return n, true
}

func (s *linState) row(i int) (row linRow) {
	row.onHand = s.places[i].onHand
	for _, r := range s.now {
		if r != nil {
			row.held += r.lines[i].held
			row.committed += r.lines[i].committed
		}
	}
	row.available = max(0, row.onHand-row.held-row.committed)
	row.shortage = max(0, row.held+row.committed-row.onHand)
	return row
}

// move moves units now, unless a count has settled the time that they moved at. Time
// 0 is after every count.
func (s *linState) move(place int, time int64, units int32) {
	p := &s.places[place]
	if time != 0 && time <= p.counted {
		return
	}
	p.onHand += units
	if time != 0 {
		m := linMoved{place, time, units}
		at, _ := slices.BinarySearchFunc(s.moves, m, linMoved.compare)
		s.moves = slices.Insert(slices.Clone(s.moves), at, m)
	}
}

func (m linMoved) compare(o linMoved) int {
	switch {
	case m.place != o.place:
		return m.place - o.place
	case m.time != o.time:
		return int(m.time - o.time)
	}
	return int(m.units - o.units)
}

// settle counts a position: of two counts the later holds, whatever comes first.
func (s *linState) settle(place int, op *linOp) {
	p := &s.places[place]
	if op.time < p.counted || op.time == p.counted && op.event < p.event {
		return
	}
	p.onHand, p.counted, p.event = op.counted, op.time, op.event
	kept := make([]linMoved, 0, len(s.moves))
	for _, m := range s.moves {
		if m.place == place && m.time <= op.time {
			continue
		}
		if m.place == place {
			p.onHand += m.units
		}
		kept = append(kept, m)
	}
	s.moves = kept
}

func (s *linState) equal(o *linState) bool {
	if s.seq != o.seq || s.acked != o.acked || s.places != o.places || !slices.Equal(s.moves, o.moves) || !slices.Equal(s.applied, o.applied) {
		return false
	}
	same := func(a, b *linReservation) bool { return a == b || a != nil && b != nil && *a == *b }
	return slices.EqualFunc(s.now, o.now, same) && slices.EqualFunc(s.created, o.created, same) &&
		slices.EqualFunc(s.undo, o.undo, (*linState).equal)
}

func (s *linState) hash() uint64 {
	h := s.seq
	for i := range s.places {
		h = h*0x9e3779b97f4a7c15 + uint64(uint32(s.places[i].onHand))
	}
	return h
}

// linModel is linState for porcupine; a linOp is question and answer in one.
func linModel(first *linState) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return first },
		Step: func(state, op, _ any) (bool, any) {
			n, ok := state.(*linState).step(op.(*linOp))
			return ok, n
		},
		Equal: func(a, b any) bool { return a.(*linState).equal(b.(*linState)) },
		Hash:  func(s any) uint64 { return s.(*linState).hash() },
	}
}
