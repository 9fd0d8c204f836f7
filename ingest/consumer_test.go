package ingest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// eventually waits until cond holds, and fails the test after some seconds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never came about: %s", what)
		}
	}
}

// world is a broker with a client for the test's own records.
type world struct {
	t      testing.TB
	broker *embedded.Broker
	client *kafka.Client
}

var topicsOfTests = []embedded.Topic{{Name: "pos.events", Partitions: 2}, {Name: "onhand.dead-letters"}}

func startBroker(t testing.TB, o embedded.Options) *world {
	t.Helper()
	if o.Topics == nil {
		o.Topics = topicsOfTests
	}
	b, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	transport := &kafka.Transport{MetadataTTL: 50 * time.Millisecond}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t, b, &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport}}
}

// produce appends one batch to a partition of pos.events.
func (w *world) produce(partition int, values ...string) {
	w.t.Helper()
	records := make([]kafka.Record, len(values))
	for i, v := range values {
		records[i] = kafka.Record{Key: kafka.NewBytes([]byte("0042")), Value: kafka.NewBytes([]byte(v))}
	}
	w.produceRecords(partition, 0, records...)
}

func (w *world) produceRecords(partition int, compression kafka.Compression, records ...kafka.Record) {
	w.t.Helper()
	res, err := w.client.Produce(w.t.Context(), &kafka.ProduceRequest{Topic: "pos.events", Partition: partition,
		RequiredAcks: kafka.RequireAll, Compression: compression, Records: kafka.NewRecordReader(records...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// deleteRecords lets a partition's log begin at an offset, as retention does.
func (w *world) deleteRecords(partition int32, first int64) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.broker.Addr()))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	part := kmsg.NewDeleteRecordsRequestTopicPartition()
	part.Partition, part.Offset = partition, first
	topic := kmsg.NewDeleteRecordsRequestTopic()
	topic.Topic, topic.Partitions = "pos.events", append(topic.Partitions, part)
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = append(req.Topics, topic)
	res, err := req.RequestWith(w.t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func testOptions(s *shop, addr string) ConsumerOptions {
	return ConsumerOptions{Ledger: s.ledger, Applier: s.Applier, Brokers: []string{addr}, Topics: []string{"pos.events"},
		FetchWait: 20 * time.Millisecond, MetadataEvery: 50 * time.Millisecond}
}

// consume runs a consumer until the test ends, or stop is called.
func consume(t testing.TB, o ConsumerOptions) (c *Consumer, stop func()) {
	t.Helper()
	c, err := NewConsumer(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return c, stop
}

func (c *Consumer) statusOf(partition int) PartitionStatus {
	for _, s := range c.Status() {
		if s.Partition == partition {
			return s
		}
	}
	return PartitionStatus{}
}

func sale(id string, quantity int) string {
	return event("pos.sale", id, fmt.Sprintf(`{"location":"0042","lines":[{"sku":"a","quantity":%d}]}`, quantity))
}

func (s *shop) becomes(t *testing.T, figures string) {
	t.Helper()
	eventually(t, "SKU a at 0042 being "+figures, func() bool { return s.figures("a", "0042") == figures })
}

func TestEventsBecomeStock(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	s := openShop(t, ledger.Options{})
	w.produce(0, sale("1", 2), sale("2", 3))
	c, stop := consume(t, testOptions(s, w.broker.Addr()))
	s.becomes(t, "-5/0/0/0")
	w.produce(1, sale("3", 10), sale("1", 2)) // the second one again, in another partition
	s.becomes(t, "-15/0/0/0")
	eventually(t, "all read", func() bool {
		a, b := c.statusOf(0), c.statusOf(1)
		return a.Next == 2 && b.Next == 2 && a.LagRecords+b.LagRecords == 0 && a.State == Reading && b.State == Reading
	})
	stop()
	if got := s.figures("a", "0042"); got != "-15/0/0/0" {
		t.Error(got)
	}
}

func TestCompressionAndHeaders(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	s := openShop(t, ledger.Options{})
	consume(t, testOptions(s, w.broker.Addr()))
	for i, c := range []kafka.Compression{kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		w.produceRecords(0, c, kafka.Record{Value: kafka.NewBytes([]byte(`{"location":"0042","lines":[{"sku":"a","quantity":1}]}`)),
			Headers: []kafka.Header{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte("pos.sale")},
				{Key: "ce_source", Value: []byte("s")}, {Key: "ce_id", Value: []byte{'0' + byte(i)}}, {Key: "ce_time", Value: []byte("2026-11-23T09:00:00Z")}}})
	}
	s.becomes(t, "-4/0/0/0")
}

func TestPoisonIsKeptAndPassed(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	s := openShop(t, ledger.Options{})
	values := []string{sale("1", 1), `{"not":"an event`, "\x00\xff", strings.Replace(sale("2", 1), `"a"`, `"nobody knows"`, 1), sale("3", -1), "", sale("4", 1)}
	w.produce(0, values...)
	consume(t, testOptions(s, w.broker.Addr()))
	s.becomes(t, "-2/0/0/0")
	var letters []ledger.DeadLetter
	eventually(t, "five dead letters", func() bool {
		letters, _ = s.ledger.DeadLetters(0, 100)
		return len(letters) == 5
	})
	for i, code := range []string{"invalid-event", "invalid-event", "unknown-sku", "invalid-quantity", "invalid-event"} {
		d := letters[i]
		got := fmt.Sprintf("%s/%d/%d %s %s %s", d.Topic, d.Partition, d.Offset, d.Key, d.Code, d.Value)
		if want := fmt.Sprintf("pos.events/0/%d 0042 %s %s", i+1, code, values[i+1]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestRestartGoesOnWhereItWas(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	fs := vfs.NewMem()
	s := openShop(t, ledger.Options{FS: fs})
	w.produce(0, sale("1", 1), "poison", sale("2", 1))
	_, stop := consume(t, testOptions(s, w.broker.Addr()))
	s.becomes(t, "-2/0/0/0")
	stop()
	if err := s.ledger.Close(); err != nil {
		t.Fatal(err)
	}

	w.produce(0, sale("3", 1))
	s = openShop(t, ledger.Options{FS: fs})
	at, ok, err := s.ledger.Offset("pos.events", 0)
	if err != nil || !ok || at.Next != 3 {
		t.Fatal(at, ok, err)
	}
	before := s.ledger.Seq()
	c, stop := consume(t, testOptions(s, w.broker.Addr()))
	s.becomes(t, "-3/0/0/0")
	eventually(t, "the offset", func() bool { return c.statusOf(0).Next == 4 })
	stop()
	if s.ledger.Seq() != before+1 {
		t.Errorf("%d changes for one new event", s.ledger.Seq()-before)
	}

	// An offset behind what was applied: the names are known.
	s.ledger.SetOffset("pos.events", 0, ledger.Offset{})
	if err := s.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	s = openShop(t, ledger.Options{FS: fs})
	c, _ = consume(t, testOptions(s, w.broker.Addr()))
	eventually(t, "read again", func() bool { return c.statusOf(0).Next == 4 })
	if got := s.figures("a", "0042"); got != "-3/0/0/0" {
		t.Error(got)
	}
}

func TestBrokerThatComesLater(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	s := openShop(t, ledger.Options{})
	c, _ := consume(t, testOptions(s, addr))
	eventually(t, "a complaint", func() bool {
		st := c.statusOf(-1)
		return st.State == Retrying && strings.Contains(st.Err, "refused")
	})
	s.accept(sale("over HTTP", 1)) // everything else goes on
	w := startBroker(t, embedded.Options{Listen: addr, Topics: []embedded.Topic{{Name: "other"}}})
	eventually(t, "a topic being missed", func() bool { return strings.Contains(c.statusOf(-1).Err, "Unknown Topic") })
	res, err := w.client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: "pos.events", NumPartitions: 1, ReplicationFactor: 1}}})
	if err != nil || res.Errors["pos.events"] != nil {
		t.Fatal(err, res)
	}
	w.produce(0, sale("1", 1))
	s.becomes(t, "-2/0/0/0")
	more, err := w.client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: "pos.events", Count: 2}}})
	if err != nil || more.Errors["pos.events"] != nil {
		t.Fatal(err, more)
	}
	eventually(t, "the new partition being produced to", func() bool {
		res, err := w.client.Produce(t.Context(), &kafka.ProduceRequest{Topic: "pos.events", Partition: 1, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes([]byte(sale("2", 1)))})})
		return err == nil && res.Error == nil
	})
	s.becomes(t, "-3/0/0/0")
}

