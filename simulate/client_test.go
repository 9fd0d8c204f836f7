package simulate

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"onhand/ledger"
	"onhand/promise"
)

// call is one request of a client: exactly one of its members is set.
type call struct {
	reserve *opReserve
	change  *opChange
	at      ledger.Millis
}

// clients remember what they asked for, to ask again where they heard no answer, or
// from habit.
type clients struct {
	calls []*call
	keys  int // that were made up for a call of before
}

func (c *clients) asked(one *call) *call {
	c.calls = append(c.calls, one)
	if len(c.calls) > 60 {
		c.calls = c.calls[30:]
	}
	return one
}

// again repeats a call while its key and id are sure to be remembered; now and then
// under its key or id with another wish, or with another key under its id.
func (c *clients) again(rng *rand.Rand, now ledger.Millis) *call {
	if len(c.calls) == 0 {
		return nil
	}
	old := c.calls[max(0, len(c.calls)-1-rng.IntN(20))]
	if now-old.at > 40*hour {
		return nil
	}
	other := rng.IntN(6) == 0
	if old.reserve != nil {
		o := *old.reserve
		if o.answer = new(answer); other {
			o.ttl += 1000
			o.call = o.describe()
		} else if rng.IntN(4) == 0 {
			c.keys++
			o.key = fmt.Sprint("another-", c.keys)
			return c.asked(&call{reserve: &o, at: old.at})
		}
		return &call{reserve: &o, at: now}
	}
	o := *old.change
	if o.answer = new(answer); other && o.key != "" {
		o.ttl += 1000
		o.call = o.describe()
	}
	return &call{change: &o, at: now}
}

func (o *opReserve) describe() string { return fmt.Sprint(o.id, o.ttl, o.partial, o.lines) }
func (o *opChange) describe() string {
	return fmt.Sprint(o.op, o.id, o.ttl, o.time, o.hasLines, o.lines)
}

func (g *generator) ttl() ledger.Millis { return ledger.Millis(1+g.n(200)*(1+g.n(20))) * second }

func (g *generator) key() string {
	if g.n(3) == 0 {
		return ""
	}
	return g.next("k")
}

func (g *generator) callLines(max int) (out []callLine) {
	for range 1 + g.n(max) {
		ln := callLine{sku: g.sku(), location: g.location(), quantity: 1 + g.n(5)}
		if g.n(40) == 0 {
			ln.quantity = 0
		}
		out = append(out, ln)
	}
	return out
}

func (g *generator) reserve(c *clients) *call {
	o := &opReserve{key: g.key(), id: g.next("r"), ttl: g.ttl(), partial: g.n(3) == 0, lines: g.callLines(4), answer: new(answer)}
	o.call = o.describe()
	g.ids = append(g.ids, o.id)
	return c.asked(&call{reserve: o, at: g.clock.Now()})
}

// reservation is one that is likely to be open, and not so old that it may be forgotten.
func (g *generator) reservation(m *model) string {
	for range min(30*g.n(20), 30*len(g.ids)) {
		id := g.ids[max(0, len(g.ids)-1-g.n(20))]
		r := m.reservations[id]
		if r != nil && r.changedAt > g.clock.Now()-6*day && (r.state.Open() || g.n(20) == 0) {
			return id
		}
	}
	return "nobody's"
}

func (g *generator) change(m *model, c *clients) *call {
	ops := []ledger.Kind{ledger.KindConfirm, ledger.KindConfirm, ledger.KindCancel, ledger.KindFulfil, ledger.KindFulfil, ledger.KindExtend,
		ledger.KindAmend, ledger.KindAmend}
	o := &opChange{op: pick(g, ops), key: g.key(), id: g.reservation(m), answer: new(answer)}
	switch {
	case o.op == ledger.KindExtend:
		o.ttl = g.ttl()
	case o.op == ledger.KindAmend:
		o.hasLines = true
		seen := map[place]bool{}
		for _, ln := range g.callLines(3) {
			if at := (place{ln.sku, ln.location}); !seen[at] {
				seen[at] = true
				o.lines = append(o.lines, ln)
			}
		}
		if g.n(3) == 0 {
			o.ttl = g.ttl()
		}
	case g.n(3) == 0:
		o.hasLines, o.lines = true, g.callLines(2)
		for i := range o.lines {
			if g.n(2) == 0 {
				o.lines[i].location = ""
			}
			if o.op == ledger.KindFulfil && g.n(4) == 0 {
				o.lines[i].from = g.location()
			}
		}
	}
	if o.op == ledger.KindFulfil && g.n(3) == 0 {
		o.time = g.when()
	}
	o.call = o.describe()
	return c.asked(&call{change: o, at: g.clock.Now()})
}

