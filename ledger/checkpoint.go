package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// checkpointBatchBytes is how much of a checkpoint goes to the store at a time. The
	// journal shares the store's log: its next sync waits until that much is written too.
	checkpointBatchBytes = 128 << 10
	// checkpointPaceMin is how many bytes of pages a second a checkpoint beside other
	// work writes at least; more where it would else take half the time to the next one.
	checkpointPaceMin = 16 << 20
	// pageBytesPerPosition is about what a position takes in a stored page.
	pageBytesPerPosition = 16
)

// Checkpoint writes what changed since the last one to its own keys, so that a
// start need not replay the journal from there. Nothing waits for it: each page
// says which entry it includes.
func (l *Ledger) Checkpoint() error { return l.checkpoint(0) }

// checkpoint is Checkpoint at so many bytes a second; 0 is as fast as it goes.
func (l *Ledger) checkpoint(pace int64) error {
	l.checkpointMu.Lock()
	defer l.checkpointMu.Unlock()
	upTo := l.Seq()
	w := &checkpointWriter{l: l, batch: l.db.NewBatch(), pace: pace, due: time.Now()}
	defer func() { w.batch.Close() }()
	if err := w.run(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if err := w.flush(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	// Only when everything above is on its way to the disk, in order, may a start
	// skip the journal up to here.
	if err := l.db.Set([]byte{prefixCheckpoint}, binary.BigEndian.AppendUint64(nil, uint64(upTo)), pebble.Sync); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	l.checkpointed = upTo
	l.sinceCheckpoint.Store(0)
	w.evict()
	return nil
}

// checkpointWriter gathers records into batches. A batch goes to the store only
// when the journal is durable up to the latest entry that it includes: a page must
// not hold what a crash undoes.
type checkpointWriter struct {
	l        *Ledger
	batch    *pebble.Batch
	includes Seq
	scratch  []byte
	pace     int64     // bytes a second; 0 unbounded
	due      time.Time // when the next batch may go

	finished []*Reservation // to drop from memory once they are on disk
	calls    []Hash
}

func (w *checkpointWriter) set(key, value []byte, includes Seq) error {
	w.includes = max(w.includes, includes)
	if err := w.batch.Set(key, value, nil); err != nil {
		return err
	}
	if w.batch.Len() > checkpointBatchBytes {
		return w.flush()
	}
	return nil
}

func (w *checkpointWriter) flush() error {
	if w.batch.Empty() {
		return nil
	}
	if err := w.l.Wait(w.includes); err != nil {
		return err
	}
	n := w.batch.Len()
	if err := w.batch.Commit(pebble.NoSync); err != nil {
		return err
	}
	w.batch.Close()
	w.batch = w.l.db.NewBatch()
	w.wait(n)
	return nil
}

// wait keeps to the pace after so many bytes, while the ledger is at work.
func (w *checkpointWriter) wait(bytes int) {
	if w.pace == 0 {
		return
	}
	w.due = w.due.Add(time.Duration(int64(bytes) * int64(time.Second) / w.pace))
	early := time.Until(w.due)
	if early <= 0 {
		w.due = time.Now() // what was slow is not made good by haste
		return
	}
	timer := time.NewTimer(early)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.l.closing:
		w.pace = 0
	}
}

// checkpointPace is how fast a checkpoint beside other work is to be.
func (l *Ledger) checkpointPace() int64 {
	bytes := int64(0)
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.RLock()
		for _, id := range sh.dirty {
			bytes += int64(len(sh.page(id).positions)) * pageBytesPerPosition
		}
		sh.mu.RUnlock()
	}
	return max(checkpointPaceMin, int64(float64(bytes)/(l.opts.CheckpointEvery.Seconds()/2)))
}

func (w *checkpointWriter) run() error {
	for _, step := range []func() error{w.master, w.rules, w.pages, w.reservations, w.names, w.voids, w.completes, w.inbound, w.keys, w.feeds} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := w.accuracy(); err != nil {
		return err
	}
	return w.sources()
}

