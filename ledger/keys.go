package ledger

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// CallKey ties a call to the idempotency key it was sent with. The zero value is
// a call without one.
type CallKey struct {
	Key  Hash // of the Idempotency-Key header
	Call Hash // of method, path and body
}

// call is what is kept of a key: the call it belongs to and the entry that holds its answer.
type call struct {
	hash Hash
	seq  Seq
	at   Millis
}

const keyShards = 64

type keys struct {
	shards [keyShards]keyShard
}

// keyShard holds the keys used since the last checkpoint; older ones are on disk.
type keyShard struct {
	mu    sync.Mutex // held from the check until the entry has its seq
	calls map[Hash]call
}

func (k *keys) init() {
	for i := range k.shards {
		k.shards[i].calls = make(map[Hash]call)
	}
}

func (k *keys) shard(h Hash) *keyShard { return &k.shards[h.Lo%keyShards] }

type keySlot struct {
	shard *keyShard
	key   CallKey
}

func (s keySlot) taken(seq Seq, now Millis) {
	if s.shard != nil {
		s.shard.calls[s.key.Key] = call{s.key.Call, seq, now}
	}
}

func (s keySlot) end() {
	if s.shard != nil {
		s.shard.mu.Unlock()
	}
}

// beginKey locks the key if it is free, so that of calls in flight with one key
// one is executed. first is the entry of the same call made before, 0 if none.
func (l *Ledger) beginKey(k CallKey, now Millis) (slot keySlot, first Seq, err error) {
	if k == (CallKey{}) {
		return keySlot{}, 0, nil
	}
	s := l.keys.shard(k.Key)
	looked, generation := false, uint64(0)
	for {
		s.mu.Lock()
		old, ok := s.calls[k.Key]
		if !ok && looked && generation == l.evictions.Load() {
			return keySlot{s, k}, 0, nil
		}
		s.mu.Unlock()
		if !ok {
			generation = l.evictions.Load()
			if old, ok, err = l.keyOnDisk(k.Key); err != nil {
				return keySlot{}, 0, err
			}
			if ok && old.at+l.opts.KeyKeepMillis <= now {
				ok = false // kept long enough; it is free again
			}
			looked = true
		}
		if ok {
			if old.hash != k.Call {
				return keySlot{}, 0, refuse(IdempotencyMismatch, "this Idempotency-Key was used for another call")
			}
			return keySlot{}, old.seq, nil
		}
	}
}

func (l *Ledger) keyOnDisk(h Hash) (call, bool, error) {
	v, closer, err := l.db.Get(h.append([]byte{prefixKey}))
	if err == pebble.ErrNotFound {
		return call{}, false, nil
	}
	if err != nil {
		return call{}, false, fmt.Errorf("look up an idempotency key: %w", err)
	}
	defer closer.Close()
	if len(v) != 32 {
		return call{}, false, fmt.Errorf("look up an idempotency key: %d bytes where 32 belong", len(v))
	}
	return decodeCall(v), true, nil
}

func (c call) append(b []byte) []byte {
	b = c.hash.append(b)
	b = binary.BigEndian.AppendUint64(b, uint64(c.seq))
	return binary.BigEndian.AppendUint64(b, uint64(c.at))
}

func decodeCall(v []byte) call {
	return call{
		hash: Hash{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])},
		seq:  Seq(binary.BigEndian.Uint64(v[16:])),
		at:   Millis(binary.BigEndian.Uint64(v[24:])),
	}
}
