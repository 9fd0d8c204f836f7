package ledger_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// TestClockThatJumps puts the clock ahead by an hour and back by two, with a start in
// between: the ledger's time never runs backwards, so what has lapsed stays so, and a
// hold made since does not lapse before the clock has come to its deadline.
func TestClockThatJumps(t *testing.T) {
	const hour = ledger.Millis(3_600_000)
	fs, c := vfs.NewMem(), ledgertest.NewClock()
	l := ledgertest.OpenOn(t, fs, c)
	apply(t, l, putSKU("milk", c))
	apply(t, l, ledger.PutLocation{Info: ledger.LocationInfo{Location: "0001", Active: true}, Now: l.Now()})
	apply(t, l, &ledger.Movement{Kind: ledger.KindReceipt, Name: ledger.EventName{Source: "wms", ID: "1", Time: l.Now()}, Received: l.Now(), Location: 1,
		Lines: []ledger.MovementLine{{SKU: 1, Quantity: 10}}})
	hold := func(id string, quantity ledger.Qty) {
		t.Helper()
		apply(t, l, &ledger.Hold{ID: id, Now: l.Now(), ExpiresAt: l.Now() + hour/2, Lines: []ledger.HoldLine{{SKU: 1, Location: 1, Quantity: quantity}}})
	}
	held := func(want ledger.Qty) {
		t.Helper()
		if row, _ := l.Position(1, 1, l.Now()); row.Held != want {
			t.Errorf("%d held at %d, want %d", row.Held, l.Now(), want)
		}
	}
	hold("first", 3)
	held(3)
	c.Advance(hour)
	ahead := l.Now()
	held(0)
	hold("second", 2)
	c.Advance(-2 * hour)
	if l.Now() != ahead {
		t.Errorf("the clock went back, and the ledger's time from %d to %d", ahead, l.Now())
	}
	held(2)
	hold("third", 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = ledgertest.OpenOn(t, fs, c)
	if l.Now() < ahead {
		t.Errorf("after a start the ledger's time is %d, and was %d", l.Now(), ahead)
	}
	held(3)
	c.Advance(2*hour + hour/2 - 1)
	held(3)
	c.Advance(1)
	held(0)
}
