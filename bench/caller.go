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

// caller is one customer after another on one connection.
type caller struct {
	*conn
	v        *reserveScenario
	rng      *rand.Rand
	prefix   string // of its ids
	bookings []*booking
	open     []*booking // held, oldest first
	body     []byte
	out      []byte
}

// do reserves, or settles what it reserved before: of ten reservations six are
// confirmed, three cancelled, and one stays as it is.
func (w *caller) do(n int64) (kind int, units int64, err error) {
	if len(w.open) > 0 && w.rng.IntN(2) == 0 {
		b := w.open[0]
		w.open = w.open[1:]
		switch p := w.rng.IntN(10); {
		case p < 6:
			return callConfirm, int64(len(b.lines)), settle(w.conn, &w.out, b, "confirm", "confirmed")
		case p < 9:
			return callCancel, int64(len(b.lines)), settle(w.conn, &w.out, b, "cancel", "cancelled")
		}
	}
	return w.reserve(n)
}

func (w *caller) reserve(n int64) (kind int, units int64, err error) {
	b := &booking{id: w.prefix + strconv.FormatInt(n, 10), state: "held", lines: make([]line, w.v.Lines)}
	scarce := false
	for i := range b.lines {
		store, sku := w.v.shop.PickPosition(w.rng)
		p := w.v.itemOf[sku]*w.v.Stores + w.v.placeOf[store]
		b.lines[i] = line{int32(p), 1 + w.rng.Int32N(2)}
		scarce = scarce || w.v.stock[p] < deepStock
	}
	w.body = w.v.appendReservation(w.body[:0], b)
	w.out = appendPost(w.out[:0], "/v1/reservations", w.body)
	status, answer, err := w.conn.do(w.out)
	switch {
	case err != nil:
		return 0, 0, err
	case status == 201:
		w.bookings = append(w.bookings, b)
		w.open = append(w.open, b)
		return callReserve, int64(len(b.lines)), nil
	case status == 409 && scarce:
		return callRefused, int64(len(b.lines)), nil
	}
	return 0, 0, fmt.Errorf("reserve %s: answered %d: %s", w.body, status, clip(answer))
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
	lines    int
	bookings []*booking
	body     []byte
	out      []byte
}

func (w *basketCaller) do(n int64) (int, int64, error) {
	b := &booking{id: fmt.Sprintf("basket-%d", n), state: "held", lines: make([]line, w.lines)}
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
