package ledger

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// finishedOnDisk looks up a reservation that is over.
func (l *Ledger) finishedOnDisk(id string) (*Reservation, error) {
	v, closer, err := l.db.Get(idKey(prefixFinished, id))
	if err == pebble.ErrNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up reservation %q: %w", id, err)
	}
	defer closer.Close()
	r, err := decodeReservation(v)
	if err != nil {
		return nil, fmt.Errorf("look up reservation %q: %w", id, err)
	}
	return r, nil
}

func decodeReservation(v []byte) (*Reservation, error) {
	d := decoder{b: v}
	r := d.reservation(0)
	// 0 means the entry around it, and a record has none.
	if d.bad || len(d.b) != 0 || r.Created == 0 || r.Seq == 0 {
		return nil, fmt.Errorf("reservation record does not decode")
	}
	return r, nil
}

// indexKeys are the keys by which a finished reservation is found.
func (r *Reservation) indexKeys() (keys [][]byte) {
	if r.Reference != "" {
		keys = append(keys, indexKey('r', r.Reference, r.ID))
	}
	if r.Owner != "" {
		keys = append(keys, indexKey('o', r.Owner, r.ID))
	}
	return keys
}

func indexKey(kind byte, value, id string) []byte {
	return append(indexPrefix(kind, value), id...)
}

// indexPrefix is what the keys of one value have in common: its length goes
// first, so that no value is the beginning of another.
func indexPrefix(kind byte, value string) []byte {
	return appendString([]byte{prefixIndex, kind}, value)
}

func finishedByTimeKey(at Millis, id string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{prefixByTime}, uint64(at)), id...)
}
