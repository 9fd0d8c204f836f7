package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// OwnSource is the source of movements that reservations make when they are fulfilled.
const OwnSource = "onhand"

// MovementID is the id by which a void names the movement of a fulfilled reservation.
func MovementID(seq Seq) string { return "f" + strconv.FormatUint(uint64(seq), 10) }

// Void undoes an event of the same source exactly once. Where that has not come yet, the
// void waits for it, and the event is then recorded and moves nothing.
type Void struct {
	Kind       Kind // KindSaleVoid or KindStockVoid
	Name       EventName
	Source     string // of the event that it undoes
	Voids      string // its id
	Received   Millis
	Location   Location
	Exceptions []Exception
}

func (v *Void) apply(l *Ledger) (Result, error) {
	t, skewed, err := l.eventTime(v.Name.Time, v.Received)
	if err != nil {
		return Result{}, err
	}
	l.expireDue(v.Received)
	for {
		undone, err := v.find(l)
		if err != nil {
			return Result{}, err
		}
		e := newEntry(v.Kind, v.Received)
		e.event, e.time, e.id = v.Name, t, uint32(v.Location)
		e.payload = v.target().append(nil)
		e.exceptions = append(e.exceptions, v.Exceptions...)
		if skewed {
			e.except(ClockSkew, 0, v.Location, 0, 0)
		}
		res, again, err := v.enter(l, e, undone)
		e.free()
		if !again {
			return res, err
		}
	}
}

func (v *Void) target() Hash { return NameHash(v.Source, v.Voids) }

// find reads the entry of the event to be undone; nil where that has not come.
func (v *Void) find(l *Ledger) (*Entry, error) {
	seq, _, ok, err := l.Recall(v.target())
	if err != nil {
		return nil, err
	}
	if !ok {
		if seq = v.fulfilment(); seq == 0 {
			return nil, nil
		}
	}
	e, err := l.Entry(seq)
	switch {
	case errors.Is(err, ErrNoEntry) && !ok:
		return nil, refuse(InvalidEvent, fmt.Sprintf("voids: %q is no movement of %s", v.Voids, OwnSource))
	case errors.Is(err, ErrNoEntry):
		return nil, refuse(TooOld, fmt.Sprintf("voids: what the event did is no longer known: the journal is kept for %d days",
			l.opts.JournalKeepMillis/dayMillis))
	case err != nil:
		return nil, err
	case e.Kind.void():
		return nil, refuse(InvalidEvent, "voids: a void cannot be voided")
	case !ok && e.Kind != KindFulfil, !e.Kind.movement() && e.Kind != KindStatus && !e.Kind.absolute():
		return nil, refuse(InvalidEvent, fmt.Sprintf("voids: change %d is %v, which cannot be voided", seq, e.Kind))
	}
	return &e, nil
}

// fulfilment is the entry that voids names where it is a movement of our own.
func (v *Void) fulfilment() Seq {
	if v.Source != OwnSource || len(v.Voids) < 2 || v.Voids[0] != 'f' {
		return 0
	}
	n, err := strconv.ParseUint(v.Voids[1:], 10, 48)
	if err != nil || MovementID(Seq(n)) != v.Voids {
		return 0
	}
	return Seq(n)
}

