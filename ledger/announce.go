package ledger

import "slices"

// Inbound replaces what is open of a purchase, as of the time of its event: receipts of
// that moment or before are in it already, whenever they come; later ones lower it.
type Inbound struct {
	Name       EventName
	ID         string
	Received   Millis
	Location   Location
	Lines      []InboundLine // none for one SKU and date twice
	Exceptions []Exception
}

func (c *Inbound) apply(l *Ledger) (Result, error) {
	t, skewed, err := l.eventTime(c.Name.Time, c.Received)
	if err != nil {
		return Result{}, err
	}
	slot, done, err := l.beginEvent(c.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()
	l.inbound.mu.Lock()
	defer l.inbound.mu.Unlock()
	for i := range c.Lines {
		if sku := c.Lines[i].SKU; !l.catalogue.skus.trait(uint32(sku)).known() {
			return Result{}, refuse(UnknownSKU, quoted([]byte(l.SKUName(sku))))
		}
	}
	if err := l.knowsLocation(c.Location); err != nil {
		return Result{}, err
	}
	e := newEntry(KindInbound, c.Received)
	defer e.free()
	e.event, e.time, e.id = c.Name, t, uint32(c.Location)
	e.exceptions = append(e.exceptions, c.Exceptions...)
	if skewed {
		e.except(ClockSkew, 0, c.Location, 0, 0)
	}
	change := &InboundChange{Op: InboundAnnounced, ID: c.ID, To: c.Location, Lines: c.Lines}
	e.payload = change.append(nil)
	seq := l.journal.append(e)
	l.inbound.apply(change, e.moment(seq))
	slot.taken(seq)
	return Result{Seq: seq}, nil
}

func (l *Ledger) knowsLocation(loc Location) error {
	if !l.catalogue.locations.trait(uint32(loc)).known() {
		return refuse(UnknownLocation, quoted([]byte(l.LocationName(loc))))
	}
	return nil
}

// moment is when and as what the draft was entered: what a document keeps of it.
func (e *entryDraft) moment(seq Seq) *Entry {
	return &Entry{Seq: seq, Kind: e.kind, Time: e.time, RecordedAt: e.recordedAt, Source: e.event.Source, EventID: e.event.ID}
}

// undoing is the change that takes another back; nil where its document is no longer kept.
// The caller holds mu.
func (t *inbounds) undoing(c *InboundChange, now Millis) *InboundChange {
	if t.find(c.key(), now) == nil {
		return nil
	}
	u := *c
	u.Undo, u.Lines = true, slices.Clone(c.Lines)
	if u.Op == InboundShipped {
		u.Lines = nil // which they are, the document knows
	}
	return &u
}
