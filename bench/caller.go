package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// booking is a reservation that was answered 201.
type booking struct {
	id    string
	lines []line
	state string // as the last answer of 2xx said
}

// line is so many pieces of a position.
type line struct{ position, pieces int32 }

// Kinds of calls.
const (
	callReserve = iota
	callRefused
	callConfirm
	callCancel
)

var callKinds = []string{"reserve", "refused", "confirm", "cancel"}

// holdSeconds is the longest there is: nothing may lapse before the books are checked.
const holdSeconds = 14_400

// customer decides what the customers on one connection want, one after another, and
// keeps the books of what they were told: the same ones whatever store is asked.
type customer struct {
	v        *reserveScenario
	rng      *rand.Rand
	prefix   string // of its ids
	begun    int
	bookings []*booking
	open     []*booking // held, oldest first

	asked *booking // what is under way
	call  int      // callReserve, callConfirm or callCancel
}

func newCustomer(v *reserveScenario, i int) *customer {
	return &customer{v: v, rng: rand.New(rand.NewPCG(v.Seed, uint64(len(v.bookings)+i)<<8|3)), prefix: fmt.Sprintf("r%d-%d-", len(v.bookings), i)}
}

// decide reserves, or settles what was reserved before: of ten reservations six are
// confirmed, three cancelled, and one stays as it is.
func (c *customer) decide() {
	if len(c.open) > 0 && c.rng.IntN(2) == 0 {
		c.asked = c.open[0]
		c.open = c.open[1:]
		switch p := c.rng.IntN(10); {
		case p < 6:
			c.call = callConfirm
			return
		case p < 9:
			c.call = callCancel
			return
		}
	}
	b := &booking{id: c.prefix + strconv.Itoa(c.begun), state: "held", lines: make([]line, c.v.Lines)}
	c.begun++
	for i := range b.lines {
		store, sku := c.v.shop.PickPosition(c.rng)
		b.lines[i] = line{int32(c.v.itemOf[sku]*c.v.Stores + c.v.placeOf[store]), 1 + c.rng.Int32N(2)}
	}
	c.asked, c.call = b, callReserve
}

// told says what became of what was asked. Only a reservation of a scarce position may
// be refused.
func (c *customer) told(granted bool) (kind int, units int64, err error) {
	b := c.asked
	units = int64(len(b.lines))
	switch {
	case granted && c.call == callConfirm:
		b.state = "confirmed"
	case granted && c.call == callCancel:
		b.state = "cancelled"
	case granted:
		c.bookings = append(c.bookings, b)
		c.open = append(c.open, b)
	case c.call != callReserve:
		return 0, 0, fmt.Errorf("%s of %s was refused", callKinds[c.call], b.id)
	default:
		for _, ln := range b.lines {
			if c.v.stock[ln.position] < deepStock {
				return callRefused, units, nil
			}
		}
		return 0, 0, fmt.Errorf("%s was refused, of positions with plenty", b.id)
	}
	return c.call, units, nil
}

// httpCustomer asks onhand.
type httpCustomer struct {
	*customer
	body []byte
}

func (h *httpCustomer) ask(out []byte) []byte {
	h.decide()
	switch h.call {
	case callConfirm:
		return appendPost(out, "/v1/reservations/"+h.asked.id+"/confirm", noBody)
	case callCancel:
		return appendPost(out, "/v1/reservations/"+h.asked.id+"/cancel", noBody)
	}
	h.body = h.v.appendReservation(h.body[:0], h.asked)
	return appendPost(out, "/v1/reservations", h.body)
}

var noBody = []byte("{}")

func (h *httpCustomer) take(in []byte) (length, kind int, units int64, err error) {
	status, body, length, err := httpAnswer(in)
	if err == nil && length > 0 {
		kind, units, err = h.heard(status, body)
	}
	return length, kind, units, err
}

func (h *httpCustomer) heard(status int, body []byte) (kind int, units int64, err error) {
	if status != 200 && status != 201 && status != 409 {
		return 0, 0, fmt.Errorf("%s %s: answered %d: %s", callKinds[h.call], h.asked.id, status, clip(body))
	}
	if kind, units, err = h.told(status != 409); err != nil {
		err = fmt.Errorf("%w: %s", err, clip(body))
	}
	return kind, units, err
}

// caller is an httpCustomer that waits on its own connection.
type caller struct {
	*conn
	httpCustomer
	out []byte
}

