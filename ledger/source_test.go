package ledger_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// numbered is a sale of till 1 with a number, so many milliseconds old.
func numbered(c *ledgertest.Clock, source string, number uint64, age ledger.Millis) ledger.Command {
	n := ledger.EventName{Source: source, ID: fmt.Sprint(number), Time: c.Now() - age, Content: 1, Sequence: number + 1}
	return &ledger.Movement{Kind: ledger.KindSale, Name: n, Received: c.Now(), Location: 1, Lines: []ledger.MovementLine{{SKU: 1, Quantity: -1}}}
}

// TestSourcesAreKept lets events come, with a checkpoint at some moment, and looks at the
// sources again after a crash: they are as they were.
func TestSourcesAreKept(t *testing.T) {
	for checkpoint := range 14 {
		c := ledgertest.NewClock()
		fs := vfs.NewCrashableMem()
		l := oneShelf(t, c, fs)
		apply := func(cmd ledger.Command) {
			t.Helper()
			if _, err := l.Apply(cmd); err != nil {
				t.Fatal(err)
			}
		}
		for i, number := range []uint64{1, 2, 5, 4, 9, 8, 3, 20, 10, 21, 22} {
			if i == checkpoint {
				if err := l.Checkpoint(); err != nil {
					t.Fatal(err)
				}
			}
			c.Advance(50_000)
			apply(numbered(c, []string{"till-1", "till-2"}[i%2], number, ledger.Millis(i%3)*200_000-30_000))
		}
		apply(&ledger.Count{Kind: ledger.KindHeartbeat, Name: ledger.EventName{Source: "till-1", ID: "h", Time: c.Now()}, CountedAt: c.Now(), Received: c.Now(), Location: 1})
		apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: "b"}, Now: c.Now(), Name: ledger.EventName{Source: "erp", ID: "1", Time: c.Now()}})
		before := fmt.Sprintf("%+v", l.Sources("", 10))
		if checkpoint == 13 {
			if err := l.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
		crashed, err := ledger.Open(ledger.Options{Dir: "data", FS: fs.CrashClone(vfs.CrashCloneCfg{}), Clock: c.Now, CheckpointEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		if after := fmt.Sprintf("%+v", crashed.Sources("", 10)); after != before {
			t.Errorf("checkpoint before event %d:\n%s, after a crash\n%s", checkpoint, before, after)
		}
		if err := crashed.Close(); err != nil {
			t.Fatal(err)
		}
		all := l.Sources("", 10)
		if len(all) != 3 || all[1].Source != "till-1" || all[1].Events != 7 || all[1].Today != 7 || all[1].Heartbeats != 1 || all[1].Ahead == 0 ||
			all[1].AheadMax != 30_000 || all[1].OutOfOrder == 0 || all[1].Missing == 0 || all[1].LastHeartbeatAt != c.Now() {
			t.Errorf("%+v", all)
		}
		if one := l.Sources("erp", 1); len(one) != 1 || one[0].Source != "till-1" {
			t.Errorf("%+v", one)
		}
	}
}

func TestSilentSourcesAreDropped(t *testing.T) {
	c := ledgertest.NewClock()
	fs := vfs.NewMem()
	l := oneShelf(t, c, fs)
	for i := range uint64(3) {
		for _, cmd := range []ledger.Command{numbered(c, fmt.Sprint("till-", i), 1, 0), numbered(c, fmt.Sprint("till-", i), 5, 0)} {
			if _, err := l.Apply(cmd); err != nil {
				t.Fatal(err)
			}
		}
		c.Advance(30 * 24 * 60 * 60 * 1000)
		if err := errors.Join(l.Checkpoint(), l.Prune()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if all := l.Sources("", 10); len(all) != 1 || all[0].Source != "till-2" || all[0].Missing != 3 {
			t.Errorf("%+v", all)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = ledgertest.OpenOn(t, fs, c)
	}
}
