package simulate

import (
	"slices"

	"onhand/ledger"
)

// kind is what an event is about.
type kind uint8

const (
	sale kind = iota
	giveBack
	receipt
	shipment
	adjustment
	stockCount
	item
	location
	policy
	status
	snapshot
	heartbeat
	saleVoid
	stockVoid
	transfer
	transferReceipt
	purchase // erp.inbound
	orderPlaced
	orderPaid
	orderCancelled
	paymentFailed
)

func (k kind) order() bool { return k >= orderPlaced }

func (k kind) absolute() bool { return k == stockCount || k == snapshot }

func (k kind) void() bool { return k == saleVoid || k == stockVoid }

// event is one that a source tells of: what it means, and its bytes.
type event struct {
	kind        kind
	source, id  string
	time        ledger.Millis
	countedAt   ledger.Millis
	location    string
	reservation string
	order       string
	document    string // the id of goods under way
	to          string // where they go
	complete    bool   // nothing more of them comes
	voids       string // the id of an event of the same source
	lines       []eventLine
	active      bool          // of a location
	rules       map[place]int // of a policy
	broken      ledger.Code   // what is found before its name is looked at
	badQuantity bool          // what is found after that
	net         bool          // of a snapshot: what is committed is deducted
	kafka       bool          // it comes by Kafka, where it may be in binary mode

	content string // equal where two events of one name mean the same
	text    []byte
	headers []ledger.Header
}

// eventLine is signed as the event moves on hand, or a status what is unsellable.
type eventLine struct {
	sku      string
	location string // of an order's
	quantity int
	damaged  bool
}

func (e *event) target() string { return e.source + "\x00" + e.voids }

func (e *event) name() string { return e.source + "\x00" + e.id }

// event applies an event in the order of checks that the contract gives.
func (m *model) event(e *event, now ledger.Millis) outcome {
	m.expire(now)
	if e.broken != ledger.OK {
		return refused(e.broken)
	}
	if old, known := m.names[e.name()]; known {
		if old != e.content {
			return refused(ledger.IdempotencyMismatch)
		}
		return outcome{}
	}
	if min(e.time, e.countedAt) < now-retention {
		return refused(ledger.TooOld)
	}
	switch {
	case e.badQuantity:
		return refused(ledger.InvalidQuantity)
	case e.kind == item:
		m.skus[e.lines[0].sku] = true
	case e.kind == location:
		m.locations[e.location] = e.active
	case e.kind == policy:
		m.safety = e.rules
	case e.kind.void():
		if code := m.void(e, now); code != ledger.OK {
			return refused(code)
		}
	case e.kind.order():
		if code := m.order(e, now); code != ledger.OK {
			return refused(code)
		}
	default:
		if code := m.move(e, now); code != ledger.OK {
			return refused(code)
		}
	}
	m.names[e.name()] = e.content
	return outcome{entries: 1}
}

// move applies a movement or a count, unless it names what nobody knows.
func (m *model) move(e *event, now ledger.Millis) ledger.Code {
	var lines []eventLine
	for _, ln := range e.lines {
		if ln.quantity != 0 || e.kind == adjustment || e.kind == purchase || e.kind.absolute() {
			lines = append(lines, ln)
		}
	}
	for _, ln := range lines {
		if !m.skus[ln.sku] {
			return ledger.UnknownSKU
		}
	}
	for _, loc := range []string{e.location, e.to} {
		if _, known := m.locations[loc]; loc != "" && !known {
			return ledger.UnknownLocation
		}
	}
	t := e.time
	if e.kind.absolute() {
		t = e.countedAt
	}
	if t > now+skew {
		t = now
	}
	_, voided := m.voids[e.name()]
	if code := m.underWay(e, lines, t, voided); code != ledger.OK || e.kind == purchase {
		return code
	}
	did := &effect{time: t, unsellable: map[place]int{}, fulfilled: map[place]int{}}
	if e.kind != heartbeat {
		m.effects[e.name()] = did
	}
	for _, ln := range lines {
		at := place{ln.sku, e.location}
		p := m.position(at)
		if voided {
			continue
		}
		before := p.unsellable
		switch {
		case e.kind.absolute():
			p.count(count{time: t, source: e.source, id: e.id, n: ln.quantity, net: e.net})
		case e.kind == status:
			p.unsellable += ln.quantity
		default:
			p.moves = append(p.moves, move{t, e.name(), ln.quantity})
			if ln.damaged {
				p.unsellable += ln.quantity
			}
		}
		did.unsellable[at] += p.unsellable - before
	}
	if e.kind == snapshot && e.complete && !voided {
		rest := count{time: t, source: e.source, id: e.id, net: e.net}
		for at, p := range m.positions {
			if at.location == e.location && !slices.ContainsFunc(lines, func(ln eventLine) bool { return ln.sku == at.sku }) {
				before := p.unsellable
				p.count(rest)
				did.unsellable[at] += p.unsellable - before
			}
		}
		m.completes[e.location] = append(slices.Clip(m.completes[e.location]), rest)
	}
	if len(lines) > 0 && !voided {
		m.committing(true, func() ledger.Millis {
			m.handOver(e, lines, did, now)
			return t
		})
	}
	return ledger.OK
}

