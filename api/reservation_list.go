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
		out.b = appendReservation(out.b, r.s.Ledger, v)
	}
	next := ""
	if more {
		next = items[len(items)-1].ID
	}
	r.out = out.end(next)
	r.answer(200, r.out)
}

func (r *request) reservationFilter() (f promise.Filter, err error) {
	if err := r.onlyParams("reference", "owner", "state", "location", "cursor", "limit", "min_seq"); err != nil {
		return f, err
	}
	state := ""
	for _, p := range []struct {
		name  string
		value *string
	}{{"reference", &f.Reference}, {"owner", &f.Owner}, {"state", &state}} {
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
	f.Locations, err = r.params("location")
	return f, err
}
