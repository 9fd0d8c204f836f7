package api

import (
	"errors"

	"onhand/availability"
	"onhand/jsonread"
	"onhand/ledger"
	"onhand/promise"
)

// appendReservation writes a reservation as it is answered everywhere, with what a
// transfer has beside one.
func appendReservation(b []byte, l *ledger.Ledger, v *ledger.Reservation) []byte {
	b = availability.AppendReservation(b, l, v)
	if state := v.TransferState(); state != ledger.NoTransfer {
		b = append(appendTransferTerms(b[:len(b)-1], l, v.To, state, v.DueAt), "}}"...)
	}
	return b
}

func appendTextOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return jsonread.AppendString(b, s)
}

// answerReservation answers a change of a reservation with what it came to.
func (r *request) answerReservation(status int, res ledger.Result) {
	b := appendReservation(r.out[:0], r.s.Ledger, res.Reservation)
	if res.Movement != 0 {
		b = append(b[:len(b)-1], `,"movement":"`...)
		b = append(b, ledger.MovementID(res.Movement)...)
		b = append(b, `"}`...)
	}
	r.out = b
	if res.Replayed {
		r.ctx.Response.Header.Set("Idempotent-Replayed", "true")
		if res.StateNow != ledger.NoState {
			r.ctx.Response.Header.Set("Reservation-State", res.StateNow.String())
		}
	}
	r.answer(status, b)
}

// refused answers what promise refused, with the members of its code.
func (r *request) refused(err error) {
	var refusal *promise.Refusal
	if !errors.As(err, &refusal) {
		r.fail(err)
		return
	}
	var members []byte
	if refusal.Code == ledger.WrongState {
		members = append(members, `,"state":"`...)
		if refusal.Word != "" {
			members = append(members, refusal.Word...)
		} else {
			members = append(members, refusal.State.String()...)
		}
		members = append(members, '"')
	}
	if len(refusal.Lines) > 0 {
		members = appendRefusedLines(members, refusal.Lines)
	}
	code := refusal.Code.String()
	switch {
	case refusal.Code == ledger.NotSupported:
		code = "invalid-request"
	case refusal.Code == ledger.UnknownReservation && string(r.segments[1]) == "transfers":
		code = "not-found"
	}
	r.problem(code, refusal.Detail, string(members))
}

func appendRefusedLines(b []byte, lines []promise.RefusedLine) []byte {
	b = append(b, `,"lines":[`...)
	for i := range lines {
		ln := &lines[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":`...)
		b = jsonread.AppendString(b, ln.SKU)
		b = append(b, `,"location":`...)
		b = appendTextOrNull(b, ln.Location)
		if ln.Counted {
			b = append(b, `,"requested":`...)
			b = jsonread.AppendScaled(b, ln.Requested, ln.Decimals)
			b = append(b, `,"available":`...)
			b = jsonread.AppendScaled(b, int64(ln.Available), ln.Decimals)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}
