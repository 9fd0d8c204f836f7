package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// recover brings the ledger to the state after the last durable change: it loads
// what checkpoints wrote, then makes again what the journal says came after.
func (l *Ledger) recover() error {
	steps := []struct {
		what string
		do   func() error
	}{
		{"accuracy", l.loadAccuracy}, {"sources of events", l.loadSources},
		{"checkpoint", l.loadCheckpoint}, {"master data", l.loadMaster}, {"rules", l.loadRules},
		{"pages", l.loadPages}, {"reservations", l.loadReservations}, {"names of events", l.loadNames}, {"voids", l.loadVoids},
		{"complete snapshots", l.loadCompletes},
		{"goods under way", l.loadInbound},
		{"feeds", l.loadFeeds}, {"journal", l.replayJournal},
		{"the copy of the journal's head", l.checkHead},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("load %s: %w", s.what, err)
		}
	}
	return nil
}

func (l *Ledger) loadCheckpoint() error {
	v, closer, err := l.db.Get([]byte{prefixCheckpoint})
	if err == pebble.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if len(v) != 8 {
		return fmt.Errorf("%d bytes where 8 belong", len(v))
	}
	l.checkpointed = Seq(binary.BigEndian.Uint64(v))
	return nil
}

func (l *Ledger) loadMaster() error {
	err := scan(l.db, span(prefixMaster, 's'), func(k, v []byte) error {
		return loadRecord(&l.catalogue.skus, k, v, func(info SKUInfo) (string, uint32) {
			return info.SKU, l.catalogue.category(info.Category)
		})
	})
	if err != nil {
		return err
	}
	err = scan(l.db, span(prefixMaster, 'l'), func(k, v []byte) error {
		return loadRecord(&l.catalogue.locations, k, v, func(info LocationInfo) (string, uint32) { return info.Location, 0 })
	})
	if err != nil {
		return err
	}
	l.catalogue.indexCodes()
	l.catalogue.skus.dirty, l.catalogue.locations.dirty = nil, nil
	l.feeds.grow(l.catalogue.locations.size())
	return nil
}

func loadRecord[T any](g *registry[T], k, v []byte, name func(T) (string, uint32)) error {
	if len(k) != 6 || len(v) < 9 {
		return errors.New("a record is too short")
	}
	r := &record[T]{seq: Seq(binary.BigEndian.Uint64(v)), deleted: v[8] == 1}
	if err := json.Unmarshal(v[9:], &r.info); err != nil {
		return fmt.Errorf("a record does not decode: %w", err)
	}
	r.name, r.category = name(r.info)
	g.put(binary.BigEndian.Uint32(k[2:]), r)
	return nil
}

func (l *Ledger) loadRules() error {
	v, closer, err := l.db.Get([]byte{prefixMaster, 'r'})
	if err == pebble.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if len(v) < 8 {
		return errBadRules
	}
	_, set, _, err := l.decodeRules(v[8:])
	if err != nil {
		return err
	}
	l.safety.Store(newSafetyRules().with(true, set, nil, Seq(binary.BigEndian.Uint64(v))))
	return nil
}

