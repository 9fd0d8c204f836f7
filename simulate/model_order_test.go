package simulate

import (
	"cmp"
	"slices"

	"onhand/ledger"
)

const orderTTL = 1200 * second

// order applies an event of an order. What comes before the order was placed is kept as a
// reservation without units.
func (m *model) order(e *event, now ledger.Millis) ledger.Code {
	var lines []callLine
	for _, ln := range e.lines {
		lines = append(lines, callLine{sku: ln.sku, location: ln.location, quantity: ln.quantity})
	}
	if code := m.misnamed(lines); code != ledger.OK {
		return code
	}
	r := m.reservations[e.order]
	early := r == nil || r.state == ledger.AwaitedOrder || r.state == ledger.PaidOrder || r.state == ledger.Cancelled && len(r.lines) == 0
	if e.kind == orderPlaced && !early {
		if r.call != e.data() {
			return ledger.IdempotencyMismatch
		}
		return ledger.OK
	}
	m.committing(false, func() ledger.Millis {
		if r == nil {
			r = &reservation{state: ledger.AwaitedOrder, changedAt: now}
			m.reservations[e.order] = r
		}
		switch {
		case e.kind == orderPlaced:
			m.reservations[e.order] = m.placed(e, r, now)
		case e.kind == orderPaid && early && r.state != ledger.Cancelled:
			r.state, r.changedAt = ledger.PaidOrder, now
		case e.kind == orderPaid:
			if r.state == ledger.Held {
				r.confirmAll()
				r.changedAt = now
			}
		case len(lines) == 0 && (early || r.state.Open()):
			if r.state, r.expiresAt, r.changedAt = ledger.Cancelled, 0, now; early {
				r.lines = nil
			}
			r.cancelAll()
		case early && r.state != ledger.Cancelled:
			r.await(lines)
			r.changedAt = now
		case r.state.Open():
			r.cancelUpTo(lines)
			r.settle()
			r.changedAt = now
		}
		return now
	})
	return ledger.OK
}

// placed is what an order becomes of which r tells what came before it.
func (m *model) placed(e *event, r *reservation, now ledger.Millis) *reservation {
	next := &reservation{state: ledger.Held, expiresAt: now + orderTTL, changedAt: now, call: e.data()}
	for _, ln := range e.lines {
		at := place{ln.sku, ln.location}
		if i := slices.IndexFunc(next.lines, func(l resLine) bool { return l.at == at }); i >= 0 {
			next.lines[i].quantity += ln.quantity
			next.lines[i].held += ln.quantity
		} else {
			next.lines = append(next.lines, resLine{at: at, quantity: ln.quantity, held: ln.quantity})
		}
	}
	var before []callLine
	for _, ln := range r.lines {
		before = append(before, callLine{sku: ln.at.sku, location: ln.at.location, quantity: ln.cancelled})
	}
	next.cancelUpTo(before)
	if r.state == ledger.Cancelled {
		next.cancelAll()
	}
	if next.settle(); next.state != ledger.Held {
		return next
	}
	cannot := m.inactive(next) != ledger.OK || slices.ContainsFunc(next.lines, func(ln resLine) bool { return ln.held > m.available(ln.at, 0) })
	switch {
	case cannot:
		next.state, next.expiresAt = ledger.RefusedOrder, 0
		for i := range next.lines {
			next.lines[i].held = 0
		}
	case r.state == ledger.PaidOrder:
		next.confirmAll()
	}
	return next
}

// await notes what is to be cancelled once the order is placed.
func (r *reservation) await(lines []callLine) {
	for _, cl := range lines {
		at := place{cl.sku, cl.location}
		i := slices.IndexFunc(r.lines, func(l resLine) bool { return l.at == at })
		if i < 0 {
			i = len(r.lines)
			r.lines = append(r.lines, resLine{at: at})
		}
		r.lines[i].cancelled += cl.quantity
	}
}

// cancelUpTo lets go unit by unit, from the last line to the first, for as long as there is
// one: first of what says where.
func (r *reservation) cancelUpTo(lines []callLine) {
	slices.SortStableFunc(lines, func(a, b callLine) int {
		return cmp.Compare(min(1, len(b.location)), min(1, len(a.location)))
	})
	for _, cl := range lines {
		for range cl.quantity {
			for i := len(r.lines) - 1; i >= 0; i-- {
				ln := &r.lines[i]
				if ln.at.sku == cl.sku && (cl.location == "" || ln.at.location == cl.location) && ln.cancelOne() {
					break
				}
			}
		}
	}
}

func (r *reservation) cancelAll() {
	for i := range r.lines {
		for r.lines[i].cancelOne() {
		}
	}
}

func (ln *resLine) cancelOne() bool {
	switch {
	case ln.held > 0:
		ln.held--
	case ln.committed > 0:
		ln.committed--
	default:
		return false
	}
	ln.cancelled++
	return true
}
