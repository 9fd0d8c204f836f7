package ledger

import (
	"encoding/binary"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
)

// prune drops from disk what is past the time it is kept for: journal blocks,
// finished reservations, keys and names of events.
func (l *Ledger) prune() error {
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
	l.pruned = today
	return nil
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
	for prefix, to := range map[byte]Seq{prefixBlock: upTo, prefixException: upTo, prefixDeadLetter: upTo} {
		if err := batch.DeleteRange([]byte{prefix}, seqKey(prefix, to), nil); err != nil {
			return err
		}
	}
	slog.Info("journal: old blocks dropped", "up_to", uint64(upTo)-1)
	return batch.Commit(pebble.NoSync)
}

func (l *Ledger) pruneFinished(before Millis) error {
	batch := l.db.NewBatch()
	defer batch.Close()
	upper := binary.BigEndian.AppendUint64([]byte{prefixByTime}, uint64(before))
	err := scan(l.db, &pebble.IterOptions{LowerBound: []byte{prefixByTime}, UpperBound: upper}, func(k, _ []byte) error {
		id := string(k[9:])
		r, err := l.finishedOnDisk(id)
		if err != nil {
			return err
		}
		if r != nil {
			for _, ik := range r.indexKeys() {
				if err := batch.Delete(ik, nil); err != nil {
					return err
				}
			}
		}
		if err := batch.Delete(idKey(prefixFinished, id), nil); err != nil {
			return err
		}
		return batch.Delete(k, nil)
	})
	if err != nil {
		return err
	}
	return batch.Commit(pebble.NoSync)
}

func (l *Ledger) pruneWhere(prefix byte, old func(value []byte) bool) error {
	batch := l.db.NewBatch()
	defer func() { batch.Close() }()
	err := scan(l.db, span(prefix), func(k, v []byte) error {
		if !old(v) {
			return nil
		}
		if err := batch.Delete(k, nil); err != nil {
			return err
		}
		if batch.Len() < checkpointBatchBytes {
			return nil
		}
		if err := batch.Commit(pebble.NoSync); err != nil {
			return err
		}
		batch.Close()
		batch = l.db.NewBatch()
		return nil
	})
	if err != nil {
		return err
	}
	return batch.Commit(pebble.NoSync)
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
