package ledger_test

import (
	"log/slog"
	"path"
	"strings"
	"testing"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// rotten is a disk as a kill leaves it: some changes in tables, more in the log, all
// acknowledged.
func rotten(t *testing.T) (disk *ledgertest.Disk, c *ledgertest.Clock, last ledger.Seq) {
	t.Helper()
	disk, c = ledgertest.NewDisk(), ledgertest.NewClock()
	o, _ := onDisk(disk, c)
	o.MemTableBytes = 1 << 20 // so that the log holds all of it
	l := openOn(t, o)
	apply(t, l, putSKU("a", c))
	apply(t, l, ledger.PutLocation{Info: ledger.LocationInfo{Location: "x", Active: true}, Now: c.Now()})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openOn(t, o)
	for i := range 100 {
		apply(t, l, &ledger.Movement{Kind: ledger.KindReceipt, Name: ledger.EventName{Source: "wms", ID: strings.Repeat("i", 200+i), Time: c.Now()},
			Received: c.Now(), Location: 1, Lines: []ledger.MovementLine{{SKU: 1, Quantity: 1}}})
	}
	last = l.Seq()
	killed := disk.Cut(100, 1)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return killed, c, last
}

func filesOf(t *testing.T, disk *ledgertest.Disk, kind string) (out []string) {
	t.Helper()
	names, err := disk.List("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if ok, _ := path.Match(kind, name); ok {
			out = append(out, "data/"+name)
		}
	}
	if len(out) == 0 {
		t.Fatalf("there is no %s among %v", kind, names)
	}
	return out
}

// refusesOrHasAll opens a damaged disk: it must not be opened, or hold all that was
// acknowledged. Where it was opened, verify has the last word.
func refusesOrHasAll(t *testing.T, disk *ledgertest.Disk, c *ledgertest.Clock, last ledger.Seq, what string) (refused bool) {
	t.Helper()
	o, _ := onDisk(disk, c)
	l, err := start(o)
	if err != nil {
		return true
	}
	row, _ := l.Position(1, 1, c.Now())
	if l.Seq() != last || row.OnHand != 100 {
		t.Errorf("%s: it was opened with %d of %d entries, and %d on hand of 100", what, l.Seq(), last, row.OnHand)
	}
	if err := l.Close(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return false
}

// Each 97th byte of every file is flipped, one at a time, and each file is cut off there
// and taken away: no start answers with less than was acknowledged.
func TestRot(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	disk, c, last := rotten(t)
	if refusesOrHasAll(t, disk.Cut(100, 1), c, last, "undamaged") {
		t.Fatal("the undamaged disk is refused")
	}
	for _, f := range []struct {
		files string
		every bool // damage must be noticed at the start; of the others some harms nothing
	}{{"*.log", true}, {"MANIFEST-*", false}, {"OPTIONS-*", false}, {"*.sst", false}, {"marker.*", false}, {"onhand-*", false}} {
		for _, name := range filesOf(t, disk, f.files) {
			size, tried, noticed := len(disk.Bytes(name)), 0, 0
			try := func(what string, change func([]byte) []byte) {
				damaged := disk.Cut(100, 1)
				damaged.Damage(name, change)
				tried++
				if refusesOrHasAll(t, damaged, c, last, name+" "+what) {
					noticed++
				}
			}
			for at := 0; at < size; at += 97 {
				try("flipped", func(b []byte) []byte { b[at] ^= 0x40; return b })
				try("cut off", func(b []byte) []byte { return b[:at] })
			}
			gone := disk.Cut(100, 1)
			if err := gone.Remove(name); err != nil {
				t.Fatal(err)
			}
			if tried++; refusesOrHasAll(t, gone, c, last, name+" gone") {
				noticed++
			}
			t.Logf("%s, %d bytes: %d of %d damages are refused", name, size, noticed, tried)
			if f.every && noticed < tried {
				t.Errorf("%s: %d of %d damages were noticed", name, noticed, tried)
			}
		}
	}
}

// An old copy of the disk that is put back is a consistent ledger of then: what came from
// Kafka since is read again, from the offset that went back with it. One that is put back
// in part, beside a head that is newer, is refused.
func TestOldCopyPutBack(t *testing.T) {
	disk, c := ledgertest.NewDisk(), ledgertest.NewClock()
	o, _ := onDisk(disk, c)
	l := openOn(t, o)
	l.SetOffset("pos.events", 0, ledger.Offset{Next: 1})
	apply(t, l, putSKU("a", c))
	old := disk.Cut(100, 1)
	l.SetOffset("pos.events", 0, ledger.Offset{Next: 2})
	apply(t, l, putSKU("b", c))
	head := disk.Bytes("data/onhand-head")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	inPart := old.Cut(100, 1)
	inPart.Damage("data/onhand-head", func([]byte) []byte { return head })
	o.FS = inPart
	if _, err := ledger.Open(o); err == nil || !strings.Contains(err.Error(), "what was acknowledged is gone") {
		t.Errorf("an old store beside a newer head: %v", err)
	}
	o.FS = old
	l = openOn(t, o)
	at, _, err := l.Offset("pos.events", 0)
	if err != nil || at.Next != 1 || l.Seq() != 1 {
		t.Errorf("the old copy ends at entry %d and was read up to %d (%v), want 1 and 1", l.Seq(), at.Next, err)
	}
	ledgertest.Balanced(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
