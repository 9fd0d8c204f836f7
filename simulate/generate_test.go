package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// Few places, so that everything meets. Those after the slash become known late.
var (
	knownSKUs      = []string{"a", "b", "kg"}
	lateSKUs       = []string{"new-1", "new-2"}
	knownLocations = []string{"x", "y"}
	lateLocations  = []string{"z"}
)

func decimals(sku string) int {
	if sku == "kg" {
		return 3
	}
	return 0
}

// generator makes events and calls from a seed.
type generator struct {
	rng   *rand.Rand
	clock *ledgertest.Clock
	sent  []*event // to be sent again
	id    int
	ids   []string // of reservations

	orders bool                   // some events are of orders
	placed map[string][]eventLine // what was placed under an order's id
}

func (g *generator) n(max int) int { return g.rng.IntN(max) }

func pick[T any](g *generator, from []T) T { return from[g.n(len(from))] }

func (g *generator) next(prefix string) string {
	g.id++
	return fmt.Sprint(prefix, g.id)
}

// opening is the master data that is there from the start.
func (g *generator) opening() (out []*event) {
	for _, sku := range knownSKUs {
		out = append(out, g.item(sku))
	}
	for _, loc := range knownLocations {
		out = append(out, g.place(loc, true))
	}
	for _, loc := range knownLocations {
		e := g.event(stockCount)
		e.location, e.lines = loc, nil
		for _, sku := range knownSKUs {
			e.lines = append(e.lines, eventLine{sku: sku, quantity: 10})
		}
		e.time = g.clock.Now()
		e.countedAt = e.time
		out = append(out, g.written(e))
	}
	return out
}

func (g *generator) item(sku string) *event {
	e := g.event(item)
	e.time = g.clock.Now()
	e.countedAt = e.time
	e.lines = []eventLine{{sku: sku}}
	return g.written(e)
}

func (g *generator) place(loc string, active bool) *event {
	e := g.event(location)
	e.time = g.clock.Now()
	e.countedAt = e.time
	e.location, e.active = loc, active
	return g.written(e)
}

func (g *generator) policy() *event {
	e := g.event(policy)
	e.time = g.clock.Now()
	e.countedAt = e.time
	e.rules = map[place]int{}
	for range g.n(3) {
		at := place{sku: pick(g, knownSKUs)}
		if g.n(2) == 0 {
			at.location = pick(g, knownLocations)
		}
		e.rules[at] = g.n(3) * map[int]int{0: 1, 3: 1000}[decimals(at.sku)]
		if g.n(6) == 0 {
			e.rules[at] = noUnits
		}
	}
	return g.written(e)
}

// when is mostly now, sometimes hours back, sometimes ahead within the skew or beyond,
// rarely too long ago.
func (g *generator) when() ledger.Millis {
	now := g.clock.Now()
	switch g.n(40) {
	case 0, 1, 2, 3, 4:
		return now - ledger.Millis(g.n(int(4*hour)))
	case 5, 6, 7, 8, 9:
		return now + ledger.Millis(g.n(int(2*skew)))
	case 10:
		if g.n(4) == 0 {
			return now - retention - ledger.Millis(1+g.n(int(day)))
		}
	}
	return now - ledger.Millis(g.n(50))
}

func (g *generator) event(k kind) *event {
	e := &event{kind: k, source: fmt.Sprintf("s%d", g.n(3)), id: g.next("e"), time: g.when()}
	e.countedAt = e.time
	return e
}

func (g *generator) sku() string {
	if g.n(12) == 0 {
		return pick(g, lateSKUs)
	}
	return pick(g, knownSKUs)
}

func (g *generator) location() string {
	if g.n(14) == 0 {
		return pick(g, lateLocations)
	}
	return pick(g, knownLocations)
}

