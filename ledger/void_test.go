package ledger

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func count(id string, q Qty, at, received Millis) *Count {
	return &Count{Name: EventName{Source: "wms", ID: id, Time: at}, CountedAt: at, Received: received, Location: 1, Lines: []CountLine{{1, q}}}
}

func void(id, of string, received Millis) *Void {
	return &Void{Kind: KindStockVoid, Name: EventName{Source: "wms", ID: id, Time: received}, Source: "wms", Voids: of, Received: received, Location: 1}
}

// stocked has SKU 1 at location 1, and 10 of it.
func stocked(t *testing.T, now *Millis) *Ledger {
	t.Helper()
	l := mustOpen(t, small(vfs.NewMem(), now))
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: *now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: *now},
		receipt("1", 1, 10, *now, *now))
	return l
}

func closed(t *testing.T, l *Ledger) {
	t.Helper()
	if r, err := l.Check(); err != nil || !r.OK() {
		t.Errorf("check: %v, %v", r.Findings, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Of two counts of one moment the greater name holds, unless it was undone.
func TestVoidedCountGoesBeforeNone(t *testing.T) {
	now := testStart
	l := stocked(t, &now)
	defer closed(t, l)
	mustApply(t, l, count("3", 3, now-1, now), count("9", 9, now-1, now), void("v", "9", now), count("5", 5, now-1, now))
	if row, _ := l.Position(1, 1, now); row.OnHand != 15 { // 5 counted, and the receipt after that
		t.Errorf("on hand is %d", row.OnHand)
	}
}

// What was read of a position's history up to some entry holds no longer when a count
// was undone after that.
func TestHistoryIsReadAnewAfterAVoid(t *testing.T) {
	now := testStart
	l := stocked(t, &now)
	defer closed(t, l)
	mustApply(t, l, count("9", 9, now-1, now))
	c, at := count("5", 5, now-1, now), now-1
	before, err := l.movedSince(history{sku: 1, head: l.Seq()}, c, at)
	if err != nil || !before.later {
		t.Fatalf("%+v, %v", before, err)
	}
	mustApply(t, l, void("v", "9", now), receipt("2", 1, 4, now, now))
	got, err := l.movedSince(history{sku: 1, head: l.Seq(), read: before.head, moved: before.moved, later: before.later}, c, at)
	if err != nil || got.later || got.moved != 14 {
		t.Errorf("%+v, %v", got, err)
	}
}

// A reservation that a void opened again is over a second time: it is kept from its
// second end on, and listed as what it is.
func TestReservationOverTwice(t *testing.T) {
	now := testStart
	l := stocked(t, &now)
	checkpoint := func() {
		t.Helper()
		if err := l.Checkpoint(); err != nil {
			t.Fatal(err)
		}
	}
	listed := func(want State) {
		t.Helper()
		for _, f := range []ReservationFilter{{Owner: "o"}, {Reference: "r"}, {}, {State: want}} {
			if all, err := l.Reservations(f, "", 10, now); err != nil || len(all) != 1 || all[0].State != want {
				t.Errorf("%+v lists %+v, %v", f, all, err)
			}
		}
		for s := NoState + 1; s < stateCount; s++ {
			if all, err := l.Reservations(ReservationFilter{State: s}, "", 10, now); err != nil || s != want && len(all) > 0 {
				t.Errorf("as %v are listed %+v, %v", s, all, err)
			}
		}
	}
	fulfil := &Transition{Op: KindFulfil, ID: "cart", Now: now}
	mustApply(t, l, &Hold{ID: "cart", Owner: "o", Reference: "r", Now: now, ExpiresAt: now + 1000, Lines: []HoldLine{{1, 1, 2}}},
		&Transition{Op: KindConfirm, ID: "cart", Now: now})
	res, err := l.Apply(fulfil)
	if err != nil {
		t.Fatal(err)
	}
	checkpoint()
	listed(Fulfilled)
	now += 5 * dayMillis
	v := void("v", MovementID(res.Movement), now)
	v.Source = OwnSource
	mustApply(t, l, v)
	listed(Confirmed)
	checkpoint()
	listed(Confirmed)
	mustApply(t, l, &Transition{Op: KindFulfil, ID: "cart", Now: now})
	listed(Fulfilled)
	checkpoint()
	now += 4 * dayMillis
	if err := l.Prune(); err != nil {
		t.Fatal(err)
	}
	listed(Fulfilled)
	now += 5 * dayMillis
	if err := l.Prune(); err != nil {
		t.Fatal(err)
	}
	if r, ok, err := l.Reservation("cart", now); ok || err != nil {
		t.Errorf("after its time it is still %+v, %v", r, err)
	}
	closed(t, l)
}
