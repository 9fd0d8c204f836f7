package ledger

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

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
		if err := l.Prune(); err != nil {
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
	if err := l.Prune(); err != nil {
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

// Bit rot in a table of the store is found: verify says so, and a start ends the process.
func TestDamagedTable(t *testing.T) {
	fs, now := vfs.NewMem(), testStart
	o := small(fs, &now)
	l := mustOpen(t, o)
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now},
		receipt("1", 1, 5, now, now))
	mustClose(t, l)
	mustClose(t, mustOpen(t, o)) // a start puts what the log holds into tables
	names, err := fs.List(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	flipped := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		path := fs.PathJoin(o.Dir, name)
		f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1)
		if _, err := f.ReadAt(b, 20); err != nil {
			t.Fatal(err)
		}
		b[0] ^= 0xff
		if _, err := f.WriteAt(b, 20); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		flipped++
	}
	if flipped == 0 {
		t.Fatalf("there is no table: %v", names)
	}
	stopped := make(chan error, 1)
	go func() {
		if r, err := Verify(o); err == nil && r.OK() {
			t.Error("verify found nothing")
		}
		o.Fatal = func(err error) { stopped <- err; runtime.Goexit() }
		_, err := Open(o)
		stopped <- err
	}()
	if err := <-stopped; err == nil {
		t.Error("it was opened")
	}
}

// fillingFS tells of a disk without room, and that it was asked.
type fillingFS struct {
	vfs.FS
	asked chan struct{}
}

func (fs fillingFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	select {
	case fs.asked <- struct{}{}:
	default:
	}
	return vfs.DiskUsage{AvailBytes: 1 << 20, TotalBytes: 1 << 30, UsedBytes: 1<<30 - 1<<20}, nil
}

// A long checkpoint is what fills a disk, so room is watched meanwhile.
func TestRoomIsWatchedDuringCheckpoint(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two seconds")
	}
	now := testStart
	fs := fillingFS{vfs.NewMem(), make(chan struct{})}
	o := small(fs, &now)
	o.CheckpointEvery = time.Millisecond
	l := mustOpen(t, o)
	l.full.Store(false) // as if it had filled just now
	l.checkpointMu.Lock()
	<-fs.asked
	<-fs.asked // the first answer was heeded
	if err := l.Writable(); err != ErrDiskFull {
		t.Errorf("changes are taken: %v", err)
	}
	l.checkpointMu.Unlock()
	mustClose(t, l)
}

// Without waiting for the disk, a power cut takes the last moments and no more.
func TestAsyncPowerCut(t *testing.T) {
	fs, now := vfs.NewCrashableMem(), testStart
	o := small(fs, &now)
	o.AsyncSync = true
	l := mustOpen(t, o)
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now},
		receipt("1", 1, 1, now, now))
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := l.db.Flush(); err != nil {
		t.Fatal(err)
	}
	mustApply(t, l, receipt("2", 1, 1, now, now))
	o.FS = fs.CrashClone(vfs.CrashCloneCfg{})
	mustClose(t, l)
	l = mustOpen(t, o)
	if row, seq := l.Position(1, 1, now); seq != 3 || row.OnHand != 1 {
		t.Errorf("entry %d, %+v", seq, row)
	}
	mustBalance(t, l)
	mustClose(t, l)
}
