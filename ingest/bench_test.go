package ingest

import (
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// sales are sales of two lines in one shop, all of different names.
func sales(n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = []byte(event("pos.sale", fmt.Sprintf("%09d", i), `{"location":"0042","lines":[{"sku":"a","quantity":2},{"sku":"kg","quantity":0.355}]}`))
	}
	return out
}

func BenchmarkDecode(b *testing.B) {
	value := sales(1)[0]
	d := decoder{}
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.read(value, nil); err != nil {
			b.Fatal(err)
		}
		d.contentHash()
	}
}

// BenchmarkSubmit takes events through decoder and ledger into its journal, and
// waits for the disk (a memory, here) every 10,000.
func BenchmarkSubmit(b *testing.B) {
	s := openShop(b, ledger.Options{QueueBytesMax: 1 << 30, NamesInMemoryMax: 1 << 30})
	d := &decoder{ledger: s.ledger}
	values := sales(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i, value := range values {
		r, err := d.submit(value, nil)
		if err != nil {
			b.Fatal(err)
		}
		if i%10_000 == 9999 {
			if err := s.ledger.Wait(r.Seq); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	value := sales(1)[0]
	d := decoder{}
	if n := testing.AllocsPerRun(100, func() {
		if err := d.read(value, nil); err != nil {
			t.Fatal(err)
		}
		d.contentHash()
	}); n != 0 {
		t.Errorf("%v allocations for one event", n)
	}
}

// BenchmarkConsume reads two partitions of the embedded broker, which has a part of
// the processor to itself, into the ledger: an operation is an event of two lines.
func BenchmarkConsume(b *testing.B) {
	w := startBroker(b, embedded.Options{Topics: []embedded.Topic{{Name: "pos.events", Partitions: 2, RetentionBytes: 8 << 30}}})
	s := openShop(b, ledger.Options{NamesInMemoryMax: 1 << 30})
	values := sales(b.N)
	for i := 0; i < len(values); i += 1000 {
		var records []kafka.Record
		for _, v := range values[i:min(i+1000, len(values))] {
			records = append(records, kafka.Record{Value: kafka.NewBytes(v)})
		}
		w.produceRecords(i/1000%2, 0, records...)
	}
	values = nil
	b.ReportAllocs()
	b.ResetTimer()
	o := testOptions(s, w.broker.Addr())
	c, _ := consume(b, o)
	eventually(b, "all applied", func() bool { return c.statusOf(0).Next+c.statusOf(1).Next == int64(b.N) })
	if err := s.ledger.Wait(s.ledger.Seq()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkEventToVisible is how long after its produce call began one event is in
// the figures, with nothing else going on.
func BenchmarkEventToVisible(b *testing.B) {
	w := startBroker(b, embedded.Options{})
	s := openShop(b, ledger.Options{})
	consume(b, testOptions(s, w.broker.Addr()))
	w.produce(0, sale("first", 1))
	eventually(b, "the first", func() bool { return s.figures("a", "0042") == "-1/0/0/0" })
	n := 1
	for b.Loop() {
		n++
		want := fmt.Sprintf("-%d/0/0/0", n)
		w.produce(0, sale(fmt.Sprint(n), 1))
		for s.figures("a", "0042") != want {
		}
	}
}
