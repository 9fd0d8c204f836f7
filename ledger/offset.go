package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/zeebo/xxh3"
)

// Offset is how far a partition of a topic was read into the ledger.
type Offset struct {
	Next int64 // of the next record to read
	Last Hash  // of the record before it, to tell a log that was rewritten
}

const offsetBytes = 32

// encode writes the offset with a checksum of it and of its key: nothing else that is
// kept tells whether it was changed.
func (o Offset) encode(key string) []byte {
	b := make([]byte, 0, offsetBytes)
	b = o.Last.append(binary.BigEndian.AppendUint64(b, uint64(o.Next)))
	return binary.BigEndian.AppendUint64(b, offsetSum(key, b))
}

func offsetSum(key string, b []byte) uint64 {
	h := xxh3.New()
	h.WriteString(key)
	h.Write(b)
	return h.Sum64()
}

// decodeOffset reads what encode wrote.
func decodeOffset(key string, v []byte) (Offset, error) {
	if len(v) != offsetBytes || offsetSum(key, v[:offsetBytes-8]) != binary.BigEndian.Uint64(v[offsetBytes-8:]) {
		return Offset{}, errors.New("it does not decode, or was changed")
	}
	d := decoder{b: v}
	return Offset{Next: int64(d.fixed64()), Last: Hash{d.fixed64(), d.fixed64()}}, nil
}

// checkOffsets finds offsets that were changed.
func checkOffsets(r pebble.Reader, find func(format string, args ...any)) error {
	return scan(r, span(prefixOffset), func(k, v []byte) error {
		if _, err := decodeOffset(string(k), v); err != nil {
			topic, partition, _ := strings.Cut(string(k[1:]), "\x00")
			find("offset of %s/%s: %v", topic, partition, err)
		}
		return nil
	})
}

func offsetKey(topic string, partition int) string {
	return string(rune(prefixOffset)) + topic + "\x00" + strconv.Itoa(partition)
}

// SetOffset notes how far a partition was read. It is durable with or after the
// changes submitted before it, so an event and its offset stay together: what lies
// between is read again and known by its name.
func (l *Ledger) SetOffset(topic string, partition int, o Offset) {
	l.journal.setOffset(offsetKey(topic, partition), o)
}

// Offset is how far a partition was read when the ledger was last durable; ok is
// false if it never was.
func (l *Ledger) Offset(topic string, partition int) (o Offset, ok bool, err error) {
	key := offsetKey(topic, partition)
	v, closer, err := l.db.Get([]byte(key))
	if err == pebble.ErrNotFound {
		return Offset{}, false, nil
	}
	if err != nil {
		return Offset{}, false, fmt.Errorf("read offset of %s/%d: %w", topic, partition, err)
	}
	defer closer.Close()
	if o, err = decodeOffset(key, v); err != nil {
		return Offset{}, false, fmt.Errorf("read offset of %s/%d: %w", topic, partition, err)
	}
	return o, true, nil
}
