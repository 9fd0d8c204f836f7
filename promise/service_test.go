package promise

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// stocked opens a ledger with n SKUs, "0" to n-1, of which location x has units each.
func stocked(t testing.TB, l *ledger.Ledger, n int, units ledger.Qty) {
	t.Helper()
	now := l.Now()
	apply := func(c ledger.Command) {
		if _, err := l.Submit(c); err != nil {
			t.Fatal(err)
		}
	}
	apply(ledger.PutLocation{Info: ledger.LocationInfo{Location: "x", Active: true}, Now: now})
	count := &ledger.Count{Name: ledger.EventName{Source: "wms", ID: "1", Time: now, Content: 1}, CountedAt: now, Received: now, Location: 1}
	for i := range n {
		apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: strconv.Itoa(i)}, Now: now})
		id, _ := l.LookupSKU([]byte(strconv.Itoa(i)))
		count.Lines = append(count.Lines, ledger.CountLine{SKU: id, Quantity: units})
	}
	r, err := l.Apply(count)
	if err != nil || l.Wait(r.Seq) != nil {
		t.Fatal(err)
	}
}

func wish(q *Request, id string, lines ...Line) *Request {
	q.ID, q.Lines, q.TTLMillis = []byte(id), append(q.Lines[:0], lines...), 900_000
	return q
}

func line(sku string, quantity int64) Line {
	return Line{SKU: []byte(sku), Location: []byte("x"), Quantity: ledger.Decimal{Coef: quantity}}
}

func TestReserveMakesIDsThatDiffer(t *testing.T) {
	l := ledgertest.Open(t, ledgertest.NewClock())
	stocked(t, l, 1, 5)
	s := New(l)
	var q Request
	ids := make(map[string]bool)
	for range 5 {
		res, err := s.Reserve(wish(&q, "", line("0", 1)))
		if err != nil {
			t.Fatal(err)
		}
		ids[res.Reservation.ID] = true
	}
	if len(ids) != 5 {
		t.Errorf("got %v", ids)
	}
}

func TestRefusalsAreInNames(t *testing.T) {
	l := ledgertest.Open(t, ledgertest.NewClock())
	stocked(t, l, 2, 5)
	s := New(l)
	var q Request
	f := func(code ledger.Code, lines []Line, want ...RefusedLine) {
		t.Helper()
		_, err := s.Reserve(wish(&q, "r", lines...))
		var r *Refusal
		if !errors.As(err, &r) || r.Code != code || fmt.Sprint(r.Lines) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %v %v", err, code, want)
		}
	}
	f(ledger.InsufficientStock, []Line{line("0", 6), line("1", 5)}, RefusedLine{"0", "x", true, 6, 5, 0})
	f(ledger.UnknownSKU, []Line{line("n", 6), line("1", 5)}, RefusedLine{SKU: "n", Location: "x"})
	f(ledger.InvalidQuantity, []Line{line("0", 0)})
	f(ledger.InvalidQuantity, []Line{line("0", 1<<31-1), line("0", 1)})
	if _, err := s.Get("r"); err == nil {
		t.Error("a refused request left a reservation")
	}
}

func TestWritten(t *testing.T) {
	f := func(coef int64, scale int8, want string) {
		t.Helper()
		if got := written(ledger.Decimal{Coef: coef, Scale: scale}); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(15, 1, "1.5")
	f(-15, 1, "-1.5")
	f(1, 4, "0.0001")
	f(-1, 4, "-0.0001")
	f(0, 0, "0")
	f(-1<<63, 0, "-9223372036854775808")
	f(-1<<63, 19, "-0.9223372036854775808")
}

// What a reservation is kept in costs some allocations; more would be paid on every
// reserve of the busiest day.
func TestReserveAllocations(t *testing.T) {
	l := ledgertest.Open(t, ledgertest.NewClock())
	stocked(t, l, 1, 1<<20)
	s := New(l)
	var q Request
	n := 0
	got := testing.AllocsPerRun(200, func() {
		n++
		if _, err := s.Reserve(wish(&q, strconv.Itoa(n), line("0", 1))); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%.0f allocations", got)
	if got > 32 {
		t.Errorf("%.0f allocations, among them those of the writer", got)
	}
}

// BenchmarkReserve has many callers reserve one piece each of many SKUs, on a real disk.
func BenchmarkReserve(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			l, err := ledger.Open(ledger.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			const skus = 10_000
			stocked(b, l, skus, 1<<30)
			s := New(l)
			b.ReportAllocs()
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					var q Request
					var id, sku [20]byte
					for {
						n := left.Add(-1)
						if n < 0 {
							return
						}
						q.ID = strconv.AppendInt(id[:0], n, 10)
						q.TTLMillis = 900_000
						q.Lines = append(q.Lines[:0], Line{SKU: strconv.AppendInt(sku[:0], n*7919%skus, 10), Location: []byte("x"),
							Quantity: ledger.Decimal{Coef: 1}})
						if _, err := s.Reserve(&q); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reserves/s")
		})
	}
}