func (w *caller) do(int64) (kind int, units int64, err error) {
	w.out = w.ask(w.out[:0])
	status, answer, err := w.conn.do(w.out)
	if err != nil {
		return 0, 0, err
	}
	return w.heard(status, answer)
}

// appendReservation appends the body of a POST. Positions of one reservation may
// repeat: the service adds them up.
func (v *reserveScenario) appendReservation(b []byte, k *booking) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, k.id...)
	b = append(b, `","ttl_seconds":`...)
	b = strconv.AppendInt(b, holdSeconds, 10)
	b = append(b, `,"lines":[`...)
	for i, ln := range k.lines {
		if i > 0 {
			b = append(b, ',')
		}
		sku, location := v.name(ln.position)
		b = append(b, `{"sku":"`...)
		b = append(b, sku...)
		b = append(b, `","location":"`...)
		b = append(b, location...)
		b = append(b, `","quantity":`...)
		b = strconv.AppendInt(b, int64(ln.pieces), 10)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// settle confirms or cancels a booking.
func settle(c *conn, out *[]byte, b *booking, call, state string) error {
	*out = appendPost((*out)[:0], "/v1/reservations/"+b.id+"/"+call, []byte("{}"))
	if _, err := c.expect(200, *out); err != nil {
		return fmt.Errorf("%s %s: %w", call, b.id, err)
	}
	b.state = state
	return nil
}

// basketCaller reserves one piece of each of many positions at once.
type basketCaller struct {
	*conn
	v        *reserveScenario
	prefix   string // of its ids
	lines    int
	bookings []*booking
	body     []byte
	out      []byte
}

func (w *basketCaller) do(n int64) (int, int64, error) {
	b := &booking{id: w.prefix + strconv.FormatInt(n, 10), state: "held", lines: make([]line, w.lines)}
	// A stride that shares no divisor with the number of positions comes to all of them
	// before it comes to one twice.
	count := int64(len(w.v.deep))
	stride := coprime(7919, count)
	for i := range b.lines {
		b.lines[i] = line{w.v.deep[(n*int64(w.lines)+int64(i))%count*stride%count], 1}
	}
	w.body = w.v.appendReservation(w.body[:0], b)
	w.out = appendPost(w.out[:0], "/v1/reservations", w.body)
	if _, err := w.expect(201, w.out); err != nil {
		return 0, 0, fmt.Errorf("reserve %d lines: %w", w.lines, err)
	}
	w.bookings = append(w.bookings, b)
	return 0, int64(w.lines), nil
}

// coprime is the least number from a on that shares no divisor with n.
func coprime(a, n int64) int64 {
	for ; ; a++ {
		x, y := a, n
		for y != 0 {
			x, y = y, x%y
		}
		if x == 1 {
			return a
		}
	}
}

// settler confirms every other booking and cancels the rest.
type settler struct {
	*conn
	bookings []*booking
	out      []byte
}

func (w *settler) do(n int64) (int, int64, error) {
	b := w.bookings[n]
	if n%2 == 0 {
		return 0, int64(len(b.lines)), settle(w.conn, &w.out, b, "confirm", "confirmed")
	}
	return 0, int64(len(b.lines)), settle(w.conn, &w.out, b, "cancel", "cancelled")
}

// looker reads every booking back.
type looker struct {
	*conn
	bookings []*booking
	wrong    *differences
}

func (w *looker) do(n int64) (int, int64, error) {
	b := w.bookings[n]
	status, body, err := w.conn.do(get("/v1/reservations/" + b.id))
	if err != nil {
		return 0, 0, err
	}
	var answer struct{ ID, State string }
	if status == 200 {
		if err := json.Unmarshal(body, &answer); err != nil {
			return 0, 0, err
		}
	}
	if status != 200 || answer.ID != b.id || answer.State != b.state {
		w.wrong.add(fmt.Sprintf("%s must be %s, answered %d: %s", b.id, b.state, status, clip(body)))
	}
	return 0, 1, nil
}

// eventPoster sends each request with events once.
type eventPoster struct {
	*conn
	requests      [][]byte
	counts, lines []int64
}

func (w *eventPoster) do(n int64) (int, int64, error) {
	if n >= int64(len(w.requests)) {
		return 0, 0, errors.New("asked for more requests than there are")
	}
	return 0, w.lines[n], postEvents(w.conn, w.requests[n], w.counts[n])
}
