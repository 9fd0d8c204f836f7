package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

const (
	inspectReadBytes = 1 << 20 // of the journal at a time
	inspectAfter     = time.Minute
)

// Inspect looks over a ledger while it is at work, and stops nobody: the chain of blocks
// and what each entry says against the positions as they are, held and committed against
// the reservations, the pages, reservations and goods under way on disk against those in memory, and the offsets. Check
// finds more, but needs a ledger at rest and twice its memory. Of the disk it reads
// bytesPerSecond; 0: as fast as it can. An error means that it could not look, or ctx's end.
func (l *Ledger) Inspect(ctx context.Context, bytesPerSecond int) (*Report, error) {
	i := &inspector{l: l, ctx: ctx, perSecond: bytesPerSecond}
	for _, step := range []func() error{i.journal, i.reservations, i.records, i.inbound, i.pages, i.offsets} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return &i.report, nil
}

type inspector struct {
	report    Report
	l         *Ledger
	ctx       context.Context
	perSecond int
}

func (i *inspector) find(format string, args ...any) { i.report.find(format, args...) }

// rest waits so long as reading n bytes may take.
func (i *inspector) rest(n int) error {
	if i.perSecond == 0 {
		return i.ctx.Err()
	}
	timer := time.NewTimer(time.Duration(n) * time.Second / time.Duration(i.perSecond))
	defer timer.Stop()
	select {
	case <-i.ctx.Done():
		return i.ctx.Err()
	case <-timer.C:
		return nil
	}
}

// journal follows the chain of blocks that are durable now, from the first that is kept.
func (i *inspector) journal() error {
	durable := i.l.Durable()
	var prev *storedBlock
	for from := blockKey(0); prev == nil || prev.last() < durable; {
		blocks, next, n, err := i.read(from)
		if err != nil {
			return err
		}
		if next == nil {
			if durable > 0 {
				i.find("the journal ends before entry %d, which is durable", durable)
			}
			return nil
		}
		for _, s := range blocks {
			if err := i.follows(prev, s); err != nil {
				return err
			}
			i.report.Blocks++
			for seq := s.first; seq <= min(s.last(), durable); seq++ {
				i.entry(seq, s.entry(seq))
			}
			prev = s
		}
		from = next
		if err := i.rest(n); err != nil {
			return err
		}
	}
	return nil
}

// follows checks that s is the block after prev, unless what lay between was dropped
// for its age in the meantime, and prev with it.
func (i *inspector) follows(prev, s *storedBlock) error {
	if prev == nil {
		return nil
	}
	if s.first == prev.last()+1 {
		if s.prev != prev.hash {
			i.find("block %d does not carry the hash of block %d", s.first, prev.first)
		}
		return nil
	}
	_, closer, err := i.l.db.Get(blockKey(prev.first))
	if err == pebble.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	i.find("entries %d to %d are missing", prev.last()+1, s.first-1)
	return closer.Close()
}

// read reads some blocks from a key on, and tells the key to go on from; nil: there are
// no more. Those that do not decode are findings, and left out.
func (i *inspector) read(from []byte) (blocks []*storedBlock, next []byte, n int, err error) {
	next, n, err = i.chunk(from, prefixBlock+1, func(k, v []byte) {
		s, err := decodeBlock(v)
		switch {
		case err != nil:
			i.find("block at key %x: %v", k[1:], err)
		case !bytes.Equal(k, blockKey(s.first)):
			i.find("block %d lies at key %x", s.first, k[1:])
		default:
			blocks = append(blocks, s)
		}
	})
	return blocks, next, n, err
}

// chunk hands out some of what lies from a key on, and tells the key to go on from. No
// iterator stays open for long: it keeps the store from dropping what is old.
func (i *inspector) chunk(from []byte, end byte, fn func(k, v []byte)) (next []byte, n int, err error) {
	it, err := i.l.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: []byte{end}})
	if err != nil {
		return nil, 0, err
	}
	for it.First(); it.Valid() && n < inspectReadBytes; it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			it.Close()
			return nil, 0, err
		}
		n += len(v)
		fn(it.Key(), v)
		next = append(append(next[:0], it.Key()...), 0)
	}
	return next, n, it.Close()
}

// entry holds what an entry left against what is there, where it is the latest.
func (i *inspector) entry(seq Seq, b []byte) {
	e, err := decodeEntry(seq, b)
	if err != nil {
		i.find("%v", err)
		return
	}
	i.report.Entries++
	for j := range e.Lines {
		ln := &e.Lines[j]
		sh := i.l.shardOf(ln.SKU)
		sh.mu.RLock()
		p := sh.page(ln.SKU).find(ln.Location)
		var now position
		if p != nil {
			now = *p
		}
		sh.mu.RUnlock()
		if now.seq() < seq || now.seq() == seq && now.Figures != ln.After {
			i.find("SKU %d at location %d is %+v since entry %d, entry %d says %+v", ln.SKU, ln.Location, now.Figures, now.seq(), seq, ln.After)
		}
	}
}

