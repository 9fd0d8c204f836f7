package ledger

import "fmt"

// TransferState is where goods are that go from one location to another.
type TransferState uint8

const (
	NoTransfer        TransferState = iota
	TransferRequested               // asked for, and not shipped
	TransferShipped
	TransferReceived // all that was shipped has come, or nothing more comes
	TransferCancelled
)

func (s TransferState) String() string {
	return [...]string{"", "requested", "shipped", "received", "cancelled"}[s]
}

// TransferState is the state that a transfer asked for is in as far as its reservation
// tells: what came of it once it was shipped, only its shipment and receipts know.
func (r *Reservation) TransferState() TransferState {
	switch {
	case r.To == 0:
		return NoTransfer
	case r.State.Open():
		return TransferRequested
	case r.State == Fulfilled:
		return TransferShipped
	}
	return TransferCancelled
}

// transferState is the state that a transfer's shipment and receipts tell of. Goods that
// came before their shipment was told of have shipped.
func (d *inbound) transferState() TransferState {
	switch {
	case d == nil:
		return NoTransfer
	case d.voided:
		return TransferCancelled
	case d.closed > 0 || d.announced && d.empty():
		return TransferReceived
	}
	return TransferShipped
}

// shipment is the document of a transfer that was shipped, or nil. Whoever holds the
// reservations of its id knows that it stays so.
func (t *inbounds) shipment(id string, now Millis) *inbound {
	if d := t.find(inboundKey{InboundTransfer, id}, now); d != nil && d.announced {
		return d
	}
	return nil
}

// shipped is the state of the transfer with this id once it was shipped, NoTransfer before.
func (t *inbounds) shipped(id string, now Millis) TransferState {
	if !t.some.Load() {
		return NoTransfer
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.shipment(id, now).transferState()
}

// ship takes what of the movement was asked for out of the promise of r, and lets the
// rest of that go. It returns the reservation after that, or nil where nobody asked.
func (m *Movement) ship(e *entryDraft, r *Reservation, voided bool) *Reservation {
	if r == nil || r.To == 0 {
		return nil // an id of its own, or of a reservation that has nothing to do with it
	}
	next := r.clone()
	next.Seq = 0
	for i := range m.Lines {
		ln := &m.Lines[i]
		left := -ln.Quantity
		for j := range next.Lines {
			rl := &next.Lines[j]
			if voided || rl.SKU != ln.SKU || rl.Location != m.Location {
				continue
			}
			q := min(left, rl.Committed)
			rl.Committed -= q
			rl.Fulfilled += q
			left -= q
			e.effect(rl.SKU, rl.Location, 0, Figures{Committed: -q})
		}
		if left > 0 && !voided {
			e.except(TransferOver, ln.SKU, m.Location, -ln.Quantity-left, -ln.Quantity)
		}
	}
	if !r.State.Open() {
		return nil // it was cancelled, and stays so
	}
	for i := range next.Lines {
		rl := &next.Lines[i]
		if rl.Committed > 0 {
			e.effect(rl.SKU, rl.Location, 0, Figures{Committed: -rl.Committed})
			rl.Cancelled += rl.Committed
			rl.Committed = 0
		}
	}
	next.settle()
	return next
}

// neverShipped is what a transfer asked for becomes when its shipment is undone: nothing
// of it is promised any more. nil where it is no longer known.
func neverShipped(r *Reservation) *Reservation {
	if r == nil || r.To == 0 {
		return nil
	}
	next := r.clone()
	next.Seq, next.State = 0, Cancelled
	for i := range next.Lines {
		next.Lines[i].Cancelled += next.Lines[i].Fulfilled
		next.Lines[i].Fulfilled = 0
	}
	return next
}

// changeInbound makes the movement's change of a document part of the entry, with what
// about it wants a person's eye. The caller holds inbound.mu.
func (m *Movement) changeInbound(l *Ledger, e *entryDraft, voided bool) error {
	c := m.Inbound
	d := l.inbound.find(c.key(), m.Received)
	c.Lines = c.Lines[:0]
	for _, ln := range m.Lines {
		c.Lines = append(c.Lines, InboundLine{SKU: ln.SKU, Quantity: max(ln.Quantity, -ln.Quantity), ExpectedAt: c.ExpectedAt})
	}
	if c.Op == InboundShipped {
		if d != nil && d.announced {
			return refuse(TransferAlreadyShipped, fmt.Sprintf("transfer: %s was shipped by event %s of source %s", quoted([]byte(c.ID)),
				quoted([]byte(d.id)), quoted([]byte(d.source))))
		}
		if err := l.knowsLocation(c.To); err != nil {
			return err
		}
		c.From, c.Voided = m.Location, voided
	} else if voided {
		return nil // what never came has changed nothing
	}
	if !voided && c.Op != InboundReceived {
		c.differs(e, d)
	}
	e.payload = c.append(nil)
	return nil
}

// differs enters what of a transfer came and was not shipped, or was shipped and will
// not come. d is the transfer before the change, nil where nothing is known of it.
func (c *InboundChange) differs(e *entryDraft, d *inbound) {
	if d == nil {
		return
	}
	shipped, closed := d.lines, d.closed > 0 || c.Complete
	arrived := func(SKU) int64 { return 0 } // with this event
	switch {
	case c.Op == InboundShipped:
		shipped = c.Lines
	case !d.announced:
		return // what was shipped is not known yet
	default:
		arrived = func(sku SKU) (n int64) {
			for _, ln := range c.Lines {
				if ln.SKU == sku {
					n += int64(ln.Quantity)
				}
			}
			return n
		}
	}
	left := make(map[SKU]Qty, len(shipped))
	if !d.voided {
		for _, ln := range shipped {
			left[ln.SKU] = ln.Quantity
		}
	}
	over := func(sku SKU) {
		if before := d.received(sku); before+arrived(sku) > int64(left[sku]) {
			e.except(TransferOver, sku, Location(e.id), left[sku], clampQty(before+arrived(sku)))
		}
	}
	if c.Op == InboundShipped {
		for i, r := range d.receipts {
			if i == 0 || d.receipts[i-1].sku != r.sku {
				over(r.sku)
			}
		}
	} else {
		for _, ln := range c.Lines {
			over(ln.SKU)
		}
	}
	if !closed || d.voided || c.Op == InboundTransferReceipt && !c.Complete {
		return
	}
	for _, ln := range shipped {
		if got := d.received(ln.SKU) + arrived(ln.SKU); got < int64(ln.Quantity) {
			e.except(TransferShort, ln.SKU, Location(e.id), ln.Quantity, clampQty(got))
		}
	}
}
