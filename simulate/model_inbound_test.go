package simulate

import (
	"cmp"
	"fmt"
	"slices"

	"onhand/ledger"
)

// document is all that was ever said of goods under way: what is still to come is worked
// out from nothing.
type document struct {
	announced []announcement
	shipped   *announcement // of a transfer
	receipts  []docReceipt
}

type announcement struct {
	time       ledger.Millis
	source, id string
	to         string
	lines      []eventLine
	voided     bool
}

type docReceipt struct {
	name     string // of its event
	time     ledger.Millis
	sku      string // "" says only that it is complete
	n        int
	complete bool
}

func (e *event) documentKey() string {
	switch {
	case e.document == "":
		return ""
	case e.kind == transfer || e.kind == transferReceipt:
		return "transfer " + e.document
	}
	return "purchase " + e.document
}

// underWay notes what the event says of goods under way.
func (m *model) underWay(e *event, lines []eventLine, t ledger.Millis, voided bool) ledger.Code {
	key := e.documentKey()
	if key == "" || len(lines) == 0 && e.kind == receipt {
		return ledger.OK
	}
	d := &document{}
	if old := m.documents[key]; old != nil {
		*d = *old
		d.announced, d.receipts = slices.Clip(d.announced), slices.Clip(d.receipts)
	}
	said := announcement{t, e.source, e.id, e.to, lines, voided}
	switch e.kind {
	case transfer:
		if d.shipped != nil {
			return ledger.TransferAlreadyShipped
		}
		d.shipped = &said
	case purchase:
		said.to, said.voided = e.location, false // it cannot be undone
		d.announced = append(d.announced, said)
	default:
		if voided {
			return ledger.OK
		}
		for _, ln := range lines {
			d.receipts = append(d.receipts, docReceipt{e.name(), t, ln.sku, ln.quantity, false})
		}
		if e.complete {
			d.receipts = append(d.receipts, docReceipt{name: e.name(), complete: true})
		}
	}
	m.documents[key] = d
	return ledger.OK
}

// undoDocument forgets what an event said of goods under way.
func (m *model) undoDocument(name string) {
	for key, old := range m.documents {
		d := *old
		d.receipts = slices.DeleteFunc(slices.Clone(d.receipts), func(r docReceipt) bool { return r.name == name })
		if s := d.shipped; s != nil && s.source+"\x00"+s.id == name {
			undone := *s
			undone.voided = true
			d.shipped = &undone
		}
		m.documents[key] = &d
	}
}

// toCome is how much of each SKU is still to come, and where to.
func (d *document) toCome() map[place]int {
	said := d.shipped
	if len(d.announced) > 0 {
		latest := slices.MaxFunc(d.announced, func(a, b announcement) int {
			return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.source, b.source), cmp.Compare(a.id, b.id))
		})
		said = &latest
	}
	if said == nil || said.voided || slices.ContainsFunc(d.receipts, func(r docReceipt) bool { return r.complete }) {
		return nil
	}
	left := map[place]int{}
	for _, ln := range said.lines {
		left[place{ln.sku, said.to}] += max(ln.quantity, -ln.quantity)
	}
	for _, r := range d.receipts {
		if d.shipped != nil || r.time > said.time {
			left[place{r.sku, said.to}] -= r.n
		}
	}
	for at, n := range left {
		if n <= 0 {
			delete(left, at)
		}
	}
	return left
}

func (h *history) compareInbound() {
	got, want := map[string]int{}, map[string]int{}
	for _, r := range h.l.InboundRows(ledger.InboundFilter{}, "", 1<<20) {
		got[fmt.Sprintf("%v %s of %s to %s", r.Kind, r.ID, h.l.SKUName(r.SKU), h.l.LocationName(r.To))] += int(r.Quantity)
	}
	for key, d := range h.now_.documents {
		for at, n := range d.toCome() {
			want[fmt.Sprintf("%s of %s to %s", key, at.sku, at.location)] = n
		}
	}
	if len(got) != len(want) {
		h.failf("under way: %v, the model says %v", got, want)
	}
	for what, n := range want {
		if got[what] != n {
			h.failf("under way: %d of %s, the model says %d", got[what], what, n)
		}
		h.tally.underWay.Add(1)
	}
}
