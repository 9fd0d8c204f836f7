package availability

import (
	"context"
	"fmt"
	"testing"
	"time"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// chain fills a ledger with so many SKUs at so many locations, five pieces each.
func chain(b *testing.B, skus, locations int) *shop {
	b.Helper()
	s := newShop(b)
	counts := make([]ledger.CountLine, skus)
	for i := range skus {
		name := fmt.Sprintf("871039852%04d", i)
		s.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: name}, Now: s.clock.Now()})
		counts[i] = ledger.CountLine{SKU: s.sku(name), Quantity: 5}
	}
	for i := range locations {
		loc := fmt.Sprintf("%04d", i)
		s.location(loc, true)
		s.apply(&ledger.Count{Name: s.name(), CountedAt: s.clock.Now(), Received: s.clock.Now(), Location: s.loc(loc), Lines: counts})
	}
	b.ResetTimer()
	return s
}

func BenchmarkOnePosition(b *testing.B) {
	s := chain(b, 100, 300)
	sku, loc := []byte("8710398520042"), []byte("0042")
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		q := s.Query()
		q.Add(sku)
		q.At(loc)
		q.Run(1)
		out = q.AppendItem(out[:0], 0)
		q.Release()
	}
}

// BenchmarkManyRows asks for 100 SKUs at all of 300 locations.
func BenchmarkManyRows(b *testing.B) {
	s := chain(b, 100, 300)
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		q := s.Query()
		for i := range 100 {
			q.Add(fmt.Appendf(nil, "871039852%04d", i))
		}
		if err := q.Run(1_000_000); err != nil {
			b.Fatal(err)
		}
		out = out[:0]
		for i := range q.Len() {
			out = q.AppendItem(out, i)
		}
		q.Release()
	}
	b.SetBytes(int64(len(out)))
	b.ReportMetric(float64(b.N)*30_000/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkWindow reads what a reader of the journal is told of, in entries.
func BenchmarkWindow(b *testing.B) {
	s := chain(b, 100, 300)
	after := s.ledger.Durable()
	const entries = 100_000
	for i := range entries {
		if _, err := s.ledger.Submit(&ledger.Movement{Kind: ledger.KindAdjustment, Name: s.name(), Received: s.clock.Now(), Location: s.loc(fmt.Sprintf("%04d", i*7%300)),
			Lines: []ledger.MovementLine{{SKU: s.sku(fmt.Sprintf("871039852%04d", i*i%100)), Quantity: 1}}}); err != nil {
			if s.ledger.WaitRoom() != nil {
				b.Fatal(err)
			}
		}
	}
	s.ledger.Wait(s.ledger.Seq())
	b.ResetTimer()
	b.ReportAllocs()
	for b.Loop() {
		w := s.window(s.ledger.Read(after), positionsMax)
		out := framer{stock: s.Stock, yield: func([]byte) bool { return true }}
		for w.to < s.ledger.Durable() {
			if err := w.gather(context.Background(), 0); err != nil {
				b.Fatal(err)
			}
			out.begin(w)
			if err := w.each(nil, out.add); err != nil {
				b.Fatal(err)
			}
			out.end(w)
		}
	}
	b.ReportMetric(float64(b.N)*entries/b.Elapsed().Seconds(), "entries/s")
}

// BenchmarkPublish brings the journal of BenchmarkWindow to the embedded broker,
// reading it in windows as large as one of 250 ms at 50,000 entries a second.
func BenchmarkPublish(b *testing.B) {
	s := chain(b, 100, 300)
	broker := startBroker(b, embedded.Options{})
	after := s.ledger.Durable()
	const entries = 100_000
	for i := range entries {
		if _, err := s.ledger.Submit(&ledger.Movement{Kind: ledger.KindAdjustment, Name: s.name(), Received: s.clock.Now(), Location: s.loc(fmt.Sprintf("%04d", i*7%300)),
			Lines: []ledger.MovementLine{{SKU: s.sku(fmt.Sprintf("871039852%04d", i*i%100)), Quantity: 1}}}); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 0 {
			s.ledger.Wait(s.ledger.Seq())
		}
	}
	s.ledger.Wait(s.ledger.Seq())
	b.ResetTimer()
	for b.Loop() {
		p, err := StartPublisher(s.Stock, PublisherOptions{Brokers: []string{broker.Addr()}})
		if err != nil {
			b.Fatal(err)
		}
		tick := time.NewTicker(time.Millisecond)
		for uint64(p.cursor.Get()) < uint64(s.ledger.Durable()) {
			<-tick.C
		}
		tick.Stop()
		p.Close()
		f, _ := s.ledger.Follow(followerName, 0)
		f.Done(after)
	}
	b.ReportMetric(float64(b.N)*entries/b.Elapsed().Seconds(), "entries/s")
}
