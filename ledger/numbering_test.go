package ledger

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

func (n *Numbering) brief() string {
	s := ""
	for _, g := range n.gaps {
		s += fmt.Sprintf("%d-%d ", g.From, g.To)
	}
	last, _ := n.Last()
	return fmt.Sprintf("%slast %d missing %d filled %d repeated %d restarts %d", s, last, n.Missing, n.Filled, n.Repeated, n.Restarts)
}

func TestNumbering(t *testing.T) {
	f := func(want string, numbers ...uint64) {
		t.Helper()
		var n Numbering
		for _, i := range numbers {
			n.saw(i+1, 0, 1, true)
		}
		if got := n.brief(); got != want {
			t.Errorf("%v: %s, want %s", numbers, got, want)
		}
	}
	f("last 7 missing 0 filled 0 repeated 0 restarts 0", 7) // what was before is not known
	f("last 9 missing 0 filled 0 repeated 0 restarts 0", 7, 8, 9)
	f("last 0 missing 0 filled 0 repeated 0 restarts 0", 0)
	f("8-10 last 11 missing 3 filled 0 repeated 0 restarts 0", 7, 11)
	f("9-10 last 11 missing 2 filled 1 repeated 0 restarts 0", 7, 11, 8)
	f("8-9 last 11 missing 2 filled 1 repeated 0 restarts 0", 7, 11, 10)
	f("8-8 10-10 last 11 missing 2 filled 1 repeated 0 restarts 0", 7, 11, 9)
	f("last 12 missing 0 filled 3 repeated 0 restarts 0", 7, 11, 9, 12, 10, 8)
	f("8-8 10-10 12-12 last 13 missing 3 filled 0 repeated 0 restarts 0", 7, 9, 11, 13)
	f("last 9 missing 0 filled 0 repeated 2 restarts 0", 8, 9, 9, 5)
	f("4-5 last 2 missing 2 filled 0 repeated 0 restarts 1", 3, 6, 1, 2)
	f("last 1 missing 0 filled 0 repeated 0 restarts 1", 3, 4, 0, 1)

	late := Numbering{}
	late.saw(4, 0, 1, true)
	late.saw(2, 0, 1, false) // number 1, from long ago: not a new beginning
	if got := late.brief(); got != "last 3 missing 0 filled 0 repeated 1 restarts 0" {
		t.Error(got)
	}

	var many Numbering
	for i := range uint64(gapsMax + 10) {
		many.saw(3*i+1, Millis(i), 1, true)
	}
	if len(many.gaps) != gapsMax || many.Missing != 2*gapsMax || many.GivenUp != 2*9 || many.gaps[0].From != 3*9+1 {
		t.Errorf("%d gaps from %d, %d missing, %d given up", len(many.gaps), many.gaps[0].From, many.Missing, many.GivenUp)
	}
	many.saw(3*20+1+1, 0, 1, true) // the first of a gap of two, and then one more than there is room for
	many.saw(1000, 0, 1, true)
	if len(many.gaps) != gapsMax {
		t.Errorf("%d gaps", len(many.gaps))
	}
}

// TestNumbersInAnyOrder lets the numbers of a source come in random order, some of them
// never: what is missing at the end is what did not come.
func TestNumbersInAnyOrder(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		var src sources
		var never []uint64
		numbers := []uint64{}
		for i := uint64(1); i < 60; i++ {
			if rng.IntN(10) == 0 {
				never = append(never, i)
			} else {
				numbers = append(numbers, i)
			}
		}
		for i := range numbers { // up to ten places late
			j := min(i+rng.IntN(10), len(numbers)-1)
			numbers[i], numbers[j] = numbers[j], numbers[i]
		}
		numbers = append([]uint64{0}, numbers...)
		for i, n := range numbers {
			src.saw(&EventName{Source: "s", Time: Millis(i + 1), Sequence: n + 1}, Seq(i+1), KindSale, Location(n%3+1), Millis(i+1))
		}
		never = slices.DeleteFunc(never, func(n uint64) bool { return n > slices.Max(numbers) })
		var missing []uint64
		places := map[Location]bool{}
		for _, g := range src.byName["s"].gaps {
			places[g.loc] = true
			for n := g.From; n <= g.To; n++ {
				missing = append(missing, n)
			}
		}
		slices.Sort(missing)
		if !slices.Equal(missing, never) || src.byName["s"].Missing != uint64(len(never)) {
			t.Fatalf("seed %d: %v came: %v are missing (%d), want %v", seed, numbers, missing, src.byName["s"].Missing, never)
		}
		if len(src.gapsAt) != len(places) {
			t.Fatalf("seed %d: gaps at %v, in the index %v", seed, places, src.gapsAt)
		}
	}
}

func TestRates(t *testing.T) {
	var r rates
	if _, _, ok := r.Rates(testStart); ok {
		t.Error("a rate of nothing")
	}
	at := testStart
	for range 3 * 24 * 60 { // 6 a minute for three days
		for range 6 {
			r.count(at)
		}
		at += minuteMillis
	}
	near := func(got, want float64) bool { return math.Abs(got-want) < 0.01*want+0.001 }
	if lately, usual, ok := r.Rates(at); !ok || !near(lately, 6) || !near(usual, 6) {
		t.Errorf("%v lately, %v usually, want 6 and 6", lately, usual)
	}
	if lately, usual, _ := r.Rates(at + 30*minuteMillis); !near(lately, 6*math.Exp(-6)) || !near(usual, 5.942) {
		t.Errorf("%v lately, %v usually, after half an hour of silence", lately, usual)
	}
	var young rates
	young.count(testStart)
	if lately, usual, ok := young.Rates(testStart + minuteMillis); !ok || !near(lately, 1) || !near(usual, 1) {
		t.Errorf("%v lately, %v usually, want 1 and 1", lately, usual)
	}
}

// TestReplayCountsNothingTwice writes down what is known of sources and of accuracy while
// events come, as a checkpoint does, and starts again from the one before.
func TestReplayCountsNothingTwice(t *testing.T) {
	now := testStart
	fs := vfs.NewCrashableMem()
	l, err := Open(small(fs, &now))
	if err != nil {
		t.Fatal(err)
	}
	apply := func(commands ...Command) {
		t.Helper()
		for _, c := range commands {
			if _, err := l.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	count := func(id string, q Qty) Command {
		now += 1000
		return &Count{Name: EventName{Source: "wms", ID: id, Time: now, Sequence: uint64(q)}, CountedAt: now, Received: now, Location: 1, Lines: []CountLine{{SKU: 1, Quantity: q}}}
	}
	apply(PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now}, count("1", 5))
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	apply(count("2", 6), count("3", 9))
	w := &checkpointWriter{l: l, batch: l.db.NewBatch()}
	if err := errors.Join(w.accuracy(), w.sources(), w.flush()); err != nil {
		t.Fatal(err)
	}
	apply(count("4", 8))
	told := func(l *Ledger) string { return fmt.Sprintf("%+v %+v", l.Accuracy(0, nil), l.Sources("", 9)) }
	want := told(l)
	if err := l.db.LogData(nil, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	crashed, err := Open(small(fs.CrashClone(vfs.CrashCloneCfg{}), &now))
	if err != nil {
		t.Fatal(err)
	}
	if got := told(crashed); got != want {
		t.Errorf("\n%s, after a crash\n%s", want, got)
	}
	if err := errors.Join(w.batch.Close(), l.Close(), crashed.Close()); err != nil {
		t.Fatal(err)
	}
}
