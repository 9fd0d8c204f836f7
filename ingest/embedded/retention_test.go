package embedded

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

func diskBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRetentionByBytesBoundsDiskAndMovesTheLogStart(t *testing.T) {
	dir := t.TempDir()
	topics := []Topic{{Name: "plain", RetentionBytes: 2 << 20}, {Name: "compacted", RetentionBytes: 2 << 20, Compact: true}}
	b := start(t, Options{Dir: dir, Topics: topics})
	c := dial(t, b.Addr())
	value := strings.Repeat("x", 10_000)
	for range 1_000 {
		for _, topic := range topics {
			mustProduce(t, c, topic.Name, 0, value)
		}
	}
	b.trim(time.Now())
	for _, topic := range topics {
		info := b.cluster.PartitionInfo(topic.Name, 0)
		if info.NumBytes > 2<<20 || info.LogStartOffset < 700 || info.HighWatermark != 1_000 {
			t.Errorf("%s: %+v", topic.Name, *info)
		}
		got, first, _ := fetch(t, c, topic.Name, 0, info.LogStartOffset)
		if first != info.LogStartOffset || int64(len(got)) != 1_000-first {
			t.Errorf("%s: %d records from %d", topic.Name, len(got), first)
		}
	}
	if n := diskBytes(t, dir); n > 2*(2<<20+2<<18)+64<<10 {
		t.Errorf("%d bytes on disk", n)
	}

	// Below the log's start and above its end a consumer is told so.
	for _, offset := range []int64{0, 1_001} {
		res, err := c.Fetch(t.Context(), &kafka.FetchRequest{Topic: "plain", Offset: offset, MinBytes: 1, MaxBytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if res.Error != kafka.OffsetOutOfRange || res.LogStartOffset < 700 || res.HighWatermark != 1_000 {
			t.Errorf("fetch from %d: %v, log [%d,%d)", offset, res.Error, res.LogStartOffset, res.HighWatermark)
		}
	}
}

func TestRetentionByAgeKeepsTheLastRecord(t *testing.T) {
	dir := t.TempDir()
	topics := []Topic{{Name: "a", Retention: time.Hour}}
	b := start(t, Options{Dir: dir, Topics: topics})
	c := dial(t, b.Addr())
	logStart := func(want int64) {
		t.Helper()
		if got := b.cluster.PartitionInfo("a", 0).LogStartOffset; got != want {
			t.Fatalf("the log starts at %d, want %d", got, want)
		}
	}
	t0 := time.Now()
	mustProduce(t, c, "a", 0, "0", "1")
	b.trim(t0.Add(10 * time.Minute))
	mustProduce(t, c, "a", 0, "2")
	b.trim(t0.Add(20 * time.Minute))
	mustProduce(t, c, "a", 0, "3")
	b.trim(t0.Add(69 * time.Minute))
	logStart(0)
	b.trim(t0.Add(70 * time.Minute))
	logStart(2)
	b.trim(t0.Add(80 * time.Minute))
	logStart(3)
	b.trim(t0.Add(1000 * time.Hour))
	b.trim(t0.Add(2000 * time.Hour))
	logStart(3)

	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = start(t, Options{Dir: dir, Topics: topics})
	if base := mustProduce(t, dial(t, b.Addr()), "a", 0, "4"); base != 4 {
		t.Fatalf("after a restart the log goes on at %d", base)
	}
}

// A till that was offline writes old times; they are no reason to drop anything.
func TestOldTimestampsAreNotOldRecords(t *testing.T) {
	b := start(t, Options{Topics: []Topic{{Name: "a", Retention: time.Hour}}})
	c := dial(t, b.Addr())
	res, err := c.Produce(t.Context(), &kafka.ProduceRequest{
		Topic: "a", RequiredAcks: kafka.RequireAll,
		Records: kafka.NewRecordReader(kafka.Record{Time: time.Unix(1, 0), Value: kafka.NewBytes([]byte("old"))}),
	})
	if err != nil || res.Error != nil {
		t.Fatal(err, res)
	}
	mustProduce(t, c, "a", 0, "new")
	b.trim(time.Now())
	if got, first, _ := fetch(t, c, "a", 0, 0); first != 0 || len(got) != 2 {
		t.Fatalf("%q from %d", got, first)
	}
}

func TestAging(t *testing.T) {
	a := &aging{retention: 32 * time.Minute, marks: map[int32][]mark{}}
	t0 := time.Unix(0, 0)
	f := func(minute int, end, want int64) {
		t.Helper()
		if got := a.pass(0, t0.Add(time.Duration(minute)*time.Minute), end); got != want {
			t.Errorf("minute %d: %d, want %d", minute, got, want)
		}
	}
	f(0, 10, 0)
	f(1, 20, 0)
	f(31, 30, 0)
	f(32, 30, 10)
	f(33, 30, 20)
	f(34, 30, 0)
	f(62, 30, 0)
	f(63, 30, 30) // the mark of minute 31
	if n := len(a.marks[0]); n > 5 {
		t.Errorf("%d marks", n)
	}
}
