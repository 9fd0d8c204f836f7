package ingest

import (
	"fmt"
	"strings"
	"testing"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// causes lists the exceptions, oldest first: code and cause.
func (s *shop) causes() string {
	s.t.Helper()
	all, _, err := s.ledger.Exceptions(ledger.ExceptionFilter{}, ledger.ExceptionID{}, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for i := range all {
		x := &all[len(all)-1-i]
		out = append(out, strings.TrimSpace(x.Code.String()+" "+s.ledger.SKUName(x.SKU)+" "+x.Cause.String()))
	}
	return strings.Join(out, ", ")
}

func (s *shop) batch(events ...string) BatchResult {
	s.t.Helper()
	r, err := s.Batch([]byte("[" + strings.Join(events, ",") + "]"))
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// countedAt is a count of 0042 at a time of the morning.
func countedAt(id, at, lines string) string {
	return event("wms.count", id, `{"location":"0042","counted_at":"2026-11-23T`+at+`Z","lines":[`+lines+`]}`)
}

func TestRefusedMovementsExplain(t *testing.T) {
	f := func(name, refused, want string) {
		t.Helper()
		s := openShop(t, ledger.Options{})
		r := s.batch(countedAt("c1", "09:00:00", `{"sku":"a","quantity":10},{"sku":"kg","quantity":2}`),
			event("pos.sale", "dup", `{"location":"0042","lines":[{"sku":"b","quantity":1}]}`), refused,
			countedAt("c2", "09:59:30", `{"sku":"a","quantity":8},{"sku":"kg","quantity":2.5}`))
		if len(r.Rejected) != 1 {
			t.Fatalf("%s: %+v", name, r)
		}
		if got := s.causes(); got != "negative-on-hand b, "+want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	f("a code nobody knows", event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":1},{"sku":"none","quantity":9},{"sku":"a","quantity":1},{"sku":"a","quantity":0}]}`),
		"count-difference a unmapped-code, count-difference kg count-correction")
	f("an adjustment", event("wms.adjustment", "1", `{"location":"0042","lines":[{"sku":"none","quantity":-9},{"sku":"a","quantity":-2},{"sku":"kg","quantity":0.5}]}`),
		"count-difference a unmapped-code, count-difference kg unmapped-code")
	f("the name was used", event("pos.sale", "dup", `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`),
		"count-difference a duplicate-refused, count-difference kg count-correction")
	f("another quantity", event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":3},{"sku":"none","quantity":9}]}`),
		"count-difference a count-correction, count-difference kg count-correction")
	f("another location", event("pos.sale", "1", `{"location":"dc1","lines":[{"sku":"a","quantity":2},{"sku":"none","quantity":9}]}`),
		"count-difference a count-correction, count-difference kg count-correction")
	f("a count", countedAt("c3", "09:20:00", `{"sku":"a","quantity":2},{"sku":"none","quantity":9}`),
		"count-difference a count-correction, count-difference kg count-correction")
	f("refused for something else", event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2},{"sku":"b","quantity":0.5}]}`),
		"count-difference a count-correction, count-difference kg count-correction")
}

// Once it is applied it is an event that came late, and its letter explains nothing more.
func TestRetriedMovementExplains(t *testing.T) {
	s := openShop(t, ledger.Options{})
	sale := event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2},{"sku":"new","quantity":1}]}`)
	s.batch(countedAt("c1", "09:00:00", `{"sku":"a","quantity":10}`), sale, countedAt("c2", "09:59:30", `{"sku":"a","quantity":8}`))
	if got := s.causes(); got != "count-difference a unmapped-code" {
		t.Error(got)
	}
	letters, err := s.ledger.DeadLetters(0, 10)
	if err != nil || len(letters) != 1 {
		t.Fatal(letters, err)
	}
	s.must(ledger.PutSKU{Info: ledger.SKUInfo{SKU: "new"}, Now: s.ledger.Now()})
	s.accept(sale)
	s.must(ledger.CloseDeadLetter{Letter: letters[0].Seq, Now: s.ledger.Now()})
	if got := s.causes(); got != "count-difference a late-event, negative-on-hand new" {
		t.Error(got)
	}
}

// Of an event as long as may be only so much is told, and it takes no longer for it.
func TestLongRefusedMovement(t *testing.T) {
	s := openShop(t, ledger.Options{})
	var lines []string
	for range movesMax {
		lines = append(lines, `{"sku":"b","quantity":1}`)
	}
	lines = append(lines, `{"sku":"a","quantity":2}`, `{"sku":"none","quantity":1}`)
	s.batch(countedAt("c1", "09:00:00", `{"sku":"a","quantity":10},{"sku":"b","quantity":2000}`),
		event("pos.sale", "1", `{"location":"0042","lines":[`+strings.Join(lines, ",")+`]}`),
		countedAt("c2", "09:59:30", fmt.Sprintf(`{"sku":"a","quantity":8},{"sku":"b","quantity":%d}`, 2000-movesMax)))
	if got := s.causes(); got != "count-difference a count-correction, count-difference b unmapped-code" {
		t.Error(got)
	}
}

// What comes from Kafka and is refused explains as much as what comes over HTTP.
func TestRefusedRecordsExplain(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	s := openShop(t, ledger.Options{})
	consume(t, testOptions(s, w.broker.Addr()))
	w.produce(0, countedAt("c1", "09:00:00", `{"sku":"a","quantity":10}`))
	w.produce(0, event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2},{"sku":"none","quantity":1}]}`))
	w.produce(0, countedAt("c2", "09:59:30", `{"sku":"a","quantity":8}`))
	eventually(t, "the count is applied", func() bool { return s.figures("a", "0042") == "8/0/0/0" })
	if err := s.ledger.Wait(s.ledger.Seq()); err != nil {
		t.Fatal(err)
	}
	if got := s.causes(); got != "count-difference a unmapped-code" {
		t.Error(got)
	}
}

// One that was applied before the count was in what was believed.
func TestClosedLetterExplainsNothing(t *testing.T) {
	s := openShop(t, ledger.Options{})
	sale := event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2},{"sku":"new","quantity":1}]}`)
	s.batch(countedAt("c1", "09:00:00", `{"sku":"a","quantity":10}`), sale)
	letters, err := s.ledger.DeadLetters(0, 10)
	if err != nil || len(letters) != 1 {
		t.Fatal(letters, err)
	}
	s.must(ledger.PutSKU{Info: ledger.SKUInfo{SKU: "new"}, Now: s.ledger.Now()})
	s.accept(sale)
	s.must(ledger.CloseDeadLetter{Letter: letters[0].Seq, Now: s.ledger.Now()})
	s.batch(countedAt("c2", "09:59:30", `{"sku":"a","quantity":6}`))
	if got := s.causes(); got != "negative-on-hand new, count-difference a" {
		t.Error(got)
	}
}
