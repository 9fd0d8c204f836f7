package ledger

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Prune drops from disk what is past the time it is kept for: journal blocks,
// finished reservations, keys and names of events. A ledger that makes checkpoints by
// itself also does this by itself; of another the caller calls it from one goroutine.
func (l *Ledger) Prune() error {
	now := l.Now()
	if err := l.pruneJournal(now - l.opts.JournalKeepMillis); err != nil {
		return err
	}
	if err := l.pruneFinished(now - l.opts.FinishedKeepMillis); err != nil {
		return err
	}
	today := dayOf(now)
	if l.pruned == today {
		return nil
	}
	for _, step := range []func() error{l.pruneNotes, func() error { return l.pruneSources(now - l.opts.JournalKeepMillis) },
		func() error { return l.pruneAccuracy(dayOf(now - l.opts.JournalKeepMillis)) }} {
		if err := step(); err != nil {
			return err
		}
	}
	// Keys and names lie by their hash, so finding the old ones is a walk over all: once a day.
	if err := l.pruneWhere(prefixKey, func(v []byte) bool {
		return len(v) == 32 && decodeCall(v).at < now-l.opts.KeyKeepMillis
	}); err != nil {
		return err
	}
	oldest := dayOf(now - l.opts.EventRetentionMillis - dayMillis)
	if err := l.pruneWhere(prefixEvent, func(v []byte) bool { return len(v) == 16 && decodeSeen(v).day() < oldest }); err != nil {
		return err
	}
	l.voids.prune(oldest)
	l.inbound.prune(now)
	if err := l.pruneWhere(prefixVoid, func(v []byte) bool {
		return len(v) == 8 && seen{seqDay: binary.BigEndian.Uint64(v)}.day() < oldest
	}); err != nil {
		return err
	}
	l.pruneCompletes(now - max(l.opts.JournalKeepMillis, l.opts.EventRetentionMillis) - dayMillis)
	l.pruned = today
	return nil
}

// pruneNotes drops index records of entries that are no longer kept, which lie by location
// or position.
func (l *Ledger) pruneNotes() error {
	first, err := l.firstKept()
	if err != nil {
		return err
	}
	for _, prefix := range []byte{prefixRaisedAt, prefixMissed} {
		d := deleter{l: l, batch: l.db.NewBatch()}
		if err := d.end(scan(l.db, span(prefix), func(k, _ []byte) error {
			if len(k) < 8 || Seq(binary.BigEndian.Uint64(k[len(k)-8:])) >= first {
				return d.goOn()
			}
			return d.delete(k)
		})); err != nil {
			return err
		}
	}
	return nil
}

// firstKept is the first entry of the journal as it is kept, 0 while it is empty.
func (l *Ledger) firstKept() (Seq, error) {
	it, err := l.db.NewIter(span(prefixBlock))
	if err != nil {
		return 0, err
	}
	first := Seq(0)
	if it.First() && len(it.Key()) == 9 {
		first = Seq(binary.BigEndian.Uint64(it.Key()[1:]))
	}
	return first, errors.Join(it.Error(), it.Close())
}

// pruneJournal drops blocks that were written before the moment, but none that a
// start still needs.
func (l *Ledger) pruneJournal(before Millis) error {
	keepFrom := l.checkpointedSeq()
	upTo := Seq(0)
	it, err := l.db.NewIter(span(prefixBlock))
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			it.Close()
			return err
		}
		s, err := decodeBlock(v)
		if err != nil {
			it.Close()
			return err
		}
		if s.at >= before || s.last() >= keepFrom {
			break
		}
		upTo = s.last() + 1
	}
	if err := it.Close(); err != nil || upTo == 0 {
		return err
	}
	batch := l.db.NewBatch()
	defer batch.Close()
	for prefix, to := range map[byte]Seq{prefixBlock: upTo, prefixException: upTo, prefixResolution: upTo, prefixDeadLetter: upTo} {
		if err := batch.DeleteRange([]byte{prefix}, seqKey(prefix, to), nil); err != nil {
			return err
		}
	}
	slog.Info("journal: old blocks dropped", "up_to", uint64(upTo)-1)
	return batch.Commit(pebble.NoSync)
}

func (l *Ledger) pruneFinished(before Millis) error {
	d := deleter{l: l, batch: l.db.NewBatch()}
	upper := binary.BigEndian.AppendUint64([]byte{prefixByTime}, uint64(before))
	return d.end(scan(l.db, &pebble.IterOptions{LowerBound: []byte{prefixByTime}, UpperBound: upper}, func(k, v []byte) error {
		id := string(k[9:])
		r, err := l.finishedOnDisk(id)
		if err != nil {
			return err
		}
		if r != nil && len(v) == 8 && Seq(binary.BigEndian.Uint64(v)) != r.Seq {
			return d.delete(k) // a void opened it again: it has finished since
		}
		if r != nil {
			for _, ik := range r.indexKeys() {
				if err := d.delete(ik); err != nil {
					return err
				}
			}
		}
		if err := d.delete(idKey(prefixFinished, id)); err != nil {
			return err
		}
		return d.delete(k) // last: what is cut off before it is found again by it
	}))
}

func (l *Ledger) pruneWhere(prefix byte, old func(value []byte) bool) error {
	d := deleter{l: l, batch: l.db.NewBatch()}
	return d.end(scan(l.db, span(prefix), func(k, v []byte) error {
		if !old(v) {
			return d.goOn()
		}
		return d.delete(k)
	}))
}

// deleter drops keys in batches of bounded size. It stops with ErrClosed when the
// ledger closes, which must not wait for a walk over millions of keys.
type deleter struct {
	l     *Ledger
	batch *pebble.Batch
}

func (d *deleter) goOn() error {
	select {
	case <-d.l.closing:
		return ErrClosed
	default:
		return nil
	}
}

func (d *deleter) delete(key []byte) error {
	if err := d.batch.Delete(key, nil); err != nil || d.batch.Len() < checkpointBatchBytes {
		return errors.Join(err, d.goOn())
	}
	err := d.batch.Commit(pebble.NoSync)
	d.batch.Close()
	d.batch = d.l.db.NewBatch()
	return err
}

// end drops the rest, unless the walk ended with an error.
func (d *deleter) end(err error) error {
	defer d.batch.Close()
	if err != nil {
		return err
	}
	return d.batch.Commit(pebble.NoSync)
}

// checkSpace closes the door before the disk is full: Pebble has no way back from
// a flush that finds no room.
func (l *Ledger) checkSpace() {
	usage, err := l.opts.FS.GetDiskUsage(l.opts.Dir)
	if err != nil {
		return // a disk that does not tell is taken to have room
	}
	full := usage.AvailBytes < l.opts.FreeBytesMin
	if l.full.Swap(full) != full {
		slog.Warn("free disk space", "bytes", usage.AvailBytes, "least", l.opts.FreeBytesMin, "taking_changes", !full)
	}
}

// checkStall closes the door while one commit takes too long, and opens it again when
// it has ended: what waits for such a disk would only grow.
func (l *Ledger) checkStall(now time.Time) {
	since := l.journal.since.Load()
	stalled := since != 0 && now.UnixNano()-since > int64(l.opts.CommitWithin)
	if l.stalled.Swap(stalled) != stalled {
		slog.Warn("commit of the journal", "stalled", stalled, "longest", l.opts.CommitWithin, "taking_changes", !stalled)
	}
}
