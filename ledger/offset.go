package ledger

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
)

// Offset is how far a partition of a topic was read into the ledger.
type Offset struct {
	Next int64 // of the next record to read
	Last Hash  // of the record before it, to tell a log that was rewritten
}

func (o Offset) append(b []byte) []byte {
	return o.Last.append(binary.BigEndian.AppendUint64(b, uint64(o.Next)))
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
	v, closer, err := l.db.Get([]byte(offsetKey(topic, partition)))
	if err == pebble.ErrNotFound {
		return Offset{}, false, nil
	}
	if err != nil {
		return Offset{}, false, fmt.Errorf("read offset of %s/%d: %w", topic, partition, err)
	}
	defer closer.Close()
	if len(v) != 24 {
		return Offset{}, false, fmt.Errorf("read offset of %s/%d: %d bytes where 24 belong", topic, partition, len(v))
	}
	d := decoder{b: v}
	return Offset{Next: int64(d.fixed64()), Last: Hash{d.fixed64(), d.fixed64()}}, true, nil
}
