package ledger_test

import (
	"cmp"
	"fmt"
	"slices"

	"onhand/ledger"
)

// model is what the ledger promises, said as slowly and plainly as can be: it keeps
// every movement and every count, and works each figure out from nothing.
type model struct {
	positions    map[place]*modelPosition
	reservations map[string]*modelReservation
	names        map[string]uint64
	skew         ledger.Millis
}

type place struct {
	sku ledger.SKU
	loc ledger.Location
}

type modelPosition struct {
	moves      []modelMove
	counts     []modelCount
	unsellable int
}

type modelMove struct {
	time ledger.Millis
	n    int
}

type modelCount struct {
	time       ledger.Millis
	source, id string
	n          int
}

type modelReservation struct {
	state     ledger.State
	expiresAt ledger.Millis
	lines     []modelLine
}

type modelLine struct {
	at                                              place
	quantity, held, committed, fulfilled, cancelled int
}

func newModel() *model {
	return &model{positions: map[place]*modelPosition{}, reservations: map[string]*modelReservation{},
		names: map[string]uint64{}, skew: 5 * 60 * 1000}
}

func (m *model) position(at place) *modelPosition {
	p := m.positions[at]
	if p == nil {
		p = &modelPosition{}
		m.positions[at] = p
	}
	return p
}

// latest is the count that holds: the later moment, at the same moment the greater name.
func (p *modelPosition) latest() (modelCount, bool) {
	if len(p.counts) == 0 {
		return modelCount{}, false
	}
	return slices.MaxFunc(p.counts, func(a, b modelCount) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.source, b.source), cmp.Compare(a.id, b.id))
	}), true
}

func (p *modelPosition) onHand() int {
	c, _ := p.latest()
	n := c.n
	for _, mv := range p.moves {
		if mv.time > c.time {
			n += mv.n
		}
	}
	return n
}

func (m *model) figures(at place) ledger.Figures {
	var f ledger.Figures
	if p := m.positions[at]; p != nil {
		f.OnHand, f.Unsellable = ledger.Qty(p.onHand()), ledger.Qty(p.unsellable)
	}
	for _, r := range m.reservations {
		for _, ln := range r.lines {
			if ln.at == at {
				f.Held += ledger.Qty(ln.held)
				f.Committed += ledger.Qty(ln.committed)
			}
		}
	}
	return f
}

func (m *model) expire(now ledger.Millis) {
	for _, r := range m.reservations {
		if r.state == ledger.Held && r.expiresAt <= now {
			r.state = ledger.Expired
			for i := range r.lines {
				r.lines[i].held = 0
			}
		}
	}
}

// known says that the event was applied before, or that its name was used for another.
func (m *model) known(n ledger.EventName) (duplicate bool, mismatch bool) {
	old, ok := m.names[n.Source+"\x00"+n.ID]
	return ok && old == n.Content, ok && old != n.Content
}

func (m *model) apply(c ledger.Command) (code ledger.Code) {
	switch c := c.(type) {
	case *ledger.Movement:
		return m.movement(c)
	case *ledger.Count:
		return m.count(c)
	case *ledger.Hold:
		return m.hold(c)
	case *ledger.Transition:
		return m.transition(c)
	}
	panic(fmt.Sprintf("the model does not know %T", c))
}

func (m *model) movement(c *ledger.Movement) ledger.Code {
	m.expire(c.Received)
	t := c.Name.Time
	if t > c.Received+m.skew {
		t = c.Received
	}
	if dup, mismatch := m.known(c.Name); dup {
		return ledger.OK
	} else if mismatch {
		return ledger.IdempotencyMismatch
	}
	m.names[c.Name.Source+"\x00"+c.Name.ID] = c.Name.Content
	for _, ln := range c.Lines {
		p := m.position(place{ln.SKU, c.Location})
		p.moves = append(p.moves, modelMove{t, int(ln.Quantity)})
		p.unsellable += int(ln.Unsellable)
	}
	if r := m.reservations[c.Reservation]; r != nil && r.state.Open() {
		r.confirm()
		for _, ln := range c.Lines {
			left := -int(ln.Quantity)
			for i := range r.lines {
				if r.lines[i].at == (place{ln.SKU, c.Location}) && left > 0 {
					n := min(left, r.lines[i].committed)
					r.lines[i].committed -= n
					r.lines[i].fulfilled += n
					left -= n
				}
			}
		}
		r.settle()
	}
	return ledger.OK
}

