package main

import (
	"fmt"
	"strings"
	"time"
)

// linPositionsMax is of how many positions the stock of one group of clients is.
const linPositionsMax = 3

// linKind is what was asked for.
type linKind uint8

const (
	linHold linKind = iota
	linConfirm
	linCancel
	linFulfil
	linAmend
	linExtend
	linGet    // a reservation
	linRead   // positions, all at one moment
	linMove   // an event: a sale or a receipt
	linCount  // an event: a stock count
	linExpire // nobody's call: a deadline passes
	linCrash  // the service is killed: the latest of what nobody was answered is gone
	linKinds
)

var linKindWords = [linKinds]string{"hold", "confirm", "cancel", "fulfil", "amend", "extend", "get", "read", "move", "count", "expire", "crash"}

// linCode is how it was answered.
type linCode uint8

const (
	linOK linCode = iota
	linInsufficient
	linWrongState
	linExpired
	linOverConfirmation
	linOverCancellation
	linOverFulfilment
	linUnknown
	linCodes
)

var linCodeWords = [linCodes]string{"ok", "insufficient-stock", "wrong-state", "reservation-expired", "over-confirmation",
	"over-cancellation", "over-fulfilment", "unknown-reservation"}

// linStatuses are the HTTP statuses of the codes but linOK, which is 200, and 201 to a hold.
var linStatuses = [linCodes]int{200, 409, 409, 409, 409, 409, 409, 404}

// linUnits is a number of units for each of a group's positions.
type linUnits [linPositionsMax]int32

// linOp is one call: what was asked, when, and what was answered. Who was not
// answered does not know whether it was done.
type linOp struct {
	kind      linKind
	client    int
	call, ret int64 // nanoseconds of the wall clock

	slot    int      // the reservation's place in its segment
	units   linUnits // asked for, or moved; reading, 1 where it is read; counting, 1 at what is counted
	lines   bool     // units are lines of the call, which has none otherwise
	partial bool
	ttl     int64 // milliseconds; 0: none given
	event   int   // its place in the segment
	time    int64 // milliseconds: of the event, of the fulfilment if not 0, or the deadline that passes
	counted int32
	undone  int // linCrash: how many changes are gone

	answered bool
	answer   linAnswer
}

type linAnswer struct {
	code      linCode
	seq       uint64
	replayed  bool
	duplicate bool
	state     string // the state beside a wrong-state, or beside a replay
	res       linReservation
	rows      [linPositionsMax]linRow
	short     [linPositionsMax]linShort
}

// linRow is a position as it is answered.
type linRow struct{ onHand, held, committed, available, shortage int32 }

// linShort is a position that fell short.
type linShort struct{ requested, available int32 }

// linReservation is a reservation as it is answered. Deadline is in milliseconds, 0
// once there is none.
type linReservation struct {
	state    string
	seq      uint64
	deadline int64
	lines    [linPositionsMax]linLine
}

// linLine is a reservation's line; quantity 0 is none. Available is -1 but in the
// answer that held a part.
type linLine struct{ quantity, held, committed, fulfilled, cancelled, available int32 }

func (ln *linLine) open() int32 { return ln.held + ln.committed }

// linSegment is the history of one group between two moments at which none of its
// calls was under way. What is known of the first moment is everything, so a segment
// is judged by itself.
type linSegment struct {
	name       string
	first      *linState
	begin, end int64 // nanoseconds
	slots      []*linSlot
	floor      int64 // milliseconds: its events happened then or later, and those before it earlier
	events     int
	again      *linOp // an event to send twice
	ops        []*linOp
	crashed    bool
	unanswered int // calls that the crash ended
}

// linSlot is a reservation that the segment's clients know of.
type linSlot struct {
	id       string
	body     []byte   // of the hold that makes it, to be sent again; nil if an earlier segment made it
	units    linUnits // what it asks for
	ttl      int64
	partial  bool
	state    string // as last heard, for choosing what to ask next
	deadline int64
	left     bool // left alone until its deadline
}

func (op *linOp) String() string {
	var b strings.Builder
	at := func(ns int64) string { return time.Unix(0, ns).UTC().Format("05.000000") }
	fmt.Fprintf(&b, "%s–%s #%d %s", at(op.call), at(op.ret), op.client, linKindWords[op.kind])
	switch op.kind {
	case linRead:
		fmt.Fprintf(&b, " %v", op.units)
	case linMove:
		fmt.Fprintf(&b, " event %d at %s %v", op.event, at(op.time*1e6), op.units)
	case linCount:
		fmt.Fprintf(&b, " event %d at %s %v is %d", op.event, at(op.time*1e6), op.units, op.counted)
	case linExpire:
		fmt.Fprintf(&b, " r%d due %s", op.slot, at(op.time*1e6))
	case linCrash:
		fmt.Fprintf(&b, " %d undone", op.undone)
	default:
		fmt.Fprintf(&b, " r%d", op.slot)
		if op.lines {
			fmt.Fprintf(&b, " %v", op.units)
		}
		if op.partial {
			b.WriteString(" in part")
		}
		if op.ttl != 0 {
			fmt.Fprintf(&b, " ttl %d ms", op.ttl)
		}
		if op.kind == linFulfil && op.time != 0 {
			fmt.Fprintf(&b, " at %s", at(op.time*1e6))
		}
	}
	b.WriteString(" → ")
	b.WriteString(op.answerText())
	return b.String()
}

func (op *linOp) answerText() string {
	a := &op.answer
	switch {
	case !op.answered:
		return "?"
	case op.kind == linExpire || op.kind == linCrash:
		return ""
	case a.code == linInsufficient:
		return fmt.Sprintf("%s %v", linCodeWords[a.code], a.short)
	case a.code != linOK:
		return linCodeWords[a.code] + " " + a.state
	case op.kind == linRead:
		return fmt.Sprintf("seq %d %+v", a.seq, a.rows)
	case op.kind == linMove || op.kind == linCount:
		return fmt.Sprintf("seq %d duplicate %v", a.seq, a.duplicate)
	}
	return fmt.Sprintf("seq %d replayed %v %s due %d %+v", a.seq, a.replayed, a.res.state, a.res.deadline, a.res.lines)
}
