package api

import (
	"bytes"
	"errors"
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
	"onhand/promise"
)

// A transfer asked for is a confirmed reservation of what is to be shipped, under paths
// of its own: what it and a reservation have in common is done by the same code. Its body
// has a location beside the lines, which none of a reservation has, so no call of the one
// is taken for the other.

// postTransfer answers POST /v1/transfers.
func (r *request) postTransfer() {
	call, ok := r.readCall()
	if !ok {
		return
	}
	c := reservationCalls.Get().(*reservationCall)
	defer c.giveBack()
	q := &c.request
	if err := r.readTransfer(q); err != nil {
		r.invalidLines(err)
		return
	}
	q.Call, q.Key = call.sum, call.key
	res, err := r.s.Promises.Reserve(q)
	if err != nil {
		r.refused(err)
		return
	}
	r.answerReservation(201, res)
}

// readTransfer decodes the body of POST /v1/transfers. Its texts belong to the call.
func (r *request) readTransfer(q *promise.Request) error {
	*q = promise.Request{Lines: q.Lines[:0]}
	j := &r.json
	var from []byte
	lines := false
	for j.BeginObject(); j.NextKey(); {
		switch string(j.Key()) {
		case "id":
			q.ID = readName(j, idBytesMax)
		case "location":
			from = readName(j, locationBytesMax)
		case "to":
			q.To = readName(j, locationBytesMax)
		case "expected_at":
			q.DueAt = readTime(j)
		case "lines":
			lines = true
			q.Lines = readLines(j, q.Lines, lineMembers{})
		default:
			j.Unknown()
		}
	}
	switch {
	case from == nil:
		j.Missing("location")
	case q.To == nil:
		j.Missing("to")
	case !lines:
		j.Missing("lines")
	}
	if err := j.End(); err != nil {
		return err
	}
	if bytes.Equal(from, q.To) {
		return errors.New("to: want another location than location")
	}
	for i := range q.Lines {
		ln := &q.Lines[i]
		if ln.Location != nil && !bytes.Equal(ln.Location, from) {
			return errors.New("lines[" + strconv.Itoa(i) + "].location: want none, or that of the transfer")
		}
		ln.Location = from
	}
	return nil
}

// changeTransfer answers POST /v1/transfers/{id}/cancel and …/amend.
func (r *request) changeTransfer() {
	op := changeKind(r.segments[3])
	if op != ledger.KindCancel && op != ledger.KindAmend {
		r.problem("not-found", "a transfer takes cancel and amend")
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
	err := r.readChange(c)
	if err == nil && c.TTLMillis != 0 {
		err = errors.New("ttl_seconds: a transfer has no deadline")
	}
	if err != nil {
		r.invalidLines(err)
		return
	}
	c.ID, c.Key, c.Transfer = string(r.segments[2]), call.key, true
	res, err := r.s.Promises.Change(c)
	if err != nil {
		r.refused(err)
		return
	}
	r.answerReservation(200, res)
}

// getTransfer answers GET /v1/transfers/{id}.
func (r *request) getTransfer() {
	if err := r.onlyParams("min_seq"); err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	t, err := r.s.Promises.Transfer(string(r.segments[2]))
	if err != nil {
		r.refused(err)
		return
	}
	r.out = appendTransfer(r.out[:0], r.s.Ledger, t)
	r.answer(200, r.out)
}

// appendTransfer writes a transfer with what was shipped and what came.
func appendTransfer(b []byte, l *ledger.Ledger, t *ledger.Transfer) []byte {
	bare := *t.Reservation
	bare.To = 0
	b = appendReservation(b, l, &bare)
	b = appendTransferTerms(b[:len(b)-1], l, t.To, t.State, t.ExpectedAt)
	b = append(b, `,"lines":[`...)
	for i := range t.Lines {
		p := &t.Lines[i]
		if i > 0 {
			b = append(b, ',')
		}
		decimals := l.Decimals(p.SKU)
		b = append(b, `{"sku":`...)
		b = jsonread.AppendString(b, l.SKUName(p.SKU))
		b = append(b, `,"shipped":`...)
		b = jsonread.AppendScaled(b, int64(p.Shipped), decimals)
		b = append(b, `,"received":`...)
		b = jsonread.AppendScaled(b, p.Received, decimals)
		b = append(b, `,"inbound":`...)
		b = jsonread.AppendScaled(b, int64(p.Inbound), decimals)
		b = append(b, '}')
	}
	return append(b, `]}}`...)
}

// appendTransferTerms writes what a transfer has beside a reservation, and leaves its
// object open.
func appendTransferTerms(b []byte, l *ledger.Ledger, to ledger.Location, state ledger.TransferState, expectedAt ledger.Millis) []byte {
	b = append(b, `,"transfer":{"to":`...)
	b = jsonread.AppendString(b, l.LocationName(to))
	b = append(b, `,"state":"`...)
	b = append(b, state.String()...)
	b = append(b, '"')
	return appendExpected(b, expectedAt)
}

func appendExpected(b []byte, at ledger.Millis) []byte {
	b = append(b, `,"expected_at":`...)
	if at == 0 {
		return append(b, "null"...)
	}
	b = append(b, '"')
	b = jsonread.AppendTime(b, int64(at))
	return append(b, '"')
}
