package ledger

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
)

// complete is a snapshot that spoke of every SKU of its location: of those that it does
// not list it says that nothing was there. Where a position exists, it has a line for it;
// for one that comes later it holds all the same.
type complete struct {
	seq        Seq
	time       Millis // the moment it speaks of
	net        bool
	source, id string
	hash       Hash // of its name
}

func newComplete(seq Seq, t Millis, net bool, source, id string) complete {
	return complete{seq, t, net, source, id, NameHash(source, id)}
}

func (c *complete) compare(other *complete) int {
	return cmp.Or(cmp.Compare(c.time, other.time), cmp.Compare(c.source, other.source), cmp.Compare(c.id, other.id))
}

// rules says whether it goes before a count of the moment t and that name.
func (c *complete) rules(t Millis, source, id string) bool {
	return c.compare(&complete{time: t, source: source, id: id}) > 0
}

// completes are the complete snapshots by location, that which rules last; none that
// was undone. They change while all shards are locked, and are read while any is.
type completes struct {
	of         map[Location][]complete
	generation uint64 // goes up with each change
	fresh      map[Location]bool
	gone       map[string]Seq // keys to be taken off the disk, and what took them away
}

// ruling is the one that goes before all others of its location; nil: there is none.
func (t *completes) ruling(loc Location) *complete {
	all := t.of[loc]
	if len(all) == 0 {
		return nil
	}
	return &all[len(all)-1]
}

func (t *completes) add(loc Location, c complete) {
	all := t.of[loc]
	i, _ := slices.BinarySearchFunc(all, c, func(a, b complete) int { return a.compare(&b) })
	if slices.ContainsFunc(all, func(o complete) bool { return o.seq == c.seq }) {
		return // a checkpoint had it already
	}
	if t.of == nil {
		t.of, t.fresh = make(map[Location][]complete), make(map[Location]bool)
	}
	// Readers keep what they got: it is never changed in place.
	t.of[loc] = slices.Insert(slices.Clone(all), i, c)
	t.fresh[loc] = true
	t.generation++
}

// drop takes out the one of that name, if it is there; by is the entry that undid it.
func (t *completes) drop(name Hash, by Seq) {
	for loc, all := range t.of {
		t.keep(loc, all, by, func(c *complete) bool { return c.hash != name })
	}
}

func (t *completes) keep(loc Location, all []complete, by Seq, wanted func(*complete) bool) {
	var kept []complete
	for i := range all {
		if wanted(&all[i]) {
			kept = append(kept, all[i])
			continue
		}
		if t.gone == nil {
			t.gone = make(map[string]Seq)
		}
		t.gone[string(completeKey(loc, all[i].seq))] = by
	}
	if len(kept) == len(all) {
		return
	}
	t.generation++
	if t.of[loc] = kept; kept == nil {
		delete(t.of, loc)
	}
}

// pruneCompletes forgets those of before a moment, but for what rules.
func (l *Ledger) pruneCompletes(before Millis) {
	l.lockShards(allShards)
	defer l.unlockShards(allShards)
	for loc, all := range l.completes.of {
		rules := all[len(all)-1].seq
		l.completes.keep(loc, all, 0, func(c *complete) bool { return c.time >= before || c.seq == rules })
	}
}

// positionsAt lists the SKUs that have a position at a location for which want says so.
// The caller holds all shards.
func (l *Ledger) positionsAt(loc Location, want func(SKU, *position) bool) (out []SKU) {
	for s := range l.shards {
		pages := l.shards[s].pages
		for i := range pages {
			id := SKU(i<<shardBits | s)
			if p := pages[i].find(loc); p != nil && want(id, p) {
				out = append(out, id)
			}
		}
	}
	return out
}

// fill adds to a complete snapshot a line for each position of its location that has
// none yet, of which it says that nothing is there. The caller holds all shards.
func (c *Count) fill(l *Ledger, e *entryDraft) error {
	if !c.Complete {
		return nil
	}
	have := Entry{Lines: e.lines}
	for _, id := range l.positionsAt(c.Location, func(id SKU, _ *position) bool { return have.line(id, c.Location) == nil }) {
		e.effect(id, c.Location, 0, Figures{})
	}
	_, err := e.gather()
	return err
}

// What a snapshot's entry says of all its lines, in its payload: also of those that a
// later count had overtaken, for they may hold yet.
const (
	completeMark = 1 << iota
	netMark
)

func (c *Count) mark() []byte {
	mark := byte(0)
	if c.Complete {
		mark |= completeMark
	}
	if c.NetOfCommitted {
		mark |= netMark
	}
	if mark == 0 {
		return nil
	}
	return []byte{mark}
}

// basis says whether the entry is a snapshot net of what is committed, and whether it
// is complete. Of one that was undone before it came, neither is kept.
func (e *Entry) basis() (net, complete bool) {
	if !e.Kind.absolute() || len(e.Payload) != 1 {
		return false, false
	}
	return e.Payload[0]&netMark != 0, e.Payload[0]&completeMark != 0
}

func completeKey(loc Location, seq Seq) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32([]byte{prefixComplete}, uint32(loc)), uint64(seq))
}

func (c *complete) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.time))
	net := byte(0)
	if c.net {
		net = 1
	}
	return appendString(appendString(append(b, net), c.source), c.id)
}

var errBadComplete = errors.New("a complete snapshot's record does not decode")

func decodeComplete(k, v []byte) (loc Location, c complete, err error) {
	if len(k) != 13 {
		return 0, complete{}, errBadComplete
	}
	d := decoder{b: v}
	t, net := d.uvarint(), d.byte()
	c = newComplete(Seq(binary.BigEndian.Uint64(k[5:])), Millis(t), net == 1, d.string(), d.string())
	if d.bad || len(d.b) != 0 || t > millisMax || net > 1 || c.seq == 0 || c.seq > sixMax {
		return 0, complete{}, errBadComplete
	}
	return Location(binary.BigEndian.Uint32(k[1:])), c, nil
}

func (l *Ledger) loadCompletes() error {
	err := scan(l.db, span(prefixComplete), func(k, v []byte) error {
		loc, c, err := decodeComplete(k, v)
		if err == nil {
			l.completes.add(loc, c)
		}
		return err
	})
	clear(l.completes.fresh)
	return err
}

// completes writes those of the locations where one was added, and takes away what is gone.
func (w *checkpointWriter) completes() error {
	t := &w.l.completes
	w.l.lockShards(allShards)
	var all []struct {
		loc Location
		complete
	}
	for loc := range t.fresh {
		for _, c := range t.of[loc] {
			all = append(all, struct {
				loc Location
				complete
			}{loc, c})
		}
	}
	gone := t.gone
	t.gone = nil
	clear(t.fresh)
	w.l.unlockShards(allShards)
	for i := range all {
		if err := w.set(completeKey(all[i].loc, all[i].seq), all[i].append(nil), all[i].seq); err != nil {
			return err
		}
	}
	for k, by := range gone {
		w.includes = max(w.includes, by)
		if err := w.batch.Delete([]byte(k), nil); err != nil {
			return err
		}
	}
	return nil
}