func (w *checkpointWriter) master() error {
	c := &w.l.catalogue
	c.put.Lock()
	skus, locations := c.skus.dirty, c.locations.dirty
	c.skus.dirty, c.locations.dirty = nil, nil
	c.put.Unlock()
	for _, id := range skus {
		r := c.skus.get(id)
		if err := w.set(masterKey('s', id), masterRecord(r.seq, r.deleted, r.info), r.seq); err != nil {
			return err
		}
	}
	for _, id := range locations {
		r := c.locations.get(id)
		if err := w.set(masterKey('l', id), masterRecord(r.seq, r.deleted, r.info), r.seq); err != nil {
			return err
		}
	}
	return nil
}

// masterRecord is a change's seq, whether it deleted, and the object as JSON.
func masterRecord(seq Seq, deleted bool, info any) []byte {
	v := binary.BigEndian.AppendUint64(nil, uint64(seq))
	if deleted {
		v = append(v, 1)
	} else {
		v = append(v, 0)
	}
	return append(v, mustJSON(info)...)
}

func (w *checkpointWriter) rules() error {
	r := w.l.safety.Load()
	if r.seq <= w.l.checkpointed {
		return nil
	}
	v := binary.BigEndian.AppendUint64(nil, uint64(r.seq))
	return w.set([]byte{prefixMaster, 'r'}, append(v, w.l.encodeRules(true, r.rules, nil)...), r.seq)
}