// fresh makes a stock event that was not sent before.
func (g *generator) fresh(m *model, kafka bool) *event {
	if g.orders && g.n(5) == 0 {
		return g.order(kafka)
	}
	e := g.event([]kind{sale, sale, giveBack, receipt, receipt, receipt, shipment, adjustment, stockCount, sale, shipment, receipt,
		status, snapshot, heartbeat, saleVoid, stockVoid, transfer, transfer, transferReceipt, transferReceipt, purchase}[g.n(22)])
	e.location, e.kafka = g.location(), kafka
	switch {
	case e.kind == heartbeat:
		e.countedAt = g.when()
		return g.written(e)
	case e.kind.void():
		e.location = pick(g, knownLocations)
		e.voids = g.voided(m, e)
		return g.written(e)
	}
	for range 1 + g.n(3) {
		ln := eventLine{sku: g.sku(), quantity: g.n(7)}
		if e.kind == transfer || e.kind == transferReceipt {
			ln.quantity++
		}
		if e.kind == purchase && slices.ContainsFunc(e.lines, func(o eventLine) bool { return o.sku == ln.sku }) {
			continue
		}
		if e.kind == status {
			ln.quantity = 1 + g.n(3)
			if g.n(2) == 0 {
				ln.quantity = -ln.quantity
			}
			e.lines = append(e.lines, ln)
			continue
		}
		if e.kind.absolute() {
			ln.quantity = g.n(20)
			if slices.ContainsFunc(e.lines, func(o eventLine) bool { return o.sku == ln.sku }) {
				continue
			}
		} else if e.kind == sale || e.kind == shipment || e.kind == transfer || e.kind == adjustment && g.n(2) == 0 {
			ln.quantity = -ln.quantity
		}
		ln.damaged = e.kind != sale && e.kind != purchase && !e.kind.absolute() && g.n(6) == 0
		e.lines = append(e.lines, ln)
	}
	if e.kind.absolute() && g.n(3) == 0 {
		e.countedAt = e.time - ledger.Millis(g.n(int(hour)))
	}
	if e.kind == snapshot {
		e.net, e.complete = g.n(3) == 0, g.n(4) == 0
		if e.complete && g.n(4) == 0 {
			e.lines = nil
		}
	}
	if (e.kind == sale || e.kind == shipment) && g.n(3) == 0 {
		e.reservation = g.reservation(m)
	}
	g.underWay(e)
	g.spoil(e, kafka)
	return g.written(e)
}

// underWay names goods under way: few, so that shipments, receipts and announcements of
// one meet, in whatever order.
func (g *generator) underWay(e *event) {
	switch e.kind {
	case receipt:
		if g.n(2) == 0 {
			return
		}
	case transfer:
		if e.to = g.location(); e.to == e.location {
			e.to = map[string]string{"x": "y", "y": "x", "z": "x"}[e.location]
		}
	case transferReceipt:
		e.complete = g.n(5) == 0
		if e.complete && g.n(2) == 0 {
			e.lines = nil
		}
	case purchase:
		if g.n(8) == 0 {
			e.lines = nil
		}
	default:
		return
	}
	e.document = fmt.Sprint("d", g.id/80, "-", g.n(6))
}

// order makes an event of an order. There are few at a time, so that the events of one
// meet, in whatever order.
func (g *generator) order(kafka bool) *event {
	e := g.event([]kind{orderPlaced, orderPlaced, orderPlaced, orderPaid, orderPaid, orderCancelled, orderCancelled, paymentFailed}[g.n(8)])
	e.kafka, e.order = kafka, fmt.Sprint("o", g.id/150, "-", g.n(8))
	if e.kind == orderPaid || e.kind != orderPlaced && g.n(2) == 0 {
		return g.written(e)
	}
	for range 1 + g.n(3) {
		e.lines = append(e.lines, eventLine{sku: g.sku(), location: g.location(), quantity: 1 + g.n(4)})
		if e.kind != orderPlaced && g.n(2) == 0 {
			e.lines[len(e.lines)-1].location = ""
		}
	}
	if e.kind == orderPlaced {
		if before := g.placed[e.order]; before != nil && g.n(4) > 0 {
			e.lines = slices.Clone(before) // told again, under another name
		}
		g.placed[e.order] = e.lines
		g.ids = append(g.ids, e.order)
	}
	return g.written(e)
}

// voided is the id of what a void undoes: mostly an event that was sent, whether it came
// or not, and now and then one that never comes, or the void itself.
func (g *generator) voided(m *model, e *event) string {
	switch g.n(20) {
	case 0:
		return g.next("never")
	case 1:
		return e.id
	}
	if len(g.sent) == 0 {
		return g.next("never")
	}
	old := g.sent[max(0, len(g.sent)-1-g.n(25))]
	now := g.clock.Now()
	if r := m.reservations[old.reservation]; min(old.time, old.countedAt) < now-40*day || r != nil && r.changedAt < now-6*day {
		return g.next("never") // what it did may be forgotten
	}
	if _, came := m.names[old.name()]; old.kind.void() && !came {
		return g.next("never") // which of the two is refused is up to which comes first
	}
	e.source = old.source
	return old.id
}