// do makes the call as the HTTP edge would.
func (c *call) do(s *promise.Service, now ledger.Millis) (ledger.Result, error) {
	if o := c.reserve; o != nil {
		o.now = now
		return s.Reserve(&promise.Request{ID: []byte(o.id), Channel: []byte("web"), Reference: []byte("order"), TTLMillis: o.ttl,
			AllowPartial: o.partial, Lines: named(o.lines), Key: callKey(o.key, o.call), Call: ledger.NameHash("body", o.call)})
	}
	o := c.change
	o.now = now
	return s.Change(&promise.Change{Op: o.op, ID: o.id, Lines: named(o.lines), HasLines: o.hasLines, TTLMillis: o.ttl, Time: o.time,
		Key: callKey(o.key, o.call)})
}

func (c *call) op() op {
	if c.reserve != nil {
		return c.reserve
	}
	return c.change
}

func callKey(key, call string) ledger.CallKey {
	if key == "" {
		return ledger.CallKey{}
	}
	return ledger.CallKey{Key: ledger.NameHash("key", key), Call: ledger.NameHash("call", call)}
}

func named(lines []callLine) (out []promise.Line) {
	for _, ln := range lines {
		l := promise.Line{SKU: []byte(ln.sku), Quantity: ledger.Decimal{Coef: int64(ln.quantity), Scale: int8(decimals(ln.sku))}}
		if ln.location != "" {
			l.Location = []byte(ln.location)
		}
		if ln.from != "" {
			l.From = []byte(ln.from)
		}
		out = append(out, l)
	}
	return out
}

// call makes a call and holds its answer against the model's, and against what the
// same call was answered before.
func (h *history) call(c *call) {
	h.tally.calls.Add(1)
	c2 := *c
	res, err := c2.do(h.promises, h.clock.Now())
	h.heard(&c2, res, err)
}

func (h *history) heard(c *call, res ledger.Result, err error) {
	code := h.code(err)
	out := h.did(c.op(), h.l.Seq())
	h.log("%T %+v: %v", c.op(), c.op(), code)
	if code != out.code {
		h.failf("%T %+v: %v (%v), the model says %v", c.op(), c.op(), code, err, out.code)
	}
	if err != nil {
		return
	}
	h.ack(res.Seq)
	text := answerText(h.l, &res)
	if res.Replayed != out.replay {
		h.failf("%T %+v: replayed: %v, the model says %v", c.op(), c.op(), res.Replayed, out.replay)
	}
	if !out.replay {
		*out.answer = answer{text, res.Seq}
		return
	}
	h.tally.replays.Add(1)
	if out.answer.text == "" {
		*out.answer = answer{text, res.Seq} // the first answer was never given
	} else if text != out.answer.text {
		h.failf("%T %+v was answered\n%s\nnow it is\n%s", c.op(), c.op(), out.answer.text, text)
	}
}

// answerText is all that the HTTP edge writes of an answer.
func answerText(l *ledger.Ledger, res *ledger.Result) string {
	var b strings.Builder
	r := res.Reservation
	fmt.Fprintf(&b, "%s %v seq=%d expires=%d %q %q %q movement=%d", r.ID, r.State, r.Seq, r.ExpiresAt, r.Channel, r.Owner, r.Reference, res.Movement)
	for i := range r.Lines {
		ln := &r.Lines[i]
		fmt.Fprintf(&b, " [%s@%s %d held=%d committed=%d fulfilled=%d cancelled=%d available=%d decimals=%d]", l.SKUName(ln.SKU),
			l.LocationName(ln.Location), ln.Quantity, ln.Held, ln.Committed, ln.Fulfilled, ln.Cancelled, ln.Available, ln.Decimals)
	}
	return b.String()
}
