// Package kafkaio is what every room that talks to Kafka needs beside kafka-go: dialling
// that ends, and record batches made by appending.
package kafkaio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

// Batch is a Kafka record batch of version 2, without a producer id, for
// Client.RawProduce. kafka-go's Writer copies and allocates each message several
// times: for whoever writes two records for each change of stock that cost as much as
// the change itself. The zero value is empty; one that was reset is used again.
type Batch struct {
	bytes []byte
	count int32
	first int64 // time of the first record, in milliseconds
	last  int64 // the latest

	packed bytes.Buffer // of SealPacked
}

// A produce request has the length of the batch before it, which kafka-go leaves to
// whoever sends raw records.
const (
	lengthBytes      = 4
	batchHeaderBytes = 61
	recordsAt        = lengthBytes + batchHeaderBytes
)

// castagnoli is the polynomial of Kafka's checksums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Headers are record headers as they stand in a record, to be made once for many.
type Headers []byte

// EncodeHeaders makes them.
func EncodeHeaders(of ...kafka.Header) Headers {
	b := binary.AppendVarint(nil, int64(len(of)))
	for _, h := range of {
		b = append(binary.AppendVarint(b, int64(len(h.Key))), h.Key...)
		b = append(binary.AppendVarint(b, int64(len(h.Value))), h.Value...)
	}
	return b
}

var noHeaders = EncodeHeaders()

// Add appends one record. millis is its timestamp; its value is the pieces one after
// the other, and null where there are none. Headers may be nil.
func (b *Batch) Add(millis int64, headers Headers, key []byte, value ...[]byte) {
	if b.count == 0 {
		b.bytes = append(b.bytes[:0], make([]byte, recordsAt)...)
		b.first, b.last = millis, millis
	}
	b.last = max(b.last, millis)
	if headers == nil {
		headers = noHeaders
	}
	size, length := 0, int64(-1)
	for _, piece := range value {
		size += len(piece)
		length = int64(size)
	}
	var head, middle [32]byte
	h := append(head[:0], 0) // attributes
	h = binary.AppendVarint(h, millis-b.first)
	h = binary.AppendVarint(h, int64(b.count))
	h = binary.AppendVarint(h, int64(len(key)))
	m := binary.AppendVarint(middle[:0], length)

	b.bytes = binary.AppendVarint(b.bytes, int64(len(h)+len(key)+len(m)+size+len(headers)))
	b.bytes = append(b.bytes, h...)
	b.bytes = append(b.bytes, key...)
	b.bytes = append(b.bytes, m...)
	for _, piece := range value {
		b.bytes = append(b.bytes, piece...)
	}
	b.bytes = append(b.bytes, headers...)
	b.count++
}

// Len is how many records it holds.
func (b *Batch) Len() int { return int(b.count) }

// Bytes is how long it is.
func (b *Batch) Bytes() int { return len(b.bytes) }

// Seal fills in the header and returns the batch with its length before it, as a
// produce request wants it. The bytes are good until Reset.
func (b *Batch) Seal() []byte { return b.seal(b.bytes, compress.None) }

// SealPacked is Seal with the records packed by LZ4, which costs less than it spares on
// the way to the broker and there. The bytes are good until the next SealPacked.
func (b *Batch) SealPacked() []byte {
	b.packed.Reset()
	b.packed.Write(b.bytes[:recordsAt]) // the header; a buffer takes everything
	w := compress.Lz4.Codec().NewWriter(&b.packed)
	_, err := w.Write(b.bytes[recordsAt:])
	if err := errors.Join(err, w.Close()); err != nil {
		return b.Seal()
	}
	return b.seal(b.packed.Bytes(), compress.Lz4)
}

func (b *Batch) seal(all []byte, codec compress.Compression) []byte {
	p, be := all[lengthBytes:], binary.BigEndian
	be.PutUint32(all, uint32(len(p)))
	be.PutUint64(p[0:], 0) // the broker sets the offset
	be.PutUint32(p[8:], uint32(len(p)-12))
	be.PutUint32(p[12:], 0xffffffff) // leader epoch: unknown
	p[16] = 2
	be.PutUint16(p[21:], uint16(codec)) // attributes
	be.PutUint32(p[23:], uint32(b.count-1))
	be.PutUint64(p[27:], uint64(b.first))
	be.PutUint64(p[35:], uint64(b.last))
	be.PutUint64(p[43:], 0xffffffffffffffff) // no producer id, epoch or sequence
	be.PutUint16(p[51:], 0xffff)
	be.PutUint32(p[53:], 0xffffffff)
	be.PutUint32(p[57:], uint32(b.count))
	be.PutUint32(p[17:], crc32.Checksum(p[21:], castagnoli))
	return all
}

// Reset empties it and keeps its memory.
func (b *Batch) Reset() { b.bytes, b.count = b.bytes[:0], 0 }
