package ledger_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// onDisk are the settings of a small ledger on a disk that can fail. stopped gets what
// would end the process.
func onDisk(disk *ledgertest.Disk, c *ledgertest.Clock) (o ledger.Options, stopped chan error) {
	stopped = make(chan error, 16)
	return ledger.Options{Dir: "data", FS: disk, Clock: c.Now, CheckpointEvery: -1, MemTableBytes: 64 << 10, CacheBytes: 128 << 10,
		Fatal: func(err error) { stopped <- err }}, stopped
}

func openOn(t *testing.T, o ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func putSKU(name string, c *ledgertest.Clock) ledger.PutSKU {
	return ledger.PutSKU{Info: ledger.SKUInfo{SKU: name}, Now: c.Now()}
}

func apply(t *testing.T, l *ledger.Ledger, c ledger.Command) {
	t.Helper()
	if _, err := l.Apply(c); err != nil {
		t.Fatal(err)
	}
}

// TestNewLogFails lets the disk refuse the next log file, in each of the ways in which
// it can: Pebble would panic there, and here the process says why and stops.
func TestNewLogFails(t *testing.T) {
	for _, op := range []ledgertest.Op{ledgertest.OpName, ledgertest.OpWrite, ledgertest.OpSync} {
		t.Run(op.String(), func(t *testing.T) {
			disk, c := ledgertest.NewDisk(), ledgertest.NewClock()
			o, stopped := onDisk(disk, c)
			l := openOn(t, o)
			apply(t, l, putSKU("before", c))
			var first atomic.Pointer[string]
			disk.Hook(func(o ledgertest.Op, path string) error {
				log := strings.HasSuffix(path, ".log")
				if log {
					first.CompareAndSwap(nil, &path)
				}
				if o == op && (log && path != *first.Load() || !log && path == "data") {
					return syscall.EIO
				}
				return nil
			})
			go func() { // fills one memtable, then needs the next log
				for i := 0; ; i++ {
					if _, err := l.Apply(putSKU(fmt.Sprint(i), c)); err != nil {
						return
					}
				}
			}()
			if why := <-stopped; !errors.Is(why, syscall.EIO) {
				t.Errorf("it stopped with %v, want it to say %v", why, syscall.EIO)
			}
			disk.Hook(nil)
			durable := l.Durable()
			o.FS = disk.Cut(0, 1)
			l = openOn(t, o)
			if l.Seq() < durable {
				t.Errorf("the start after it ends at entry %d, and %d was durable", l.Seq(), durable)
			}
			ledgertest.Balanced(t, l)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A failed write or sync of the log stops the process with the reason. Nothing is
// acknowledged from then on, though the disk would take everything again: what the failed
// sync lost is not in what a later one writes.
func TestFailedLogStops(t *testing.T) {
	for _, f := range []struct {
		name string
		op   ledgertest.Op
		why  error
		once bool
	}{
		{"sync, once", ledgertest.OpSync, syscall.EIO, true},
		{"sync", ledgertest.OpSync, syscall.EIO, false},
		{"write", ledgertest.OpWrite, syscall.EIO, true},
		{"no space", ledgertest.OpWrite, syscall.ENOSPC, false},
		{"read-only", ledgertest.OpWrite, syscall.EROFS, false},
	} {
		t.Run(f.name, func(t *testing.T) {
			disk, c := ledgertest.NewDisk(), ledgertest.NewClock()
			o, stopped := onDisk(disk, c)
			l := openOn(t, o)
			apply(t, l, putSKU("before", c))
			durable := l.Durable()
			var failed atomic.Bool
			disk.Hook(func(op ledgertest.Op, path string) error {
				if op == f.op && strings.HasSuffix(path, ".log") && !(f.once && failed.Swap(true)) {
					return f.why
				}
				return nil
			})
			answers := make(chan error, 2)
			ask := func(sku string) {
				go func() {
					_, err := l.Apply(putSKU(sku, c))
					answers <- err
				}()
			}
			ask("lost")
			why := <-stopped
			if !errors.Is(why, f.why) && !strings.Contains(why.Error(), f.why.Error()) {
				t.Errorf("it stopped with %v, want it to say %v", why, f.why)
			}
			disk.Hook(nil)
			ask("after")
			for l.Seq() < durable+2 && len(answers) < cap(answers) { // until it was taken in, or refused
				runtime.Gosched()
			}
			for range len(answers) {
				if err := <-answers; err == nil {
					t.Error("a change was acknowledged after the disk failed")
				}
			}
			if l.Durable() != durable {
				t.Errorf("entry %d is called durable, entry %d was the last before the disk failed", l.Durable(), durable)
			}
			o.FS = disk.Cut(0, 1)
			l = openOn(t, o)
			if _, ok := l.LookupSKU([]byte("before")); !ok || l.Seq() != durable {
				t.Errorf("the start after it ends at entry %d, want %d; what was acknowledged is known: %v", l.Seq(), durable, ok)
			}
			ledgertest.Balanced(t, l)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// until waits for a condition that time brings about, at most a minute.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for began := time.Now(); !ok(); runtime.Gosched() {
		if time.Since(began) > time.Minute {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// A disk that takes too long closes the door and says so; reads go on; once it is done,
// what waited is acknowledged and the door is open.
func TestStalledDisk(t *testing.T) {
	disk, c := ledgertest.NewDisk(), ledgertest.NewClock()
	o, _ := onDisk(disk, c)
	o.CheckpointEvery, o.CommitWithin = time.Hour, time.Millisecond
	l := openOn(t, o)
	apply(t, l, putSKU("a", c))
	hold, held := make(chan struct{}), make(chan struct{}, 100)
	disk.Hook(func(op ledgertest.Op, path string) error {
		if op == ledgertest.OpSync && strings.HasSuffix(path, ".log") {
			held <- struct{}{}
			<-hold
		}
		return nil
	})
	answered := make(chan error, 1)
	go func() {
		_, err := l.Apply(putSKU("b", c))
		answered <- err
	}()
	<-held
	until(t, "the door is closed", func() bool { return errors.Is(l.Writable(), ledger.ErrStalled) })
	if _, err := l.Submit(putSKU("c", c)); !errors.Is(err, ledger.ErrStalled) {
		t.Errorf("a change: %v, want %v", err, ledger.ErrStalled)
	}
	if _, seq := l.Position(1, 1, c.Now()); seq != 2 {
		t.Errorf("a read is of entry %d, want 2", seq)
	}
	select {
	case err := <-answered:
		t.Errorf("it was answered before the disk had it: %v", err)
	default:
	}
	close(hold)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	until(t, "the door is open", func() bool { return l.Writable() == nil })
	apply(t, l, putSKU("c", c))
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// Where tables find no room, the store tries for ever and at last takes no more writes:
// the door is closed before that by the watch on free space and, where that cannot tell,
// by the watch on commits.
func TestNoRoomForTables(t *testing.T) {
	disk, c := ledgertest.NewDisk(), ledgertest.NewClock()
	o, _ := onDisk(disk, c)
	o.CheckpointEvery, o.CommitWithin, o.MemTableBytes = time.Hour, 100*time.Millisecond, 16<<10
	l := openOn(t, o)
	var full atomic.Bool
	full.Store(true)
	disk.Hook(func(op ledgertest.Op, path string) error {
		if op == ledgertest.OpWrite && strings.HasSuffix(path, ".sst") && full.Load() {
			time.Sleep(time.Millisecond) // not a wait for anything: the store tries again at once, for ever
			return syscall.ENOSPC
		}
		return nil
	})
	var answered atomic.Int64
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for i := range 1 << 20 {
			if _, err := l.Apply(putSKU(fmt.Sprintf("%0100d", i), c)); err != nil {
				return
			}
			answered.Add(1)
			if !full.Load() {
				return
			}
		}
	}()
	until(t, "the door is closed", func() bool { return errors.Is(l.Writable(), ledger.ErrStalled) })
	full.Store(false)
	<-stop
	until(t, "the door is open", func() bool { return l.Writable() == nil })
	if n := answered.Load(); n == 0 || l.Durable() < ledger.Seq(n) {
		t.Errorf("%d changes were acknowledged, %d are durable", n, l.Durable())
	}
	disk.SetFree(1 << 20)
	until(t, "free space is looked at", func() bool { return errors.Is(l.Writable(), ledger.ErrDiskFull) })
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	o.FS = disk.Cut(0, 1)
	l = openOn(t, o)
	ledgertest.Balanced(t, l)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// A failed read is an error of ours. It is not "there is no such reservation", and it
// changes nothing.
func TestFailedRead(t *testing.T) {
	disk, c := ledgertest.NewDisk(), ledgertest.NewClock()
	o, _ := onDisk(disk, c)
	o.CacheBytes = 1 - 2*int64(o.MemTableBytes) // so that every read is one of the disk
	l := openOn(t, o)
	apply(t, l, putSKU("a", c))
	apply(t, l, ledger.PutLocation{Info: ledger.LocationInfo{Location: "x", Active: true}, Now: c.Now()})
	apply(t, l, &ledger.Count{Name: ledger.EventName{Source: "wms", ID: "1", Time: c.Now()}, CountedAt: c.Now(), Received: c.Now(), Location: 1,
		Lines: []ledger.CountLine{{SKU: 1, Quantity: 10}}})
	hold := &ledger.Hold{ID: "r", Now: c.Now(), ExpiresAt: c.Now() + 900_000, Lines: []ledger.HoldLine{{SKU: 1, Location: 1, Quantity: 3}}}
	apply(t, l, hold)
	apply(t, l, &ledger.Transition{Op: ledger.KindCancel, ID: "r", Now: c.Now()})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openOn(t, o) // finished, so it is on disk alone
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openOn(t, o)
	failing := func(op ledgertest.Op, path string) error {
		if op == ledgertest.OpRead && strings.HasSuffix(path, ".sst") {
			return syscall.EIO
		}
		return nil
	}
	disk.Hook(failing)
	if _, ok, err := l.Reservation("r", c.Now()); err == nil && !ok {
		t.Error("a reservation that cannot be read is called unknown")
	} else if err == nil {
		t.Fatal("it was not read from the disk: the test does not test")
	}
	before := l.Seq()
	var refused *ledger.Refused
	if _, err := l.Apply(hold); err == nil || errors.As(err, &refused) || l.Seq() != before {
		t.Errorf("a hold whose id cannot be looked up: %v, after entry %d, now %d", err, before, l.Seq())
	}
	disk.Hook(nil)
	if r, ok, err := l.Reservation("r", c.Now()); !ok || err != nil || r.State != ledger.Cancelled {
		t.Errorf("after it: %+v %v %v", r, ok, err)
	}
	ledgertest.Balanced(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	disk.Hook(failing)
	if l, err := start(o); err == nil {
		l.Close()
		t.Error("it starts with tables that cannot be read")
	}
}

// start opens a ledger; what would end the process is an error as well.
func start(o ledger.Options) (*ledger.Ledger, error) {
	type opened struct {
		l   *ledger.Ledger
		err error
	}
	done := make(chan opened, 2)
	o.Fatal = func(err error) { done <- opened{nil, err} }
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- opened{nil, fmt.Errorf("panic: %v", p)}
			}
		}()
		l, err := ledger.Open(o)
		done <- opened{l, err}
	}()
	got := <-done
	return got.l, got.err
}