// reservations adds up what is open, for the SKUs of one shard at a time, and holds it
// against the positions. One that changed since it began is left out: of the others,
// nothing that is added up has changed either, since every change of it is an entry of
// the position.
func (i *inspector) reservations() error {
	for shard := range i.l.shards {
		since := i.l.Seq()
		sums, open := i.sums(shard)
		if shard == 0 {
			i.report.Open = open
		}
		sh := &i.l.shards[shard]
		sh.mu.RLock()
		pages := len(sh.pages)
		sh.mu.RUnlock()
		for j := range pages {
			id := SKU(j<<shardBits | shard)
			sh.mu.RLock()
			for _, p := range sh.pages[j].positions {
				i.report.Positions++
				k := lineKey(id, p.loc)
				if f := sums[k]; p.seq() <= since && (f.Held != p.Held || f.Committed != p.Committed) {
					i.find("SKU %d at location %d has held %d and committed %d, its reservations add up to %d and %d",
						id, p.loc, p.Held, p.Committed, f.Held, f.Committed)
				}
				delete(sums, k)
			}
			sh.mu.RUnlock()
		}
		for k, f := range sums {
			if f != (Figures{}) {
				i.find("reservations hold %+v of SKU %d at location %d, which has no position", f, k[0], k[1])
			}
		}
		if err := i.rest(open * 8); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspector) sums(shard int) (sums map[[2]uint32]Figures, open int) {
	sums = make(map[[2]uint32]Figures)
	for j := range i.l.reservations.shards {
		s := &i.l.reservations.shards[j]
		s.mu.RLock()
		for _, r := range s.byID {
			if !r.State.Open() {
				continue
			}
			open++
			for n := range r.Lines {
				ln := &r.Lines[n]
				if shardIndex(ln.SKU) == shard {
					k := lineKey(ln.SKU, ln.Location)
					f := sums[k]
					f.Held += ln.Held
					f.Committed += ln.Committed
					sums[k] = f
				}
			}
		}
		s.mu.RUnlock()
	}
	return sums, open
}

// records holds the open reservations that no checkpoint has to write any more against
// what is on disk of them.
func (i *inspector) records() error {
	for j := range i.l.reservations.shards {
		n, err := i.recordsOf(&i.l.reservations.shards[j])
		if err == nil {
			err = i.rest(n)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *inspector) recordsOf(s *reservationShard) (n int, err error) {
	i.l.checkpointMu.Lock() // what is not dirty is on disk, and stays there
	defer i.l.checkpointMu.Unlock()
	var written []*Reservation
	s.mu.RLock()
	for id, r := range s.byID {
		if _, dirty := s.dirty[id]; r.State.Open() && !dirty {
			written = append(written, r)
		}
	}
	s.mu.RUnlock()
	for _, r := range written {
		v, closer, err := i.l.db.Get(idKey(prefixOpen, r.ID))
		if err == pebble.ErrNotFound {
			i.find("reservation %q has no record on disk", r.ID)
			continue
		}
		if err != nil {
			return n, err
		}
		n += len(v)
		if !bytes.Equal(v, r.append(nil)) {
			i.find("reservation %q is not what its record on disk says", r.ID)
		}
		if err := closer.Close(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// pages holds each page on disk against the one in memory: up to the entry that it
// includes, nothing may differ.
func (i *inspector) pages() error {
	for from := []byte{prefixPage}; ; {
		next, n, err := i.chunk(from, prefixPage+1, func(k, v []byte) {
			if len(k) != 5 {
				i.find("a page's key has %d bytes", len(k))
				return
			}
			id := SKU(binary.BigEndian.Uint32(k[1:]))
			p, includes, err := decodePage(v)
			if err != nil {
				i.find("page of SKU %d: %v", id, err)
				return
			}
			i.page(id, &p, includes)
		})
		if err != nil || next == nil {
			return err
		}
		from = next
		if err := i.rest(n); err != nil {
			return err
		}
	}
}

func (i *inspector) page(id SKU, onDisk *page, includes Seq) {
	sh := i.l.shardOf(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	now := sh.page(id)
	for j := range onDisk.positions {
		if a := &onDisk.positions[j]; now.find(a.loc) == nil {
			i.find("the page of SKU %d has location %d, where nothing is", id, a.loc)
		}
	}
	if now == nil {
		return
	}
	for j := range now.positions {
		p := &now.positions[j]
		if p.seq() > includes {
			continue
		}
		if a := onDisk.find(p.loc); a == nil || *a != *p {
			i.find("SKU %d at location %d is %+v, its page of entry %d says %+v", id, p.loc, *p, includes, a)
		}
	}
}

func (i *inspector) offsets() error { return checkOffsets(i.l.db, i.find) }

// keepInspecting inspects the ledger again and again, slowly, until it closes.
func (l *Ledger) keepInspecting() {
	defer l.workers.Done()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-l.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	for wait := min(inspectAfter, l.opts.InspectEvery); ; wait = l.opts.InspectEvery {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		began := time.Now()
		r, err := l.Inspect(ctx, l.opts.InspectBytesPerSecond)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			inspectErrors.Inc()
			slog.Error("inspect the ledger", "error", err)
		default:
			r.log(time.Since(began))
		}
	}
}

// log raises the metric, and says each finding.
func (r *Report) log(took time.Duration) {
	inspections.Inc()
	inspectFindings.Add(len(r.Findings) + r.More)
	for _, f := range r.Findings {
		slog.Error("inspect the ledger", "finding", f)
	}
	slog.Info("ledger inspected", "findings", len(r.Findings)+r.More, "entries", r.Entries, "blocks", r.Blocks,
		"positions", r.Positions, "open_reservations", r.Open, "took", took.Round(time.Millisecond))
}
