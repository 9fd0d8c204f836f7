package ledger

import "slices"

// Row is one position as a reader sees it, with all that its figures follow from.
type Row struct {
	Location Location
	Figures
	Safety   Qty    // units never promised there
	Promised bool   // false: a rule says that nothing is promised there
	Active   bool   // false: the location takes part in nothing
	Opened   bool   // the position had an event or a hold
	AsOf     Millis // the latest moment that the location's sources have told of; 0: none
	Seq      Seq    // the latest entry of the position
}

// Available is what can be promised: the formula, for this row.
func (r *Row) Available() Qty {
	if !r.Promised || !r.Active {
		return 0
	}
	return r.Figures.Available(r.Safety)
}

// View is the stock of some SKUs at one moment of the journal. It is valid inside
// the function that it was handed to, which must not wait for anything.
type View struct {
	l       *Ledger
	seq     Seq
	exclude map[[2]uint32]Figures // what excluded reservations hold, by position
}

// View calls fn with the stock of skus as it is at now. What the reservations in
// exclude hold counts as free; ids that nobody knows exclude nothing.
func (l *Ledger) View(skus []SKU, exclude []string, now Millis, fn func(v *View)) {
	l.expireDue(now)
	v := View{l: l}
	var held []*reservationShard
	if len(exclude) > 0 {
		held = v.without(exclude)
	}
	var set uint64
	for _, id := range skus {
		set |= shardBit(id)
		if set == allShards {
			break
		}
	}
	l.rlockShards(set)
	v.seq = l.Seq()
	fn(&v)
	l.runlockShards(set)
	for _, s := range held {
		s.mu.RUnlock()
	}
}

// without locks the reservations' shards, in index order, and notes what they hold.
func (v *View) without(ids []string) (locked []*reservationShard) {
	var set uint64
	for _, id := range ids {
		set |= 1 << reservationShardIndex(id)
	}
	for i := range v.l.reservations.shards {
		if set&(1<<i) != 0 {
			s := &v.l.reservations.shards[i]
			s.mu.RLock()
			locked = append(locked, s)
		}
	}
	v.exclude = make(map[[2]uint32]Figures)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		r := v.l.reservations.shard(id).byID[id]
		if r == nil {
			continue
		}
		for i := range r.Lines {
			ln := &r.Lines[i]
			k := lineKey(ln.SKU, ln.Location)
			f := v.exclude[k]
			f.Held += ln.Held
			f.Committed += ln.Committed
			v.exclude[k] = f
		}
	}
	return locked
}

// Seq is the moment of the view: it includes every change up to there, and none after.
func (v *View) Seq() Seq { return v.seq }

// Rows appends a row for each position of the SKU, sorted by location name.
func (v *View) Rows(id SKU, dst []Row) []Row {
	p := v.l.shardOf(id).page(id)
	if p == nil {
		return dst
	}
	s := v.l.safetyOf(id)
	start := len(dst)
	for i := range p.positions {
		if r := v.row(id, &s, &p.positions[i]); r.Opened {
			dst = append(dst, r)
		}
	}
	rows, rank := dst[start:], v.l.catalogue.rank()
	byName := func(a, b Row) int { return int(rank[a.Location]) - int(rank[b.Location]) }
	if !slices.IsSortedFunc(rows, byName) { // numbers are mostly given in order of name
		slices.SortFunc(rows, byName)
	}
	return dst
}

// Row is the row of one position; all zero where the location holds none of the SKU.
func (v *View) Row(id SKU, loc Location) Row {
	p := v.l.position(id, loc)
	if p == nil {
		p = &position{loc: loc}
	}
	s := v.l.safetyOf(id)
	return v.row(id, &s, p)
}

func (v *View) row(id SKU, s *skuSafety, p *position) Row {
	r := Row{Location: p.loc, Figures: p.Figures, Opened: p.seq() != 0, Seq: p.seq()}
	at := v.l.catalogue.locations.trait(uint32(p.loc))
	r.Active = at.active()
	if !at.known() {
		r.Opened = false
	}
	r.Safety, r.Promised = s.units(p.loc)
	if r.Opened {
		r.AsOf = v.l.AsOf(p.loc)
	}
	if f, ok := v.exclude[lineKey(id, p.loc)]; ok {
		r.Held -= f.Held
		r.Committed -= f.Committed
	}
	return r
}

// Position reads the row of one position at now, and the moment it is of.
func (l *Ledger) Position(id SKU, loc Location, now Millis) (Row, Seq) {
	l.expireDue(now)
	v := View{l: l}
	sh := l.shardOf(id)
	sh.mu.RLock()
	v.seq = l.Seq()
	r := v.Row(id, loc)
	sh.mu.RUnlock()
	return r, v.seq
}

// RowAfter is the row of a position whose latest entry was seq and left those figures,
// under the rules and the master data of now. A later entry may have changed them since.
func (l *Ledger) RowAfter(id SKU, loc Location, f Figures, seq Seq) Row {
	p := position{loc: loc, Figures: f}
	p.setSeq(seq)
	s := l.safetyOf(id)
	v := View{l: l}
	return v.row(id, &s, &p)
}