func TestBrokerRestarts(t *testing.T) {
	dir := t.TempDir()
	w := startBroker(t, embedded.Options{Dir: dir})
	s := openShop(t, ledger.Options{})
	c, _ := consume(t, testOptions(s, w.broker.Addr()))
	w.produce(0, sale("1", 1))
	s.becomes(t, "-1/0/0/0")
	if err := w.broker.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a complaint", func() bool { return c.statusOf(0).State == Retrying })
	w = startBroker(t, embedded.Options{Dir: dir, Listen: w.broker.Addr()})
	w.produce(0, sale("2", 1))
	s.becomes(t, "-2/0/0/0")
}

// TestBrokenLogsStop has one partition whose log does not go on, and one whose log does.
func TestBrokenLogsStop(t *testing.T) {
	f := func(name string, kept ledger.Offset, want string) {
		t.Run(name, func(t *testing.T) {
			w := startBroker(t, embedded.Options{})
			w.produce(0, sale("1", 100), sale("2", 100))
			w.produce(0, sale("3", 100), sale("4", 100))
			w.deleteRecords(0, 2)
			s := openShop(t, ledger.Options{})
			s.ledger.SetOffset("pos.events", 0, kept)
			s.accept(sale("x", 1))
			if err := s.ledger.Wait(s.ledger.Seq()); err != nil {
				t.Fatal(err)
			}
			c, _ := consume(t, testOptions(s, w.broker.Addr()))
			eventually(t, "the partition being stopped", func() bool { return c.statusOf(0).State == Stopped })
			if got := c.statusOf(0).Err; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			w.produce(1, sale("5", 1))
			s.becomes(t, "-2/0/0/0")
		})
	}
	f("truncated", ledger.Offset{Next: 9, Last: ledger.Hash{Hi: 1}}, "the log was truncated: it was read up to offset 8, but ends before offset 4")
	f("gap", ledger.Offset{Next: 1, Last: ledger.Hash{Hi: 1}}, "gap: the next record to read is at offset 1, but the log begins at 2: 1 records are gone")
	f("rewritten", ledger.Offset{Next: 3, Last: ledger.Hash{Hi: 1}}, "the log was rewritten: the record at offset 2 is not the one that was read there")
}

