package ingest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"onhand/ledger"
)

// TestFlippedBits turns each bit of three batches, as a broker gives them, and reads them
// from the middle of the first on. What is then taken must be the records that were
// written, from the first that was asked for, none left out: fewer, or none and an error.
func TestFlippedBits(t *testing.T) {
	limitDecompression()
	for _, compression := range []kafka.Compression{0, kafka.Gzip, kafka.Snappy, kafka.Lz4, kafka.Zstd} {
		t.Run(compression.String(), func(t *testing.T) {
			const first, asked, each = 96, 98, 5
			var answer []byte
			for batch := range 3 {
				answer = append(answer, recordBatch(t, compression, int64(first+batch*each), each)...)
			}
			from := cursor{Next: asked, Last: hashRecord([]byte("key"), valueAt(asked-1))}
			if n, err := takeAll(t, from, answer); err != nil || n != 3*each-(asked-first) {
				t.Fatalf("undamaged: %d records, %v", n, err)
			}
			whole, part, refused := 0, 0, 0
			for bit := range 8 * len(answer) {
				answer[bit/8] ^= 1 << (bit % 8)
				switch n, err := takeAll(t, from, answer); {
				case err != nil:
					refused++
				case n == 3*each-(asked-first):
					whole++ // of a leader's epoch, for example
				default:
					part++
				}
				answer[bit/8] ^= 1 << (bit % 8)
			}
			t.Logf("%d bits: %d answers refused, %d taken in part, %d whole", 8*len(answer), refused, part, whole)
			if refused == 0 || part == 0 {
				t.Error("no damage did anything")
			}
		})
	}
}

// takeAll reads an answer and fails the test if what it takes is not a part of what was
// written, without a hole.
func takeAll(t *testing.T, from cursor, answer []byte) (records int, err error) {
	t.Helper()
	set, err := readSet(answer)
	if err != nil || set.Records == nil {
		return 0, err
	}
	var f fetched
	f.reset(from, 1<<20)
	if err := f.take(set.Records); err != nil {
		return 0, err
	}
	for i := range f.records {
		r := &f.records[i]
		if want := from.Next + int64(i); r.offset != want || !bytes.Equal(f.value(r), valueAt(want)) {
			t.Fatalf("record %d is %q at offset %d, want %q at %d\n%x", i, f.value(r), r.offset, valueAt(want), want, answer)
		}
	}
	if f.end.Next != from.Next+int64(len(f.records)) {
		t.Fatalf("%d records from %d on, and the next is said to be at %d", len(f.records), from.Next, f.end.Next)
	}
	return len(f.records), nil
}

// readSet lets kafka-go read an answer, with a panic being an error as kafkaio makes it.
func readSet(answer []byte) (set protocol.RecordSet, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	_, err = set.ReadFrom(bytes.NewReader(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)))
	return set, err
}

func valueAt(offset int64) []byte {
	return fmt.Appendf(nil, "value of %d, value of %d", offset, offset)
}

// recordBatch is one batch as it lies in a log.
func recordBatch(t *testing.T, compression kafka.Compression, first int64, n int) []byte {
	t.Helper()
	var records []protocol.Record
	for i := range n {
		records = append(records, protocol.Record{Offset: int64(i), Key: protocol.NewBytes([]byte("key")), Value: protocol.NewBytes(valueAt(first + int64(i)))})
	}
	var b bytes.Buffer
	set := protocol.RecordSet{Version: 2, Attributes: protocol.Attributes(compression), Records: protocol.NewRecordReader(records...)}
	if _, err := set.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	batch := b.Bytes()[4:] // its length comes before
	binary.BigEndian.PutUint64(batch, uint64(first))
	return batch
}

// TestHolesAreErrors has batches that are missing, come twice, or come out of order.
func TestHolesAreErrors(t *testing.T) {
	at := func(first int64, n int) []byte { return recordBatch(t, 0, first, n) }
	f := func(next int64, want int, batches ...[]byte) {
		t.Helper()
		n, err := takeAll(t, cursor{Next: next}, bytes.Join(batches, nil))
		if n != want || (want == 0) != (err != nil) {
			t.Errorf("%d records, %v; want %d", n, err, want)
		}
	}
	f(10, 10, at(10, 5), at(15, 5))
	f(12, 8, at(10, 5), at(15, 5))
	f(15, 5, at(10, 5), at(15, 5)) // all of one batch is old
	f(10, 0, at(11, 5))
	f(10, 0, at(15, 5), at(10, 5))
	f(10, 0, at(10, 5), at(14, 5))
	f(10, 0, at(10, 5), at(10, 5))
	f(10, 5, at(10, 5), at(16, 5)) // the next fetch meets the hole
}

// TestRecordBeforeIsCompared reads on within a batch whose earlier records were replaced.
func TestRecordBeforeIsCompared(t *testing.T) {
	batch := recordBatch(t, 0, 10, 5)
	for next := int64(10); next < 15; next++ {
		last := ledger.Hash{}
		if next > 10 {
			last = hashRecord([]byte("key"), []byte("another value"))
		}
		n, err := takeAll(t, cursor{Next: next, Last: last}, batch)
		if next == 10 && (n != 5 || err != nil) || next > 10 && (n != 0 || err == nil) {
			t.Errorf("from %d on: %d records, %v", next, n, err)
		}
	}
}
