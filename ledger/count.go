package ledger

import "fmt"

// Count is an absolute figure: what was physically there at a moment, in all
// conditions together. On hand becomes that and every movement after the moment.
// With no lines it only says that the source has told of everything up to there.
type Count struct {
	Kind       Kind // KindCount, for which 0 stands too, KindSnapshot or KindHeartbeat
	Name       EventName
	CountedAt  Millis // the moment it speaks of
	Received   Millis
	Location   Location
	Lines      []CountLine // one for each SKU
	Exceptions []Exception

	// Of KindSnapshot. NetOfCommitted: what was confirmed and not yet fulfilled at the
	// moment is deducted already. Complete: of all SKUs without a line nothing was there.
	NetOfCommitted, Complete bool
}

// CountLine is one SKU of a count.
type CountLine struct {
	SKU      SKU
	Quantity Qty // at least 0
}

func (c *Count) apply(l *Ledger) (Result, error) {
	if _, _, err := l.eventTime(c.Name.Time, c.Received); err != nil {
		return Result{}, err
	}
	t, skewed, err := l.eventTime(c.CountedAt, c.Received)
	if err != nil {
		return Result{}, err
	}
	l.expireDue(c.Received)
	kind := c.Kind
	if kind == NoKind {
		kind = KindCount
	}
	e := newEntry(kind, c.Received)
	defer e.free()
	e.event, e.time, e.id = c.Name, t, uint32(c.Location)
	for _, ln := range c.Lines {
		e.effect(ln.SKU, c.Location, ln.Quantity, Figures{})
	}
	shards, err := e.gather()
	if err != nil {
		return Result{}, err
	}
	if c.Complete {
		shards = allShards
	}
	// What moved after t is read from the journal, which may mean the disk, so it
	// is read without the locks and holds only if the position has not changed since.
	// The long way back is gone before the name is locked, with which other events
	// would wait; what keeps it from ending well is met again below.
	since := make(map[SKU]history)
	l.rlockShards(shards)
	err = c.fill(l, e)
	missing := c.missing(l, e, since, t)
	l.runlockShards(shards)
	if err != nil {
		return Result{}, err
	}
	_ = c.readBack(l, missing, since, t)

	slot, done, err := l.beginEvent(c.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()
	voided := slot.voided(l)
	for {
		l.lockShards(shards)
		if err := c.fill(l, e); err != nil {
			l.unlockShards(shards)
			return Result{}, err
		}
		if missing = c.missing(l, e, since, t); len(missing) == 0 || voided {
			break
		}
		l.unlockShards(shards)
		if err := c.readBack(l, missing, since, t); err != nil {
			return Result{}, err
		}
	}
	defer l.unlockShards(shards)
	e.exceptions = append(e.exceptions[:0], c.Exceptions...)
	if skewed {
		e.except(ClockSkew, 0, c.Location, 0, 0)
	}
	for i := range e.lines {
		if voided {
			break
		}
		if err := c.settle(l, e, &e.lines[i], since, t); err != nil {
			return Result{}, err
		}
	}
	if err := l.settle(e); err != nil {
		return Result{}, err
	}
	if !voided {
		e.payload = c.mark()
	}
	seq := l.enter(e)
	if c.Complete && !voided {
		l.completes.add(c.Location, newComplete(seq, t, c.NetOfCommitted, c.Name.Source, c.Name.ID))
	}
	slot.taken(seq)
	l.feeds.saw(c.Location, c.Name.Source, t)
	return Result{Seq: seq}, nil
}

// history is what a position's journal says of the time after a count.
type history struct {
	sku       SKU
	head      Seq   // the position's latest entry when it was read
	read      Seq   // while it is read: up to here it was before
	moved     int64 // what moved on hand after the count
	committed int64 // by how much what is committed changed after the count
	later     bool  // another count of the same moment goes before this one
}

// missing lists the positions whose history must be read, or read again.
func (c *Count) missing(l *Ledger, e *entryDraft, since map[SKU]history, t Millis) (out []history) {
	for i := range e.lines {
		p := l.position(e.lines[i].SKU, c.Location)
		if p == nil || p.countedAt() > t || (p.lastEvent() <= t && p.countedAt() != t) {
			continue
		}
		if h := since[e.lines[i].SKU]; h.head != p.seq() {
			h.sku, h.head, h.read = e.lines[i].SKU, p.seq(), h.head
			out = append(out, h)
		}
	}
	return out
}

// readBack reads what is missing into since.
func (c *Count) readBack(l *Ledger, missing []history, since map[SKU]history, t Millis) error {
	for _, m := range missing {
		h, err := l.movedSince(m, c, t)
		if err != nil {
			return err
		}
		since[m.sku] = h
	}
	return nil
}

// movedSince walks a position's history back to t, or to where it was read before: a
// position that changes all the time is caught up with. No event lies further ahead of
// its arrival than the skew, so what was recorded before t − skew happened before t.
func (l *Ledger) movedSince(h history, c *Count, t Millis) (history, error) {
	end := t - l.opts.MaxSkewMillis - recordedSlackMillis
	anew := false // what was read before holds no longer
	whole, err := l.walk(h.sku, c.Location, h.head, func(e *Entry, ln *EntryLine) bool {
		if e.Seq <= h.read || e.RecordedAt < end {
			return false
		}
		if anew = ln.Recounted && h.read != 0; anew {
			return false
		}
		if e.Time > t {
			h.committed += int64(ln.Delta.Committed)
		}
		switch {
		case e.Kind.movement() && e.Time > t:
			h.moved += int64(ln.Moved)
		case e.Kind.absolute() && e.Time == t && ln.Settled && !l.voids.has(NameHash(e.Source, e.EventID)):
			h.later = h.later || e.Source > c.Name.Source || e.Source == c.Name.Source && e.EventID > c.Name.ID
		}
		return true
	})
	if anew {
		return l.movedSince(history{sku: h.sku, head: h.head}, c, t)
	}
	if err == nil && !whole && end < c.Received-l.opts.JournalKeepMillis {
		err = refuse(TooOld, fmt.Sprintf("SKU %q: what moved since then is no longer known: the journal is kept for %d days",
			l.SKUName(h.sku), l.opts.JournalKeepMillis/dayMillis))
	}
	return h, err
}

// recordedSlackMillis is by how much entries of one position may be out of order
// in the time they were recorded: calls take their time before they take the lock.
const recordedSlackMillis = 60_000

// settle works out the difference that the count makes to one position. One that a
// later count has overtaken makes none.
func (c *Count) settle(l *Ledger, e *entryDraft, ln *EntryLine, since map[SKU]history, t Millis) error {
	p := l.position(ln.SKU, c.Location)
	h := since[ln.SKU]
	if p != nil && (p.countedAt() > t || p.countedAt() == t && h.later) {
		return nil
	}
	if rules := l.completes.ruling(c.Location); rules != nil && rules.rules(t, c.Name.Source, c.Name.ID) {
		return nil
	}
	ln.Settled, ln.Net = true, c.NetOfCommitted
	if p == nil {
		ln.Delta.OnHand = ln.Moved
		return nil
	}
	counted := int64(ln.Moved)
	if c.NetOfCommitted {
		counted += int64(p.Committed) - h.committed
	}
	believed := int64(p.OnHand) - h.moved
	delta := counted - believed
	if !inRange(delta) || !inRange(believed) || !inRange(counted) {
		return refuse(InvalidQuantity, fmt.Sprintf("SKU %q: counted %d where %d was believed: the difference is out of range",
			l.SKUName(ln.SKU), counted, believed))
	}
	ln.Delta.OnHand = Qty(delta)
	if delta != 0 {
		e.except(CountDifference, ln.SKU, c.Location, Qty(believed), Qty(counted))
		e.because(p.countedAt(), p.contradiction(t))
	}
	if left := Qty(max(0, counted)); left < p.Unsellable {
		e.except(CountBelowUnsellable, ln.SKU, c.Location, p.Unsellable, Qty(counted))
		ln.Delta.Unsellable = left - p.Unsellable
	}
	return nil
}
