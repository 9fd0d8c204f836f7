// Package ledgertest opens ledgers for tests: in memory, with a clock that the
// test moves, and with the books checked when the test ends.
package ledgertest

import (
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
)

// Start is the time at which every test begins: 2026-11-23T10:00:00Z.
const Start ledger.Millis = 1_795_428_000_000

// Clock is a clock that stands still until it is moved.
type Clock struct{ now atomic.Int64 }

// NewClock starts a clock at Start.
func NewClock() *Clock {
	c := &Clock{}
	c.now.Store(int64(Start))
	return c
}

// Now is the clock's time.
func (c *Clock) Now() ledger.Millis { return ledger.Millis(c.now.Load()) }

// Advance moves the clock.
func (c *Clock) Advance(by ledger.Millis) { c.now.Add(int64(by)) }

// Open opens a ledger on a file system in memory. When the test ends, its books
// must balance.
func Open(t testing.TB, c *Clock) *ledger.Ledger {
	t.Helper()
	return OpenOn(t, vfs.NewMem(), c)
}

// OpenOn is Open on a file system of the test's own, to close and open again.
func OpenOn(t testing.TB, fs vfs.FS, c *Clock) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(ledger.Options{Dir: "data", FS: fs, Clock: c.Now, CheckpointEvery: -1,
		Fatal: func(err error) { panic(err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if l.Writable() == nil {
			Balanced(t, l)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// Balanced fails the test unless the ledger agrees with its journal.
func Balanced(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	r, err := l.Check()
	if err != nil {
		t.Error(err)
		return
	}
	for _, f := range r.Findings {
		t.Error("check: " + f)
	}
}
