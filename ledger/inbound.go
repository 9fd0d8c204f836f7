package ledger

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// InboundKind says who announces goods that are under way.
type InboundKind uint8

// The kinds. Their numbers are on disk: new ones go at the end.
const (
	InboundPurchase InboundKind = iota + 1 // erp.inbound
	InboundTransfer                        // wms.transfer
	inboundKindCount
)

func (k InboundKind) String() string {
	return [inboundKindCount]string{InboundPurchase: "purchase", InboundTransfer: "transfer"}[k]
}

// inboundKey names a document. Purchases and transfers have ids of their own.
type inboundKey struct {
	kind InboundKind
	id   string
}

// inbounds are the documents of goods that are under way. They lie beside the pages,
// for few positions have any. mu guards everything below; it is taken after
// reservations and before shards, and held until the change is in the journal.
type inbounds struct {
	some  atomic.Bool // there is one: who only asks whether need not lock
	mu    sync.RWMutex
	by    map[inboundKey]*inbound
	bySKU map[SKU]map[inboundKey]struct{} // documents with something of it still to come
	dirty map[inboundKey]struct{}         // changed since last written
	gone  []inboundKey                    // pruned, and still on disk
	keep  Millis                          // how long a document is known after its last event
}

func (t *inbounds) init(keep Millis) {
	t.keep = keep
	t.by = make(map[inboundKey]*inbound)
	t.bySKU = make(map[SKU]map[inboundKey]struct{})
	t.dirty = make(map[inboundKey]struct{})
}

// inbound is one document: what was announced or shipped, and what has come of it. Both
// are kept, never their difference, so that the order in which they arrive does not matter.
type inbound struct {
	key     inboundKey
	began   Seq    // the entry that made it
	seq     Seq    // the entry that changed it last
	touched Millis // when that was accepted

	announced  bool   // else only receipts have come
	time       Millis // of the announcement, with its name: of two purchases the later holds
	source, id string
	from, to   Location // from: of a transfer
	voided     bool     // a shipment that was undone
	lines      []InboundLine

	closed   int64            // how many receipts say that nothing more comes
	receipts []inboundReceipt // sorted by SKU, then time
}

// InboundLine is units of one SKU that are to come.
type InboundLine struct {
	SKU        SKU
	Quantity   Qty
	ExpectedAt Millis // 0: nobody said
}

// inboundReceipt is what came of one SKU at one moment; of a transfer, whose shipment is
// one, at any. The sum may lie outside what a quantity holds, and below 0 after voids.
type inboundReceipt struct {
	sku      SKU
	time     Millis
	quantity int64
}

// received is how many units of a SKU have come against what was announced.
func (d *inbound) received(sku SKU) (n int64) {
	for i := range d.receipts {
		if r := &d.receipts[i]; r.sku == sku {
			n += r.quantity
		}
	}
	return n
}

// comes says that something of the document may still come.
func (d *inbound) comes() bool { return d.announced && !d.voided && d.closed <= 0 }

// open calls fn with each line of which something is still to come, and how much. Of
// lines of one SKU the one that is expected first is filled first.
func (d *inbound) open(fn func(ln InboundLine, left Qty)) {
	if !d.comes() {
		return
	}
	var got int64
	for i, ln := range d.lines {
		if i == 0 || d.lines[i-1].SKU != ln.SKU {
			got = max(0, d.received(ln.SKU))
		}
		filled := min(got, int64(ln.Quantity))
		got -= filled
		if left := ln.Quantity - Qty(filled); left > 0 {
			fn(ln, left)
		}
	}
}

func (d *inbound) empty() bool {
	empty := true
	d.open(func(InboundLine, Qty) { empty = false })
	return empty
}

