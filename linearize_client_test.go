package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"onhand/jsonread"
)

// linClient makes one call after another over a connection of its own, and costs
// little beside the service.
type linClient struct {
	n    int
	g    *linGroup
	rng  *rand.Rand
	http fasthttp.HostClient
	req  fasthttp.Request
	res  fasthttp.Response
	json jsonread.Reader
	body []byte
}

func (c *linClient) connect(addr string) {
	c.http = fasthttp.HostClient{Addr: addr, Dial: func(addr string) (net.Conn, error) { return fasthttp.DialTimeout(addr, 30*time.Second) },
		MaxConns: 1, MaxIdemponentCallAttempts: 1, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second}
}

// do makes the call and notes when, and what was answered. An error is no answer, or
// one that nobody may get.
func (c *linClient) do(seg *linSegment, op *linOp) error {
	op.client = c.n
	c.write(seg, op)
	op.call = time.Now().UnixNano()
	err := c.http.Do(&c.req, &c.res)
	op.ret = time.Now().UnixNano()
	if err != nil {
		return fmt.Errorf("%w: %v", errNoAnswer, err)
	}
	op.answered = true
	if err := c.read(op); err != nil {
		return fmt.Errorf("%s %s %s: %d %s: %w", c.req.Header.Method(), c.req.RequestURI(), c.body, c.res.StatusCode(), c.res.Body(), err)
	}
	return nil
}

var linPaths = map[linKind]string{linConfirm: "/confirm", linCancel: "/cancel", linFulfil: "/fulfil", linAmend: "/amend", linExtend: "/extend"}

func (c *linClient) write(seg *linSegment, op *linOp) {
	b := c.body[:0]
	path := "/v1/reservations"
	switch op.kind {
	case linHold:
		b = append(b, seg.slots[op.slot].body...)
	case linGet:
		path += "/" + seg.slots[op.slot].id
	case linRead:
		path, b = c.g.readRequest(op, b)
	case linMove, linCount:
		path, b = "/v1/events", c.g.event(seg, op, b)
	default:
		path += "/" + seg.slots[op.slot].id + linPaths[op.kind]
		b = c.g.change(op, b)
	}
	c.body = b
	c.req.Reset()
	c.req.SetRequestURI(path)
	c.req.Header.SetHost(c.http.Addr)
	if len(b) > 0 || op.kind != linGet && op.kind != linRead {
		c.req.Header.SetMethod("POST")
		c.req.Header.SetContentType("application/json")
		c.req.SetBodyRaw(b)
	}
}

// readRequest asks for one position, or for all of a SKU, or for all of the group at one moment.
func (g *linGroup) readRequest(op *linOp, b []byte) (path string, body []byte) {
	first := -1
	sku, one := "", true
	for i := range g.places {
		switch p := g.places[i]; {
		case op.units[i] == 0:
		case first < 0:
			first, sku = i, p.sku
		default:
			one = false
			if p.sku != sku {
				sku = ""
			}
		}
	}
	switch {
	case one:
		return "/v1/availability/" + sku + "?location=" + g.places[first].location, b
	case sku != "":
		return "/v1/availability/" + sku, b
	}
	b = append(b, `{"items":[{"sku":"`...)
	b = append(append(b, g.places[0].sku...), `"},{"sku":"`...)
	b = append(append(b, g.places[2].sku...), `"}]}`...)
	return "/v1/availability", b
}

func (g *linGroup) appendLines(b []byte, units linUnits, location bool) []byte {
	b = append(b, `"lines":[`...)
	for i, q := range units {
		if q == 0 {
			continue
		}
		if b[len(b)-1] == '}' {
			b = append(b, ',')
		}
		b = append(append(b, `{"sku":"`...), g.places[i].sku...)
		if location {
			b = append(append(b, `","location":"`...), g.places[i].location...)
		}
		b = strconv.AppendInt(append(b, `","quantity":`...), int64(max(q, -q)), 10)
		b = append(b, '}')
	}
	return append(b, ']')
}

// holdBody is sent again and again for one reservation.
func (g *linGroup) holdBody(s *linSlot) []byte {
	b := fmt.Appendf(nil, `{"id":%q,"ttl_seconds":%d,"allow_partial":%v,`, s.id, s.ttl/1000, s.partial)
	return append(g.appendLines(b, s.units, true), '}')
}