func (w *checkpointWriter) pages() error {
	for i := range w.l.shards {
		sh := &w.l.shards[i]
		sh.mu.Lock()
		dirty := sh.dirty
		sh.dirty = nil
		for _, id := range dirty {
			sh.page(id).dirty = false
		}
		sh.mu.Unlock()
		for _, id := range dirty {
			sh.mu.RLock()
			seq := w.l.Seq() // all changes of this shard up to here are made: who makes one holds the lock
			w.scratch = sh.page(id).append(w.scratch[:0], seq)
			sh.mu.RUnlock()
			if err := w.set(pageKey(id), w.scratch, seq); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *checkpointWriter) reservations() error {
	for i := range w.l.reservations.shards {
		s := &w.l.reservations.shards[i]
		s.mu.Lock()
		dirty := make([]*Reservation, 0, len(s.dirty))
		for id := range s.dirty {
			dirty = append(dirty, s.byID[id])
		}
		clear(s.dirty)
		reopened := s.reopened
		s.reopened = nil
		s.mu.Unlock()
		for _, r := range dirty {
			if _, ok := reopened[r.ID]; ok && r.State.Open() {
				if err := w.forgetFinished(r.ID); err != nil {
					return err
				}
			}
			if err := w.reservation(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *checkpointWriter) reservation(r *Reservation) error {
	w.scratch = r.append(w.scratch[:0])
	if r.State.Open() {
		return w.set(idKey(prefixOpen, r.ID), w.scratch, r.Seq)
	}
	if err := w.batch.Delete(idKey(prefixOpen, r.ID), nil); err != nil {
		return err
	}
	for _, k := range r.indexKeys() {
		if err := w.set(k, nil, r.Seq); err != nil {
			return err
		}
	}
	if err := w.set(finishedByTimeKey(w.l.Now(), r.ID), binary.BigEndian.AppendUint64(nil, uint64(r.Seq)), r.Seq); err != nil {
		return err
	}
	w.finished = append(w.finished, r)
	return w.set(idKey(prefixFinished, r.ID), w.scratch, r.Seq)
}

// forgetFinished takes away what says that a reservation is over, which a void opened
// again. It goes to the store with the record that says what it is.
func (w *checkpointWriter) forgetFinished(id string) error {
	old, err := w.l.finishedOnDisk(id)
	if err != nil || old == nil {
		return err
	}
	for _, k := range append(old.indexKeys(), idKey(prefixFinished, id)) {
		if err := w.batch.Delete(k, nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *checkpointWriter) names() error {
	for i := range w.l.names.shards {
		s := &w.l.names.shards[i]
		s.mu.Lock()
		fresh := s.fresh
		s.fresh = nil
		s.mu.Unlock()
		// The store takes keys in their order at a fraction of what others cost it, and
		// they lie in that order in memory.
		slices.SortFunc(fresh, Hash.compare)
		values := make([]seen, len(fresh))
		s.mu.Lock()
		for j, h := range fresh {
			values[j], _ = s.seen.get(h)
		}
		s.mu.Unlock()
		for j, h := range fresh {
			if err := w.set(nameKey(h), values[j].append(nil), values[j].seq()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *checkpointWriter) keys() error {
	for i := range w.l.keys.shards {
		s := &w.l.keys.shards[i]
		s.mu.Lock()
		hashes, calls := make([]Hash, 0, len(s.calls)), make([]call, 0, len(s.calls))
		for h, c := range s.calls {
			hashes, calls = append(hashes, h), append(calls, c)
		}
		s.mu.Unlock()
		for j, h := range hashes {
			if err := w.set(h.append([]byte{prefixKey}), calls[j].append(nil), calls[j].seq); err != nil {
				return err
			}
		}
		w.calls = append(w.calls, hashes...)
	}
	return nil
}

func (w *checkpointWriter) feeds() error {
	for _, f := range w.l.Feeds() {
		k := binary.BigEndian.AppendUint32([]byte{prefixFeed}, uint32(f.Location))
		v := binary.BigEndian.AppendUint64(nil, uint64(f.LastEventAt))
		if err := w.set(append(k, f.Source...), v, w.l.Seq()); err != nil {
			return err
		}
	}
	return nil
}

// evict drops from memory what is now found on disk. The generation is counted up
// first, so that who misses it in memory after that looks on disk again.
func (w *checkpointWriter) evict() {
	l := w.l
	l.evictions.Add(1)
	for _, r := range w.finished {
		s := l.reservations.shard(r.ID)
		s.mu.Lock()
		if s.byID[r.ID] == r {
			delete(s.byID, r.ID)
		}
		s.mu.Unlock()
	}
	for _, h := range w.calls {
		s := l.keys.shard(h)
		s.mu.Lock()
		delete(s.calls, h)
		s.mu.Unlock()
	}
	if l.names.size() > l.opts.NamesInMemoryMax {
		l.names.complete.Store(false)
		for i := range l.names.shards {
			s := &l.names.shards[i]
			s.mu.Lock()
			var kept seenTable
			for _, h := range s.fresh {
				v, _ := s.seen.get(h)
				kept.put(h, v)
			}
			s.seen = kept
			s.mu.Unlock()
		}
	}
}

// keepHouse makes checkpoints and drops what is past its time, until the ledger closes.
func (l *Ledger) keepHouse() {
	defer l.workers.Done()
	checkpoint := time.NewTicker(l.opts.CheckpointEvery)
	defer checkpoint.Stop()
	for {
		select {
		case <-l.closing:
			return
		case <-checkpoint.C:
		case <-l.checkpointSoon:
		}
		if l.Seq() == l.checkpointedSeq() {
			continue
		}
		if err := l.checkpoint(l.checkpointPace()); err != nil {
			slog.Error("checkpoint", "error", err)
			continue
		}
		if err := l.Prune(); err != nil && !errors.Is(err, ErrClosed) {
			slog.Error("drop what is past its time", "error", err)
		}
		if l.deadlines.crowded() {
			l.pruneDeadlines()
		}
	}
}

// keepWatch looks at what cannot wait for a checkpoint of a large ledger: free disk, a
// disk that does not answer, and holds whose deadline nobody else came by.
func (l *Ledger) keepWatch() {
	defer l.workers.Done()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-l.closing:
			return
		case <-second.C:
			l.checkSpace()
			l.checkStall(time.Now())
			l.expireDue(l.Now())
		}
	}
}

func (l *Ledger) checkpointedSeq() Seq {
	l.checkpointMu.Lock()
	defer l.checkpointMu.Unlock()
	return l.checkpointed
}
