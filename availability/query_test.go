package availability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

const zeroRow = `{"location":"l3","available":0,"on_hand":0,"unsellable":0,"held":0,"committed":0,"safety_stock":0,"shortage":0,"as_of":null,"age_ms":null,"stale":false}`

func TestAnswer(t *testing.T) {
	s := newShop(t)
	s.is(s.ask("a"), `{"sku":"a","seq":%d,"total":{"available":0,"locations_in_stock":0},"locations":[]}`, s.ledger.Seq())
	s.move("a", "l2", 5)
	s.move("a", "l1", -3)
	s.hold("r", s.line("a", "l2", 2))
	s.clock.Advance(2300)
	const l1 = `{"location":"l1","available":0,"on_hand":-3,"unsellable":0,"held":0,"committed":0,"safety_stock":0,"shortage":3,"as_of":"2026-11-23T10:00:00.000Z","age_ms":2300,"stale":false}`
	const l2 = `{"location":"l2","available":3,"on_hand":5,"unsellable":0,"held":2,"committed":0,"safety_stock":0,"shortage":0,"as_of":"2026-11-23T10:00:00.000Z","age_ms":2300,"stale":false}`
	seq := s.ledger.Seq()
	s.is(s.ask("a"), `{"sku":"a","seq":%d,"total":{"available":3,"locations_in_stock":1},"locations":[%s,%s]}`, seq, l1, l2)
	// Named: sorted by name, each once, those without the SKU too.
	s.is(s.ask("a", "l3", "l2", "l1", "l2"), `{"sku":"a","seq":%d,"total":{"available":3,"locations_in_stock":1},"locations":[%s,%s,%s]}`, seq, l1, l2, zeroRow)
	s.is(s.ask("a", "l3"), `{"sku":"a","seq":%d,"total":{"available":0,"locations_in_stock":0},"locations":[%s]}`, seq, zeroRow)
	s.is(s.ask("none"), `{"sku":"none","error":"unknown-sku"}`)
	s.is(s.ask("a", "l1", "none"), `{"sku":"a","error":"unknown-location"}`)

	// A rule does not turn a row of zeroes into one of figures.
	s.apply(ledger.SetSafety{Set: []ledger.SafetyRule{{Units: 2000}}, Replace: true, Now: s.clock.Now()})
	seq++
	s.is(s.ask("a", "l3"), `{"sku":"a","seq":%d,"total":{"available":0,"locations_in_stock":0},"locations":[%s]}`, seq, zeroRow)
	s.is(s.ask("a", "l2"), `{"sku":"a","seq":%d,"total":{"available":1,"locations_in_stock":1},"locations":[%s]}`, seq,
		strings.NewReplacer(`"available":3`, `"available":1`, `"safety_stock":0`, `"safety_stock":2`).Replace(l2))
	s.apply(ledger.SetSafety{Set: []ledger.SafetyRule{{None: true}}, Replace: true, Now: s.clock.Now()})
	seq++
	s.is(s.ask("a", "l2"), `{"sku":"a","seq":%d,"total":{"available":0,"locations_in_stock":0},"locations":[%s]}`, seq,
		strings.NewReplacer(`"available":3`, `"available":0`, `"safety_stock":0`, `"safety_stock":null`).Replace(l2))
	s.apply(ledger.SetSafety{Replace: true, Now: s.clock.Now()})
	s.location("l2", false)
	seq += 2
	s.is(s.ask("a", "l2"), `{"sku":"a","seq":%d,"total":{"available":0,"locations_in_stock":0},"locations":[%s]}`, seq,
		strings.NewReplacer(`"available":3`, `"available":0`, `"stale":false}`, `"stale":false,"active":false}`).Replace(l2))
	s.location("l2", true)
	seq++
	s.is(s.ask("a", "l2"), `{"sku":"a","seq":%d,"total":{"available":3,"locations_in_stock":1},"locations":[%s]}`, seq, l2)
}

