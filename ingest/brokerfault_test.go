package ingest

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"onhand/ledger"
)

var damagedAnswers = flag.Int("damaged-answers", 40, "how many answers of the broker TestDamagedAnswers damages")

// TestDamagedAnswers has a broker that flips a bit of its records now and then: each is
// asked for again, and applied once it is whole.
func TestDamagedAnswers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	c, _ := consume(t, testOptions(s, b.addr))
	errors := fetchErrors.Get()
	sold := 0
	for round := range *damagedAnswers {
		var damaged atomic.Bool
		bit := random.Uint64()
		b.onFetched(func(_ int32, records []byte) []byte {
			if !damaged.Swap(true) {
				n := bit % uint64(8*len(records))
				if round == 0 {
					n = 8*8 + 7 // the sign of the first batch's length
				}
				records[n/8] ^= 1 << (n % 8)
			}
			return records
		})
		var values []kafka.Record
		for range 3 {
			sold++
			values = append(values, kafka.Record{Value: kafka.NewBytes([]byte(sale(fmt.Sprint(sold), 1)))})
		}
		b.produceRecords(0, []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd}[round%5], values...)
		s.becomes(t, fmt.Sprintf("%d/0/0/0", -sold))
		eventually(t, "the damage being done", damaged.Load)
	}
	if n := fetchErrors.Get() - errors; n < uint64(*damagedAnswers)/2 {
		t.Errorf("%d of %d damaged answers were noticed", n, *damagedAnswers)
	}
	if n := len(letters(t, s.ledger)); n != 0 {
		t.Errorf("%d dead letters for events that were whole in the log", n)
	}
	if st := c.statusOf(0); st.State != Reading || st.Next != int64(sold) {
		t.Errorf("%+v after %d sales", st, sold)
	}
}

// TestDamagedLogWaits has damage that stays: its partition says so and waits, and goes on
// when the broker has mended its log. The other goes on meanwhile.
func TestDamagedLogWaits(t *testing.T) {
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	b.onFetched(func(partition int32, records []byte) []byte {
		if partition == 0 {
			records[len(records)-1] ^= 1
		}
		return records
	})
	c, _ := consume(t, testOptions(s, b.addr))
	before := fetchErrors.Get()
	b.produce(0, sale("1", 100))
	eventually(t, "the damage being told, more than once", func() bool {
		st := c.statusOf(0)
		return st.State == Retrying && strings.Contains(st.Err, "checksum") && fetchErrors.Get() > before+3
	})
	b.produce(1, sale("2", 1))
	s.becomes(t, "-1/0/0/0")
	b.onFetched(nil)
	s.becomes(t, "-101/0/0/0")
}

// TestHoleInTheLogStops has a batch that the broker leaves out, for a moment or for good.
func TestHoleInTheLogStops(t *testing.T) {
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	leaveOut := func(offset uint64, times int) func(int32, []byte) []byte {
		var done atomic.Int64
		return func(partition int32, records []byte) (left []byte) {
			for len(records) > 0 {
				n := 12 + int(binary.BigEndian.Uint32(records[8:]))
				if partition != 0 || binary.BigEndian.Uint64(records) != offset || done.Add(1) > int64(times) {
					left = append(left, records[:n]...)
				}
				records = records[n:]
			}
			return left
		}
	}
	b.produce(0, sale("1", 1))
	b.produce(0, sale("2", 1))
	b.produce(0, sale("3", 1))
	b.onFetched(leaveOut(1, 2))
	c, stop := consume(t, testOptions(s, b.addr))
	s.becomes(t, "-3/0/0/0") // it was a moment
	stop()

	b.produce(0, sale("4", 1))
	b.produce(0, sale("5", 1))
	b.produce(0, sale("6", 1))
	b.onFetched(leaveOut(4, 1<<30))
	stopped := partitionsStopped.Get()
	c, _ = consume(t, testOptions(s, b.addr))
	eventually(t, "the partition being stopped", func() bool { return c.statusOf(0).State == Stopped })
	if got, want := c.statusOf(0).Err, "read the record at offset 5: the log has a hole: where offset 4 comes next, the broker gives offset 5"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if partitionsStopped.Get() != stopped+1 {
		t.Error("it is not counted")
	}
	b.produce(1, sale("7", 1))
	s.becomes(t, "-5/0/0/0") // of the three after the restart, the one before the hole
}

