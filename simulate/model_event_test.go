package simulate

import "onhand/ledger"

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
)

// event is one that a source tells of: what it means, and its bytes.
type event struct {
	kind        kind
	source, id  string
	time        ledger.Millis
	countedAt   ledger.Millis
	location    string
	reservation string
	lines       []eventLine
	active      bool          // of a location
	rules       map[place]int // of a policy
	broken      ledger.Code   // what is found before its name is looked at
	badQuantity bool          // what is found after that
	kafka       bool          // it comes by Kafka, where it may be in binary mode

	content string // equal where two events of one name mean the same
	text    []byte
	headers []ledger.Header
}

// eventLine is signed as the event moves on hand.
type eventLine struct {
	sku      string
	quantity int
	damaged  bool
}

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
		if ln.quantity != 0 || e.kind == adjustment || e.kind == stockCount {
			lines = append(lines, ln)
		}
	}
	for _, ln := range lines {
		if !m.skus[ln.sku] {
			return ledger.UnknownSKU
		}
	}
	if _, known := m.locations[e.location]; !known {
		return ledger.UnknownLocation
	}
	t := e.time
	if e.kind == stockCount {
		t = e.countedAt
	}
	if t > now+skew {
		t = now
	}
	for _, ln := range lines {
		at := place{ln.sku, e.location}
		p := m.position(at)
		if e.kind == stockCount {
			mine := count{t, e.source, e.id, ln.quantity}
			p.counts = append(p.counts, mine)
			if latest, _ := p.latest(); latest == mine {
				p.unsellable = min(p.unsellable, ln.quantity)
			}
			continue
		}
		p.moves = append(p.moves, move{t, ln.quantity})
		if ln.damaged {
			p.unsellable += ln.quantity
		}
	}
	if len(lines) > 0 {
		m.handOver(e, lines, now)
	}
	return ledger.OK
}

// handOver fulfils what of the lines is promised under the event's reservation.
func (m *model) handOver(e *event, lines []eventLine, now ledger.Millis) {
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
		}
	}
	r.settle()
	r.changedAt = now
}
