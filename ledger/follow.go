package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Follower reads the durable journal in order, from a cursor that outlives the
// process. It belongs to one goroutine. A follower that stands still delays nobody.
type Follower struct {
	l      *Ledger
	name   string
	cursor Seq    // the last entry that was handed out
	only   uint64 // the kinds that are handed out, as bits; 0: all
	raised bool   // only what has to do with exceptions is handed out
	booked bool   // only what has to do with reservations is

	bare    bool // see Bare
	entries []Entry
	lines   []EntryLine
}

// Bare lets Next leave out of each entry the event's name, and use the memory of the
// entries again: they are good until the next call. For who reads every change of
// stock that is most of the cost.
func (f *Follower) Bare() { f.bare = true }

// Only lets Next hand out entries of some kinds; the others are passed over undecoded.
func (f *Follower) Only(kinds ...Kind) {
	for _, k := range kinds {
		f.only |= 1 << k
	}
}

// OnlyExceptions lets Next hand out entries that raise exceptions or resolve one; the
// others are passed over undecoded.
func (f *Follower) OnlyExceptions() { f.raised = true }

// OnlyReservations lets Next hand out entries that tell of a reservation, but for answers
// that only a key needs; the others are passed over undecoded.
func (f *Follower) OnlyReservations() { f.booked = true }

func (f *Follower) wants(raw []byte) bool {
	if f.only != 0 && f.only&(1<<kindOf(raw)) == 0 {
		return false
	}
	if f.booked && (kindOf(raw) == KindAnswer || len(raw) < 2 || raw[1]&hasReservation == 0) {
		return false
	}
	return !f.raised || kindOf(raw) == KindExceptionResolved || len(raw) > 1 && raw[1]&hasExceptions != 0
}

// Follow resumes the follower of that name; a new one begins after the entry from.
func (l *Ledger) Follow(name string, from Seq) (*Follower, error) {
	v, closer, err := l.db.Get(idKey(prefixFollower, name))
	if err == pebble.ErrNotFound {
		return &Follower{l: l, name: name, cursor: from}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read cursor of follower %s: %w", name, err)
	}
	defer closer.Close()
	if len(v) != 8 {
		return nil, fmt.Errorf("read cursor of follower %s: %d bytes where 8 belong", name, len(v))
	}
	return &Follower{l: l, name: name, cursor: Seq(binary.BigEndian.Uint64(v))}, nil
}

// Read reads the durable journal after an entry, with no cursor that is kept.
func (l *Ledger) Read(after Seq) *Follower { return &Follower{l: l, cursor: after} }

// Cursor is the last entry that was handed out.
func (f *Follower) Cursor() Seq { return f.cursor }

// Next hands out the durable entries that follow, a block at a time, waiting for
// one if there is none. When the journal is no longer kept so far back it
// goes on at its beginning, and gap is true. It ends with ctx's error or ErrClosed.
func (f *Follower) Next(ctx context.Context) (entries []Entry, gap bool, err error) {
	for {
		want := f.cursor + 1
		durable, grown := f.l.journal.watch()
		if want > durable {
			select {
			case <-ctx.Done():
				return nil, false, ctx.Err()
			case <-f.l.closing:
				return nil, false, ErrClosed
			case <-grown:
			}
			continue
		}
		b, err := f.l.nextBlock(want)
		if err != nil {
			return nil, false, err
		}
		if b.first > want {
			want, gap = b.first, true
		}
		var lines *[]EntryLine
		if f.bare {
			clear(f.entries)
			entries, f.lines = f.entries[:0], f.lines[:0]
			lines = &f.lines
		}
		for seq := want; seq <= b.last(); seq++ {
			raw := b.entry(seq)
			if !f.wants(raw) {
				continue
			}
			e, err := decodeEntryBare(seq, raw, lines)
			if err != nil {
				return nil, false, err
			}
			entries = append(entries, e)
		}
		f.cursor = b.last()
		if f.bare {
			f.entries = entries
		}
		return entries, gap, nil
	}
}

// Done makes the cursor durable: entries up to seq will not be handed out again
// after a restart. It does not wait for the disk; what is lost with a crash is handed out again.
func (f *Follower) Done(seq Seq) error {
	v := binary.BigEndian.AppendUint64(nil, uint64(seq))
	if err := f.l.db.Set(idKey(prefixFollower, f.name), v, pebble.NoSync); err != nil {
		return fmt.Errorf("write cursor of follower %s: %w", f.name, err)
	}
	return nil
}

// watch returns the last durable entry, and a channel that is closed when there is a later one.
func (j *journal) watch() (Seq, <-chan struct{}) {
	j.recentMu.RLock()
	defer j.recentMu.RUnlock()
	return Seq(j.durable.Load()), j.grown
}

// nextBlock finds the durable block that holds seq, or the first one after it.
func (l *Ledger) nextBlock(seq Seq) (*block, error) {
	l.journal.recentMu.RLock()
	b := findBlock(l.journal.recent, seq)
	l.journal.recentMu.RUnlock()
	if b != nil {
		return b, nil
	}
	b, err := blockOnDisk(l.db, seq)
	if !errors.Is(err, ErrNoEntry) {
		return b, err
	}
	it, ierr := l.db.NewIter(&pebble.IterOptions{LowerBound: blockKey(seq), UpperBound: []byte{prefixBlock + 1}})
	if ierr != nil {
		return nil, ierr
	}
	defer it.Close()
	if !it.First() {
		if it.Error() != nil {
			return nil, it.Error()
		}
		return nil, err
	}
	v, ierr := it.ValueAndErr()
	if ierr != nil {
		return nil, ierr
	}
	s, ierr := decodeBlock(v)
	if ierr != nil {
		return nil, ierr
	}
	return &s.block, nil
}