// TestGapWhileReading has a log that loses its beginning, and another its end, while
// they are read.
func TestGapWhileReading(t *testing.T) {
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	c, _ := consume(t, testOptions(s, b.addr))
	b.produce(0, sale("1", 1), sale("2", 1))
	s.becomes(t, "-2/0/0/0")
	eventually(t, "both being read", func() bool { return c.statusOf(0).Next == 2 })
	unreadable := func(_ int32, records []byte) []byte { return records[:20] }
	b.onFetched(unreadable)
	b.produce(0, sale("3", 1), sale("4", 1), sale("5", 1))
	eventually(t, "an answer that cannot be read", func() bool { return c.statusOf(0).State == Retrying })
	if err := b.cluster.DeleteRecords("pos.events", 0, 4); err != nil {
		t.Fatal(err)
	}
	b.onFetched(nil)
	eventually(t, "the partition being stopped", func() bool { return c.statusOf(0).State == Stopped })
	if got, want := c.statusOf(0).Err, "gap: the next record to read is at offset 2, but the log begins at 4: 2 records are gone"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	eventually(t, "the place being on disk", func() bool {
		at, ok, err := s.ledger.Offset("pos.events", 0)
		return ok && err == nil && at.Next == 2
	})
	b.produce(1, sale("6", 1))
	s.becomes(t, "-3/0/0/0")
}

// TestTopicMadeAgainUnnoticed deletes a topic and makes it again with other and more
// records, all while an answer of the broker is under way: no request meets an error.
func TestTopicMadeAgainUnnoticed(t *testing.T) {
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	c, _ := consume(t, testOptions(s, b.addr))
	b.produce(0, sale("1", 1))
	s.becomes(t, "-1/0/0/0")
	held, letGo := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.onFetched(func(partition int32, records []byte) []byte {
		if partition == 0 {
			once.Do(func() { close(held); <-letGo })
		}
		return records
	})
	b.produce(0, sale("2", 1))
	<-held
	began := time.Now()
	if err := errors.Join(b.cluster.DeleteTopic("pos.events"), b.cluster.CreateTopic("pos.events", 2, nil)); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		b.produce(0, sale(fmt.Sprint("new ", i), 10))
	}
	eventually(t, "a silence that is long enough", func() bool { return time.Since(began) > silenceMax+100*time.Millisecond })
	close(letGo)
	eventually(t, "the partition being stopped", func() bool { return c.statusOf(0).State == Stopped })
	if got := c.statusOf(0).Err; !strings.Contains(got, "rewritten") {
		t.Error(got)
	}
	if got := s.figures("a", "0042"); got != "-1/0/0/0" && got != "-2/0/0/0" {
		t.Errorf("records of another log were applied: %s", got)
	}
}

// TestLeaderMoves moves the leadership of a partition to and fro while it is read and
// written, and lets brokers say that they do not lead.
func TestLeaderMoves(t *testing.T) {
	b := startFaultyBroker(t, kfake.NumBrokers(3))
	s := openShop(t, ledger.Options{})
	o := testOptions(s, b.addr)
	o.Brokers = b.cluster.ListenAddrs()
	consume(t, o)
	const n = 60
	for i := range n {
		if i%6 == 0 {
			if err := b.cluster.MoveTopicPartition("pos.events", 0, int32(i/6%3)); err != nil {
				t.Fatal(err)
			}
		}
		if i%7 == 0 {
			b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "pos.events", Err: kerr.NotLeaderForPartition, Count: 2})
		}
		b.insist(sale(fmt.Sprint(i), 1))
		if i%10 == 9 {
			s.becomes(t, fmt.Sprintf("%d/0/0/0", -(i+1)))
		}
	}
}