// loadPages reads all pages, each processor a share of the SKUs.
func (l *Ledger) loadPages() error {
	end, err := l.pagesEnd()
	if err != nil {
		return err
	}
	for i := range l.shards {
		l.shards[i].pages = make([]page, int(end)>>shardBits+1)
	}
	l.pageSeqs = make([]Seq, end)
	workers := uint32(runtime.GOMAXPROCS(0))
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			bounds := &pebble.IterOptions{LowerBound: pageKey(SKU(end / workers * w)), UpperBound: pageKey(SKU(end / workers * (w + 1)))}
			if w == workers-1 {
				bounds.UpperBound = []byte{prefixPage + 1}
			}
			errs[w] = scan(l.db, bounds, l.loadPage)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// pagesEnd is one more than the greatest number of a SKU with a page. A SKU that became
// known during a checkpoint may have its page on disk and its master data, as yet, only
// in the journal's tail.
func (l *Ledger) pagesEnd() (uint32, error) {
	it, err := l.db.NewIter(span(prefixPage))
	if err != nil {
		return 0, err
	}
	end := l.catalogue.skus.size()
	if it.Last() && len(it.Key()) == 5 {
		end = max(end, binary.BigEndian.Uint32(it.Key()[1:])+1)
	}
	return end, it.Close()
}

func (l *Ledger) loadPage(k, v []byte) error {
	if len(k) != 5 {
		return errors.New("a page's key is too short")
	}
	id := SKU(binary.BigEndian.Uint32(k[1:]))
	p, seq, err := decodePage(v)
	if err != nil {
		return fmt.Errorf("page of SKU %d: %w", id, err)
	}
	l.shardOf(id).pages[id>>shardBits] = p
	l.pageSeqs[id] = seq
	return nil
}

func (l *Ledger) loadReservations() error {
	return scan(l.db, span(prefixOpen), func(k, v []byte) error {
		r, err := decodeReservation(v)
		if err != nil {
			return fmt.Errorf("%q: %w", k[1:], err)
		}
		l.reservations.shard(r.ID).byID[r.ID] = r
		if r.State == Held {
			l.deadlines.push(r.ExpiresAt, r.ID)
		}
		return nil
	})
}

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// loadNames reads the names of events into memory if they all fit; else those that
// are not there are looked up on disk.
func (l *Ledger) loadNames() error {
	n := 0
	err := scan(l.db, span(prefixEvent), func(k, v []byte) error {
		if len(k) != 17 || len(v) != 16 {
			return errors.New("a name's record has the wrong length")
		}
		if n++; n > l.opts.NamesInMemoryMax {
			return errEnough
		}
		h := Hash{binary.BigEndian.Uint64(k[1:]), binary.BigEndian.Uint64(k[9:])}
		l.names.shard(h).seen.put(h, decodeSeen(v))
		return nil
	})
	if err == errEnough {
		l.names.init()
		l.names.complete.Store(false)
		return nil
	}
	return err
}

func (l *Ledger) loadFeeds() error {
	return scan(l.db, span(prefixFeed), func(k, v []byte) error {
		if len(k) < 5 || len(v) != 8 {
			return errors.New("a feed's record has the wrong length")
		}
		l.feeds.saw(Location(binary.BigEndian.Uint32(k[1:])), string(k[5:]), Millis(binary.BigEndian.Uint64(v)))
		return nil
	})
}

// replayJournal makes the changes after the checkpoint again, and checks on the way
// that blocks follow each other without a gap and each knows the hash of the one before.
func (l *Ledger) replayJournal() error {
	j := &l.journal
	headSeq, headHash, err := readHead(l.db)
	if err != nil {
		return err
	}
	next, first := l.checkpointed+1, true
	from := blockKey(next)
	if b, err := blockOnDisk(l.db, l.checkpointed); err == nil {
		from = blockKey(b.first) // holds the checkpoint, and perhaps entries after it
	} else if !errors.Is(err, ErrNoEntry) {
		return err
	}
	err = scan(l.db, &pebble.IterOptions{LowerBound: from, UpperBound: []byte{prefixBlock + 1}}, func(k, v []byte) error {
		s, err := decodeBlock(v)
		if err != nil {
			return err
		}
		if !bytes.Equal(k, blockKey(s.first)) || s.first > next {
			return fmt.Errorf("entries %d to %d are missing", next, s.first-1)
		}
		if !first && s.prev != j.head {
			return fmt.Errorf("block %d does not follow the block before it: a block was changed or taken out", s.first)
		}
		first = false
		j.head = s.hash
		l.clock.Store(max(l.clock.Load(), int64(s.at)))
		for seq := max(next, s.first); seq <= s.last(); seq++ {
			e, err := decodeEntry(seq, s.entry(seq))
			if err != nil {
				return err
			}
			if err := l.remake(&e); err != nil {
				return fmt.Errorf("entry %d: %w", seq, err)
			}
		}
		next = s.last() + 1
		return nil
	})
	if err != nil {
		return err
	}
	if next-1 != headSeq || j.head != headHash {
		return fmt.Errorf("it ends at entry %d, but entry %d was written: blocks are missing at its end", next-1, headSeq)
	}
	for id := range l.pageSeqs {
		if l.pageSeqs[id] != 0 && l.catalogue.skus.get(uint32(id)) == nil {
			return fmt.Errorf("page of SKU %d, which master data does not have", id)
		}
	}
	l.pageSeqs = nil
	j.next = next
	j.made.Store(uint64(next - 1))
	j.open = newBlock(next, newCommit(), &block{})
	j.durable.Store(uint64(next - 1))
	return nil
}

func readHead(r pebble.Reader) (last Seq, hash [sha256.Size]byte, err error) {
	v, closer, err := r.Get([]byte{prefixHead})
	if err == pebble.ErrNotFound {
		return 0, hash, nil
	}
	if err != nil {
		return 0, hash, err
	}
	defer closer.Close()
	if len(v) != 8+sha256.Size {
		return 0, hash, fmt.Errorf("the head record has %d bytes", len(v))
	}
	return Seq(binary.BigEndian.Uint64(v)), [sha256.Size]byte(v[8:]), nil
}

// remake makes an entry's effects again. Pages may include later entries already:
// then their lines are left out.
func (l *Ledger) remake(e *Entry) error {
	if e.Kind.absolute() {
		if t := l.tally(e.Lines, e.Exceptions); t.Counted > 0 {
			l.journal.accuracies.add(accuracyKey{dayOf(e.RecordedAt), Location(e.ID), e.Source}, e.Seq, t)
		}
	}
	for i := range e.Lines {
		if err := l.remakeLine(e, &e.Lines[i]); err != nil {
			return err
		}
	}
	if e.Source != "" || e.EventID != "" {
		h := NameHash(e.Source, e.EventID)
		if e.Kind != KindDeadLetter {
			l.names.shard(h).put(h, seen{e.Content, packSeqDay(e.Seq, e.SaidTime)})
		}
		loc := Location(0)
		if e.Kind.tells() {
			loc = Location(e.ID)
		}
		l.journal.sources.saw(&EventName{Source: e.Source, Time: e.SaidTime, Sequence: e.Sequence}, e.Seq, e.Kind, loc, e.RecordedAt)
		if e.Kind.tells() {
			t := e.Time
			if e.Kind.void() { // that is of what it undoes
				t = min(e.SaidTime, e.RecordedAt)
			}
			l.feeds.saw(Location(e.ID), e.Source, t)
		}
		if e.Kind.void() {
			target, ok := e.voidTarget()
			if !ok {
				return errors.New("a void does not say what it undoes")
			}
			l.voids.put(target, seen{seqDay: packSeqDay(e.Seq, e.SaidTime)})
			l.completes.drop(target, e.Seq)
		}
		if net, complete := e.basis(); complete {
			l.completes.add(Location(e.ID), newComplete(e.Seq, e.Time, net, e.Source, e.EventID))
		}
	}
	if c, err := e.inboundChange(); err != nil {
		return err
	} else if c != nil {
		l.inbound.apply(c, e)
	}
	if e.Key != (CallKey{}) {
		l.keys.shard(e.Key.Key).calls[e.Key.Key] = call{e.Key.Call, e.Seq, e.RecordedAt}
	}
	switch e.Kind {
	case KindSKU, KindSKUDeleted:
		return l.remakeSKU(e)
	case KindLocation, KindLocationDeleted:
		return l.remakeLocation(e)
	case KindSafety:
		replace, set, remove, err := l.decodeRules(e.Payload)
		if err != nil {
			return err
		}
		if old := l.safety.Load(); e.Seq > old.seq {
			l.safety.Store(old.with(replace, set, remove, e.Seq))
		}
	case KindAnswer:
	default:
		if e.Reservation != nil {
			l.remakeReservation(e)
		}
	}
	return nil
}

func (l *Ledger) remakeLine(e *Entry, ln *EntryLine) error {
	if l.catalogue.skus.get(uint32(ln.SKU)) == nil || l.catalogue.locations.get(uint32(ln.Location)) == nil {
		return fmt.Errorf("it names SKU %d and location %d, which master data does not have", ln.SKU, ln.Location)
	}
	if int(ln.SKU) < len(l.pageSeqs) && e.Seq <= l.pageSeqs[ln.SKU] {
		return nil
	}
	p := l.shardOf(ln.SKU).openPage(ln.SKU).open(ln.Location)
	after, ok := p.Figures.add(ln.Delta)
	if !ok || p.seq() != ln.Prev || after != ln.After {
		return fmt.Errorf("SKU %d at location %d: it follows entry %d and comes to %+v, where entry %d and %+v were expected",
			ln.SKU, ln.Location, ln.Prev, ln.After, p.seq(), after)
	}
	p.take(e.Seq, e.Kind, e.Time, ln)
	return nil
}

func (l *Ledger) remakeSKU(e *Entry) error {
	r := &record[SKUInfo]{deleted: e.Kind == KindSKUDeleted, seq: e.Seq}
	if old := l.catalogue.skus.get(e.ID); old != nil {
		if old.seq >= e.Seq {
			return nil
		}
		r.info = old.info
	}
	if !r.deleted {
		r.info = SKUInfo{}
		if err := json.Unmarshal(e.Payload, &r.info); err != nil {
			return err
		}
	}
	r.name, r.category = r.info.SKU, l.catalogue.category(r.info.Category)
	l.catalogue.putSKU(e.ID, r)
	return nil
}

func (l *Ledger) remakeLocation(e *Entry) error {
	r := &record[LocationInfo]{deleted: e.Kind == KindLocationDeleted, seq: e.Seq}
	if old := l.catalogue.locations.get(e.ID); old != nil {
		if old.seq >= e.Seq {
			return nil
		}
		r.info = old.info
	}
	if !r.deleted {
		r.info = LocationInfo{}
		if err := json.Unmarshal(e.Payload, &r.info); err != nil {
			return err
		}
	}
	r.name = r.info.Location
	l.catalogue.putLocation(e.ID, r)
	l.feeds.grow(l.catalogue.locations.size())
	return nil
}

func (l *Ledger) remakeReservation(e *Entry) {
	r := e.Reservation
	s := l.reservations.shard(r.ID)
	if old := s.byID[r.ID]; old != nil && old.Seq >= r.Seq {
		return
	}
	if e.Kind.void() {
		s.putBack(r)
	} else {
		s.put(r)
	}
	if r.State == Held {
		l.deadlines.push(r.ExpiresAt, r.ID)
	}
}
