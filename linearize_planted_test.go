package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// TestLinearizabilityIsJudged gives the judge histories that no correct service can
// have, beside the nearest ones that it can: it must tell them apart.
func TestLinearizabilityIsJudged(t *testing.T) {
	f := func(name string, want porcupine.CheckResult, plant func(h *linPlanted)) {
		t.Run(name, func(t *testing.T) {
			h := newLinPlanted()
			plant(h)
			if got := h.check(h.deadlines()); got != want {
				t.Errorf("%s, want %s:\n%s", got, want, h.describe(h.deadlines()))
			}
		})
	}
	const ok, illegal = porcupine.Ok, porcupine.Illegal

	f("nothing is planted", ok, func(*linPlanted) {})
	f("oversold", illegal, func(h *linPlanted) {
		h.refused.answer = linAnswer{code: linOK, res: linHeld(3, h.deadline, 1)}
		h.lastRead.answer.seq, h.cancelled.answer.res.seq = 5, 4
	})
	f("refused with stock", illegal, func(h *linPlanted) { h.refused.call, h.refused.ret = 56e6, 58e6 })
	f("refused by what was being cancelled", ok, func(h *linPlanted) { h.refused.call, h.refused.ret = 46e6, 58e6 })
	f("short by a wrong number", illegal, func(h *linPlanted) { h.refused.answer.short[0].available = 1 })
	f("stale read", illegal, func(h *linPlanted) { h.lastRead.answer = h.firstRead.answer })
	f("stale read under a new number", illegal, func(h *linPlanted) { h.lastRead.answer.rows = h.firstRead.answer.rows })
	f("old number under a fresh read", illegal, func(h *linPlanted) { h.lastRead.answer.seq = 2 })
	f("read during the cancel", ok, func(h *linPlanted) { h.firstRead.call, h.firstRead.ret = 46e6, 48e6 })
	f("a number given twice", illegal, func(h *linPlanted) { h.second.answer.res.seq = 1 })
	f("a basket", ok, func(h *linPlanted) { h.basket(1) })
	f("half a basket", illegal, func(h *linPlanted) { h.basket(0) })
	f("a change that nobody asked for", illegal, func(h *linPlanted) { h.lastRead.answer.rows[0].onHand++ })
	f("expired a millisecond too early", illegal, func(h *linPlanted) { h.expired.call, h.expired.ret = h.deadline*1e6-2e6, h.deadline*1e6-1e6 })
	f("held a millisecond too long", illegal, func(h *linPlanted) {
		h.add(linOp{kind: linGet, call: h.deadline*1e6 + 1e6, ret: h.deadline*1e6 + 2e6, answer: linAnswer{res: linHeld(1, h.deadline, 2)}})
	})
	f("held as the deadline passes", ok, func(h *linPlanted) {
		h.add(linOp{kind: linGet, call: h.deadline*1e6 - 1e6, ret: h.deadline*1e6 + 2e6, answer: linAnswer{res: linHeld(1, h.deadline, 2)}})
	})
	f("a deadline of another length", illegal, func(h *linPlanted) { h.first.ttl = 2000 })
	f("an event counted twice", illegal, func(h *linPlanted) {
		for i := range 2 {
			h.add(linOp{kind: linMove, units: linUnits{-1}, call: int64(61+i) * 1e6, ret: int64(61+i) * 1e6, time: 61, answer: linAnswer{seq: uint64(4 + i)}})
		}
	})
	f("an event that came twice", ok, func(h *linPlanted) {
		for i := range 2 {
			h.add(linOp{kind: linMove, units: linUnits{-1}, call: int64(61+i) * 1e6, ret: int64(61+i) * 1e6, time: 61, answer: linAnswer{seq: 4, duplicate: i == 1}})
		}
	})
	for _, late := range []int64{61, 59} { // a sale before the count does not move what was counted
		f("a sale and a count", ok, func(h *linPlanted) { h.saleAndCount(late, 8-map[bool]int32{true: 1}[late > 60]) })
		f("a count taken for what moved since", illegal, func(h *linPlanted) { h.saleAndCount(late, 7+map[bool]int32{true: 1}[late > 60]) })
	}
	f("an answered hold is gone after a crash", illegal, func(h *linPlanted) { h.crashed(true, false, false) })
	f("an answered hold is there after a crash", ok, func(h *linPlanted) { h.crashed(true, false, true) })
	f("a hold without an answer is gone", ok, func(h *linPlanted) { h.crashed(false, false, false) })
	f("a hold without an answer is there", ok, func(h *linPlanted) { h.crashed(false, false, true) })
	f("a hold without an answer was seen and is gone", ok, func(h *linPlanted) { h.crashed(false, true, false) })
	f("what an answer built on is gone", illegal, func(h *linPlanted) {
		h.crashed(false, true, false)
		h.add(linOp{kind: linMove, units: linUnits{1}, time: 76, call: 76e6, ret: 77e6, answer: linAnswer{seq: 6}})
	})
}

// linPlanted is a small history that is right, to be spoilt: of three units r0 takes
// two and r1 one, r2 is refused, r1 is cancelled, r0 expires.
type linPlanted struct {
	linSegment
	deadline                                                        int64
	first, second, refused, firstRead, cancelled, lastRead, expired *linOp
}

