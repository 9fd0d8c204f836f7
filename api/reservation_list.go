package api

import (
	"errors"
	"fmt"

	"onhand/ledger"
	"onhand/promise"
)

const (
	listLimitDefault = 100
	listLimitMax     = 1000
)

// listReservations answers GET /v1/reservations, in order of id.
func (r *request) listReservations() {
	f, err := r.reservationFilter()
	if err != nil {
		r.invalid(err)
		return
	}
	p, err := r.page()
	if err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	items, more, err := r.s.Promises.List(f, p.cursor, p.limit)
	if err != nil {
		r.refused(err)
		return
	}
	out := newList(r.out)
	for _, v := range items {
		out.item()
		if out.b, err = r.appendListed(out.b, v); err != nil {
			r.refused(err)
			return
		}
	}
	next := ""
	if more {
		next = items[len(items)-1].ID
	}
	r.out = out.end(next)
	r.answer(200, r.out)
}

// appendListed writes a reservation, or a transfer with what came of it.
func (r *request) appendListed(b []byte, v *ledger.Reservation) ([]byte, error) {
	if v.TransferState() == ledger.NoTransfer {
		return appendReservation(b, r.s.Ledger, v), nil
	}
	t, err := r.s.Promises.Transfer(v.ID)
	if err != nil {
		return b, err
	}
	return appendTransfer(b, r.s.Ledger, t), nil
}

func (r *request) reservationFilter() (f promise.Filter, err error) {
	if err := r.onlyParams("reference", "owner", "state", "kind", "location", "cursor", "limit", "min_seq"); err != nil {
		return f, err
	}
	state, kind := "", ""
	for _, p := range []struct {
		name  string
		value *string
	}{{"reference", &f.Reference}, {"owner", &f.Owner}, {"state", &state}, {"kind", &kind}} {
		value, given, err := r.param(p.name)
		if err == nil && given && value == "" {
			err = fmt.Errorf("%s: empty", p.name)
		}
		if err != nil {
			return f, err
		}
		*p.value = value
	}
	if state != "" {
		if f.State = ledger.ParseState(state); f.State == ledger.NoState {
			return f, errors.New("state: want held, confirmed, fulfilled, cancelled or expired")
		}
	}
	if f.Transfers = kind == "transfer"; kind != "" && kind != "transfer" && kind != "reservation" {
		return f, errors.New("kind: want reservation or transfer")
	}
	f.Locations, err = r.params("location")
	return f, err
}
