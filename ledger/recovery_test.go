package ledger

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

const testStart Millis = 1_795_428_000_000

// small are settings for a ledger of a few entries on a disk in memory.
func small(fs vfs.FS, now *Millis) Options {
	return Options{Dir: "d", FS: fs, Clock: func() Millis { return *now }, CheckpointEvery: -1,
		MemTableBytes: 256 << 10, CacheBytes: 1 << 20, Fatal: func(err error) { panic(err) }}
}

func mustOpen(t *testing.T, o Options) *Ledger {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustApply(t *testing.T, l *Ledger, commands ...Command) (res Result) {
	t.Helper()
	var err error
	for _, c := range commands {
		if res, err = l.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	return res
}

func mustBalance(t *testing.T, l *Ledger) {
	t.Helper()
	r, err := l.Check()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Error("check: " + f)
	}
}

func mustClose(t *testing.T, l *Ledger) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func receipt(id string, sku SKU, q Qty, at, received Millis) *Movement {
	return &Movement{Kind: KindReceipt, Name: EventName{Source: "wms", ID: id, Time: at}, Received: received, Location: 1,
		Lines: []MovementLine{{SKU: sku, Quantity: q}}}
}

// A SKU that becomes known while a checkpoint is being made may have its page on disk
// before its master data: the journal has both.
func TestSKUMadeDuringCheckpoint(t *testing.T) {
	fs, now := vfs.NewCrashableMem(), testStart
	l := mustOpen(t, small(fs, &now))
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now},
		receipt("1", 1, 5, now, now))
	w := &checkpointWriter{l: l, batch: l.db.NewBatch()}
	if err := w.master(); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		id := SKU(2 + i)
		mustApply(t, l, PutSKU{Info: SKUInfo{SKU: fmt.Sprint("b", i)}, Now: now}, receipt(fmt.Sprint("b", i), id, 7, now, now))
	}
	if err := w.pages(); err != nil {
		t.Fatal(err)
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	mustApply(t, l, receipt("2", 1, 1, now, now)) // its sync takes the pages along
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	w.batch.Close()
	mustClose(t, l)

	l = mustOpen(t, small(crashed, &now))
	for id := SKU(2); id < 102; id++ {
		if row, _ := l.Position(id, 1, now); row.OnHand != 7 {
			t.Fatalf("SKU %d: %+v", id, row)
		}
	}
	mustBalance(t, l)
	mustClose(t, l)
}

// The power is cut, or the process killed, before each write of a first start: the
// next start makes the ledger.
func TestFirstStartIsCutOff(t *testing.T) {
	fs, now := vfs.NewCrashableMem(), testStart
	var crashed []*vfs.MemFS
	rng := rand.New(rand.NewPCG(1, 2))
	o := small(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			crashed = append(crashed, fs.CrashClone(vfs.CrashCloneCfg{}), fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng}))
		}
		return nil
	})), &now)
	l := mustOpen(t, o)
	n := len(crashed)
	mustClose(t, l)
	for i, fs := range crashed[:n] {
		l, err := Open(small(fs, &now))
		if err != nil {
			t.Errorf("cut off at write %d: %v", i/2, err)
			continue
		}
		mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now})
		mustClose(t, l)
	}
}

// What was answered outlives a power cut also where the data directory itself is new.
func TestNewDirectoryOutlivesPowerCut(t *testing.T) {
	fs, now := vfs.NewCrashableMem(), testStart
	o := small(fs, &now)
	o.Dir = "srv/onhand/ledger"
	l := mustOpen(t, o)
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now})
	o.FS = fs.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, l)
	l = mustOpen(t, o)
	if _, ok := l.LookupSKU([]byte("a")); !ok {
		t.Error("an answered change is gone")
	}
	mustClose(t, l)
}

