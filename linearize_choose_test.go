package main

import (
	"fmt"
	"time"
)

// linStock is how many units lie at a position at first. There are few, so that
// reservations fall short often.
const linStock = 12

// linLeft is how many reservations of a group wait for their deadline, about, at
// which everyone turns to them.
const linLeft = 3

// linRefused is the state of a slot that nobody could reserve yet.
const linRefused = "refused"

// choose is what a client asks next. Which reservation and how many units are such
// that calls meet: at the last units, at one reservation, at a deadline.
func (c *linClient) choose(seg *linSegment) *linOp {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	switch n := c.rng.IntN(100); {
	case n < 24:
		return c.chooseRead()
	case n < 46:
		return c.chooseHold(seg)
	case n < 58:
		return c.chooseEvent(seg)
	}
	slot := c.chooseSlot(seg)
	if slot < 0 {
		return c.chooseHold(seg)
	}
	op := &linOp{slot: slot}
	s := seg.slots[slot]
	kinds := []linKind{linGet, linConfirm, linConfirm, linCancel, linAmend, linExtend}
	if s.state == "confirmed" {
		kinds = []linKind{linGet, linFulfil, linFulfil, linCancel, linAmend, linConfirm}
	}
	op.kind = kinds[c.rng.IntN(len(kinds))]
	switch op.kind {
	case linConfirm, linCancel, linFulfil:
		if op.lines = c.rng.IntN(3) == 0; op.lines {
			op.units = c.units(2)
		}
		if op.kind == linFulfil && c.g.counts {
			op.time = c.moment(seg)
		}
	case linAmend:
		op.lines, op.units = true, c.units(4)
		if c.rng.IntN(4) == 0 {
			op.ttl = c.ttl()
		}
	case linExtend:
		op.ttl = c.ttl()
	}
	return op
}

// chooseSlot prefers what is open, and what is about to lapse.
func (c *linClient) chooseSlot(seg *linSegment) int {
	now := time.Now().UnixMilli()
	var open []int
	for i, s := range seg.slots {
		if s.state == "held" && s.deadline-now < 4 && s.deadline-now > -4 {
			return i
		}
		if (s.state == "held" || s.state == "confirmed") && !s.waits(now) {
			open = append(open, i)
		}
	}
	switch {
	case len(open) > 0 && c.rng.IntN(8) > 0:
		return open[c.rng.IntN(len(open))]
	case len(seg.slots) > 0:
		if i := c.rng.IntN(len(seg.slots)); !seg.slots[i].waits(now) {
			return i
		}
	}
	return -1
}

// waits says that a reservation is left alone.
func (s *linSlot) waits(now int64) bool { return s.state == "held" && s.left && s.deadline > now }

func (c *linClient) chooseHold(seg *linSegment) *linOp {
	open, left := 0, 0
	for i, s := range seg.slots {
		if (s.state == "" || s.state == linRefused) && s.body != nil && c.rng.IntN(10) == 0 || s.body != nil && c.rng.IntN(40) == 0 {
			return s.hold(i) // the same again
		}
		if s.state == "held" || s.state == "confirmed" {
			open++
		}
		if s.left && (s.state == "" || s.state == "held") {
			left++
		}
	}
	if i := c.rng.IntN(max(1, len(seg.slots))); open > 2*linCarried && !seg.slots[i].waits(time.Now().UnixMilli()) {
		return &linOp{kind: linCancel, slot: i}
	}
	s := &linSlot{id: fmt.Sprintf("%s-%d", seg.name, len(seg.slots)), units: c.units(5), ttl: c.ttl(), partial: c.rng.IntN(5) == 0}
	if !c.g.run.kills && left < linLeft {
		s.left, s.ttl, s.units = true, 1000, c.units(1)
	}
	s.body = c.g.holdBody(s)
	seg.slots = append(seg.slots, s)
	return s.hold(len(seg.slots) - 1)
}

func (s *linSlot) hold(i int) *linOp {
	return &linOp{kind: linHold, slot: i, units: s.units, ttl: s.ttl, partial: s.partial}
}

func (c *linClient) chooseRead() *linOp {
	op := &linOp{kind: linRead}
	switch c.rng.IntN(3) {
	case 0:
		op.units[c.rng.IntN(len(c.g.places))] = 1
	case 1:
		op.units[0] = 1
		if len(c.g.places) > 1 {
			op.units[1] = 1
		}
	default:
		for i := range c.g.places {
			op.units[i] = 1
		}
	}
	return op
}

// chooseEvent sells, or brings more, above all where little was seen, or counts. One in ten
// events comes twice.
func (c *linClient) chooseEvent(seg *linSegment) *linOp {
	op := &linOp{kind: linMove, event: seg.events, time: c.moment(seg)}
	i := c.rng.IntN(len(c.g.places))
	switch n := c.rng.IntN(10); {
	case n == 0 && seg.again != nil:
		again := *seg.again
		return &again
	case n < 2 && c.g.counts:
		op.kind, op.units[i], op.counted = linCount, 1, int32(c.rng.IntN(2*linStock))
	case n < 4 || c.g.seen[i] < 2:
		op.units[i] = 1 + c.rng.Int32N(8)
		c.g.seen[i] += op.units[i]
	default:
		// Both SKUs of one location may be in one event.
		op.units[i] = -1 - c.rng.Int32N(3)
		if len(c.g.places) > 1 && i != 1 {
			op.units[2-i] = -c.rng.Int32N(3)
		}
	}
	seg.events++
	copied := *op
	seg.again = &copied
	return op
}

// moment is a time for an event: now or just before, so that counts and movements
// come in another order than that in which they happened, but in this segment.
func (c *linClient) moment(seg *linSegment) int64 {
	return max(seg.floor, time.Now().UnixMilli()-int64(c.rng.IntN(8)))
}

func (c *linClient) units(most int32) (units linUnits) {
	units[c.rng.IntN(len(c.g.places))] = 1 + c.rng.Int32N(most)
	for i := range c.g.places {
		if c.rng.IntN(2) == 0 {
			units[i] = 1 + c.rng.Int32N(most)
		}
	}
	return units
}

// ttl is the shortest there is, or one that outlives the test.
func (c *linClient) ttl() int64 {
	if !c.g.run.kills && c.rng.IntN(3) == 0 {
		return 1000
	}
	return 14_400_000
}

// heard remembers an answer for choosing what comes next.
func (c *linClient) heard(seg *linSegment, op *linOp) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if op.kind == linRead {
		for i, u := range op.units {
			if u != 0 {
				c.g.seen[i] = op.answer.rows[i].available
			}
		}
	}
	if op.kind > linGet {
		return
	}
	s := seg.slots[op.slot]
	if op.answer.code != linOK {
		if op.kind == linHold && s.state == "" {
			s.state = linRefused
		}
		return
	}
	if s.state = op.answer.res.state; op.answer.replayed {
		s.state = op.answer.state
	}
	s.deadline = op.answer.res.deadline
}
