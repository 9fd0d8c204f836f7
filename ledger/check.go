package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Report is what a check found and what it looked at.
type Report struct {
	Findings  []string // what does not hold, each with the numbers that disagree
	More      int      // findings beyond the first findingsMax
	Blocks    int
	Entries   int
	Positions int
	Open      int // reservations held or confirmed
}

const findingsMax = 100

// OK says that everything holds.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Verify checks the ledger in dir, which no process has open: the journal's chain,
// every figure against the journal replayed from nothing, and what a start would
// load against that. It changes nothing in dir. An error means that it could not look.
func Verify(o Options) (*Report, error) {
	o = o.fill()
	db, lock, err := openForReading(o)
	if err != nil {
		return nil, fmt.Errorf("verify ledger in %s: %w", o.Dir, err)
	}
	defer lock.Close()
	defer db.Close()
	loaded := &Ledger{opts: o, db: db}
	loaded.init()
	c := newChecker(o, db)
	if err := loaded.recover(); err != nil {
		c.find("a start would fail: %v", err)
		loaded = nil
	}
	c.run(loaded)
	return &c.report, nil
}

// openForReading opens the store of a directory that nobody else has open.
func openForReading(o Options) (*pebble.DB, *pebble.Lock, error) {
	if _, err := checkVersion(o); err != nil {
		return nil, nil, err
	}
	if desc, err := pebble.Peek(o.Dir, o.FS); err != nil || !desc.Exists {
		return nil, nil, errors.Join(errors.New("there is none"), err)
	}
	lock, err := lockStore(o)
	if err != nil {
		return nil, nil, err
	}
	po := pebbleOptions(o)
	po.ReadOnly, po.Lock = true, lock
	// Damage is what is looked for: the read that meets it says so, and the look goes on.
	po.EventListener = &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}
	db, err := pebble.Open(o.Dir, po)
	if err != nil {
		lock.Close()
		return nil, nil, err
	}
	return db, lock, nil
}

// Check compares what is in memory with the journal replayed from nothing. Nothing
// may change the ledger meanwhile.
func (l *Ledger) Check() (*Report, error) {
	if err := l.Wait(l.Seq()); err != nil {
		return nil, err
	}
	c := newChecker(l.opts, l.db)
	c.run(l)
	return &c.report, nil
}

// checker replays the journal into a ledger of its own that has no store.
type checker struct {
	report  Report
	db      pebble.Reader
	replica *Ledger
	from    Seq // the first entry that is still kept
	moves   map[[2]uint32][]move
	commits map[[2]uint32][]commitment
}

// move is one movement of a position that a later count may have to add.
type move struct {
	time  Millis
	moved Qty
}

func newChecker(o Options, db *pebble.DB) *checker {
	c := &checker{db: db, moves: make(map[[2]uint32][]move), commits: make(map[[2]uint32][]commitment)}
	c.replica = &Ledger{opts: o, db: db}
	c.replica.init()
	return c
}

func (c *checker) find(format string, args ...any) { c.report.find(format, args...) }

