package ledger

import (
	"errors"
	"fmt"
)

// pastEntriesMax bounds how many entries of a position are read for one look back.
const pastEntriesMax = 50_000

// pastReservationsMax bounds how many reservations one look back names.
const pastReservationsMax = 1000

var (
	// ErrForgotten says that the journal is no longer kept so far back.
	ErrForgotten = errors.New("the journal is no longer kept so far back")
	// ErrAhead says that a moment has not come yet.
	ErrAhead = errors.New("that moment has not come yet")
	// ErrTooFarBack says that more has happened since than one look reads.
	ErrTooFarBack = fmt.Errorf("the position has had more than %d entries since", pastEntriesMax)
)

// Past is a position at a moment: as it was known then, and as it is now known to have been.
type Past struct {
	Seq   Seq    // the latest change when it was looked up: what "now" means
	At    Millis // the moment; asked for by seq, the time at which that was recorded
	Known *Known // nil: it had no entry then
	// Now is made of all that has been told since of what happened up to then: late events,
	// voids, late counts. Later counts do not change it. nil: the journal does not tell any more.
	Now *Figures

	Reservations []PastReservation // what was held and committed in Known, latest first
	Complete     bool              // these are all
}

// Known is what a position's entry left.
type Known struct {
	Seq        Seq
	RecordedAt Millis
	Figures
}

// PastReservation is what a reservation held of a position.
type PastReservation struct {
	ID              string
	Held, Committed Qty
}

// PositionAt looks back at a position as it was after the entry seq or, where that is 0,
// at a time. It reads the journal and holds no lock meanwhile.
func (l *Ledger) PositionAt(sku SKU, loc Location, seq Seq, at Millis, now Millis) (Past, error) {
	l.expireDue(now)
	sh := l.shardOf(sku)
	sh.mu.RLock()
	last := l.Seq()
	p := position{}
	if found := sh.page(sku).find(loc); found != nil {
		p = *found
	}
	others := l.completes.of[loc]
	sh.mu.RUnlock()
	if seq > last || at > now {
		return Past{}, ErrAhead
	}
	if seq != 0 {
		e, err := l.Entry(seq)
		if errors.Is(err, ErrNoEntry) {
			return Past{}, fmt.Errorf("change %d: %w", seq, ErrForgotten)
		}
		if err != nil {
			return Past{}, err
		}
		at = e.RecordedAt
	}
	b := lookBack{l: l, now: p, seq: seq, at: at, figures: p.Figures, others: others, counts: make(map[Seq]bool)}
	whole, err := l.walk(sku, loc, p.seq(), b.look)
	if err != nil {
		return Past{}, err
	}
	switch {
	case b.known == nil && b.looked > pastEntriesMax:
		return Past{}, ErrTooFarBack
	case b.known == nil && !whole:
		return Past{}, ErrForgotten
	}
	out := Past{Seq: last, At: at, Known: b.known, Reservations: b.reservations, Complete: b.promised == 0}
	out.Now = b.nowKnown(whole && b.looked <= pastEntriesMax)
	return out, nil
}

// lookBack goes back through a position's entries, the latest first.
type lookBack struct {
	l        *Ledger
	now      position
	seq      Seq    // the moment, or
	at       Millis // where that is 0
	looked   int
	known    *Known
	promised int64 // of what was held and committed then, what is not told yet under which reservation

	figures Figures // as now known, but for on hand where a count has come after the moment
	ended   bool    // all that bears on them was read
	count   Entry   // the count that holds at the moment, of those read; its Seq is 0 while there is none
	counted Qty
	net     bool
	moves   []move // up to the moment
	commits []commitment
	counts  map[Seq]bool // the counts that were read
	others  []complete   // of the location: one that was not read says 0

	told         map[string]bool // the reservations that were read
	reservations []PastReservation
}