// spoil makes some events bad, in ways that are found at different places.
func (g *generator) spoil(e *event, kafka bool) {
	if g.n(15) != 0 {
		return
	}
	switch p := g.n(4); {
	case p == 0 && kafka:
		e.broken = ledger.InvalidEvent // cut off, see written
	case p == 1:
		e.broken = ledger.NotSupported // of a type that is not built
	case p == 2 && e.kind.absolute() && len(e.lines) > 0:
		e.lines[0].quantity, e.badQuantity = -1, true
	case p == 3 && e.kind == sale:
		e.lines[0].quantity, e.badQuantity = 1, true // a negative sale
	}
}

// events are some for one sender: new, sent before, or with the name of another.
func (g *generator) events(m *model, n int, kafka bool) (out []*event) {
	for range n {
		switch p := g.n(100); {
		case p < 12 && len(g.sent) > 0:
			out = append(out, g.again(m, kafka))
		case p < 15:
			out = append(out, g.policy())
		case p < 17:
			out = append(out, g.place(pick(g, knownLocations), g.n(10) > 0))
		case p < 18:
			out = append(out, g.item(pick(g, knownSKUs)))
		default:
			e := g.fresh(m, kafka)
			g.sent = append(g.sent, e)
			out = append(out, e)
		}
	}
	return out
}

func (g *generator) again(m *model, kafka bool) *event {
	old := g.sent[max(0, len(g.sent)-1-g.n(40))]
	if old.broken == ledger.InvalidEvent && !kafka || min(old.time, old.countedAt) < g.clock.Now()-40*day {
		e := g.fresh(m, kafka) // not JSON, or of an age at which its name may be forgotten
		g.sent = append(g.sent, e)
		return e
	}
	e := *old
	e.kafka = kafka
	if _, known := m.names[e.name()]; known && g.n(4) == 0 && e.broken == ledger.OK && len(e.lines) > 0 {
		e.lines = slices.Clone(e.lines)
		e.lines[0].quantity *= 3
		e.lines[0].quantity += 5
		e.badQuantity = false
		if e.kind == sale || e.kind == shipment || e.kind == transfer {
			e.lines[0].quantity = -1 - g.n(5)
		}
	}
	return g.written(&e)
}

var types = [...]string{"pos.sale", "pos.return", "wms.receipt", "wms.shipment", "wms.adjustment", "wms.count", "erp.item", "erp.location", "erp.policy",
	"wms.status", "erp.snapshot", "feed.heartbeat", "pos.void", "wms.void",
	"wms.transfer", "wms.transfer_receipt", "erp.inbound",
	"order.placed", "order.paid", "order.cancelled", "order.payment_failed"}

// written writes the event as its source would. Space between members and the order
// of attributes mean nothing, so they differ from one time to the next.
func (g *generator) written(e *event) *event {
	data := e.data()
	typ := types[e.kind]
	if e.broken == ledger.NotSupported {
		typ, data = "erp.policy", `{"policy":"quotas","rules":[]}`
	}
	e.content = fmt.Sprint(typ, e.time, e.countedAt, data)
	e.headers = nil
	if e.kafka && g.n(4) == 0 && e.broken == ledger.OK {
		g.binary(e, typ, data)
		return e
	}
	members := []string{`"specversion":"1.0"`, fmt.Sprintf(`"type":%q`, typ), fmt.Sprintf(`"source":%q`, e.source), fmt.Sprintf(`"id":%q`, e.id),
		fmt.Sprintf(`"time":%q`, stamp(e.time)), `"data":` + data}
	g.rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	e.text = []byte("{" + strings.Join(members, pick(g, []string{",", ", ", " ,\n"})) + "}")
	if e.broken == ledger.InvalidEvent {
		e.text = e.text[:1+g.n(len(e.text)-1)]
	}
	return e
}

// binary puts the attributes into headers.
func (g *generator) binary(e *event, typ, data string) {
	for _, a := range [][2]string{{"specversion", "1.0"}, {"type", typ}, {"source", e.source}, {"id", e.id}, {"time", stamp(e.time)}} {
		e.headers = append(e.headers, ledger.Header{Key: "ce_" + a[0], Value: []byte(a[1])})
	}
	e.text = []byte(data)
}

