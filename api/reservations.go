package api

import (
	"errors"
	"sync"

	"onhand/ledger"
	"onhand/promise"
)

// reservationCall is what decoding a call fills; used again, it saves its allocations.
type reservationCall struct {
	request promise.Request
	change  promise.Change
}

var reservationCalls = sync.Pool{New: func() any { return new(reservationCall) }}

// linesKept is how many lines' room a reservationCall keeps for the next call.
const linesKept = 256

func (c *reservationCall) giveBack() {
	if cap(c.request.Lines) <= linesKept && cap(c.change.Lines) <= linesKept {
		reservationCalls.Put(c)
	}
}

// postReservation answers POST /v1/reservations.
func (r *request) postReservation() {
	call, ok := r.readCall()
	if !ok {
		return
	}
	c := reservationCalls.Get().(*reservationCall)
	defer c.giveBack()
	q := &c.request
	if err := r.readRequest(q); err != nil {
		r.invalidLines(err)
		return
	}
	q.Call, q.Key, q.To = call.sum, call.key, nil
	res, err := r.s.Promises.Reserve(q)
	if err != nil {
		r.refused(err)
		return
	}
	r.answerReservation(201, res)
}

// postTransition answers POST /v1/reservations/{id}/{operation}.
func (r *request) postTransition() {
	op := changeKind(r.segments[3])
	if op == ledger.NoKind {
		r.problem("not-found", "a reservation takes confirm, cancel, fulfil, amend and extend")
		return
	}
	call, ok := r.readCall()
	if !ok {
		return
	}
	rc := reservationCalls.Get().(*reservationCall)
	defer rc.giveBack()
	c := &rc.change
	c.Op = op
	if err := r.readChange(c); err != nil {
		r.invalidLines(err)
		return
	}
	c.ID, c.Key, c.Transfer = string(r.segments[2]), call.key, false
	res, err := r.s.Promises.Change(c)
	if err != nil {
		r.refused(err)
		return
	}
	r.answerReservation(200, res)
}

func changeKind(operation []byte) ledger.Kind {
	switch string(operation) {
	case "confirm":
		return ledger.KindConfirm
	case "cancel":
		return ledger.KindCancel
	case "fulfil":
		return ledger.KindFulfil
	case "amend":
		return ledger.KindAmend
	case "extend":
		return ledger.KindExtend
	}
	return ledger.NoKind
}

func (r *request) invalidLines(err error) {
	if errors.Is(err, errTooManyLines) {
		r.problem("too-many-items", err.Error())
		return
	}
	r.invalid(err)
}

// getReservation answers GET /v1/reservations/{id}.
func (r *request) getReservation() {
	if err := r.onlyParams("min_seq"); err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	v, err := r.s.Promises.Get(string(r.segments[2]))
	if err != nil {
		r.refused(err)
		return
	}
	if r.out, err = r.appendListed(r.out[:0], v); err != nil {
		r.refused(err)
		return
	}
	r.answer(200, r.out)
}
