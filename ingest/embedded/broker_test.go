package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDirEnv); dir != "" {
		serveUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

func start(t *testing.T, opts Options) *Broker {
	t.Helper()
	opts.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	b, err := Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func dial(t *testing.T, addr string) *kafka.Client {
	transport := &kafka.Transport{MetadataTTL: 50 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(addr), Transport: transport}
}

// produce appends one batch, acknowledged, and returns its base offset.
func produce(ctx context.Context, c *kafka.Client, topic string, partition int, values ...string) (int64, error) {
	records := make([]kafka.Record, len(values))
	for i, v := range values {
		records[i] = kafka.Record{Key: kafka.NewBytes([]byte("key")), Value: kafka.NewBytes([]byte(v))}
	}
	res, err := c.Produce(ctx, &kafka.ProduceRequest{
		Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(records...),
	})
	if err != nil {
		return 0, err
	}
	return res.BaseOffset, res.Error
}

func mustProduce(t *testing.T, c *kafka.Client, topic string, partition int, values ...string) int64 {
	t.Helper()
	base, err := produce(t.Context(), c, topic, partition, values...)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// fetch reads all of a partition from an offset on, and the log's two ends.
func fetch(t *testing.T, c *kafka.Client, topic string, partition int, from int64) (values []string, first, end int64) {
	t.Helper()
	for next := from; ; {
		res, err := c.Fetch(t.Context(), &kafka.FetchRequest{
			Topic: topic, Partition: partition, Offset: next,
			MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		if res.Error != nil {
			t.Fatalf("fetch %s/%d from %d: %v", topic, partition, next, res.Error)
		}
		first, end = res.LogStartOffset, res.HighWatermark
		for {
			rec, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Offset < next { // the batch begins before what was asked for
				continue
			}
			if rec.Offset != next {
				t.Fatalf("%s/%d: offset %d came after %d", topic, partition, rec.Offset, next-1)
			}
			value, err := kafka.ReadAll(rec.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, string(value))
			next++
		}
		if next >= end {
			return values, first, end
		}
	}
}

func TestRecordsSurviveAnOrderlyRestart(t *testing.T) {
	dir := t.TempDir()
	topics := []Topic{{Name: "pos.events", Partitions: 3}, {Name: "onhand.availability", Compact: true}}
	b := start(t, Options{Dir: dir, Topics: topics})
	c := dial(t, b.Addr())
	want := map[int][]string{}
	for i := range 300 {
		v := fmt.Sprintf("event %d", i)
		mustProduce(t, c, "pos.events", i%3, v)
		want[i%3] = append(want[i%3], v)
	}
	for i := range 5 {
		mustProduce(t, c, "onhand.availability", 0, fmt.Sprint(i))
	}
	firstAddr := b.Addr()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	// Another port, one topic more, and one topic with more partitions.
	topics[0].Partitions = 4
	topics[0].RetentionBytes = 4 << 20
	topics = append(topics, Topic{Name: "wms.events"})
	b = start(t, Options{Dir: dir, Topics: topics})
	if b.Addr() == firstAddr {
		t.Logf("the same port %s was free again", firstAddr)
	}
	c = dial(t, b.Addr())
	for p := range 3 {
		got, first, end := fetch(t, c, "pos.events", p, 0)
		if fmt.Sprint(got) != fmt.Sprint(want[p]) || first != 0 || end != 100 {
			t.Errorf("pos.events/%d: %d records in [%d,%d)", p, len(got), first, end)
		}
		if base := mustProduce(t, c, "pos.events", p, "after"); base != 100 {
			t.Errorf("pos.events/%d goes on at %d", p, base)
		}
	}
	mustProduce(t, c, "pos.events", 3, "in the new partition")
	mustProduce(t, c, "wms.events", 0, "in the new topic")
	if got, _, _ := fetch(t, c, "onhand.availability", 0, 0); len(got) != 5 {
		t.Errorf("onhand.availability: %q", got)
	}
	if got := b.cluster.TopicInfo("pos.events").Configs["retention.bytes"]; *got != "4194304" {
		t.Errorf("retention.bytes after the restart: %s", *got)
	}
}

func TestRestartOnAChosenPort(t *testing.T) {
	dir := t.TempDir()
	topics := []Topic{{Name: "a"}}
	b := start(t, Options{Dir: dir, Topics: topics})
	addr := b.Addr()
	mustProduce(t, dial(t, addr), "a", 0, "one")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = start(t, Options{Dir: dir, Listen: addr, Topics: topics})
	if b.Addr() != addr {
		t.Fatalf("asked for %s, listens on %s", addr, b.Addr())
	}
	if got, _, _ := fetch(t, dial(t, addr), "a", 0, 0); len(got) != 1 {
		t.Fatalf("%q", got)
	}
}

func TestMemoryOnly(t *testing.T) {
	b := start(t, Options{Topics: []Topic{{Name: "a"}}})
	c := dial(t, b.Addr())
	mustProduce(t, c, "a", 0, "one", "two")
	if got, _, end := fetch(t, c, "a", 0, 1); end != 2 || fmt.Sprint(got) != "[two]" {
		t.Fatalf("%q up to %d", got, end)
	}
}

func TestOneBrokerPerDirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, Options{Dir: dir})
	if _, err := Start(Options{Dir: dir}); err == nil {
		t.Fatal("a second broker opened the same directory")
	}
}

func TestClosingTwiceAndWithClientsConnected(t *testing.T) {
	b := start(t, Options{Dir: t.TempDir(), Topics: []Topic{{Name: "a"}}})
	c := dial(t, b.Addr())
	mustProduce(t, c, "a", 0, "one")
	waiting := make(chan error, 1)
	go func() {
		_, err := c.Fetch(t.Context(), &kafka.FetchRequest{
			Topic: "a", Offset: 1, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: time.Minute})
		waiting <- err
	}()
	for range 2 {
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-waiting; err == nil {
		t.Fatal("a fetch outlived the broker")
	}
}

func TestCloseReportsAStateThatCannotBeSaved(t *testing.T) {
	dir := t.TempDir()
	b, err := Start(Options{Dir: dir, Topics: []Topic{{Name: "a"}}})
	if err != nil {
		t.Fatal(err)
	}
	// A directory in the way of the file that kfake renames into place.
	if err := os.Remove(filepath.Join(dir, "meta.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "meta.json", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err == nil || !strings.Contains(err.Error(), "meta.json") {
		t.Fatalf("Close said %v", err)
	}
}

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	_, err := Start(Options{Listen: "0.0.0.0:9092", Topics: []Topic{
		{Name: "a"}, {Name: "a"}, {Partitions: -1}, {Name: "b", RetentionBytes: 1 << 20}, {Name: "c", Retention: -time.Second}}})
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{"0.0.0.0:9092", "named twice", "without a name", "-1 partitions", "less than 2097152", "-1s"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing about %q in: %v", want, err)
		}
	}
}
