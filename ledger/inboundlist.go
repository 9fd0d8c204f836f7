package ledger

import (
	"encoding/binary"
	"slices"
	"strings"
)

// InboundRow is units of one SKU that are still to come to one location.
type InboundRow struct {
	Kind       InboundKind
	ID         string
	From, To   Location // From: of a transfer
	SKU        SKU
	Quantity   Qty    // still to come
	ExpectedAt Millis // 0: nobody said
	Seq        Seq    // the entry that changed the document last

	cursor string
}

// Cursor is after what a list goes on behind the row.
func (r *InboundRow) Cursor() string { return r.cursor }

// InboundFilter says which rows are listed; members left empty mean any.
type InboundFilter struct {
	SKU       SKU
	Locations []Location // that they go to
}

// InboundRows lists what is still to come, by kind, id, SKU and date, after the row with
// cursor after, at most limit of them.
func (l *Ledger) InboundRows(f InboundFilter, after string, limit int) []InboundRow {
	var rows []InboundRow
	l.inbound.mu.RLock()
	each := func(d *inbound) {
		if len(f.Locations) > 0 && !slices.Contains(f.Locations, d.to) {
			return
		}
		d.open(func(ln InboundLine, left Qty) {
			if f.SKU == 0 || f.SKU == ln.SKU {
				row := InboundRow{d.key.kind, d.key.id, d.from, d.to, ln.SKU, left, ln.ExpectedAt, d.seq, d.key.cursor(ln)}
				if row.cursor > after {
					rows = append(rows, row)
				}
			}
		})
	}
	if f.SKU != 0 {
		for k := range l.inbound.bySKU[f.SKU] {
			each(l.inbound.by[k])
		}
	} else {
		for _, d := range l.inbound.by {
			each(d)
		}
	}
	l.inbound.mu.RUnlock()
	slices.SortFunc(rows, func(a, b InboundRow) int { return strings.Compare(a.cursor, b.cursor) })
	return rows[:min(limit, len(rows))]
}

// cursor is a line's place in the order of lists.
func (k inboundKey) cursor(ln InboundLine) string {
	b := append([]byte{byte(k.kind)}, k.id...)
	b = append(b, 0) // no id holds a zero byte
	b = binary.BigEndian.AppendUint32(b, uint32(ln.SKU))
	return string(binary.BigEndian.AppendUint64(b, uint64(ln.due())))
}

// hasSKU says that some of the SKU is under way. The caller holds mu.
func (t *inbounds) hasSKU(sku SKU) bool { return len(t.bySKU[sku]) > 0 }

// hasLocation says that something is under way to the location. The caller holds mu.
func (t *inbounds) hasLocation(loc Location) bool {
	for _, d := range t.by {
		if d.to == loc && !d.empty() {
			return true
		}
	}
	return false
}

// Transfer is goods that go, went or were to go from one location to another.
type Transfer struct {
	// Reservation is what was asked for, as it is now; of a transfer that nobody asked for,
	// what it would be.
	Reservation *Reservation
	State       TransferState
	To          Location
	ExpectedAt  Millis // 0: nobody said
	Lines       []TransferProgress
}

// TransferProgress is what was shipped and what came of one SKU.
type TransferProgress struct {
	SKU      SKU
	Shipped  Qty
	Received int64
	Inbound  Qty // still to come
}

// Transfer returns the transfer as it is at now, and whether it was asked for or shipped.
func (l *Ledger) Transfer(id string, now Millis) (*Transfer, bool, error) {
	for {
		before := l.inbound.shipped(id, now)
		r, ok, err := l.Reservation(id, now)
		if err != nil {
			return nil, false, err
		}
		if !ok || r.To == 0 {
			r = nil
		}
		// A shipment changes both; who saw only the one looks again.
		if t, same := l.transfer(id, r, before, now); same {
			return t, t != nil, nil
		}
	}
}

// transfer puts together what is known of a transfer; same says that its state is still
// what it was before.
func (l *Ledger) transfer(id string, r *Reservation, before TransferState, now Millis) (t *Transfer, same bool) {
	l.inbound.mu.RLock()
	defer l.inbound.mu.RUnlock()
	d := l.inbound.shipment(id, now)
	if d.transferState() != before {
		return nil, false
	}
	if r == nil && before == NoTransfer {
		return nil, true
	}
	t = &Transfer{Reservation: r, State: before}
	if r != nil {
		t.To, t.ExpectedAt = r.To, r.DueAt
	}
	if before == NoTransfer {
		t.State = r.TransferState()
		return t, true
	}
	if t.To = d.to; len(d.lines) > 0 {
		t.ExpectedAt = d.lines[0].ExpectedAt
	}
	for _, ln := range d.lines {
		p := TransferProgress{SKU: ln.SKU, Shipped: ln.Quantity, Received: max(0, d.received(ln.SKU))}
		if d.comes() {
			p.Inbound = clampQty(int64(p.Shipped) - p.Received)
		}
		t.Lines = append(t.Lines, p)
	}
	if r == nil {
		t.Reservation = d.unasked(l)
	}
	return t, true
}

// unasked is the reservation that a shipment would have fulfilled had somebody asked.
func (d *inbound) unasked(l *Ledger) *Reservation {
	r := &Reservation{ID: d.key.id, State: Fulfilled, CreatedAt: d.time, Created: d.began, Seq: d.seq, To: d.to}
	if d.voided {
		r.State = Cancelled
	}
	for _, ln := range d.lines {
		rl := ReservationLine{SKU: ln.SKU, Location: d.from, Quantity: ln.Quantity, Fulfilled: ln.Quantity, Available: -1,
			Decimals: uint8(l.Decimals(ln.SKU))}
		if d.voided {
			rl.Fulfilled, rl.Cancelled = 0, ln.Quantity
		}
		r.Lines = append(r.Lines, rl)
	}
	return r
}
