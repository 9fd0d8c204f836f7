package ledger

import (
	"cmp"
	"fmt"
	"slices"
)

// effect adds to what the draft does to one position. moved is what the event
// says; whether it moves on hand is decided under the lock.
func (e *entryDraft) effect(sku SKU, loc Location, moved Qty, delta Figures) {
	e.lines = append(e.lines, EntryLine{SKU: sku, Location: loc, Moved: moved, Delta: delta})
}

// gather sorts the lines and adds up those of one position. It returns the shards
// that the lines lie in, and refuses sums that are no quantity.
func (e *entryDraft) gather() (shards uint64, err error) {
	if !e.inOrder() {
		slices.SortStableFunc(e.lines, func(a, b EntryLine) int { return cmp.Compare(a.place(), b.place()) })
		out := e.lines[:1]
		for _, ln := range e.lines[1:] {
			last := &out[len(out)-1]
			if last.SKU != ln.SKU || last.Location != ln.Location {
				out = append(out, ln)
				continue
			}
			moved := int64(last.Moved) + int64(ln.Moved)
			sum, ok := last.Delta.add(ln.Delta)
			if !ok || !inRange(moved) {
				return 0, refuse(InvalidQuantity, "the lines of one position add up to more than a quantity holds")
			}
			last.Moved, last.Delta = Qty(moved), sum
		}
		e.lines = out
	}
	for i := range e.lines {
		shards |= shardBit(e.lines[i].SKU)
	}
	return shards, nil
}

func (ln *EntryLine) place() uint64 { return uint64(ln.SKU)<<32 | uint64(ln.Location) }

// inOrder says that the lines are sorted already and no two are of one position.
func (e *entryDraft) inOrder() bool {
	for i := 1; i < len(e.lines); i++ {
		if e.lines[i-1].place() >= e.lines[i].place() {
			return false
		}
	}
	return true
}

// add returns f + d, and whether all of it is in range.
func (f Figures) add(d Figures) (Figures, bool) {
	on, uns := int64(f.OnHand)+int64(d.OnHand), int64(f.Unsellable)+int64(d.Unsellable)
	held, com := int64(f.Held)+int64(d.Held), int64(f.Committed)+int64(d.Committed)
	return Figures{Qty(on), Qty(uns), Qty(held), Qty(com)},
		inRange(on) && inRange(uns) && inRange(held) && inRange(com)
}

// settle works out what each line does to its position, and refuses what would not
// fit. The caller holds the shards; nothing is changed yet.
func (l *Ledger) settle(e *entryDraft) error {
	l.warm(e)
	for i := range e.lines {
		ln := &e.lines[i]
		if !l.catalogue.skus.trait(uint32(ln.SKU)).known() {
			return refuse(UnknownSKU, quoted([]byte(l.SKUName(ln.SKU))))
		}
		if !l.catalogue.locations.trait(uint32(ln.Location)).known() {
			return refuse(UnknownLocation, quoted([]byte(l.LocationName(ln.Location))))
		}
		var before Figures
		p := l.position(ln.SKU, ln.Location)
		counted, net := Millis(0), false
		if p != nil {
			before, ln.Prev = p.Figures, p.seq()
			counted, net = p.countedAt(), p.net()
		} else if c := l.completes.ruling(ln.Location); c != nil && !ln.Settled {
			counted, net = c.time, c.net
			ln.Recounted, ln.CountedAt, ln.Net = true, counted, net
		}
		if e.kind.movement() && (ln.Moved != 0 || ln.Delta.Committed != 0) {
			if e.time > counted {
				ln.Delta.OnHand = ln.Moved
			} else {
				if net {
					ln.Delta.OnHand = ln.Delta.Committed // so much more or less the count had deducted
				}
				e.late = e.late || ln.Moved != 0
				if ln.Moved != 0 && e.recordedAt-counted > dayMillis && !e.kind.void() {
					e.except(LateMovement, ln.SKU, ln.Location, 0, ln.Moved)
				}
			}
		}
		after, ok := before.add(ln.Delta)
		if !ok {
			return refuse(InvalidQuantity, fmt.Sprintf("SKU %q at location %q: the sum is out of range",
				l.SKUName(ln.SKU), l.LocationName(ln.Location)))
		}
		if after.Held < 0 || after.Committed < 0 {
			// Our own sums do not add up: better to stop here than to write it down.
			panic(fmt.Sprintf("a %v would leave SKU %d at location %d with %+v", e.kind, ln.SKU, ln.Location, after))
		}
		ln.After = after
		if after.Unsellable < 0 && before.Unsellable >= 0 {
			e.except(NegativeUnsellable, ln.SKU, ln.Location, before.Unsellable, after.Unsellable)
		}
		if after.OnHand < 0 && before.OnHand >= 0 {
			e.except(NegativeOnHand, ln.SKU, ln.Location, before.OnHand, after.OnHand)
			e.because(0, e.kind.belowZero(before))
		}
	}
	return nil
}

// warm touches what settle reads of each line, one kind of thing at a time: reads that
// do not wait for each other come from memory side by side.
func (l *Ledger) warm(e *entryDraft) {
	if len(e.lines) < 3 {
		return
	}
	n := 0
	for i := range e.lines {
		if p := l.shardOf(e.lines[i].SKU).page(e.lines[i].SKU); p != nil {
			n += len(p.positions)
		}
	}
	for i := range e.lines {
		if p := l.shardOf(e.lines[i].SKU).page(e.lines[i].SKU); p != nil && len(p.positions) > 0 {
			n += int(p.positions[p.guess(e.lines[i].Location)].loc)
		}
	}
	e.warmed = n
}

func (e *entryDraft) except(c ExceptionCode, sku SKU, loc Location, believed, counted Qty) {
	e.exceptions = append(e.exceptions, Exception{Code: c, SKU: sku, Location: loc, Believed: believed, Counted: counted})
}

// enter appends the draft to the journal and makes its effects. It cannot fail:
// everything was checked, and the caller still holds the shards.
func (l *Ledger) enter(e *entryDraft) Seq {
	if e.kind.absolute() {
		e.tally = l.tally(e.lines, e.exceptions)
		countedRecords(e.kind, e.tally)
	}
	seq := l.journal.append(e)
	for i := range e.lines {
		ln := &e.lines[i]
		p := l.shardOf(ln.SKU).openPage(ln.SKU).open(ln.Location)
		p.take(seq, e.kind, e.time, ln)
	}
	return seq
}