func TestDecimals(t *testing.T) {
	s := newShop(t)
	s.move("kg", "l1", 1250)
	s.move("kg", "l2", 2750)
	got := s.ask("kg")
	for _, want := range []string{`"total":{"available":4,`, `"available":1.25,"on_hand":1.25,`, `"available":2.75,`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	s.move("a", "l1", math.MaxInt32)
	s.move("a", "l2", math.MaxInt32)
	if got := s.ask("a"); !strings.Contains(got, `"total":{"available":4294967294,`) {
		t.Error(got)
	}
}

func TestAge(t *testing.T) {
	s := newShop(t)
	f := func(after ledger.Millis, want string) {
		t.Helper()
		s.clock.Advance(after)
		if got := s.ask("a", "l1"); !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	e := s.name()
	e.Time += 1000 // a clock ahead of ours
	s.apply(&ledger.Movement{Kind: ledger.KindSale, Name: e, Received: s.clock.Now(), Location: s.loc("l1"),
		Lines: []ledger.MovementLine{{SKU: s.sku("a"), Quantity: 1}}})
	f(0, `"as_of":"2026-11-23T10:00:01.000Z","age_ms":0,"stale":false`)
	f(1000+15*60_000, `"age_ms":900000,"stale":false`)
	f(1, `"age_ms":900001,"stale":true`)
}

func TestFields(t *testing.T) {
	s := newShop(t)
	s.move("a", "l1", 5)
	f := func(want string, fields ...string) {
		t.Helper()
		q := s.Query()
		defer q.Release()
		q.Add([]byte("a"))
		for _, name := range fields {
			bit := Field([]byte(name))
			if bit == 0 {
				t.Errorf("%s is no field", name)
			}
			q.Fields |= bit
		}
		q.Run(10)
		got := string(q.AppendItem(nil, 0))
		s.is(got, `{"sku":"a","seq":%d,"total":{"available":5,"locations_in_stock":1},"locations":[%s]}`, q.Seq(), want)
	}
	f(`{"available":5}`, "available")
	f(`{"location":"l1","stale":false}`, "stale", "location")
	f(`{}`, "active")
	for _, row := range []string{zeroRow, `{"active":false}`} {
		var all map[string]any
		if err := json.Unmarshal([]byte(row), &all); err != nil {
			t.Fatal(err)
		}
		for name := range all {
			if Field([]byte(name)) == 0 {
				t.Errorf("%s is no field", name)
			}
		}
	}
	for _, name := range []string{"", "Available", "seq", "total", "available "} {
		if Field([]byte(name)) != 0 {
			t.Errorf("%q is a field", name)
		}
	}
}

func TestExclude(t *testing.T) {
	s := newShop(t)
	s.move("a", "l1", 5)
	s.hold("r1", s.line("a", "l1", 2))
	s.hold("r2", s.line("a", "l1", 2))
	f := func(want string, ids ...string) {
		t.Helper()
		q := s.Query()
		defer q.Release()
		q.Add([]byte("a"))
		q.At([]byte("l1"))
		q.Exclude = append(q.Exclude, ids...)
		q.Fields = fieldAvailable | fieldHeld
		q.Run(10)
		if got := string(q.AppendItem(nil, 0)); !strings.HasSuffix(got, `"locations":[`+want+`]}`) {
			t.Errorf("without %v: %s", ids, got)
		}
	}
	f(`{"available":1,"held":4}`)
	f(`{"available":3,"held":2}`, "r2")
	f(`{"available":5,"held":0}`, "r2", "r1", "r1", "nobody")
	s.clock.Advance(60_000)
	f(`{"available":5,"held":0}`, "r1")
	f(`{"available":5,"held":0}`)
}

func TestTooManyRows(t *testing.T) {
	s := newShop(t)
	s.move("a", "l1", 5)
	s.move("a", "l2", 5)
	f := func(most int, want error, add func(q *Query)) {
		t.Helper()
		q := s.Query()
		defer q.Release()
		add(q)
		if err := q.Run(most); err != want {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	all := func(q *Query) { q.Add([]byte("a")); q.Add([]byte("b")); q.Add([]byte("a")) }
	named := func(q *Query) {
		q.Add([]byte("a"))
		q.At([]byte("l1"))
		q.Add([]byte("b"))
		for _, loc := range []string{"l1", "l2", "l2", "l3"} {
			q.At([]byte(loc))
		}
	}
	f(4, nil, all)
	f(3, ErrTooManyRows, all)
	f(4, nil, named)
	f(3, ErrTooManyRows, named)
}

// TestOneMoment holds and cancels a basket of two SKUs over and over: no answer
// may see one of its lines without the other.
func TestOneMoment(t *testing.T) {
	s := newShop(t)
	s.move("a", "l1", 10)
	s.move("b", "l2", 10)
	var both atomic.Bool
	stop, seen := make(chan struct{}), make(chan map[string]int)
	go func() {
		found := map[string]int{}
		defer func() { seen <- found }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			q := s.Query()
			q.Fields = fieldAvailable
			q.Add([]byte("a"))
			q.Add([]byte("b"))
			q.At([]byte("l2"))
			q.Run(10)
			var a, b struct {
				Seq   uint64
				Total struct{ Available int }
			}
			if json.Unmarshal(q.AppendItem(nil, 0), &a) != nil || json.Unmarshal(q.AppendItem(nil, 1), &b) != nil || a != b {
				t.Errorf("%+v and %+v in one answer", a, b)
			}
			found[fmt.Sprint(a.Total.Available)]++
			both.Store(found["7"] > 0 && found["10"] > 0)
			q.Release()
		}
	}()
	for i := 0; i < 2000 || i < 1_000_000 && !both.Load(); i++ { // until the reader has come by in both states
		id := fmt.Sprint("r", i)
		s.hold(id, s.line("a", "l1", 3), s.line("b", "l2", 3))
		s.apply(&ledger.Transition{Op: ledger.KindCancel, ID: id, Now: s.clock.Now()})
	}
	close(stop)
	if found := <-seen; found["7"] == 0 || found["10"] == 0 {
		t.Errorf("saw only %v", found)
	}
}

func FuzzRow(f *testing.F) {
	s := NewStock(ledgertest.Open(f, ledgertest.NewClock()), 0)
	f.Add(int32(5), int32(0), int32(1), int32(-1), int32(2), int64(1795428000000), uint8(3), uint16(0))
	f.Fuzz(func(t *testing.T, onHand, unsellable, held, committed, safety int32, asOf int64, bits uint8, fields uint16) {
		r := ledger.Row{Figures: ledger.Figures{OnHand: ledger.Qty(onHand), Unsellable: ledger.Qty(unsellable), Held: ledger.Qty(held),
			Committed: ledger.Qty(committed)}, Safety: ledger.Qty(safety), Promised: bits&1 != 0, Active: bits&2 != 0, AsOf: ledger.Millis(asOf)}
		b := s.appendRow(nil, &r, int(bits>>2&3), ledgertest.Start, Fields(fields)&fieldsAll)
		var v map[string]json.RawMessage
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%v in %s", err, b)
		}
		again, _ := json.Marshal(json.RawMessage(b))
		if !bytes.Equal(again, b) {
			t.Fatalf("%s is not compact: %s", b, again)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	s := newShop(t)
	s.move("a", "l1", 5)
	sku, loc := []byte("a"), []byte("l1")
	out := make([]byte, 0, 4096)
	if raceEnabled {
		t.Skip("the race detector drops what a pool holds")
	}
	if n := testing.AllocsPerRun(200, func() {
		q := s.Query()
		q.Add(sku)
		q.At(loc)
		q.Run(10)
		out = q.AppendItem(out[:0], 0)
		q.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