func (p *position) count(c count) {
	c.seen = len(p.commits)
	p.counts = append(p.counts, c)
	if latest, _ := p.latest(); latest == c {
		p.unsellable = min(p.unsellable, max(0, p.physical(c)))
	}
}

// effect is what an event did beside moving and counting, to be undone.
type effect struct {
	time        ledger.Millis
	unsellable  map[place]int
	reservation string
	fulfilled   map[place]int
}

// void forgets what an event said, or notes that it is to be forgotten when it comes.
func (m *model) void(e *event, now ledger.Millis) ledger.Code {
	if _, known := m.locations[e.location]; !known {
		return ledger.UnknownLocation
	}
	target := e.target()
	if target == e.name() {
		return ledger.InvalidEvent
	}
	if _, known := m.names[target]; known {
		did := m.effects[target]
		if did == nil {
			return ledger.InvalidEvent // a void, or no stock event
		}
		if _, twice := m.voids[target]; twice {
			return ledger.AlreadyVoided
		}
		m.committing(true, func() ledger.Millis {
			m.undo(target, did, now)
			return did.time
		})
	} else if _, twice := m.voids[target]; twice {
		return ledger.AlreadyVoided
	}
	m.voids[target] = true
	return ledger.OK
}

func (m *model) undo(name string, did *effect, now ledger.Millis) {
	for at, p := range m.positions {
		p.moves = slices.DeleteFunc(slices.Clone(p.moves), func(mv move) bool { return mv.name == name })
		p.counts = slices.DeleteFunc(slices.Clone(p.counts), func(c count) bool { return c.source+"\x00"+c.id == name })
		p.unsellable -= did.unsellable[at]
	}
	m.undoDocument(name)
	for loc, all := range m.completes {
		m.completes[loc] = slices.DeleteFunc(slices.Clone(all), func(c count) bool { return c.source+"\x00"+c.id == name })
	}
	r := m.reservations[did.reservation]
	if r == nil {
		return
	}
	for at, n := range did.fulfilled {
		for i := range r.lines {
			if ln := &r.lines[i]; ln.at == at {
				back := min(n, ln.fulfilled)
				ln.fulfilled -= back
				ln.committed += back
				if back > 0 {
					r.state, r.changedAt = ledger.Confirmed, now
				}
			}
		}
	}
}

// handOver fulfils what of the lines is promised under the event's reservation.
func (m *model) handOver(e *event, lines []eventLine, did *effect, now ledger.Millis) {
	r := m.reservations[e.reservation]
	if e.reservation == "" || r == nil || !r.state.Open() {
		return
	}
	r.confirmAll()
	left := map[string]int{}
	for _, ln := range lines {
		left[ln.sku] -= ln.quantity
	}
	for i := range r.lines {
		ln := &r.lines[i]
		if ln.at.location == e.location {
			n := max(0, min(left[ln.at.sku], ln.committed))
			ln.committed -= n
			ln.fulfilled += n
			left[ln.at.sku] -= n
			did.reservation = e.reservation
			did.fulfilled[ln.at] += n
		}
	}
	r.settle()
	r.changedAt = now
}
