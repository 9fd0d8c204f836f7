package main

import (
	"encoding/binary"
	"hash/crc32"
)

// recordBatch is a Kafka record batch of version 2, uncompressed and without a
// producer id, made by appending: what kafka-go's own encoder costs would be measured
// as the service's.
type recordBatch struct {
	bytes []byte
	count int32
	first int64 // time of the first record, in milliseconds
	last  int64 // the latest
}

// A produce request has the length of the batch before it, which kafka-go leaves to
// whoever sends raw records.
const (
	lengthBytes      = 4
	batchHeaderBytes = 61
)

// castagnoli is the polynomial of Kafka's checksums.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// add appends one record; millis is its timestamp.
func (b *recordBatch) add(key, value []byte, millis int64) {
	if b.count == 0 {
		b.bytes = append(b.bytes[:0], make([]byte, lengthBytes+batchHeaderBytes)...)
		b.first, b.last = millis, millis
	}
	b.last = max(b.last, millis)
	var head [32]byte
	body := append(head[:0], 0) // attributes
	body = binary.AppendVarint(body, millis-b.first)
	body = binary.AppendVarint(body, int64(b.count))
	body = binary.AppendVarint(body, int64(len(key)))
	var valueLength [10]byte
	after := binary.AppendVarint(valueLength[:0], int64(len(value)))
	const noHeaders = 1

	b.bytes = binary.AppendVarint(b.bytes, int64(len(body)+len(key)+len(after)+len(value)+noHeaders))
	b.bytes = append(b.bytes, body...)
	b.bytes = append(b.bytes, key...)
	b.bytes = append(b.bytes, after...)
	b.bytes = append(b.bytes, value...)
	b.bytes = append(b.bytes, 0)
	b.count++
}

// seal fills in the header and returns the batch with its length before it, to be sent
// before the next reset.
func (b *recordBatch) seal() []byte {
	p, be := b.bytes[lengthBytes:], binary.BigEndian
	be.PutUint32(b.bytes, uint32(len(p)))
	be.PutUint64(p[0:], 0) // the broker sets the offset
	be.PutUint32(p[8:], uint32(len(p)-12))
	be.PutUint32(p[12:], 0xffffffff) // leader epoch: unknown
	p[16] = 2
	be.PutUint16(p[21:], 0) // attributes
	be.PutUint32(p[23:], uint32(b.count-1))
	be.PutUint64(p[27:], uint64(b.first))
	be.PutUint64(p[35:], uint64(b.last))
	be.PutUint64(p[43:], 0xffffffffffffffff) // no producer id, epoch or sequence
	be.PutUint16(p[51:], 0xffff)
	be.PutUint32(p[53:], 0xffffffff)
	be.PutUint32(p[57:], uint32(b.count))
	be.PutUint32(p[17:], crc32.Checksum(p[21:], castagnoli))
	return b.bytes
}

func (b *recordBatch) reset() { b.bytes, b.count = b.bytes[:0], 0 }