// receive adds to what came. What an announcement knew of already is left out.
func (d *inbound) receive(sku SKU, t Millis, q int64) {
	if d.key.kind == InboundTransfer {
		t = 0
	} else if d.announced && t <= d.time {
		return
	}
	i, found := slices.BinarySearchFunc(d.receipts, inboundReceipt{sku: sku, time: t}, (inboundReceipt).compare)
	if !found {
		d.receipts = slices.Insert(d.receipts, i, inboundReceipt{sku: sku, time: t})
	}
	if d.receipts[i].quantity += q; d.receipts[i].quantity == 0 {
		d.receipts = slices.Delete(d.receipts, i, i+1)
	}
}

func (r inboundReceipt) compare(other inboundReceipt) int {
	return cmp.Or(cmp.Compare(r.sku, other.sku), cmp.Compare(r.time, other.time))
}

func (ln InboundLine) compare(other InboundLine) int {
	return cmp.Or(cmp.Compare(ln.SKU, other.SKU), cmp.Compare(ln.due(), other.due()))
}

// due puts lines without a date last.
func (ln InboundLine) due() Millis {
	if ln.ExpectedAt == 0 {
		return math.MaxInt64
	}
	return ln.ExpectedAt
}

// overruled says that the announcement of e does not hold: a later one came, or of the
// same moment one with a greater name.
func (d *inbound) overruled(e *Entry) bool {
	return d.announced && (&Entry{Time: d.time, Source: d.source, EventID: d.id}).rules(e)
}

// take makes what an entry says of the document. It cannot fail, and does the same
// when the journal is replayed.
func (d *inbound) take(c *InboundChange, e *Entry) {
	d.seq, d.touched = e.Seq, max(d.touched, e.RecordedAt)
	switch {
	case c.Op == InboundShipped && c.Undo:
		d.voided = true
	case c.Op == InboundAnnounced && d.overruled(e):
	case c.Op == InboundAnnounced || c.Op == InboundShipped:
		d.announced, d.voided = true, c.Voided
		d.time, d.source, d.id, d.from, d.to = e.Time, e.Source, e.EventID, c.From, c.To
		d.lines = slices.Clone(c.Lines)
		slices.SortFunc(d.lines, InboundLine.compare)
		if c.Op == InboundAnnounced {
			d.receipts = slices.DeleteFunc(d.receipts, func(r inboundReceipt) bool { return r.time <= d.time })
		}
	default:
		sign := int64(1)
		if c.Undo {
			sign = -1
		}
		for _, ln := range c.Lines {
			d.receive(ln.SKU, e.Time, sign*int64(ln.Quantity))
		}
		if c.Complete {
			d.closed += sign
		}
	}
}

// past says that nothing of the document is still to come, and that no event has named
// it for so long that none of its time would be accepted any more.
func (d *inbound) past(before Millis) bool { return d.touched < before && d.empty() }

// find returns the document as it is known at now, or nil. What is past is not known
// even where it was not pruned yet: when that is done must not matter.
func (t *inbounds) find(k inboundKey, now Millis) *inbound {
	if d := t.by[k]; d != nil && !d.past(now-t.keep) {
		return d
	}
	return nil
}

// apply makes an entry's change of a document. The caller holds mu, or is alone.
func (t *inbounds) apply(c *InboundChange, e *Entry) {
	key := c.key()
	if d := t.by[key]; d != nil && e.Seq <= d.seq {
		return // its record includes the entry already
	}
	d := t.find(key, e.RecordedAt)
	if d == nil {
		d = &inbound{key: key, began: e.Seq}
		t.by[key] = d
		t.some.Store(true)
	}
	t.index(d, false)
	d.take(c, e)
	t.index(d, true)
	t.dirty[key] = struct{}{}
}

// index enters a document under the SKUs of which something is still to come, or takes
// it out from under them.
func (t *inbounds) index(d *inbound, in bool) {
	d.open(func(ln InboundLine, _ Qty) {
		of := t.bySKU[ln.SKU]
		switch {
		case in && of == nil:
			t.bySKU[ln.SKU] = map[inboundKey]struct{}{d.key: {}}
		case in:
			of[d.key] = struct{}{}
		case len(of) == 1:
			delete(t.bySKU, ln.SKU)
		default:
			delete(of, d.key)
		}
	})
}