func stamp(t ledger.Millis) string {
	return time.UnixMilli(int64(t)).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// coded is the source that has codes of its own for all SKUs and locations.
const coded = "s1"

// code is how the event's source calls a SKU or location.
func (e *event) code(name string) string {
	if e.source == coded {
		return coded + name
	}
	return name
}

func (e *event) data() string {
	switch e.kind {
	case item:
		sku := e.lines[0].sku
		return fmt.Sprintf(`{"sku":%q,"decimals":%d,"aliases":{%q:[%q]}}`, sku, decimals(sku), coded, coded+sku)
	case location:
		return fmt.Sprintf(`{"location":%q,"active":%v,"aliases":{%q:[%q]}}`, e.location, e.active, coded, coded+e.location)
	case policy:
		return `{"policy":"safety-stock","rules":[` + strings.Join(e.ruleTexts(), ",") + `]}`
	}
	switch {
	case e.kind.order():
		return e.orderData()
	case e.kind == heartbeat:
		return fmt.Sprintf(`{"location":%q,"as_of":%q}`, e.code(e.location), stamp(e.countedAt))
	case e.kind.void():
		return fmt.Sprintf(`{"location":%q,"voids":%q}`, e.code(e.location), e.voids)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"location":%q,"lines":[`, e.code(e.location))
	for i, ln := range e.lines {
		if i > 0 {
			b.WriteByte(',')
		}
		q := ln.quantity
		switch {
		case e.kind == sale || e.kind == shipment || e.kind == transfer:
			q = -q
		case e.kind == status:
			q = max(q, -q)
		}
		fmt.Fprintf(&b, `{"sku":%q,"quantity":%s`, e.code(ln.sku), number(q, decimals(ln.sku)))
		switch {
		case e.kind == status && ln.quantity > 0:
			b.WriteString(`,"from":"sellable","to":"quarantine"`)
		case e.kind == status:
			b.WriteString(`,"from":"damaged","to":"sellable"`)
		case e.kind == purchase:
			b.WriteString(`,"expected_at":"2030-01-01T00:00:00Z"`)
		case ln.damaged:
			b.WriteString(`,"condition":"damaged"`)
		}
		b.WriteByte('}')
	}
	b.WriteByte(']')
	if e.reservation != "" {
		fmt.Fprintf(&b, `,"reservation":%q`, e.reservation)
	}
	if e.document != "" {
		name := "inbound"
		if e.kind == transfer || e.kind == transferReceipt {
			name = "transfer"
		}
		fmt.Fprintf(&b, `,%q:%q`, name, e.document)
	}
	if e.to != "" {
		fmt.Fprintf(&b, `,"to":%q`, e.to)
	}
	if e.net {
		b.WriteString(`,"basis":"net_of_committed"`)
	}
	if e.complete {
		b.WriteString(`,"complete":true`)
	}
	if e.countedAt != e.time {
		fmt.Fprintf(&b, `,%q:%q`, map[kind]string{stockCount: "counted_at", snapshot: "as_of"}[e.kind], stamp(e.countedAt))
	}
	b.WriteByte('}')
	return b.String()
}

func (e *event) orderData() string {
	text := fmt.Sprintf(`{"order":%q`, e.order)
	if e.kind == orderPlaced {
		text += `,"ttl_seconds":1200`
	}
	for i, ln := range e.lines {
		text += map[bool]string{true: `,"lines":[`, false: `,`}[i == 0] + fmt.Sprintf(`{"sku":%q,"quantity":%s`, ln.sku, number(ln.quantity, decimals(ln.sku)))
		if ln.location != "" {
			text += fmt.Sprintf(`,"location":%q`, ln.location)
		}
		text += "}"
	}
	if len(e.lines) > 0 {
		text += "]"
	}
	return text + "}"
}

func (e *event) ruleTexts() (out []string) {
	for at, units := range e.rules {
		text := fmt.Sprintf(`{"sku":%q`, at.sku)
		if at.location != "" {
			text += fmt.Sprintf(`,"location":%q`, at.location)
		}
		if units == noUnits {
			text += `,"units":null}`
		} else {
			text += fmt.Sprintf(`,"units":%s}`, number(units, decimals(at.sku)))
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// number is steps as the decimal number that they are.
func number(steps, decimals int) string {
	if decimals == 0 {
		return fmt.Sprint(steps)
	}
	sign := ""
	if steps < 0 {
		sign, steps = "-", -steps
	}
	return fmt.Sprintf("%s%d.%03d", sign, steps/1000, steps%1000)
}