// enter makes the change, or tells that what was found has changed meanwhile.
func (v *Void) enter(l *Ledger, e *entryDraft, undone *Entry) (res Result, again bool, err error) {
	var absent *without
	switch {
	case undone == nil:
	case undone.Kind.absolute():
		e.time = undone.Time
		if absent, err = l.withoutCount(undone); err != nil {
			return Result{}, false, err
		}
	default:
		e.time = undone.Time
		for i := range undone.Lines {
			ln := &undone.Lines[i]
			e.effect(ln.SKU, ln.Location, -ln.Moved, Figures{Unsellable: -ln.Delta.Unsellable})
		}
	}
	slot, done, err := l.beginVoid(v.Name, v.target())
	if done != nil || err != nil {
		return deref(done), false, err
	}
	defer slot.end()
	if slot.found != 0 && (undone == nil || undone.Seq != slot.found) {
		return Result{}, true, nil
	}
	var holder *reservationShard
	var next *Reservation
	var change *InboundChange
	if undone != nil && undone.Reservation != nil {
		rs, r, err := l.lockReservation(undone.Reservation.ID)
		if err != nil {
			return Result{}, false, err
		}
		defer rs.mu.Unlock()
		if undone.Kind == KindTransfer {
			next = neverShipped(r)
		} else {
			next = giveBack(e, undone, r)
		}
		if next != nil {
			holder = rs
		}
	}
	if undone != nil {
		if change, err = undone.inboundChange(); err != nil {
			return Result{}, false, err
		}
	}
	if change != nil {
		l.inbound.mu.Lock()
		defer l.inbound.mu.Unlock()
		if change = l.inbound.undoing(change, v.Received); change != nil {
			e.payload = change.append(e.payload)
		}
	}
	if absent != nil {
		for sku := range absent.absences {
			e.lines = append(e.lines, EntryLine{SKU: sku, Location: Location(undone.ID)})
		}
	}
	shards, err := e.gather()
	if err != nil {
		return Result{}, false, err
	}
	if absent != nil && absent.complete {
		shards = allShards
	}
	l.lockShards(shards)
	defer l.unlockShards(shards)
	if absent != nil {
		if len(e.lines) > 0 && absent.stale(l) {
			return Result{}, true, nil
		}
		for i := range e.lines {
			if again, err = l.takeOut(&e.lines[i], absent.absences[e.lines[i].SKU]); again || err != nil {
				return Result{}, again, err
			}
		}
	}
	if err := l.settle(e); err != nil {
		return Result{}, false, err
	}
	e.reservation = next
	seq := l.enter(e)
	if change != nil {
		l.inbound.apply(change, e.moment(seq))
	}
	slot.own.taken(seq)
	l.voids.put(slot.hash, seen{seqDay: packSeqDay(seq, v.Name.Time)})
	if absent != nil && absent.complete {
		l.completes.drop(slot.hash, seq)
	}
	l.feeds.saw(v.Location, v.Name.Source, min(v.Name.Time, v.Received))
	if holder != nil {
		next.Seq = seq
		holder.putBack(next)
	}
	return Result{Seq: seq, Reservation: next}, false, nil
}

// giveBack puts what the event fulfilled back under its reservation. Where that is no
// longer known, or was not fulfilled by so much, the units are only back on hand.
func giveBack(e *entryDraft, undone *Entry, r *Reservation) *Reservation {
	var next *Reservation
	for i := range undone.Lines {
		ln := &undone.Lines[i]
		fulfilled := -(ln.Delta.Committed + ln.Delta.Held) // what was held became committed on the way
		if fulfilled <= 0 {
			continue
		}
		var back Qty
		if r != nil {
			changed := r.clone()
			if next != nil {
				changed = next
			}
			if back = changed.unfulfil(ln.SKU, ln.Location, fulfilled); back > 0 {
				e.effect(ln.SKU, ln.Location, 0, Figures{Committed: back})
				next = changed
			}
		}
		if back < fulfilled {
			e.except(ReservationMismatch, ln.SKU, ln.Location, back, fulfilled)
		}
	}
	if next != nil {
		next.Seq, next.State, next.ExpiresAt = 0, Confirmed, 0
		for i := range next.Lines {
			next.Lines[i].Available = -1 // belongs to the answer that made it
		}
	}
	return next
}

// unfulfil makes up to q fulfilled units of a position committed again, and tells how many.
func (r *Reservation) unfulfil(sku SKU, loc Location, q Qty) (back Qty) {
	for i := range r.Lines {
		ln := &r.Lines[i]
		if ln.SKU == sku && ln.Location == loc {
			n := min(q-back, ln.Fulfilled)
			ln.Fulfilled -= n
			ln.Committed += n
			back += n
		}
	}
	return back
}