func (m *model) count(c *ledger.Count) ledger.Code {
	m.expire(c.Received)
	t := c.CountedAt
	if t > c.Received+m.skew {
		t = c.Received
	}
	if dup, mismatch := m.known(c.Name); dup {
		return ledger.OK
	} else if mismatch {
		return ledger.IdempotencyMismatch
	}
	m.names[c.Name.Source+"\x00"+c.Name.ID] = c.Name.Content
	for _, ln := range c.Lines {
		p := m.position(place{ln.SKU, c.Location})
		mine := modelCount{t, c.Name.Source, c.Name.ID, int(ln.Quantity)}
		p.counts = append(p.counts, mine)
		if latest, _ := p.latest(); latest == mine {
			p.unsellable = min(p.unsellable, int(ln.Quantity))
		}
	}
	return ledger.OK
}

func (m *model) available(at place) int {
	f := m.figures(at)
	return max(0, int(f.OnHand)-max(0, int(f.Unsellable))-int(f.Held)-int(f.Committed))
}

func (m *model) hold(h *ledger.Hold) ledger.Code {
	m.expire(h.Now)
	if m.reservations[h.ID] != nil {
		return ledger.OK // the same call again: ids are used once by the generator
	}
	r := &modelReservation{state: ledger.Held, expiresAt: h.ExpiresAt}
	short, held := false, 0
	for _, ln := range h.Lines {
		at := place{ln.SKU, ln.Location}
		n := min(int(ln.Quantity), m.available(at))
		short = short || n < int(ln.Quantity)
		held += n
		r.lines = append(r.lines, modelLine{at: at, quantity: int(ln.Quantity), held: n})
	}
	if short && (!h.AllowPartial || held == 0) {
		return ledger.InsufficientStock
	}
	m.reservations[h.ID] = r
	return ledger.OK
}

func (r *modelReservation) confirm() {
	if r.state == ledger.Held {
		r.state = ledger.Confirmed
		for i := range r.lines {
			r.lines[i].committed += r.lines[i].held
			r.lines[i].held = 0
		}
	}
}

func (r *modelReservation) settle() {
	left, fulfilled := 0, 0
	for _, ln := range r.lines {
		left += ln.held + ln.committed
		fulfilled += ln.fulfilled
	}
	if left == 0 && r.state.Open() {
		r.state = ledger.Cancelled
		if fulfilled > 0 {
			r.state = ledger.Fulfilled
		}
	}
}

