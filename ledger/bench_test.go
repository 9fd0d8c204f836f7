package ledger_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// benchLedger has skus at locations, with stock everywhere, on the real disk.
func benchLedger(b *testing.B, skus, locations int) *ledger.Ledger {
	b.Helper()
	return benchLedgerOf(b, skus, locations, 0)
}

// benchLedgerOf keeps so many names in memory; 0: as many as the default.
func benchLedgerOf(b *testing.B, skus, locations, names int) *ledger.Ledger {
	b.Helper()
	c := ledgertest.NewClock()
	l, err := ledger.Open(ledger.Options{Dir: b.TempDir(), FS: vfs.Default, Clock: c.Now, CheckpointEvery: -1, NamesInMemoryMax: names})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	submit := func(c ledger.Command) {
		if _, err := l.Submit(c); err == ledger.ErrOverloaded {
			l.WaitRoom()
			_, err = l.Submit(c)
			if err != nil {
				b.Fatal(err)
			}
		} else if err != nil {
			b.Fatal(err)
		}
	}
	for i := range skus {
		submit(ledger.PutSKU{Info: ledger.SKUInfo{SKU: fmt.Sprintf("sku%06d", i)}, Now: c.Now()})
	}
	for i := range locations {
		submit(ledger.PutLocation{Info: ledger.LocationInfo{Location: fmt.Sprintf("%04d", i), Active: true}, Now: c.Now()})
	}
	for i := range locations {
		n := &ledger.Count{Name: ledger.EventName{Source: "wms", ID: fmt.Sprint(i), Time: c.Now() - 1000}, CountedAt: c.Now() - 1000,
			Received: c.Now(), Location: ledger.Location(i + 1)}
		for s := range skus {
			n.Lines = append(n.Lines, ledger.CountLine{SKU: ledger.SKU(s + 1), Quantity: 1 << 30})
		}
		submit(n)
	}
	if err := l.Wait(l.Seq()); err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkMovementNamesOnDisk is of a ledger that knows more names than it keeps in memory.
func BenchmarkMovementNamesOnDisk(b *testing.B) {
	l := benchLedgerOf(b, 1000, 100, 1)
	m := &ledger.Movement{Kind: ledger.KindSale, Received: ledgertest.Start, Lines: []ledger.MovementLine{{Quantity: -1}, {Quantity: -1}}}
	n := 0
	submit := func() {
		n++
		m.Name = ledger.EventName{Source: "pos/0042/till-3", ID: fmt.Sprint(n), Time: ledgertest.Start, Content: 1}
		m.Location = ledger.Location(n%100 + 1)
		m.Lines[0].SKU, m.Lines[1].SKU = ledger.SKU(n%499+1), ledger.SKU(n%499+500)
		if _, err := l.Submit(m); err == ledger.ErrOverloaded {
			l.WaitRoom()
		} else if err != nil {
			b.Fatal(err)
		}
	}
	for range 4 {
		for range 500_000 {
			submit()
		}
		if err := l.Checkpoint(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		submit()
	}
}

func BenchmarkMovement(b *testing.B) {
	l := benchLedger(b, 1000, 100)
	m := &ledger.Movement{Kind: ledger.KindSale, Received: ledgertest.Start,
		Lines: []ledger.MovementLine{{Quantity: -1}, {Quantity: -1}}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Name = ledger.EventName{Source: "pos/0042/till-3", ID: fmt.Sprint(i), Time: ledgertest.Start, Content: 1}
		m.Location = ledger.Location(1 + i%100)
		m.Lines[0].SKU, m.Lines[1].SKU = ledger.SKU(1+i*7%1000), ledger.SKU(1+(i*7+500)%1000)
		if _, err := l.Submit(m); err == ledger.ErrOverloaded {
			l.WaitRoom()
		} else if err != nil {
			b.Fatal(err)
		}
	}
	if err := l.Wait(l.Seq()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkHoldDurable(b *testing.B) {
	for _, conns := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", conns), func(b *testing.B) {
			l := benchLedger(b, 1000, 100)
			var n atomic.Int64
			b.SetParallelism(conns / 2)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := int(n.Add(1))
					_, err := l.Apply(&ledger.Hold{ID: fmt.Sprintf("cart-%d", i), Now: ledgertest.Start, ExpiresAt: ledgertest.Start + 900_000,
						Lines: []ledger.HoldLine{{SKU: ledger.SKU(1 + i*7%1000), Location: ledger.Location(1 + i%100), Quantity: 1}}})
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkPosition(b *testing.B) {
	l := benchLedger(b, 1000, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if r, _ := l.Position(ledger.SKU(1+i*7%1000), ledger.Location(1+i%100), ledgertest.Start); r.OnHand == 0 {
			b.Fatal("empty")
		}
	}
}