func (g *linGroup) change(op *linOp, b []byte) []byte {
	b = append(b, '{')
	if op.lines {
		b = append(g.appendLines(b, op.units, true), ',')
	}
	if op.ttl != 0 {
		b = append(strconv.AppendInt(append(b, `"ttl_seconds":`...), op.ttl/1000, 10), ',')
	}
	if op.kind == linFulfil && op.time != 0 {
		b = append(jsonread.AppendTime(append(b, `"time":"`...), op.time), `",`...)
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

func (g *linGroup) event(seg *linSegment, op *linOp, b []byte) []byte {
	kind, location, units := "pos.sale", "", op.units
	for i, u := range op.units {
		switch {
		case u == 0:
			continue
		case op.kind == linCount:
			kind = "wms.count"
		case u > 0:
			kind = "wms.receipt"
		}
		location = g.places[i].location
	}
	b = append(append(b, `{"specversion":"1.0","type":"`...), kind...)
	b = append(append(b, `","source":"`...), g.name...)
	// Of two counts of one moment the one with the greater id holds.
	b = fmt.Appendf(b, `","id":"%s-%06d","time":"`, seg.name, op.event)
	b = append(jsonread.AppendTime(b, op.time), `","data":{"location":"`...)
	b = append(append(b, location...), `",`...)
	if op.kind != linCount {
		return append(g.appendLines(b, units, false), "}}"...)
	}
	for i, u := range units {
		if u != 0 {
			b = fmt.Appendf(b, `"lines":[{"sku":"%s","quantity":%d}]`, g.places[i].sku, op.counted)
		}
	}
	return append(b, "}}"...)
}

// read takes the answer apart.
func (c *linClient) read(op *linOp) error {
	a := &op.answer
	status := c.res.StatusCode()
	for i := range a.res.lines {
		a.res.lines[i].available = -1
	}
	r := &c.json
	r.Reset(c.res.Body())
members:
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "type":
			word := strings.TrimPrefix(string(r.Text()), "/problems/")
			a.code = linCodes
			for code, w := range linCodeWords {
				if w == word && code > 0 {
					a.code = linCode(code)
				}
			}
		case "state":
			a.state = linStateWord(r.Text())
		case "seq":
			a.seq = uint64(linInt(r))
		case "expires_at":
			if !r.Null() {
				millis, ok := jsonread.ParseTime(r.Text())
				if !ok {
					return fmt.Errorf("expires_at is no time")
				}
				a.res.deadline = millis
			}
		case "lines":
			c.readLines(op)
		case "duplicates":
			a.duplicate = linInt(r) == 1
		case "rejected":
			if r.BeginArray(); r.NextElem() {
				return fmt.Errorf("the event is refused")
			}
		case "items":
			for r.BeginArray(); r.NextElem(); {
				c.readItem(op)
			}
		case "sku":
			c.readRows(op, r.Text())
			break members
		}
	}
	if err := r.End(); err != nil {
		return err
	}
	if a.code == linOK && op.kind < linRead {
		a.res.state, a.res.seq, a.state = a.state, a.seq, ""
		if a.replayed = len(c.res.Header.Peek("Idempotent-Replayed")) > 0; a.replayed {
			a.state = linStateWord(c.res.Header.Peek("Reservation-State"))
		}
	}
	want := 0
	if a.code < linCodes {
		want = linStatuses[a.code]
		if a.code == linOK && op.kind == linHold {
			want = 201
		}
	}
	if status != want {
		return fmt.Errorf("nobody may be answered so")
	}
	return nil
}

var linStateWords = []string{"held", "confirmed", "fulfilled", "cancelled", "expired"}

func linStateWord(b []byte) string {
	for _, w := range linStateWords {
		if string(b) == w {
			return w
		}
	}
	return "no state: " + string(b)
}

func linInt(r *jsonread.Reader) int64 {
	n, ok := r.Number().Int64()
	if !ok && r.Err() == nil {
		r.Refuse("a whole number")
	}
	return n
}

// readLines reads the lines of a reservation, or those that fell short.
func (c *linClient) readLines(op *linOp) {
	r, a := &c.json, &op.answer
	for r.BeginArray(); r.NextElem(); {
		var sku, location []byte
		ln, short := linLine{available: -1}, linShort{}
		for r.BeginObject(); r.NextKey(); {
			to := (*int32)(nil)
			switch string(r.Key()) {
			case "sku":
				sku = r.Text()
			case "location":
				location = r.Text()
			case "quantity":
				to = &ln.quantity
			case "held":
				to = &ln.held
			case "committed":
				to = &ln.committed
			case "fulfilled":
				to = &ln.fulfilled
			case "cancelled":
				to = &ln.cancelled
			case "available":
				to = &ln.available
			case "requested":
				to = &short.requested
			}
			if to != nil {
				*to = int32(linInt(r))
			}
		}
		i := c.g.place(sku, location)
		switch {
		case i < 0:
			r.Refuse("a position of this group")
		case short.requested == 0:
			a.res.lines[i] = ln
		case a.code == linInsufficient:
			short.available = ln.available
			a.short[i] = short
		}
	}
}

func (c *linClient) readItem(op *linOp) {
	r := &c.json
	for r.BeginObject(); r.NextKey(); {
		if string(r.Key()) == "sku" {
			c.readRows(op, r.Text())
			return
		}
	}
}

// readRows reads what follows the name of a SKU, to the end of its object.
func (c *linClient) readRows(op *linOp, sku []byte) {
	r, a := &c.json, &op.answer
	for r.NextKey() {
		switch string(r.Key()) {
		case "seq":
			seq := uint64(linInt(r))
			if a.seq != 0 && a.seq != seq {
				r.Refuse("all rows of one moment")
			}
			a.seq = seq
			continue
		case "locations":
		default:
			continue
		}
		for r.BeginArray(); r.NextElem(); {
			i, row := -1, linRow{}
			for r.BeginObject(); r.NextKey(); {
				to := (*int32)(nil)
				switch string(r.Key()) {
				case "location":
					i = c.g.place(sku, r.Text())
				case "on_hand":
					to = &row.onHand
				case "held":
					to = &row.held
				case "committed":
					to = &row.committed
				case "available":
					to = &row.available
				case "shortage":
					to = &row.shortage
				}
				if to != nil {
					*to = int32(linInt(r))
				}
			}
			if i < 0 || op.units[i] == 0 {
				r.Refuse("a position that was asked for")
				return
			}
			a.rows[i] = row
		}
	}
}