// absence is what a position would be had a count not been there.
type absence struct {
	head       Seq // the position's latest entry when this was worked out
	onHand     int64
	countedAt  Millis // of the count that would hold; 0: none
	net        bool   // that one had deducted what was committed
	moves      []move // after that, newest first
	commits    []commitment
	unsellable Qty // what the count cut off
}

// commitment is a change of what is committed, by a call or by an event.
type commitment struct {
	seq   Seq
	time  Millis
	event bool // or a movement of a call: it changes what was so at its time, whenever it comes
	n     Qty
}

// committedSince sums up what changed after a count of moment t, which is entry seq.
func committedSince(all []commitment, t Millis, seq Seq) (n int64) {
	for _, c := range all {
		if c.time > t || c.seq > seq && !c.event {
			n += int64(c.n)
		}
	}
	return n
}

// without is what the positions that a count speaks of would be without it.
type without struct {
	count      *Entry
	complete   bool
	generation uint64 // of the complete snapshots, among which may be what holds then
	absences   map[SKU]absence
}

// withoutCount works out what each position of a count would be without it.
func (l *Ledger) withoutCount(count *Entry) (*without, error) {
	w := &without{count: count, absences: make(map[SKU]absence, len(count.Lines))}
	_, w.complete = count.basis()
	loc := Location(count.ID)
	l.shards[0].mu.RLock()
	w.generation = l.completes.generation
	others := l.completes.of[loc]
	l.shards[0].mu.RUnlock()
	lines := count.Lines
	if w.complete {
		l.rlockShards(allShards)
		lines = append(slices.Clone(lines), w.covered(l)...)
		l.runlockShards(allShards)
	}
	for i := range lines {
		ln := &lines[i]
		head := Seq(0)
		sh := l.shardOf(ln.SKU)
		sh.mu.RLock()
		if p := sh.page(ln.SKU).find(ln.Location); p != nil {
			head = p.seq()
		}
		sh.mu.RUnlock()
		a, err := l.absent(count.Seq, ln, head, others)
		if err != nil {
			return nil, err
		}
		a.unsellable = -ln.Delta.Unsellable
		w.absences[ln.SKU] = a
	}
	return w, nil
}

// covered are lines for the positions that came after a complete snapshot and may have
// it for their count, but for those that are worked out. The caller holds all shards.
func (w *without) covered(l *Ledger) (out []EntryLine) {
	loc := Location(w.count.ID)
	for _, id := range l.positionsAt(loc, func(id SKU, p *position) bool {
		_, have := w.absences[id]
		return !have && p.countedAt() == w.count.Time && w.count.line(id, loc) == nil
	}) {
		out = append(out, EntryLine{SKU: id, Location: loc})
	}
	return out
}

// stale says that it has to be worked out again. The caller holds the shards.
func (w *without) stale(l *Ledger) bool {
	return w.generation != l.completes.generation || w.complete && len(w.covered(l)) > 0
}

