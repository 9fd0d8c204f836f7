package ledger

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A reservation that is open for longer than the journal is kept has lost its first
// answer; its id still answers, with what it is now, and never makes it twice.
func TestIDOutlivesTheJournal(t *testing.T) {
	fs, now := vfs.NewMem(), Millis(1_795_428_000_000)
	open := func() *Ledger {
		t.Helper()
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
	apply(&Count{Name: EventName{Source: "wms", ID: "1", Time: now, Content: 1}, CountedAt: now, Received: now, Location: 1, Lines: []CountLine{{SKU: 1, Quantity: 10}}})
	hold := func() *Hold {
		return &Hold{ID: "r", Call: Hash{1, 2}, Now: now, ExpiresAt: now + 1000, Lines: []HoldLine{{1, 1, 3}}}
	}
	apply(hold())
	apply(&Transition{Op: KindConfirm, ID: "r", Now: now})

	now += l.opts.JournalKeepMillis + dayMillis
	apply(PutSKU{Info: SKUInfo{SKU: "b"}, Now: now})
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := l.Prune(); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open()
	defer l.Close()
	r := apply(hold())
	if !r.Replayed || r.StateNow != Confirmed || r.Reservation.State != Confirmed || r.Reservation.Lines[0].Committed != 3 {
		t.Errorf("got %+v", r)
	}
	if row, _ := l.Position(1, 1, now); row.Committed != 3 || row.Held != 0 {
		t.Errorf("got %+v", row)
	}
}
