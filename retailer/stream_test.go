package retailer

import (
	"bytes"
	"math"
	"testing"
	"time"
)

func TestIDsIncreaseBySource(t *testing.T) {
	config := small()
	config.DuplicateShare, config.LateShare = -1, -1
	r := mustNew(t, config)
	last := map[string]string{}
	each := func(record Record) {
		e := decode(t, record)
		if e.ID <= last[e.Source] {
			t.Fatalf("%s follows %s of %s", e.ID, last[e.Source], e.Source)
		}
		last[e.Source] = e.ID
	}
	for record := range r.Opening() {
		each(record)
	}
	run(r, 5000, each)
}

func TestDuplicatesAndLateArrivals(t *testing.T) {
	f := func(duplicates, late, wantDuplicates, wantLate float64) {
		t.Helper()
		config := small()
		config.DuplicateShare, config.LateShare = duplicates, late
		r := mustNew(t, config)
		const n = 400_000 // two hours at 18 ms
		old, now := 0, config.Start
		for range n {
			now = now.Add(18 * time.Millisecond)
			e := r.Next(now)
			at := decodeTime(t, e.Value)
			if at.After(now) || now.Sub(at) > time.Hour+2*time.Minute {
				t.Fatalf("%s came at %s", e.Value, now)
			}
			if now.Sub(at) > 50*time.Second {
				old++
			}
		}
		tally := r.Tally()
		if got := float64(tally.Duplicates) / n; math.Abs(got-wantDuplicates) > 0.002 {
			t.Errorf("%.4f of the records are duplicates, want %.4f", got, wantDuplicates)
		}
		if got := float64(tally.Late+int64(r.Held())) / n; math.Abs(got-wantLate) > 0.002 {
			t.Errorf("%.4f of the events are late, want %.4f", got, wantLate)
		}
		if (old > 0) != (wantLate > 0) || int64(old) < tally.Late {
			t.Errorf("%d old records, %d late ones", old, tally.Late)
		}
	}
	f(0, 0, 0.01, 0.01)
	f(-1, -1, 0, 0)
	f(0.05, 0.03, 0.05, 0.0285)
}

// decodeTime reads only the time: it is asked for very many events.
func decodeTime(t testing.TB, value []byte) time.Time {
	t.Helper()
	const label = `"time":"`
	_, rest, _ := bytes.Cut(value, []byte(label))
	text, _, _ := bytes.Cut(rest, []byte(`"`))
	at, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		t.Fatalf("%s: %v", value, err)
	}
	return at
}

func TestNothingIsOlderThanTheOpening(t *testing.T) {
	r := mustNew(t, small())
	var counted time.Time
	for record := range r.Opening() {
		counted = decodeTime(t, record.Value)
	}
	if at := decodeTime(t, r.Next(morning.Add(-time.Hour)).Value); !at.After(counted) {
		t.Errorf("an event of %s is covered by the count of %s", at, counted)
	}
}

func TestStockDoesNotDriftToZero(t *testing.T) {
	r := mustNew(t, small())
	share := func() (total int64, empty float64) {
		places, out := 0, 0
		for _, id := range r.StoreIDs() {
			for sku, n := range r.Carried(id) {
				if r.catalogue.weighed[r.catalogue.indexOf[sku]] {
					n /= 1000
				}
				places++
				total += n
				if n <= 0 {
					out++
				}
			}
		}
		return total, float64(out) / float64(places)
	}
	before, _ := share()
	run(r, 300_000, func(Record) {})
	after, empty := share()
	if after < before/2 || after > before*3/2 || empty > 0.05 {
		t.Errorf("units in stores went from %d to %d, %.3f of the places are empty", before, after, empty)
	}
	t.Logf("units in stores from %d to %d, %.4f of the places empty", before, after, empty)
}

func TestNextAllocatesOnlyItsValue(t *testing.T) {
	r := mustNew(t, small())
	now := morning
	n := testing.AllocsPerRun(20_000, func() {
		now = now.Add(time.Millisecond)
		r.Next(now)
	})
	if n > 2 {
		t.Errorf("%g allocations for a record, want at most 2", n)
	}
}
