package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/segmentio/kafka-go"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// publish runs a publisher until the test ends, or stop is called.
func publish(t *testing.T, s *shop, addr string) (stop func()) {
	t.Helper()
	p, err := NewPublisher(PublisherOptions{Ledger: s.ledger, Brokers: []string{addr}, MessageBytesMax: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// published reads the dead letters' topic, a line for each.
func (w *world) published() (lines []string) {
	w.t.Helper()
	res, err := w.client.Fetch(w.t.Context(), &kafka.FetchRequest{Topic: "onhand.dead-letters", Offset: 0,
		MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 10 * time.Millisecond})
	if err == nil {
		err = res.Error
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for {
		rec, err := res.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			w.t.Fatal(err)
		}
		key, _ := kafka.ReadAll(rec.Key)
		value, _ := kafka.ReadAll(rec.Value)
		line := fmt.Sprintf("%s %s", key, value)
		for _, h := range rec.Headers {
			line += fmt.Sprintf(" %s=%s", h.Key, h.Value)
		}
		lines = append(lines, line)
	}
}

func TestDeadLettersArePublished(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	fs := vfs.NewMem()
	s := openShop(t, ledger.Options{FS: fs})
	stop := publish(t, s, w.broker.Addr())
	consume(t, testOptions(s, w.broker.Addr()))
	w.produceRecords(0, 0, kafka.Record{Key: kafka.NewBytes([]byte("0042")), Value: kafka.NewBytes([]byte("poison")),
		Headers: []kafka.Header{{Key: "trace", Value: []byte("x")}}})
	eventually(t, "the letter", func() bool { return len(w.published()) == 1 })
	letters, err := s.ledger.DeadLetters(0, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("0042 poison trace=x source topic=pos.events partition=0 offset=0 code=invalid-event detail=%s seq=%d", letters[0].Detail, letters[0].Seq)
	if got := w.published()[0]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	// One over HTTP, and one that is too long for the topic.
	if _, err := s.Batch([]byte(`[7,"` + strings.Repeat("x", 11_000) + `"]`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "two more letters", func() bool { return len(w.published()) == 3 })
	lines := w.published()
	if !strings.HasPrefix(lines[1], " 7 code=invalid-event detail=want an object") || strings.Contains(lines[1], "offset") {
		t.Error(lines[1])
	}
	if !strings.HasPrefix(lines[2], "  code=invalid-event") || !strings.Contains(lines[2], "omitted=") {
		t.Error(lines[2])
	}

	// After a restart it goes on behind them, once its place was kept: between the
	// two, a letter would be published again.
	eventually(t, "its place being kept", func() bool {
		f, err := s.ledger.Follow(publisherName, 0)
		return err == nil && f.Cursor() == s.ledger.Seq()
	})
	stop()
	publish(t, s, w.broker.Addr())
	if _, err := s.Batch([]byte(`8`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the next letter", func() bool { return len(w.published()) > 3 })
	if lines := w.published(); len(lines) != 4 || !strings.HasPrefix(lines[3], " 8 ") {
		t.Errorf("%q", lines)
	}
}

func TestDeadLettersWaitForTheBroker(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	s := openShop(t, ledger.Options{})
	publish(t, s, addr)
	if _, err := s.Batch([]byte(`[1,2,3]`)); err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept() // it has come to nobody's door
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	ln.Close()
	w := startBroker(t, embedded.Options{Listen: addr})
	eventually(t, "all letters", func() bool { return len(w.published()) >= 3 })
}

func TestUnwritten(t *testing.T) {
	messages := []kafka.Message{{Value: []byte("a")}, {Value: []byte("b")}, {Value: []byte("c")}}
	again := unwritten(messages, kafka.WriteErrors{nil, kafka.MessageSizeTooLarge, io.EOF})
	if len(again) != 2 || again[0].Value != nil || !bytes.Equal(again[1].Value, []byte("c")) {
		t.Errorf("%+v", again)
	}
	if again := unwritten(messages, io.EOF); len(again) != 3 {
		t.Errorf("%+v", again)
	}
}