func (m *model) transition(t *ledger.Transition) ledger.Code {
	m.expire(t.Now)
	r := m.reservations[t.ID]
	if r == nil {
		return ledger.UnknownReservation
	}
	if r.state == ledger.Expired {
		return ledger.ReservationExpired
	}
	done := map[ledger.Kind]bool{
		ledger.KindConfirm: r.state == ledger.Confirmed || r.state == ledger.Fulfilled,
		ledger.KindCancel:  r.state == ledger.Cancelled,
		ledger.KindFulfil:  r.state == ledger.Fulfilled,
	}
	if !t.HasLines && done[t.Op] {
		return ledger.OK
	}
	permitted := map[ledger.Kind]bool{
		ledger.KindConfirm: r.state == ledger.Held, ledger.KindExtend: r.state == ledger.Held,
		ledger.KindCancel: r.state.Open(), ledger.KindFulfil: r.state == ledger.Confirmed, ledger.KindAmend: r.state.Open(),
	}
	if !permitted[t.Op] {
		return ledger.WrongState
	}
	if t.Op == ledger.KindAmend {
		return m.amend(r, t)
	}
	next := &modelReservation{r.state, r.expiresAt, slices.Clone(r.lines)}
	var moves []place
	step := func(ln *modelLine, n int) {
		switch t.Op {
		case ledger.KindConfirm:
			ln.held, ln.committed = ln.held-n, ln.committed+n
		case ledger.KindCancel:
			h := min(n, ln.held)
			ln.held, ln.committed, ln.cancelled = ln.held-h, ln.committed-(n-h), ln.cancelled+n
		case ledger.KindFulfil:
			ln.committed, ln.fulfilled = ln.committed-n, ln.fulfilled+n
			for range n {
				moves = append(moves, ln.at)
			}
		}
	}
	left := func(ln *modelLine) int {
		switch t.Op {
		case ledger.KindConfirm:
			return ln.held
		case ledger.KindFulfil:
			return ln.committed
		}
		return ln.held + ln.committed
	}
	over := map[ledger.Kind]ledger.Code{ledger.KindConfirm: ledger.OverConfirmation,
		ledger.KindCancel: ledger.OverCancellation, ledger.KindFulfil: ledger.OverFulfilment}
	switch {
	case t.Op == ledger.KindExtend:
		next.expiresAt = t.ExpiresAt
	case t.HasLines:
		for _, tl := range t.Lines {
			want := int(tl.Quantity)
			for i := len(next.lines) - 1; i >= 0; i-- {
				ln := &next.lines[i]
				if ln.at.sku == tl.SKU && (tl.Location == 0 || ln.at.loc == tl.Location) {
					n := min(want, left(ln))
					step(ln, n)
					want -= n
				}
			}
			if want > 0 {
				return over[t.Op]
			}
		}
	default:
		for i := range next.lines {
			step(&next.lines[i], left(&next.lines[i]))
		}
	}
	if t.Op == ledger.KindConfirm {
		next.state = ledger.Confirmed
		for i := range next.lines { // what was not named is let go
			next.lines[i].cancelled += next.lines[i].held
			next.lines[i].held = 0
		}
	}
	if t.Op == ledger.KindCancel && !t.HasLines {
		next.state = ledger.Cancelled
	}
	// Without a time of its own a fulfilment is after every count accepted before.
	at := t.Now
	for _, pl := range moves {
		if c, ok := m.position(pl).latest(); ok {
			at = max(at, c.time+1)
		}
	}
	for _, pl := range moves {
		p := m.position(pl)
		p.moves = append(p.moves, modelMove{at, -1})
	}
	next.settle()
	m.reservations[t.ID] = next
	return ledger.OK
}

// amend makes a reservation's lines what the call says, its own units counting as
// available to it.
func (m *model) amend(r *modelReservation, t *ledger.Transition) ledger.Code {
	next := &modelReservation{state: r.state, expiresAt: r.expiresAt}
	was := map[place]modelLine{}
	for _, ln := range r.lines {
		was[ln.at] = ln
	}
	short := false
	for _, tl := range t.Lines {
		at := place{tl.SKU, tl.Location}
		old := was[at]
		delete(was, at)
		if int(tl.Quantity) < old.fulfilled {
			return ledger.OverFulfilment
		}
		ln := modelLine{at: at, quantity: int(tl.Quantity), fulfilled: old.fulfilled}
		open, own := ln.quantity-ln.fulfilled, old.held+old.committed
		f := m.figures(at)
		if open > own && open > int(f.OnHand)-max(0, int(f.Unsellable))-int(f.Held)-int(f.Committed)+own {
			short = true
		}
		if r.state == ledger.Held {
			ln.held = open
		} else {
			ln.committed = open
		}
		next.lines = append(next.lines, ln)
	}
	for _, dropped := range was {
		if dropped.fulfilled > 0 {
			return ledger.OverFulfilment
		}
	}
	if short {
		return ledger.InsufficientStock
	}
	next.settle()
	m.reservations[t.ID] = next
	return ledger.OK
}