// Answers to repeated calls, and the books, survive checkpoints, restarts and the
// dropping of old blocks.
func TestPrunedJournal(t *testing.T) {
	fs, now := vfs.NewMem(), testStart
	o := small(fs, &now)
	o.JournalKeepMillis = 1 // what is least
	l := mustOpen(t, o)
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutSKU{Info: SKUInfo{SKU: "b"}, Now: now},
		PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now}, receipt("1", 1, 100, now, now), receipt("2", 2, 3, now, now),
		SetSafety{Set: []SafetyRule{{SKU: 2, Units: 1000}}, Now: now},
		&Count{Name: EventName{Source: "wms", ID: "c", Time: now}, CountedAt: now, Received: now, Location: 1, Lines: []CountLine{{1, 90}}})
	hold := func(id string) *Hold {
		return &Hold{ID: id, Key: CallKey{Hash{1, 1}, Hash{2, 2}}, Call: Hash{2, 2}, Now: now, ExpiresAt: now + 1000,
			Lines: []HoldLine{{1, 1, 3}}}
	}
	old := hold("old")
	old.Key = CallKey{}
	mustApply(t, l, old, &Transition{Op: KindConfirm, ID: "old", Now: now})
	for range 10 {
		now += dayMillis
		id := fmt.Sprint("day", now)
		mustApply(t, l, receipt(id, 1, 1, now, now), receipt(id+"late", 1, 1, now-2*dayMillis, now))
		if err := l.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if err := l.prune(); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, l) // blocks that are on disk no more may still be in memory
	l = mustOpen(t, o)
	if _, err := l.Entry(1); err == nil {
		t.Fatal("nothing was dropped")
	}
	mustBalance(t, l)
	first := mustApply(t, l, hold("new"))
	confirm := &Transition{Op: KindConfirm, ID: "new", Key: CallKey{Hash{3, 3}, Hash{4, 4}}, Now: now}
	confirmed := mustApply(t, l, confirm)
	cancel := &Transition{Op: KindCancel, ID: "old", HasLines: true, Lines: []TransitionLine{{SKU: 1, Quantity: 1}}, Now: now}
	mustApply(t, l, cancel)
	mustClose(t, l)

	r, err := Verify(o)
	if err != nil || !r.OK() {
		t.Fatalf("%+v %v", r, err)
	}
	l = mustOpen(t, o)
	now += dayMillis
	for i, c := range []struct {
		again Command
		want  Result
	}{{hold("new"), first}, {confirm, confirmed}} {
		got := mustApply(t, l, c.again)
		if !got.Replayed || got.Seq != c.want.Seq || fmt.Sprintf("%+v", *got.Reservation) != fmt.Sprintf("%+v", *c.want.Reservation) {
			t.Errorf("call %d again: %+v, want %+v", i, got.Reservation, c.want.Reservation)
		}
	}
	mustBalance(t, l)
	mustClose(t, l)
}

// A count as of a moment that the journal no longer reaches back to cannot be brought
// up to date, and is refused rather than guessed about.
func TestCountBeyondTheJournal(t *testing.T) {
	fs, now := vfs.NewMem(), testStart
	o := small(fs, &now)
	o.JournalKeepMillis = 1
	l := mustOpen(t, o)
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now},
		receipt("1", 1, 5, now, now))
	start := now
	for range 12 {
		now += dayMillis
		mustApply(t, l, receipt(fmt.Sprint(now), 1, 1, now, now))
	}
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := l.prune(); err != nil {
		t.Fatal(err)
	}
	mustClose(t, l) // blocks that are on disk no more may still be in memory
	l = mustOpen(t, o)
	count := func(id string, at Millis) error {
		_, err := l.Apply(&Count{Name: EventName{Source: "wms", ID: id, Time: at}, CountedAt: at, Received: now, Location: 1,
			Lines: []CountLine{{1, 50}}})
		return err
	}
	if err := count("long ago", start+dayMillis/2); err == nil || !strings.Contains(err.Error(), "too-old") {
		row, _ := l.Position(1, 1, now)
		t.Errorf("it was taken (%v), and on hand is %d, where 50 and 12 since are right", err, row.OnHand)
	}
	if err := count("recent", now-dayMillis/2); err != nil {
		t.Error(err)
	}
	if row, _ := l.Position(1, 1, now); row.OnHand != 51 {
		t.Errorf("on hand is %d, want 51", row.OnHand)
	}
	mustClose(t, l)
}
