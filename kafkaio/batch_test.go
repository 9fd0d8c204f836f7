package kafkaio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// TestBatchIsReadByKafkaGo also checks the checksum, which kafka-go verifies.
func TestBatchIsReadByKafkaGo(t *testing.T) {
	t.Run("plain", func(t *testing.T) { readByKafkaGo(t, (*Batch).Seal) })
	t.Run("packed", func(t *testing.T) { readByKafkaGo(t, (*Batch).SealPacked) })
}

func readByKafkaGo(t *testing.T, seal func(*Batch) []byte) {
	var b Batch
	for round := range 2 { // a batch is used again after its reset
		const n = 1000
		for i := range n {
			b.Add(int64(1_700_000_000_000+i-round*7), EncodeHeaders(kafka.Header{Key: "h", Value: []byte("v")}), fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte{byte(i)}, i/2), bytes.Repeat([]byte{byte(i)}, i-i/2))
		}
		var set protocol.RecordSet
		if _, err := set.ReadFrom(bytes.NewReader(seal(&b))); err != nil {
			t.Fatal(err)
		}
		for i := range n + 1 {
			r, err := set.Records.ReadRecord()
			if errors.Is(err, io.EOF) && i == n {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			key, _ := protocol.ReadAll(r.Key)
			value, _ := protocol.ReadAll(r.Value)
			if r.Offset != int64(i) || string(key) != fmt.Sprintf("key-%d", i) || len(value) != i || r.Time.UnixMilli() != int64(1_700_000_000_000+i-round*7) {
				t.Fatalf("record %d was read as offset %d, key %s, %d bytes, time %s", i, r.Offset, key, len(value), r.Time)
			}
		}
		b.Reset()
	}
}

// FuzzBatch puts any bytes into a batch, and kafka-go must read the same.
func FuzzBatch(f *testing.F) {
	f.Add(int64(1_700_000_000_000), []byte("key"), []byte("value"), "name", []byte("header"), uint8(3))
	f.Add(int64(0), []byte{}, []byte{0xff}, "", []byte{}, uint8(200))
	f.Fuzz(func(t *testing.T, millis int64, key, value []byte, name string, header []byte, n uint8) {
		millis &= 1<<47 - 1 // Kafka has no times before 1970, Go none beyond
		var b Batch
		for i := range int(n) + 1 {
			b.Add(millis+int64(i), EncodeHeaders(kafka.Header{Key: name, Value: header}), key, value[:len(value)/2], value[len(value)/2:])
		}
		if b.Len() != int(n)+1 {
			t.Fatalf("%d records were added, it says %d", int(n)+1, b.Len())
		}
		for _, sealed := range [][]byte{b.Seal(), b.SealPacked()} {
			var set protocol.RecordSet
			if _, err := set.ReadFrom(bytes.NewReader(sealed)); err != nil {
				t.Fatal(err)
			}
			for i := range int(n) + 1 {
				r, err := set.Records.ReadRecord()
				if err != nil {
					t.Fatal(err)
				}
				gotKey, _ := protocol.ReadAll(r.Key)
				gotValue, _ := protocol.ReadAll(r.Value)
				if r.Offset != int64(i) || !bytes.Equal(gotKey, key) || !bytes.Equal(gotValue, value) || r.Time.UnixMilli() != millis+int64(i) ||
					len(r.Headers) != 1 || r.Headers[0].Key != name || !bytes.Equal(r.Headers[0].Value, header) {
					t.Fatalf("record %d was read as %+v, key %q, value %q", i, r, gotKey, gotValue)
				}
			}
			if _, err := set.Records.ReadRecord(); !errors.Is(err, io.EOF) {
				t.Fatalf("after the last record: %v", err)
			}
		}
	})
}
