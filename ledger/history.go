package ledger

import (
	"errors"
	"fmt"
	"sort"

	"github.com/cockroachdb/pebble/v2"
)

// ErrNoEntry says that the journal does not hold an entry: it was never made, or
// is older than the journal is kept.
var ErrNoEntry = errors.New("no such entry in the journal")

// Entry reads one entry of the journal, durable or not.
func (l *Ledger) Entry(seq Seq) (Entry, error) {
	b, err := l.blockOf(seq)
	if err != nil {
		return Entry{}, err
	}
	return decodeEntry(seq, b.entry(seq))
}

// blockOf finds the block that holds seq: in memory, or on disk.
func (l *Ledger) blockOf(seq Seq) (*block, error) {
	if b := l.journal.inMemory(seq); b != nil {
		return b, nil
	}
	b, err := blockOnDisk(l.db, seq)
	if errors.Is(err, ErrNoEntry) {
		// It may have been made in between.
		if b := l.journal.inMemory(seq); b != nil {
			return b, nil
		}
	}
	return b, err
}

// inMemory finds the block that holds seq among those not yet written and the
// recent ones. What it returns never changes: of the open block it is a copy.
func (j *journal) inMemory(seq Seq) *block {
	j.recentMu.RLock()
	b := findBlock(j.recent, seq)
	j.recentMu.RUnlock()
	if b != nil {
		return b
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if seq >= j.next {
		return nil
	}
	for _, f := range j.writing {
		if b := findBlock(f.blocks, seq); b != nil {
			return b
		}
	}
	if b := findBlock(j.sealed, seq); b != nil {
		return b
	}
	if seq < j.open.first {
		return nil
	}
	return &block{first: j.open.first, ends: j.open.ends, body: j.open.body} // only what is appended later lies beyond
}

func findBlock(blocks []*block, seq Seq) *block {
	i := sort.Search(len(blocks), func(i int) bool { return blocks[i].last() >= seq })
	if i < len(blocks) && blocks[i].first <= seq && seq <= blocks[i].last() {
		return blocks[i]
	}
	return nil
}

func blockOnDisk(r pebble.Reader, seq Seq) (*block, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixBlock}, UpperBound: blockKey(seq + 1)})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	if !it.Last() {
		if err := it.Error(); err != nil {
			return nil, fmt.Errorf("read the block of entry %d: %w", seq, err)
		}
		return nil, fmt.Errorf("entry %d: %w", seq, ErrNoEntry)
	}
	v, err := it.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("read the block of entry %d: %w", seq, err)
	}
	s, err := decodeBlock(v)
	if err != nil {
		return nil, fmt.Errorf("read the block of entry %d: %w", seq, err)
	}
	if seq < s.first || seq > s.last() {
		return nil, fmt.Errorf("entry %d: %w", seq, ErrNoEntry)
	}
	return &s.block, nil
}

// walk goes back through a position's entries from seq until fn returns false or
// there is no earlier one. It is not whole where the journal is no longer kept so far back.
func (l *Ledger) walk(sku SKU, loc Location, seq Seq, fn func(*Entry, *EntryLine) bool) (whole bool, err error) {
	var b *block // of the entry before: in a position that is busy the next one often lies there too
	for seq != 0 {
		if b == nil || seq < b.first || seq > b.last() {
			b, err = l.blockOf(seq)
		}
		if errors.Is(err, ErrNoEntry) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		e, err := decodeEntry(seq, b.entry(seq))
		if err != nil {
			return false, err
		}
		ln := e.line(sku, loc)
		if ln == nil {
			return false, fmt.Errorf("entry %d does not touch SKU %d at location %d, though a later one says so", seq, sku, loc)
		}
		if !fn(&e, ln) {
			return true, nil
		}
		if ln.Prev >= seq {
			return false, fmt.Errorf("entry %d points forward, to %d", seq, ln.Prev)
		}
		seq = ln.Prev
	}
	return true, nil
}

// line finds the entry's line of a position; lines are sorted.
func (e *Entry) line(sku SKU, loc Location) *EntryLine {
	i := sort.Search(len(e.Lines), func(i int) bool {
		ln := &e.Lines[i]
		return ln.SKU > sku || ln.SKU == sku && ln.Location >= loc
	})
	if i < len(e.Lines) && e.Lines[i].SKU == sku && e.Lines[i].Location == loc {
		return &e.Lines[i]
	}
	return nil
}

// PositionEntry is one entry of a position's history.
type PositionEntry struct {
	Entry
	Line EntryLine
}

// History lists a position's entries, newest first, at most limit of them and
// only those before seq (0: from the latest). ok is false where there is no such position.
func (l *Ledger) History(sku SKU, loc Location, before Seq, limit int) (out []PositionEntry, ok bool, err error) {
	sh := l.shardOf(sku)
	sh.mu.RLock()
	p := sh.page(sku).find(loc)
	var head Seq
	if p != nil {
		head = p.seq()
	}
	sh.mu.RUnlock()
	if p == nil {
		return nil, false, nil
	}
	_, err = l.walk(sku, loc, head, func(e *Entry, ln *EntryLine) bool {
		if before == 0 || e.Seq < before {
			out = append(out, PositionEntry{*e, *ln})
		}
		return len(out) < limit
	})
	return out, true, err
}
