package ledger

import "encoding/binary"

// Period is what a source says was sold of some SKUs at a location over a time, net of
// returns. It moves nothing: where the journal says otherwise, it raises SalesDifference.
type Period struct {
	Name        EventName
	From, Until Millis // Until is the first moment that is no longer in it
	Received    Millis
	Location    Location
	Lines       []CountLine // one for each SKU; returns may exceed sales
	Exceptions  []Exception
}

func (c *Period) apply(l *Ledger) (Result, error) {
	if _, _, err := l.eventTime(c.Name.Time, c.Received); err != nil {
		return Result{}, err
	}
	e := newEntry(KindPeriod, c.Received)
	defer e.free()
	e.event, e.time, e.id = c.Name, c.Name.Time, uint32(c.Location)
	e.payload = c.encode()
	e.exceptions = append(e.exceptions, c.Exceptions...)
	// The way back is gone before the name is locked, with which other events would wait.
	// What is told of the time meanwhile is told too late for this.
	for _, ln := range c.Lines {
		sold, known, err := l.soldBetween(ln.SKU, c.Location, c.From, c.Until)
		if err != nil {
			return Result{}, err
		}
		if known && sold != int64(ln.Quantity) {
			e.except(SalesDifference, ln.SKU, c.Location, clampQty(sold), ln.Quantity)
		}
	}
	slot, done, err := l.beginEvent(c.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()
	seq := l.journal.append(e)
	slot.taken(seq)
	return Result{Seq: seq}, nil
}

// soldBetween sums what sales and returns say that happened in a time, those that came too
// late to move on hand and those that were undone as well. known is false where the journal
// is not kept so far back, or too much happened since.
func (l *Ledger) soldBetween(sku SKU, loc Location, from, until Millis) (sold int64, known bool, err error) {
	sh := l.shardOf(sku)
	sh.mu.RLock()
	last := Seq(0)
	if p := sh.page(sku).find(loc); p != nil {
		last = p.seq()
	}
	sh.mu.RUnlock()
	looked := 0
	whole, err := l.walk(sku, loc, last, func(e *Entry, ln *EntryLine) bool {
		if e.RecordedAt < from-l.opts.MaxSkewMillis {
			return false // nothing older can have happened later
		}
		if looked++; looked > pastEntriesMax {
			return false
		}
		switch e.Kind {
		case KindSale, KindReturn, KindSaleVoid:
			if e.Time >= from && e.Time < until {
				sold -= int64(ln.Moved)
			}
		}
		return true
	})
	return sold, whole && looked <= pastEntriesMax, err
}

func (c *Period) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(c.From))
	b = binary.AppendUvarint(b, uint64(c.Until))
	b = binary.AppendUvarint(b, uint64(len(c.Lines)))
	for _, ln := range c.Lines {
		b = binary.AppendUvarint(b, uint64(ln.SKU))
		b = binary.AppendVarint(b, int64(ln.Quantity))
	}
	return b
}