// insist produces to partition 0 until it is acknowledged, and says how often it took.
func (b *faultyBroker) insist(values ...string) (tries int) {
	b.t.Helper()
	eventually(b.t, "the broker taking it", func() bool {
		tries++
		records := make([]kafka.Record, len(values))
		for i, v := range values {
			records[i] = kafka.Record{Value: kafka.NewBytes([]byte(v))}
		}
		res, err := b.client.Produce(b.t.Context(), &kafka.ProduceRequest{Topic: "pos.events", Partition: 0,
			RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
		return err == nil && res.Error == nil
	})
	return tries
}

// TestUnansweredProduceLanded ends connections after records were taken and before that
// is told, and answers with a time-out: who sends again puts them there twice.
func TestUnansweredProduceLanded(t *testing.T) {
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	consume(t, testOptions(s, b.addr))
	const n = 20
	tries := 0
	for i := range n {
		var unanswered atomic.Bool
		if i%2 == 0 {
			b.onProduced(func() bool { return unanswered.Swap(true) })
		} else {
			b.onProduced(nil)
			b.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "pos.events", Err: kerr.RequestTimedOut})
		}
		tries += b.insist(sale(fmt.Sprint(i), 1), "poison "+fmt.Sprint(i))
	}
	if end := b.cluster.PartitionInfo("pos.events", 0).HighWatermark; end != int64(2*tries) || tries < 2*n {
		t.Fatalf("%d records in the log after %d tries", end, tries)
	}
	s.becomes(t, fmt.Sprintf("%d/0/0/0", -n))
	eventually(t, "every record being passed", func() bool { return len(letters(t, s.ledger)) == tries })
}

// TestOneEventInTwoTopics has each event in two topics and partitions at once, and one
// name that stands for two events.
func TestOneEventInTwoTopics(t *testing.T) {
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	o := testOptions(s, b.addr)
	o.Topics = []string{"pos.events", "wms.events"}
	c, _ := consume(t, o)
	const n = 200
	for _, topic := range o.Topics {
		for partition := range 2 {
			var records []kafka.Record
			for i := range n {
				records = append(records, kafka.Record{Value: kafka.NewBytes([]byte(sale(fmt.Sprint(i), 1)))})
			}
			records = append(records, kafka.Record{Value: kafka.NewBytes([]byte(sale("other", 1+partition)))})
			res, err := b.client.Produce(t.Context(), &kafka.ProduceRequest{Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
			if err != nil || res.Error != nil {
				t.Fatal(err, res)
			}
		}
	}
	eventually(t, "everything being read", func() bool {
		read := int64(0)
		for _, st := range c.Status() {
			read += st.Next
		}
		return read == 4*(n+1)
	})
	if got := s.figures("a", "0042"); got != fmt.Sprintf("%d/0/0/0", -n-1) && got != fmt.Sprintf("%d/0/0/0", -n-2) {
		t.Errorf("%d events four times each, and one or two units more: %s", n, got)
	}
	found := letters(t, s.ledger)
	for _, d := range found {
		if d.Code != ledger.IdempotencyMismatch.String() {
			t.Errorf("%s %s", d.Code, d.Detail)
		}
	}
	if len(found) != 2 { // of the one that came second, in each topic
		t.Errorf("%d dead letters", len(found))
	}
}

// TestRecordsOverTheFetchLimit are larger than what is asked for at once.
func TestRecordsOverTheFetchLimit(t *testing.T) {
	b := startFaultyBroker(t)
	s := openShop(t, ledger.Options{})
	o := testOptions(s, b.addr)
	o.FetchBytesMax = 1000
	consume(t, o)
	junk := strings.Repeat("x", 900_000)
	b.produce(0, sale("1", 1), junk)
	b.produce(0, strings.Replace(sale("2", 1), `"data"`, `"padding":"`+junk+`","data"`, 1))
	b.produce(0, sale("3", 1))
	s.becomes(t, "-3/0/0/0")
	found := letters(t, s.ledger)
	if len(found) != 1 || string(found[0].Value) != junk {
		t.Errorf("%d dead letters", len(found))
	}
}
