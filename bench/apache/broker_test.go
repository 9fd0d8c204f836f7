package apache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"go.uber.org/goleak"
)

// childDirEnv makes the test binary start a broker in that directory and wait
// to be killed, instead of running tests.
const childDirEnv = "ONHAND_TEST_APACHE_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDirEnv); dir != "" {
		b, err := Start(context.Background(), Options{Dir: dir})
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("pid", b.process.cmd.Process.Pid)
		os.Stdin.Read(make([]byte, 1)) // the parent is gone
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func start(t *testing.T, opts Options) *Broker {
	t.Helper()
	Need(t)
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	began := time.Now()
	b, err := Start(patience(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %s", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := b.Stop(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func dial(t *testing.T, b *Broker) *kafka.Client {
	transport := &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	t.Cleanup(transport.CloseIdleConnections)
	return &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport}
}

func produce(t *testing.T, c *kafka.Client, topic string, values ...string) int64 {
	t.Helper()
	records := make([]kafka.Record, len(values))
	for i, v := range values {
		records[i] = kafka.Record{Value: kafka.NewBytes([]byte(v))}
	}
	res, err := c.Produce(patience(t), &kafka.ProduceRequest{
		Topic: topic, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		t.Fatalf("produce to %s: %v", topic, err)
	}
	return res.BaseOffset
}

// fetch reads partition 0 from an offset to its end.
func fetch(t *testing.T, c *kafka.Client, topic string, next int64) (values []string) {
	t.Helper()
	for {
		res, err := c.Fetch(patience(t), &kafka.FetchRequest{
			Topic: topic, Offset: next, MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 100 * time.Millisecond})
		if err == nil {
			err = res.Error
		}
		if err != nil {
			t.Fatalf("fetch %s from %d: %v", topic, next, err)
		}
		for {
			rec, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.Offset < next {
				continue
			}
			value, err := kafka.ReadAll(rec.Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, string(value))
			next = rec.Offset + 1
		}
		if next >= res.HighWatermark {
			return values
		}
	}
}

func TestRecordsSurviveRestartKillAndPause(t *testing.T) {
	b := start(t, Options{})
	if err := b.CreateTopic(patience(t), "pos.events", 1, map[string]string{"retention.ms": "-1"}); err != nil {
		t.Fatal(err)
	}
	addr := b.Addr()
	produce(t, dial(t, b), "pos.events", "one", "two")

	restart := func(how string) {
		began := time.Now()
		if err := b.Restart(patience(t)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s and started again in %s", how, time.Since(began).Round(time.Millisecond))
		if b.Addr() != addr {
			t.Fatalf("moved from %s to %s", addr, b.Addr())
		}
	}
	restart("stopped")
	c := dial(t, b)
	if got := fetch(t, c, "pos.events", 0); fmt.Sprint(got) != "[one two]" {
		t.Fatalf("after a restart: %q", got)
	}
	if base := produce(t, c, "pos.events", "three"); base != 2 {
		t.Fatalf("after a restart the log goes on at %d", base)
	}
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	restart("killed")
	c = dial(t, b)
	if got := fetch(t, c, "pos.events", 1); fmt.Sprint(got) != "[two three]" {
		t.Fatalf("after a kill: %q", got)
	}

	if err := b.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := c.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{"pos.events": {kafka.LastOffsetOf(0)}}}); err == nil {
		t.Fatal("a paused broker answered")
	}
	if err := b.Resume(); err != nil {
		t.Fatal(err)
	}
	if base := produce(t, dial(t, b), "pos.events", "four"); base != 3 {
		t.Fatalf("after a pause the log goes on at %d", base)
	}

	// Unlike the embedded broker, this one does not say where the log begins and
	// ends when asked for an offset outside it: that takes ListOffsets.
	res, err := c.Fetch(patience(t), &kafka.FetchRequest{Topic: "pos.events", Offset: 5, MinBytes: 1, MaxBytes: 1 << 20})
	if err != nil || res.Error != kafka.OffsetOutOfRange || res.LogStartOffset != -1 || res.HighWatermark != -1 {
		t.Fatalf("fetch past the end: %v, %+v", err, res)
	}

	if err := b.DeleteTopic(patience(t), "pos.events"); err != nil {
		t.Fatal(err)
	}
	if err := b.CreateTopic(patience(t), "pos.events", 1, nil); err != nil {
		t.Fatal(err)
	}
	if base := produce(t, dial(t, b), "pos.events", "new"); base != 0 {
		t.Fatalf("the topic made again begins at %d", base)
	}

	if err := b.Pause(); err != nil { // Stop has to manage with that
		t.Fatal(err)
	}
}

func TestFailedStartQuotesTheLog(t *testing.T) {
	Need(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Start(patience(t), Options{Dir: t.TempDir(), Port: taken.Addr().(*net.TCPAddr).Port})
	if err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("Start on a taken port said %v", err)
	}
	_, err = Start(patience(t), Options{Dir: t.TempDir(), Config: map[string]string{"log.cleaner.threads": "0"}})
	if err == nil || !strings.Contains(err.Error(), "log.cleaner.threads") {
		t.Fatalf("Start said %v", err)
	}
}

func TestJarsAreFetchedOnceByManyAtOnce(t *testing.T) {
	t.Setenv("ONHAND_CACHE", t.TempDir())
	Need(t)
	began := time.Now()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			dir, err := fetchJars(patience(t))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(dir, "kafka_2.13-"+version+".jar")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("fetched in %s", time.Since(began).Round(time.Millisecond))
	left, err := filepath.Glob(filepath.Join(os.Getenv("ONHAND_CACHE"), ".kafka-*"))
	if err != nil || len(left) > 0 {
		t.Fatalf("left behind: %q %v", left, err)
	}
}