func (r *Report) find(format string, args ...any) {
	if len(r.Findings) == findingsMax {
		r.More++
		return
	}
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

func (c *checker) run(loaded *Ledger) {
	c.replay()
	if err := checkOffsets(c.db, c.find); err != nil {
		c.find("%v", err)
	}
	if loaded == nil {
		return
	}
	c.compareCatalogue(loaded)
	c.comparePositions(loaded)
	c.compareReservations(loaded)
	c.compareInbound(loaded)
	c.compareCompletes(loaded)
}

// replay follows the chain of blocks and makes every entry again.
func (c *checker) replay() {
	var prev *storedBlock
	err := scan(c.db, span(prefixBlock), func(k, v []byte) error {
		s, err := decodeBlock(v)
		if err != nil {
			c.find("block at key %x: %v", k[1:], err)
			return nil
		}
		switch {
		case !bytes.Equal(k, blockKey(s.first)):
			c.find("block %d lies at key %x", s.first, k[1:])
		case prev == nil:
			c.begin(s)
		case s.first != prev.last()+1:
			c.find("entries %d to %d are missing", prev.last()+1, s.first-1)
		case s.prev != prev.hash:
			c.find("block %d does not carry the hash of block %d", s.first, prev.first)
		}
		for seq := s.first; seq <= s.last(); seq++ {
			c.entry(seq, s.entry(seq))
		}
		c.report.Blocks++
		prev = s
		return nil
	})
	if err != nil {
		c.find("the journal cannot be read to its end: %v", err)
	}
	last, hash, err := readHead(c.db)
	if err != nil {
		c.find("%v", err)
	}
	var have Seq
	var haveHash [sha256.Size]byte
	if prev != nil {
		have, haveHash = prev.last(), prev.hash
	}
	if have != last || haveHash != hash {
		c.find("the journal ends at entry %d, where entry %d with another hash was written", have, last)
	}
}

// begin prepares for a journal whose beginning is no longer kept.
func (c *checker) begin(s *storedBlock) {
	c.from = s.first
	if s.first == 1 {
		if s.prev != ([sha256.Size]byte{}) {
			c.find("block 1 carries the hash of a block before it")
		}
		return
	}
	for _, load := range []func() error{c.replica.loadMaster, c.replica.loadRules} {
		if err := load(); err != nil {
			c.find("%v", err)
		}
	}
}

func (c *checker) entry(seq Seq, b []byte) {
	e, err := decodeEntry(seq, b)
	if err != nil {
		c.find("%v", err)
		return
	}
	c.report.Entries++
	if e.ChangesReservation() {
		c.reservation(&e)
	}
	for i := range e.Lines {
		c.line(&e, &e.Lines[i])
	}
	if err := c.replica.remake(&e); err != nil {
		c.find("entry %d: %v", seq, err)
		for i := range e.Lines { // go on from what the entry says, so that one fault is one finding
			ln := &e.Lines[i]
			c.replica.shardOf(ln.SKU).openPage(ln.SKU).open(ln.Location).take(seq, e.Kind, e.Time, ln)
		}
	}
}

// line checks that on hand follows from the last count and the movements after it.
func (c *checker) line(e *Entry, ln *EntryLine) {
	k := lineKey(ln.SKU, ln.Location)
	p := c.replica.position(ln.SKU, ln.Location)
	fresh := p == nil
	if fresh {
		p = c.replica.shardOf(ln.SKU).openPage(ln.SKU).open(ln.Location)
		if ln.Prev != 0 && ln.Prev < c.from { // its beginning is no longer kept
			p.setSeq(ln.Prev)
			p.Figures = Figures{ln.After.OnHand - ln.Delta.OnHand, ln.After.Unsellable - ln.Delta.Unsellable,
				ln.After.Held - ln.Delta.Held, ln.After.Committed - ln.Delta.Committed}
		}
	}
	if ln.After.Held < 0 || ln.After.Committed < 0 {
		c.find("entry %d leaves SKU %d at location %d with %+v", e.Seq, ln.SKU, ln.Location, ln.After)
	}
	if promised := ln.Delta.Held + ln.Delta.Committed; (e.Kind == KindHold || e.Kind == KindTransferAsked || e.Kind == KindOrderPlaced) && promised > 0 && ln.After.Free() < 0 {
		c.find("entry %d promised %d of SKU %d at location %d, of which too few were free: %+v after it",
			e.Seq, promised, ln.SKU, ln.Location, ln.After)
	}
	if ln.Delta.Committed != 0 {
		c.commits[k] = append(c.commits[k], commitment{e.Seq, e.Time, e.Kind.movement(), ln.Delta.Committed})
	}
	if fresh && c.from <= 1 {
		c.fresh(e, ln, p)
	}
	switch {
	case e.Kind.movement() && (ln.Moved != 0 || ln.Delta.Committed != 0):
		c.moves[k] = append(c.moves[k], move{e.Time, ln.Moved})
		want := ln.Moved
		if e.Time <= p.countedAt() {
			want = 0
			if p.net() {
				want = ln.Delta.Committed
			}
		}
		if ln.Delta.OnHand != want && c.from <= 1 {
			c.find("entry %d moved on hand of SKU %d at location %d by %d, not by %d", e.Seq, ln.SKU, ln.Location, ln.Delta.OnHand, want)
		}
	case ln.Settled:
		if e.Time < p.countedAt() {
			c.find("entry %d settles SKU %d at location %d as of %d, after a count as of %d", e.Seq, ln.SKU, ln.Location, e.Time, p.countedAt())
		}
		later := c.moves[k][:0]
		want := int64(ln.Moved)
		if ln.Net {
			want += int64(ln.After.Committed) - committedSince(c.commits[k], e.Time, e.Seq)
		}
		for _, m := range c.moves[k] {
			if m.time > e.Time {
				want += int64(m.moved)
				later = append(later, m)
			}
		}
		c.moves[k] = later
		if int64(ln.After.OnHand) != want && c.from <= 1 {
			c.find("entry %d counted %d of SKU %d at location %d, which with what moved since is %d, not %d",
				e.Seq, ln.Moved, ln.SKU, ln.Location, want, ln.After.OnHand)
		}
	case ln.Recounted && e.Kind.void():
		c.recounted(e, ln, k)
	case ln.Recounted && !fresh:
		c.find("entry %d, a %v, changes what count of SKU %d at location %d holds", e.Seq, e.Kind, ln.SKU, ln.Location)
	case ln.Delta.OnHand != 0:
		c.find("entry %d, a %v, moved on hand of SKU %d at location %d", e.Seq, e.Kind, ln.SKU, ln.Location)
	}
}

// fresh checks that a new position begins with the complete snapshot of its location.
func (c *checker) fresh(e *Entry, ln *EntryLine, p *position) {
	if rules := c.replica.completes.ruling(ln.Location); rules != nil && !ln.Settled {
		p.setCounted(rules.time, rules.net)
	}
	if !ln.Settled && (ln.Recounted != (p.countedAt() != 0) || ln.Recounted && (ln.CountedAt != p.countedAt() || ln.Net != p.net())) {
		c.find("entry %d begins SKU %d at location %d as counted at %d, which the location was at %d", e.Seq, ln.SKU, ln.Location, ln.CountedAt, p.countedAt())
	}
}

// recounted checks what a position came to when a count was undone.
func (c *checker) recounted(e *Entry, ln *EntryLine, k [2]uint32) {
	target, _ := e.voidTarget()
	count, _, ok, err := c.replica.Recall(target)
	if err == nil && !ok {
		err = errors.New("the count is not there")
	}
	var undone Entry
	if err == nil {
		undone, err = c.replica.Entry(count)
	}
	var a absence
	own := undone.line(ln.SKU, ln.Location)
	if _, complete := undone.basis(); own == nil && complete {
		own = &EntryLine{SKU: ln.SKU, Location: ln.Location}
	}
	if own != nil {
		a, err = c.replica.absent(count, own, ln.Prev, c.replica.completes.of[ln.Location])
	} else if err == nil {
		err = errors.New("the count is of other positions")
	}
	switch {
	case c.from > 1:
	case err != nil:
		c.find("entry %d undoes a count of SKU %d at location %d: %v", e.Seq, ln.SKU, ln.Location, err)
	case int64(ln.After.OnHand) != a.onHand || ln.CountedAt != a.countedAt || ln.Net != a.net:
		c.find("entry %d undoes a count of SKU %d at location %d, which without it is %d, counted at %d, not %d, counted at %d",
			e.Seq, ln.SKU, ln.Location, a.onHand, a.countedAt, ln.After.OnHand, ln.CountedAt)
	}
	c.moves[k], c.commits[k] = a.moves, a.commits
}

// reservation checks that what an entry changed in a reservation is what it changed
// in the positions.
func (c *checker) reservation(e *Entry) {
	diff := make(map[[2]uint32]Figures)
	add := func(r *Reservation, sign Qty) {
		if r == nil {
			return
		}
		for i := range r.Lines {
			ln := &r.Lines[i]
			k := lineKey(ln.SKU, ln.Location)
			f := diff[k]
			f.Held += sign * ln.Held
			f.Committed += sign * ln.Committed
			diff[k] = f
		}
	}
	old := c.replica.reservations.shard(e.Reservation.ID).byID[e.Reservation.ID]
	if old == nil && e.Kind != KindHold && e.Reservation.Created < c.from {
		return // made before what is kept
	}
	add(e.Reservation, 1)
	add(old, -1)
	for i := range e.Lines {
		ln := &e.Lines[i]
		k := lineKey(ln.SKU, ln.Location)
		f := diff[k]
		if ln.Delta.Held != f.Held || ln.Delta.Committed != f.Committed {
			c.find("entry %d changed SKU %d at location %d by held %+d committed %+d, reservation %q by held %+d committed %+d",
				e.Seq, ln.SKU, ln.Location, ln.Delta.Held, ln.Delta.Committed, e.Reservation.ID, f.Held, f.Committed)
		}
		delete(diff, k)
	}
	for k, f := range diff {
		if f != (Figures{}) {
			c.find("entry %d changed reservation %q by %+v at SKU %d, location %d, and not the position", e.Seq, e.Reservation.ID, f, k[0], k[1])
		}
	}
}

func (c *checker) compareCatalogue(l *Ledger) {
	if a, b := l.catalogue.skus.size(), c.replica.catalogue.skus.size(); a != b {
		c.find("there are %d SKUs, the journal made %d", a-1, b-1)
	}
	for id := uint32(1); id < min(l.catalogue.skus.size(), c.replica.catalogue.skus.size()); id++ {
		a, b := l.catalogue.skus.get(id), c.replica.catalogue.skus.get(id)
		if a == nil || b == nil || a.seq != b.seq || a.deleted != b.deleted || !bytes.Equal(mustJSON(a.info), mustJSON(b.info)) {
			c.find("master data of SKU %d is not what the journal says", id)
		}
	}
	for id := uint32(1); id < max(l.catalogue.locations.size(), c.replica.catalogue.locations.size()); id++ {
		a, b := l.catalogue.locations.get(id), c.replica.catalogue.locations.get(id)
		if a == nil || b == nil || a.seq != b.seq || a.deleted != b.deleted || !bytes.Equal(mustJSON(a.info), mustJSON(b.info)) {
			c.find("master data of location %d is not what the journal says", id)
		}
	}
	if a, b := l.safety.Load(), c.replica.safety.Load(); !bytes.Equal(l.encodeRules(true, a.rules, nil), c.replica.encodeRules(true, b.rules, nil)) {
		c.find("the safety stock rules are not what the journal says")
	}
}

// comparePositions compares page by page, byte for byte.
func (c *checker) comparePositions(l *Ledger) {
	for id := SKU(1); uint32(id) < l.catalogue.skus.size(); id++ {
		p, q := l.shardOf(id).page(id), c.replica.shardOf(id).page(id)
		if p == nil {
			p = &page{}
		}
		if q == nil {
			q = &page{}
		}
		c.report.Positions += len(p.positions)
		if bytes.Equal(p.append(nil, 0), q.append(nil, 0)) {
			continue
		}
		for i := range p.positions {
			a := p.positions[i]
			b := q.find(a.loc)
			switch {
			case b == nil && a.seq() >= c.from:
				c.find("SKU %d at location %d is %+v, of which the journal knows nothing", id, a.loc, a.Figures)
			case b != nil && (a.Figures != b.Figures || a.seq() != b.seq()):
				c.find("SKU %d at location %d is %+v since entry %d, the journal says %+v since entry %d", id, a.loc, a.Figures, a.seq(), b.Figures, b.seq())
			case b != nil && c.from <= 1 && a != *b:
				c.find("SKU %d at location %d is %+v, the journal says %+v", id, a.loc, a, *b)
			}
		}
		for i := range q.positions {
			if b := &q.positions[i]; p.find(b.loc) == nil {
				c.find("SKU %d at location %d is missing, the journal says %+v", id, b.loc, b.Figures)
			}
		}
	}
}

// compareReservations compares the open reservations, and their sums with held and
// committed of every position.
func (c *checker) compareReservations(l *Ledger) {
	sums := make(map[[2]uint32]Figures)
	for i := range l.reservations.shards {
		for id, r := range l.reservations.shards[i].byID {
			if !r.State.Open() {
				continue
			}
			c.report.Open++
			for j := range r.Lines {
				ln := &r.Lines[j]
				k := lineKey(ln.SKU, ln.Location)
				f := sums[k]
				f.Held += ln.Held
				f.Committed += ln.Committed
				sums[k] = f
			}
			if q := c.replica.reservations.shard(id).byID[id]; r.Seq >= c.from && (q == nil || !bytes.Equal(r.append(nil), q.append(nil))) {
				c.find("reservation %q is not what the journal says", id)
			}
		}
	}
	for i := range c.replica.reservations.shards {
		for id, q := range c.replica.reservations.shards[i].byID {
			if q.State.Open() && l.reservations.shard(id).byID[id] == nil {
				c.find("reservation %q is missing, the journal says it is %v", id, q.State)
			}
		}
	}
	for i := range l.shards {
		for j := range l.shards[i].pages {
			id := SKU(j<<shardBits | i)
			for _, p := range l.shards[i].pages[j].positions {
				k := lineKey(id, p.loc)
				if f := sums[k]; f.Held != p.Held || f.Committed != p.Committed {
					c.find("SKU %d at location %d has held %d and committed %d, its reservations add up to %d and %d",
						id, p.loc, p.Held, p.Committed, f.Held, f.Committed)
				}
				delete(sums, k)
			}
		}
	}
	for k, f := range sums {
		if f != (Figures{}) {
			c.find("reservations hold %+v of SKU %d at location %d, which has no position", f, k[0], k[1])
		}
	}
}

func (c *checker) compareCompletes(l *Ledger) {
	if c.from > 1 {
		return
	}
	same := func(a, b complete) bool { return a == b }
	for loc := range uint32(l.catalogue.locations.size()) {
		a, b := l.completes.of[Location(loc)], c.replica.completes.of[Location(loc)]
		if !slices.EqualFunc(a, b, same) {
			c.find("location %d has complete snapshots %+v, the journal made %+v", loc, a, b)
		}
	}
}
