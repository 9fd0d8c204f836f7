package ledger

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestSmoke(t *testing.T) {
	fs := vfs.NewMem()
	now := Millis(1_800_000_000_000)
	open := func() *Ledger {
		l, err := Open(Options{Dir: "d", FS: fs, Clock: func() Millis { return now }, CheckpointEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	apply := func(c Command) Result {
		t.Helper()
		r, err := l.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	apply(PutSKU{Info: SKUInfo{SKU: "a"}, Now: now})
	apply(PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now})
	apply(&Count{Name: EventName{"wms", "1", now - 1000, 1}, CountedAt: now - 1000, Received: now, Location: 1, Lines: []CountLine{{1, 10}}})
	apply(&Movement{Kind: KindSale, Name: EventName{"pos", "1", now, 1}, Received: now, Location: 1, Lines: []MovementLine{{1, -2, 0}}})
	r := apply(&Hold{ID: "r1", Now: now, ExpiresAt: now + 1000, Lines: []HoldLine{{1, 1, 3}}})
	t.Log(r.Seq, r.Reservation)
	row, seq := l.Position(1, 1, now)
	t.Logf("%+v %d", row, seq)
	if row.Available() != 5 {
		t.Fatal(row.Available())
	}
	now += 1000
	row, _ = l.Position(1, 1, now)
	if row.Available() != 8 {
		t.Fatal(row.Available())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open()
	row, _ = l.Position(1, 1, now)
	if row.Available() != 8 {
		t.Fatalf("%+v", row)
	}
	h, _, err := l.History(1, 1, 0, 10)
	for _, e := range h {
		t.Logf("%v %+v", e.Kind, e.Line)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