// look reads one entry, and says whether to go on.
func (b *lookBack) look(e *Entry, ln *EntryLine) bool {
	if b.looked++; b.looked > pastEntriesMax {
		return false
	}
	then := e.Seq <= b.seq || b.seq == 0 && e.RecordedAt <= b.at
	if then && b.known == nil {
		b.known = &Known{e.Seq, e.RecordedAt, ln.After}
		b.promised = int64(ln.After.Held) + int64(ln.After.Committed)
	}
	if b.known != nil && b.promised > 0 {
		b.promise(e, ln)
	}
	if !b.ended {
		b.effect(e, ln, b.known != nil)
	}
	return b.known == nil || !b.ended || b.promised > 0 && len(b.reservations) < pastReservationsMax
}

// promise notes what the entry's reservation held of the position, if no later entry told it.
func (b *lookBack) promise(e *Entry, ln *EntryLine) {
	if e.Reservation == nil || b.told[e.Reservation.ID] || len(b.reservations) == pastReservationsMax {
		return
	}
	if b.told == nil {
		b.told = make(map[string]bool)
	}
	b.told[e.Reservation.ID] = true
	r := PastReservation{ID: e.Reservation.ID}
	for i := range e.Reservation.Lines {
		if rl := &e.Reservation.Lines[i]; rl.SKU == ln.SKU && rl.Location == ln.Location {
			r.Held += rl.Held
			r.Committed += rl.Committed
		}
	}
	if n := int64(r.Held) + int64(r.Committed); n > 0 {
		b.reservations = append(b.reservations, r)
		b.promised -= n
	}
}

// effect takes what happened after the moment out of the figures, and gathers what on
// hand is worked out from where a later count has settled it.
func (b *lookBack) effect(e *Entry, ln *EntryLine, then bool) {
	after := e.Time > b.at
	if after {
		b.figures.Unsellable -= ln.Delta.Unsellable
	}
	if after && !then { // what is promised counts from when it was, and ends when the goods left
		b.figures.Held -= ln.Delta.Held
		b.figures.Committed -= ln.Delta.Committed
	}
	since := b.at
	if b.now.countedAt() <= b.at {
		if after && e.Kind.movement() {
			b.figures.OnHand -= ln.Moved
		}
	} else {
		if ln.Delta.Committed != 0 {
			b.commits = append(b.commits, commitment{e.Seq, e.Time, e.Kind.movement(), ln.Delta.Committed})
		}
		if e.Kind.absolute() {
			b.counts[e.Seq] = true
		}
		switch {
		case after:
		case e.Kind.movement():
			b.moves = append(b.moves, move{e.Time, ln.Moved})
		case e.Kind.absolute() && (b.count.Seq == 0 || e.rules(&b.count)) && !b.l.voids.has(NameHash(e.Source, e.EventID)):
			b.count, b.counted = *e, ln.Moved
			b.net, _ = e.basis()
		}
		if b.count.Seq == 0 {
			return
		}
		since = b.count.Time
	}
	// Nothing recorded before this can have happened after it.
	b.ended = e.RecordedAt < since-b.l.opts.MaxSkewMillis-recordedSlackMillis
}

// nowKnown is the figures as they are now known to have been; whole: the walk came to its end.
func (b *lookBack) nowKnown(whole bool) *Figures {
	if !b.ended && !whole {
		return nil
	}
	f := b.figures
	if b.now.countedAt() > b.at {
		for _, c := range b.others {
			if c.time <= b.at && !b.counts[c.seq] && (b.count.Seq == 0 || c.rules(b.count.Time, b.count.Source, b.count.EventID)) {
				b.count, b.counted, b.net = Entry{Seq: c.seq, Time: c.time, Source: c.source, EventID: c.id}, 0, c.net
			}
		}
		sum := int64(b.counted)
		if b.net {
			sum += int64(b.now.Committed) - committedSince(b.commits, b.count.Time, b.count.Seq)
		}
		for _, m := range b.moves {
			if b.count.Seq == 0 || m.time > b.count.Time {
				sum += int64(m.moved)
			}
		}
		if !inRange(sum) {
			return nil
		}
		f.OnHand = Qty(sum)
	}
	// A clock that was ahead may have handed over what was not yet promised.
	f.Held, f.Committed = max(0, f.Held), max(0, f.Committed)
	return &f
}
