package ingest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"onhand/ingest/embedded"
	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// TestOffsetNeverRunsAhead takes what a loss of power would leave at each sync of the
// log while one fetch is applied piece by piece, and holds the offset against what has
// its effect: every record before the offset, as a sale or as a dead letter.
func TestOffsetNeverRunsAhead(t *testing.T) {
	t.Run("sales", func(t *testing.T) { offsetsAtCuts(t, 0) })
	t.Run("poison among them", func(t *testing.T) { offsetsAtCuts(t, 5) })
}

// offsetsAtCuts makes every so manyth record a poisoned one; 0 makes none.
func offsetsAtCuts(t *testing.T, poison int) {
	w := startBroker(t, embedded.Options{})
	const n = 1500
	var values []string
	poisoned := 0
	for i := range n {
		if poison > 0 && i%poison == 0 {
			poisoned++
			values = append(values, fmt.Sprintf("poison %d", i))
		} else {
			values = append(values, sale(fmt.Sprint(i), 1))
		}
	}
	for i := 0; i < n; i += 100 {
		w.produce(0, values[i:i+100]...)
	}

	disk := ledgertest.NewDisk()
	s := openShop(t, ledger.Options{FS: disk, QueueBytesMax: 4000})
	var mu sync.Mutex
	var images []*ledgertest.Disk
	disk.Hook(func(op ledgertest.Op, path string) error {
		if op == ledgertest.OpSync && strings.HasSuffix(path, ".log") {
			image := disk.Cut(0, 1)
			mu.Lock()
			images = append(images, image)
			mu.Unlock()
		}
		return nil
	})
	o := testOptions(s, w.broker.Addr())
	o.FetchBytesMax = 40_000
	_, stop := consume(t, o)
	s.becomes(t, fmt.Sprintf("%d/0/0/0", -(n-poisoned)))
	eventually(t, "every poisoned record being a dead letter", func() bool { return len(letters(t, s.ledger)) == poisoned })
	stop()
	disk.Hook(nil)

	between := 0
	for i, image := range images {
		l, err := ledger.Open(ledger.Options{Dir: "d", FS: image, CheckpointEvery: -1, Clock: func() ledger.Millis { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		at, _, err := l.Offset("pos.events", 0)
		if err != nil {
			t.Fatal(err)
		}
		sku, _ := l.LookupSKU([]byte("a"))
		location, _ := l.LookupLocation([]byte("0042"))
		row, _ := l.Position(sku, location, noon)
		if done := -int64(row.OnHand) + int64(len(letters(t, l))); at.Next > done {
			t.Errorf("power cut %d of %d: the offset is %d, and %d records had their effect", i, len(images), at.Next, done)
		}
		if at.Next > 0 && at.Next < n {
			between++
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if between < 10 {
		t.Errorf("%d of %d cuts found an offset within what was fetched: too few to show anything", between, len(images))
	}
}

// letters waits until the disk has what can be seen: figures are seen before that.
func letters(t *testing.T, l *ledger.Ledger) []ledger.DeadLetter {
	t.Helper()
	if err := l.Wait(l.Seq()); err != nil {
		t.Fatal(err)
	}
	all, err := l.DeadLetters(0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