func linHeld(seq uint64, deadline int64, units int32) linReservation {
	r := linReservation{state: "held", seq: seq, deadline: deadline}
	for i := range r.lines {
		r.lines[i].available = -1
	}
	r.lines[0] = linLine{quantity: units, held: units, available: -1}
	return r
}

func (h *linPlanted) add(op linOp) *linOp {
	op.answered = true
	for i := range op.answer.res.lines {
		op.answer.res.lines[i].available = -1
	}
	h.ops = append(h.ops, &op)
	return &op
}

func newLinPlanted() *linPlanted {
	const ms = nanosOfMillis
	h := &linPlanted{deadline: 1015}
	h.linSegment = linSegment{name: "planted", first: &linState{}, end: 2000 * ms, events: 3, slots: make([]*linSlot, 4)}
	h.linSegment.first.places[0].onHand, h.linSegment.first.places[1].onHand = 3, 1
	gone := linHeld(3, 0, 1)
	gone.state, gone.lines[0] = "cancelled", linLine{quantity: 1, cancelled: 1}
	over := linHeld(9, h.deadline, 2)
	over.state, over.lines[0].held = "expired", 0
	row := func(held int32) [linPositionsMax]linRow {
		return [linPositionsMax]linRow{{onHand: 3, held: held, available: 3 - held}}
	}
	h.first = h.add(linOp{kind: linHold, slot: 0, units: linUnits{2}, ttl: 1000, call: 10 * ms, ret: 20 * ms, answer: linAnswer{res: linHeld(1, h.deadline, 2)}})
	h.second = h.add(linOp{kind: linHold, slot: 1, units: linUnits{1}, ttl: 9000, call: 12 * ms, ret: 22 * ms, answer: linAnswer{res: linHeld(2, 9015, 1)}})
	h.refused = h.add(linOp{kind: linHold, slot: 2, units: linUnits{1}, ttl: 1000, call: 14 * ms, ret: 30 * ms,
		answer: linAnswer{code: linInsufficient, short: [linPositionsMax]linShort{{1, 0}}}})
	h.firstRead = h.add(linOp{kind: linRead, units: linUnits{1}, call: 35 * ms, ret: 40 * ms, answer: linAnswer{seq: 2, rows: row(3)}})
	h.cancelled = h.add(linOp{kind: linCancel, slot: 1, call: 45 * ms, ret: 50 * ms, answer: linAnswer{res: gone}})
	h.lastRead = h.add(linOp{kind: linRead, units: linUnits{1}, call: 55 * ms, ret: 60 * ms, answer: linAnswer{seq: 3, rows: row(2)}})
	h.expired = h.add(linOp{kind: linGet, slot: 0, call: (h.deadline + 1) * ms, ret: (h.deadline + 5) * ms, answer: linAnswer{res: over}})
	return h
}

// basket has r0 take a unit of another position too, of which the first read sees so
// many held.
func (h *linPlanted) basket(held int32) {
	h.first.units[1] = 1
	h.first.answer.res.lines[1] = linLine{quantity: 1, held: 1, available: -1}
	h.expired.answer.res.lines[1].quantity = 1
	h.firstRead.units[1], h.firstRead.answer.rows[1] = 1, linRow{onHand: 1, held: held, available: 1 - held}
}

// saleAndCount has a sale of one unit at some millisecond, then a count of 8 at the
// 60th, then a read.
func (h *linPlanted) saleAndCount(sold int64, onHand int32) {
	h.add(linOp{kind: linMove, event: 0, units: linUnits{-1}, time: sold, call: 62e6, ret: 63e6, answer: linAnswer{seq: 4}})
	h.add(linOp{kind: linCount, event: 1, units: linUnits{1}, counted: 8, time: 60, call: 64e6, ret: 65e6, answer: linAnswer{seq: 5}})
	h.add(linOp{kind: linRead, units: linUnits{1}, call: 66e6, ret: 67e6,
		answer: linAnswer{seq: 5, rows: [linPositionsMax]linRow{{onHand: onHand, held: 2, available: onHand - 2}}}})
}

// crashed has a hold just before a crash: answered or not, seen by a reader or not,
// there afterwards or not.
func (h *linPlanted) crashed(answered, seen, there bool) {
	op := h.add(linOp{kind: linHold, slot: 3, units: linUnits{1}, ttl: 9000, call: 70e6, ret: 80e6, answer: linAnswer{res: linHeld(5, 9075, 1)}})
	rows := func(held int32) linAnswer {
		return linAnswer{seq: 5, rows: [linPositionsMax]linRow{{onHand: 3, held: held, available: 3 - held}}}
	}
	if seen {
		h.add(linOp{kind: linRead, units: linUnits{1}, call: 71e6, ret: 75e6, answer: rows(3)})
	}
	if op.answered = answered; !answered {
		h.unanswered = 1
	}
	h.add(linOp{kind: linCrash, call: 80e6 + 1, ret: 80e6 + 1})
	held := int32(2)
	if there {
		held++
	}
	h.add(linOp{kind: linGet, slot: 3, call: 90e6, ret: 91e6, answer: linAnswer{code: linUnknown}})
	if there {
		h.ops[len(h.ops)-1].answer = linAnswer{res: linHeld(5, 9075, 1)}
	}
	h.add(linOp{kind: linRead, units: linUnits{1}, call: 92e6, ret: 93e6, answer: rows(held)})
}
