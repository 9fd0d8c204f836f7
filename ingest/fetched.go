package ingest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/zeebo/xxh3"

	"onhand/ledger"
)

// cursor is a place in a partition's log: the next offset, and the hash of the
// record before it (zero: not known), by which a log that was rewritten shows.
type cursor = ledger.Offset

// hashRecord is what the ledger keeps of the last record read.
func hashRecord(key, value []byte) ledger.Hash {
	var h xxh3.Hasher
	h.Write(binary.AppendUvarint(nil, uint64(len(key))))
	h.Write(key)
	h.Write(value)
	sum := h.Sum128()
	return ledger.Hash{Hi: sum.Hi, Lo: sum.Lo}
}

// fetched is the records of one answer of the broker, copied out of it. The memory
// is used again: it belongs to the fetching goroutine, then to the applying one, then comes back.
type fetched struct {
	bytes         []byte
	records       []record
	end           cursor // after the last record, control records included
	highWatermark int64
	bytesMax      int  // about what an answer holds
	begun         bool // a record was taken: from here on each must follow the one before
}

// grow is by how much bytes grow: little for partitions with little news, and from then
// on to a full answer at once.
func (f *fetched) grow() int {
	if cap(f.bytes) < 64<<10 {
		return cap(f.bytes)
	}
	return f.bytesMax
}

type record struct {
	offset                  int64
	start, keyEnd, valueEnd int // in fetched.bytes
	headers                 []ledger.Header
	time                    time.Time // the broker's or the producer's
}

func (f *fetched) key(r *record) []byte   { return f.bytes[r.start:r.keyEnd] }
func (f *fetched) value(r *record) []byte { return f.bytes[r.keyEnd:r.valueEnd] }

// reset empties f for an answer of about so many bytes.
func (f *fetched) reset(from cursor, bytesMax int) {
	if cap(f.bytes) > 2*bytesMax {
		f.bytes = nil
	}
	f.bytesMax = bytesMax
	clear(f.records)
	f.bytes, f.records, f.end, f.begun = f.bytes[:0], f.records[:0], from, false
}

// take copies what is new of an answer. Batches begin before the offset that was
// asked for, and may be of a transaction's markers, which are no records of ours.
func (f *fetched) take(records kafka.RecordReader) error {
	batches := []protocol.RecordReader{records}
	if stream, ok := records.(*protocol.RecordStream); ok {
		batches = stream.Records
	}
batches:
	for _, batch := range batches {
		_, control := batch.(*protocol.ControlBatch)
		for {
			rec, err := batch.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("read the record after offset %d: %w", f.end.Next-1, err)
			}
			if err := f.takeRecord(rec, control); err != nil {
				if f.begun && errors.Is(err, errHole) {
					break batches // what came before it is good; the next fetch meets it first
				}
				return fmt.Errorf("read the record at offset %d: %w", rec.Offset, err)
			}
		}
	}
	if len(f.records) > 0 && f.end.Last == (ledger.Hash{}) {
		if last := &f.records[len(f.records)-1]; last.offset == f.end.Next-1 {
			f.end.Last = hashRecord(f.key(last), f.value(last))
		}
	}
	return nil
}

func (f *fetched) takeRecord(rec *protocol.Record, control bool) error {
	defer closeBytes(rec.Key)
	defer closeBytes(rec.Value)
	if rec.Offset != f.end.Next {
		return f.notNext(rec)
	}
	f.begun = true
	f.end = cursor{Next: rec.Offset + 1}
	if control {
		return nil
	}
	r := record{offset: rec.Offset, time: rec.Time}
	if err := f.copyRecord(&r, rec); err != nil {
		return err
	}
	for _, h := range rec.Headers {
		r.headers = append(r.headers, ledger.Header{Key: h.Key, Value: h.Value})
	}
	f.records = append(f.records, r)
	return nil
}

var errHole = errors.New("the log has a hole")

// notNext passes over a record from before the place that was asked for, and makes sure
// that it is the one that was read there. Any other record out of turn is an error: a
// batch's offset and length are under no checksum, and of a batch that does not hold
// what it says kafka-go leaves out the rest without a word.
func (f *fetched) notNext(rec *protocol.Record) error {
	switch {
	case rec.Offset > f.end.Next:
		return fmt.Errorf("%w: %w", errHole, &brokenLog{mayHeal: true, what: fmt.Sprintf("where offset %d comes next, the broker gives offset %d", f.end.Next, rec.Offset)})
	case f.begun:
		return &brokenLog{mayHeal: true, what: fmt.Sprintf("after offset %d the broker gives offset %d", f.end.Next-1, rec.Offset)}
	case rec.Offset < f.end.Next-1 || f.end.Last == (ledger.Hash{}):
		return nil
	}
	var r record
	n := len(f.bytes)
	if err := f.copyRecord(&r, rec); err != nil {
		return err
	}
	sum := hashRecord(f.key(&r), f.value(&r))
	f.bytes = f.bytes[:n]
	if sum != f.end.Last {
		return &brokenLog{mayHeal: true, what: fmt.Sprintf("the log was rewritten: the record at offset %d is not the one that was read there", rec.Offset)}
	}
	return nil
}

// copyRecord appends key and value to f's bytes.
func (f *fetched) copyRecord(r *record, rec *protocol.Record) (err error) {
	r.start = len(f.bytes)
	if f.bytes, err = appendAll(f.bytes, rec.Key, f.grow()); err != nil {
		return err
	}
	r.keyEnd = len(f.bytes)
	f.bytes, err = appendAll(f.bytes, rec.Value, f.grow())
	r.valueEnd = len(f.bytes)
	return err
}

func closeBytes(b protocol.Bytes) {
	if b != nil {
		b.Close()
	}
}

func appendAll(dst []byte, b protocol.Bytes, grow int) ([]byte, error) {
	if b == nil {
		return dst, nil
	}
	n := len(dst)
	if n+b.Len() > cap(dst) {
		dst = slices.Grow(dst, max(b.Len(), grow)) // an answer of megabytes is not copied at every doubling
	}
	dst = dst[:n+b.Len()]
	_, err := io.ReadFull(b, dst[n:])
	return dst, err
}
