package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

func TestTolerance(t *testing.T) {
	f := func(units, percent float64, decimals int, believed, counted ledger.Qty, want string) {
		t.Helper()
		c := ledgertest.NewClock()
		l, err := ledger.Open(ledger.Options{Dir: "d", FS: vfs.NewMem(), Clock: c.Now, CheckpointEvery: -1, AccuracyUnits: units, AccuracyPercent: percent})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for i, cmd := range []ledger.Command{ledger.PutSKU{Info: ledger.SKUInfo{SKU: "a", Decimals: decimals}, Now: c.Now()},
			ledger.PutLocation{Info: ledger.LocationInfo{Location: "x", Active: true}, Now: c.Now()},
			told{kind: ledger.KindAdjustment, id: "1", time: c.Now() - 9, arrives: c.Now(), quantity: believed}.command(),
			told{kind: ledger.KindCount, id: "2", time: c.Now(), arrives: c.Now(), quantity: counted}.command()} {
			if _, err := l.Apply(cmd); err != nil {
				t.Fatal(i, err)
			}
		}
		all := l.Accuracy(0, nil)
		if got := fmt.Sprint(all[0].Tally); len(all) != 1 || got != want {
			t.Errorf("%v units, %v %%: %d counted where %d was believed: %s, want %s", units, percent, counted, believed, got, want)
		}
	}
	f(0, 0, 0, 10, 10, "{1 1 1}")
	f(0, 0, 0, 10, 11, "{1 0 0}")
	f(1, 0, 0, 10, 11, "{1 1 0}")
	f(1, 0, 0, 10, 8, "{1 0 0}")
	f(1, 0, 3, 1000, 2000, "{1 1 0}") // a kilogram
	f(1, 0, 3, 1000, 2001, "{1 0 0}")
	f(0.5, 0, 0, 10, 11, "{1 0 0}")
	f(0, 10, 0, 9, 10, "{1 1 0}")
	f(0, 10, 0, 8, 10, "{1 0 0}")
	f(0, 10, 0, 1, 0, "{1 0 0}")
	f(0, 100, 0, -4, -0, "{1 0 0}")
}

// TestAccuracyIsKept counts, with a checkpoint at some moment, and looks at the tallies
// again after a crash: no count is lost, and none is in them twice.
func TestAccuracyIsKept(t *testing.T) {
	const counts = 12
	for checkpoint := range counts + 1 {
		c := ledgertest.NewClock()
		fs := vfs.NewCrashableMem()
		l := oneShelf(t, c, fs)
		for i := range counts {
			if i == checkpoint {
				if err := l.Checkpoint(); err != nil {
					t.Fatal(err)
				}
			}
			c.Advance(6 * 60 * 60 * 1000)
			n := ledger.EventName{Source: []string{"wms", "erp"}[i%2], ID: fmt.Sprint(i), Time: c.Now(), Content: 1}
			if _, err := l.Apply(&ledger.Count{Name: n, CountedAt: c.Now(), Received: c.Now(), Location: 1, Lines: []ledger.CountLine{{SKU: 1, Quantity: ledger.Qty(i / 3)}}}); err != nil {
				t.Fatal(err)
			}
			if i == 5 { // one that a later count overtook settles nothing
				n.ID, n.Time = "old", c.Now()-60_000
				if _, err := l.Apply(&ledger.Count{Name: n, CountedAt: n.Time, Received: c.Now(), Location: 1, Lines: []ledger.CountLine{{SKU: 1, Quantity: 99}}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		tallies := func(l *ledger.Ledger) string {
			var out []string
			for _, a := range l.Accuracy(ledgertest.Start+24*60*60*1000, nil) {
				out = append(out, fmt.Sprintf("%s +%d %v", a.Source, (a.Day-ledgertest.Start)/(24*60*60*1000), a.Tally))
			}
			return strings.Join(out, ", ")
		}
		const want = "erp +0 {2 1 1}, erp +1 {2 1 1}, erp +2 {1 1 1}, wms +0 {2 2 2}, wms +1 {2 1 1}, wms +2 {1 1 1}"
		if got := tallies(l); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		crashed, err := ledger.Open(ledger.Options{Dir: "data", FS: fs.CrashClone(vfs.CrashCloneCfg{}), Clock: c.Now, CheckpointEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		if got := tallies(crashed); got != want {
			t.Errorf("checkpoint before count %d, after a crash: %s, want %s", checkpoint, got, want)
		}
		if err := crashed.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOldAccuracyIsDropped(t *testing.T) {
	c := ledgertest.NewClock()
	fs := vfs.NewMem()
	l := oneShelf(t, c, fs)
	for i := range 4 {
		c.Advance(23 * 24 * 60 * 60 * 1000)
		if _, err := l.Apply(told{kind: ledger.KindCount, id: fmt.Sprint(i), time: c.Now(), arrives: c.Now(), quantity: 1}.command()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.Checkpoint(), l.Prune()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if all := l.Accuracy(0, nil); len(all) != 2 {
			t.Errorf("%+v", all)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = ledgertest.OpenOn(t, fs, c)
	}
}
