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
	var b Batch
	for round := range 2 { // a batch is used again after its reset
		const n = 1000
		for i := range n {
			b.Add(int64(1_700_000_000_000+i-round*7), EncodeHeaders(kafka.Header{Key: "h", Value: []byte("v")}), fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte{byte(i)}, i/2), bytes.Repeat([]byte{byte(i)}, i-i/2))
		}
		var set protocol.RecordSet
		if _, err := set.ReadFrom(bytes.NewReader(b.Seal())); err != nil {
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