func TestRecreatedTopicStops(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	s := openShop(t, ledger.Options{})
	c, _ := consume(t, testOptions(s, w.broker.Addr()))
	w.produce(0, sale("1", 1), sale("2", 1))
	s.becomes(t, "-2/0/0/0")
	if _, err := w.client.DeleteTopics(t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{"pos.events"}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the topic being missed", func() bool { return c.statusOf(0).State == Retrying })
	if _, err := w.client.CreateTopics(t.Context(), &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: "pos.events", NumPartitions: 2, ReplicationFactor: 1}}}); err != nil {
		t.Fatal(err)
	}
	w.produce(0, sale("3", 1), sale("4", 1), sale("5", 1))
	eventually(t, "the partition being stopped", func() bool { return c.statusOf(0).State == Stopped })
	if got := c.statusOf(0).Err; !strings.Contains(got, "rewritten") {
		t.Error(got)
	}
	w.produce(1, sale("6", 1))
	s.becomes(t, "-3/0/0/0")
}

func TestBombStopsItsPartitionOnly(t *testing.T) {
	for _, compression := range []kafka.Compression{kafka.Gzip, kafka.Lz4, kafka.Zstd} { // Snappy's would be too long for the broker
		t.Run(compression.String(), func(t *testing.T) {
			w := startBroker(t, embedded.Options{})
			s := openShop(t, ledger.Options{})
			c, _ := consume(t, testOptions(s, w.broker.Addr()))
			w.produce(0, sale("1", 1))
			w.produceRecords(0, compression, kafka.Record{Value: kafka.NewBytes(make([]byte, batchBytesMax+1))})
			w.produce(1, sale("2", 1))
			s.becomes(t, "-2/0/0/0")
			eventually(t, "the partition being stopped", func() bool { return c.statusOf(0).State == Stopped })
			if got := c.statusOf(0).Err; !strings.Contains(got, "offset 1") || !strings.Contains(got, "unpacks to more than 64 MiB") {
				t.Error(got)
			}
		})
	}
}

func TestFullQueueLosesNothing(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	s := openShop(t, ledger.Options{QueueBytesMax: 2000})
	const n = 3000
	var values []string
	for i := range n {
		values = append(values, sale(fmt.Sprint(i), 1))
		if i%100 == 0 {
			values = append(values, "poison")
		}
	}
	w.produce(0, values...)
	consume(t, testOptions(s, w.broker.Addr()))
	s.becomes(t, fmt.Sprintf("%d/0/0/0", -n))
	eventually(t, "all dead letters", func() bool {
		letters, _ := s.ledger.DeadLetters(0, n)
		return len(letters) == n/100
	})
}

// TestPowerCutsWhileConsuming cuts the power at some moments, goes on from what the
// disk then holds, and finds every event applied once.
func TestPowerCutsWhileConsuming(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	const n = 2000
	for i := 0; i < n; i += 50 {
		var values []string
		for j := range 50 {
			values = append(values, sale(fmt.Sprint(i+j), 1))
		}
		w.produce(i/50%2, values...)
	}
	fs := vfs.NewCrashableMem()
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 6 {
		s := openShop(t, ledger.Options{FS: fs, QueueBytesMax: 20_000})
		o := testOptions(s, w.broker.Addr())
		o.FetchBytesMax = 8 << 10
		_, stop := consume(t, o)
		if round == 5 {
			s.becomes(t, fmt.Sprintf("%d/0/0/0", -n))
			return
		}
		before := s.ledger.Seq()
		eventually(t, "some progress", func() bool { return s.ledger.Seq() >= min(before+200, n) })
		fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: random.IntN(101), RNG: random})
		stop()
		if err := s.ledger.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
