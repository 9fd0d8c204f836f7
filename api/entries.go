package api

import (
	"errors"
	"strconv"

	"onhand/jsonread"
	"onhand/ledger"
)

// getEntries answers GET /v1/positions/{sku}/{location}/entries: what moved the
// position, newest first, as far back as the journal is kept; with from_seq and to_seq
// only the entries between, these two among them.
func (r *request) getEntries() {
	if err := r.onlyParams("cursor", "limit", "min_seq", "from_seq", "to_seq"); err != nil {
		r.invalid(err)
		return
	}
	p, err := r.page()
	if err != nil {
		r.invalid(err)
		return
	}
	before, err := p.number(63)
	var from, to uint64
	if err == nil {
		from, err = r.seqParam("from_seq")
	}
	if err == nil {
		to, err = r.seqParam("to_seq")
	}
	if err != nil {
		r.invalid(err)
		return
	}
	if to != 0 && (before == 0 || before > to) {
		before = to + 1
	}
	if !r.waitForSeq() {
		return
	}
	sku, loc, ok := r.positionOf()
	if !ok {
		return
	}
	l := r.s.Ledger
	l.Position(sku, loc, l.Now()) // so that holds whose time is over have their entry
	entries, _, err := l.History(sku, loc, ledger.Seq(before), p.limit)
	if err != nil {
		r.fail(err)
		return
	}
	items, decimals := newList(r.out), l.Decimals(sku)
	for i := range entries {
		if uint64(entries[i].Seq) < from {
			break
		}
		items.item()
		items.b = appendEntry(items.b, &entries[i], decimals)
	}
	next := ""
	if n := len(entries); items.n == p.limit && uint64(entries[n-1].Line.Prev) >= max(from, 1) {
		next = strconv.FormatUint(uint64(entries[n-1].Seq), 10)
	}
	r.out = items.end(next)
	r.answer(200, r.out)
}

// seqParam reads the number of a change, 0 where it is not given.
func (r *request) seqParam(name string) (uint64, error) {
	value, given, err := r.param(name)
	if err != nil || !given {
		return 0, err
	}
	n, err := strconv.ParseUint(value, 10, 62)
	if err != nil || n == 0 {
		return 0, errors.New(name + ": want a whole number, 1 or more")
	}
	return n, nil
}

// appendEntry appends what an entry did to one position.
func appendEntry(b []byte, e *ledger.PositionEntry, decimals int) []byte {
	b = append(b, `{"seq":`...)
	b = strconv.AppendUint(b, uint64(e.Seq), 10)
	b = append(b, `,"time":"`...)
	b = jsonread.AppendTime(b, int64(e.Time))
	b = append(b, `","recorded_at":"`...)
	b = jsonread.AppendTime(b, int64(e.RecordedAt))
	b = append(b, `","type":"`...)
	b = append(b, e.Kind.String()...)
	b = append(b, `","source":`...)
	b = appendTextOrNull(b, e.Source)
	b = append(b, `,"id":`...)
	b = appendTextOrNull(b, e.EventID)
	b = append(b, `,"reservation":`...)
	if e.Reservation != nil {
		b = jsonread.AppendString(b, e.Reservation.ID)
	} else {
		b = append(b, "null"...)
	}
	b = append(b, ',')
	b = appendFigures(b, e.Line.Delta, decimals)
	b = append(b, `,"after":{`...)
	b = appendFigures(b, e.Line.After, decimals)
	return append(b, "}}"...)
}

func appendFigures(b []byte, f ledger.Figures, decimals int) []byte {
	b = jsonread.AppendScaled(append(b, `"on_hand":`...), int64(f.OnHand), decimals)
	b = jsonread.AppendScaled(append(b, `,"unsellable":`...), int64(f.Unsellable), decimals)
	b = jsonread.AppendScaled(append(b, `,"held":`...), int64(f.Held), decimals)
	return jsonread.AppendScaled(append(b, `,"committed":`...), int64(f.Committed), decimals)
}