// absent walks a position's history back from head to the count that holds when the
// one of entry count does not, whose line is own: the latest moment, and of one moment
// the greatest name. others are the complete snapshots of the location: where one has
// no line in that history, the position was not there yet, and it says 0.
func (l *Ledger) absent(count Seq, own *EntryLine, head Seq, others []complete) (absence, error) {
	a := absence{head: head}
	var best Entry
	var value Qty
	committed, told := int64(0), make(map[Seq]bool)
	since, recounted := int64(0), false // after the count was entered
	whole, err := l.walk(own.SKU, own.Location, head, func(e *Entry, ln *EntryLine) bool {
		if best.Seq != 0 && e.RecordedAt < best.Time-l.opts.MaxSkewMillis-recordedSlackMillis {
			return false
		}
		if e.Seq == head {
			committed = int64(ln.After.Committed)
		}
		if ln.Delta.Committed != 0 {
			a.commits = append(a.commits, commitment{e.Seq, e.Time, e.Kind.movement(), ln.Delta.Committed})
		}
		if e.Kind.absolute() {
			told[e.Seq] = true
		}
		if e.Seq > count && e.Kind.movement() {
			since += int64(ln.Moved)
		}
		recounted = recounted || e.Seq > count && ln.Recounted
		switch {
		case e.Kind.movement():
			if ln.Moved != 0 {
				a.moves = append(a.moves, move{e.Time, ln.Moved})
			}
		case e.Kind.absolute() && e.Seq != count && (best.Seq == 0 || e.rules(&best)):
			if !l.voids.has(NameHash(e.Source, e.EventID)) {
				best, value = *e, ln.Moved
				a.net, _ = e.basis()
			}
		}
		return true
	})
	switch {
	case err != nil:
		return a, err
	case !whole && best.Seq == 0 && !recounted:
		// What held before the count is older than the journal is kept, and than any
		// movement that still comes: what was there before the count holds again.
		a.onHand, a.moves = int64(own.After.OnHand)-int64(own.Delta.OnHand)+since, nil
		return a, nil
	case !whole:
		return a, refuse(TooOld, fmt.Sprintf("voids: SKU %q: what it was without the count is no longer known: the journal is kept for %d days",
			l.SKUName(own.SKU), l.opts.JournalKeepMillis/dayMillis))
	}
	for _, c := range others {
		if c.seq != count && !told[c.seq] && (best.Seq == 0 || c.rules(best.Time, best.Source, best.EventID)) {
			best, value, a.net = Entry{Seq: c.seq, Time: c.time, Source: c.source, EventID: c.id}, 0, c.net
		}
	}
	kept := a.moves[:0]
	a.onHand = int64(value)
	if a.net {
		a.onHand += committed - committedSince(a.commits, best.Time, best.Seq)
	}
	for _, m := range a.moves {
		if best.Seq == 0 || m.time > best.Time {
			a.onHand += int64(m.moved)
			kept = append(kept, m)
		}
	}
	a.moves = kept
	if best.Seq != 0 {
		a.countedAt = best.Time
	}
	return a, nil
}

// rules says whether a count goes before another.
func (e *Entry) rules(other *Entry) bool {
	switch {
	case e.Time != other.Time:
		return e.Time > other.Time
	case e.Source != other.Source:
		return e.Source > other.Source
	}
	return e.EventID > other.EventID
}

// takeOut makes the line bring its position to what it is without a count. again: the
// position has changed since that was worked out. The caller holds the shard.
func (l *Ledger) takeOut(ln *EntryLine, a absence) (again bool, err error) {
	p := l.position(ln.SKU, ln.Location)
	if p == nil || p.seq() != a.head {
		return p != nil, nil // without a position its SKU is no longer known, which is found next
	}
	delta := a.onHand - int64(p.OnHand)
	if !inRange(delta) || !inRange(a.onHand) {
		return false, refuse(InvalidQuantity, fmt.Sprintf("SKU %q: without the count on hand is out of range", l.SKUName(ln.SKU)))
	}
	ln.Delta.OnHand, ln.Delta.Unsellable = Qty(delta), a.unsellable
	ln.Recounted, ln.CountedAt, ln.Net = true, a.countedAt, a.net
	return false, nil
}

// voidSlot is the places of a void's own name and of the one that it undoes.
type voidSlot struct {
	own    eventSlot
	target *nameShard
	hash   Hash
	found  Seq // the entry of the event to be undone; 0: it has not come
}

// beginVoid locks both names if the void's own is new and the other was not voided. Of
// two shards the lower is locked first; everything else locks one at most.
func (l *Ledger) beginVoid(n EventName, target Hash) (voidSlot, *Result, error) {
	h := NameHash(n.Source, n.ID)
	if h == target {
		return voidSlot{}, nil, refuse(InvalidEvent, "voids: an event cannot void itself")
	}
	s := voidSlot{own: eventSlot{shard: l.names.shard(h), hash: h, name: n}, target: l.names.shard(target), hash: target}
	var own, other seen
	haveOwn, haveOther, looked, generation := false, false, false, uint64(0)
	for {
		s.lock()
		if !haveOwn {
			own, haveOwn = s.own.shard.seen.get(h)
		}
		if !haveOther {
			other, haveOther = s.target.seen.get(target)
		}
		if haveOwn && haveOther || looked && generation == l.evictions.Load() || l.names.complete.Load() {
			break
		}
		s.end()
		generation = l.evictions.Load()
		var err error
		if !haveOwn {
			if own, haveOwn, err = l.nameOnDisk(h); err != nil {
				return voidSlot{}, nil, err
			}
		}
		if !haveOther {
			if other, haveOther, err = l.nameOnDisk(target); err != nil {
				return voidSlot{}, nil, err
			}
		}
		looked = true
	}
	if haveOwn {
		s.end()
		if own.content != n.Content {
			return voidSlot{}, nil, refuseOtherEvent(own.seq())
		}
		return voidSlot{}, &Result{Seq: own.seq(), Duplicate: true}, nil
	}
	if by, twice := l.voids.get(target); twice {
		s.end()
		return voidSlot{}, nil, refuse(AlreadyVoided, fmt.Sprintf("voids: change %d has voided it", by.seq()))
	}
	if haveOther {
		s.found = other.seq()
	}
	return s, nil, nil
}

func (s *voidSlot) lock() {
	a, b := s.own, s.target
	switch {
	case a.shard == b:
		a.shard.mu.Lock()
	case a.hash.compare(s.hash) < 0: // shards are by the first bits
		a.shard.mu.Lock()
		b.mu.Lock()
	default:
		b.mu.Lock()
		a.shard.mu.Lock()
	}
}

func (s *voidSlot) end() {
	s.own.shard.mu.Unlock()
	if s.target != s.own.shard {
		s.target.mu.Unlock()
	}
}

// voids are the names that were undone, or are to be when they come: few enough to be
// in memory all. Whether a name is there is decided while its shard of names is locked.
type voids struct {
	some  atomic.Bool // there is one: most ledgers never ask further
	mu    sync.RWMutex
	by    map[Hash]seen // of the void
	fresh []Hash        // not yet written to their own key
}

func (t *voids) get(h Hash) (by seen, ok bool) {
	if !t.some.Load() {
		return seen{}, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	by, ok = t.by[h]
	return by, ok
}

func (t *voids) has(h Hash) bool {
	_, ok := t.get(h)
	return ok
}

func (t *voids) put(h Hash, by seen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[Hash]seen)
	}
	t.by[h] = by
	t.fresh = append(t.fresh, h)
	t.some.Store(true)
}

// takeFresh hands out those that are not written yet.
func (t *voids) takeFresh() (hashes []Hash, by []seen) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, h := range t.fresh {
		if v, ok := t.by[h]; ok {
			hashes, by = append(hashes, h), append(by, v)
		}
	}
	t.fresh = nil
	return hashes, by
}

func (t *voids) prune(oldest uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h, by := range t.by {
		if by.day() < oldest {
			delete(t.by, h)
		}
	}
}

// voidTargetBytes is the name's hash; what the void did to goods under way follows it.
const voidTargetBytes = 16

// voidTarget is the name that the entry of a void undoes.
func (e *Entry) voidTarget() (Hash, bool) {
	if len(e.Payload) < voidTargetBytes {
		return Hash{}, false
	}
	return Hash{binary.BigEndian.Uint64(e.Payload), binary.BigEndian.Uint64(e.Payload[8:])}, true
}

func voidKey(h Hash) []byte { return h.append([]byte{prefixVoid}) }

func (l *Ledger) loadVoids() error {
	err := scan(l.db, span(prefixVoid), func(k, v []byte) error {
		if len(k) != 17 || len(v) != 8 {
			return errors.New("a void's record has the wrong length")
		}
		l.voids.put(Hash{binary.BigEndian.Uint64(k[1:]), binary.BigEndian.Uint64(k[9:])}, seen{seqDay: binary.BigEndian.Uint64(v)})
		return nil
	})
	l.voids.fresh = nil
	return err
}

func (w *checkpointWriter) voids() error {
	hashes, by := w.l.voids.takeFresh()
	for i, h := range hashes {
		if err := w.set(voidKey(h), binary.BigEndian.AppendUint64(nil, by[i].seqDay), by[i].seq()); err != nil {
			return err
		}
	}
	return nil
}
