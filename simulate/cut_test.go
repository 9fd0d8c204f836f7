package simulate

import (
	"fmt"

	"onhand/ledger"
)

// cut ends the process as a loss of power does, at the moment that the trap took, and
// goes on with what that left: all that was acknowledged must be there, and of the rest
// each command whole or not at all.
func (h *history) cut() {
	left, acked, during := h.trap.spring()
	h.tally.cuts.Add(1)
	if during {
		h.tally.inFlight.Add(1)
	}
	h.log("power cut, during a command: %v, acknowledged: %d", during, acked)
	h.abandon()
	h.disk, h.trap.disk = left, left
	h.reopen(ledger.Seq(acked))
}

// abandon lets the process that lost its power end in a world of its own.
func (h *history) abandon() {
	if err := h.l.Close(); err != nil {
		h.failf("close what lost its power: %v", err)
	}
}

// reopen starts on a disk that a cut left, perhaps losing the power again meanwhile.
func (h *history) reopen(acked ledger.Seq) {
	h.acked.Store(uint64(acked))
	for h.rng.IntN(4) == 0 {
		h.trap.arm(h.rng, &h.acked)
		l, err := h.open()
		if err != nil {
			panic(failure{fmt.Errorf("start after a cut: %w", err)})
		}
		left, _, during := h.trap.spring()
		if during {
			h.tally.startCuts.Add(1)
		}
		h.tally.cuts.Add(1)
		if err := l.Close(); err != nil {
			panic(failure{fmt.Errorf("close after a start: %w", err)})
		}
		h.disk, h.trap.disk = left, left
	}
	h.start()
	seq := h.l.Seq()
	if seq < acked {
		h.failf("the power cut left %d entries, %d were acknowledged", seq, acked)
	}
	h.rollBack(seq)
	h.resume()
	h.compareAll()
	if h.rng.IntN(8) == 0 {
		h.check()
	}
}

// rollBack makes the model what it was at seq.
func (h *history) rollBack(seq ledger.Seq) {
	h.ack(seq) // what was left of the unacknowledged is on disk as well
	h.log("after the cut: %d commands are gone", len(h.pending))
	h.pending = nil
	h.now_ = h.durable.clone()
}

// resume goes on reading each source where the ledger says it was: every record before
// that must have had its effect.
func (h *history) resume() {
	for _, s := range h.sources {
		o, _, err := h.l.Offset(s.topic, 0)
		if err != nil {
			h.failf("%v", err)
		}
		if int(o.Next) > len(s.records) {
			h.failf("%s was read up to %d, it holds %d", s.topic, o.Next, len(s.records))
		}
		for i := range s.records[:o.Next] {
			if s.records[i].seq > h.l.Seq() || s.records[i].seq == 0 {
				h.failf("the offset of %s is %d, but the effect of record %d, entry %d, is gone", s.topic, o.Next, i, s.records[i].seq)
			}
		}
		s.next = int(o.Next)
	}
}

// compare holds every figure against the model's, and the open reservations.
func (h *history) compare() {
	if h.trap.sprung() && h.l.Writable() != nil {
		return // closed, and about to be opened again
	}
	now := h.clock.Now()
	h.now_.expire(now)
	for sku := range h.now_.skus {
		for loc := range h.now_.locations {
			h.compareAt(place{sku, loc}, now)
		}
	}
	h.compareInbound()
	for id, want := range h.now_.reservations {
		if want.state.Open() || want.changedAt == now {
			h.compareReservation(id, want, now)
		}
	}
}

func (h *history) compareAt(at place, now ledger.Millis) {
	sku, ok := h.l.LookupSKU([]byte(at.sku))
	loc, ok2 := h.l.LookupLocation([]byte(at.location))
	if !ok || !ok2 {
		h.failf("%v is not known: %v %v", at, ok, ok2)
	}
	row, _ := h.l.Position(sku, loc, now)
	if want := h.now_.figures(at); row.Figures != want {
		h.log("the model has %+v", h.now_.positions[at])
		entries, _, _ := h.l.History(sku, loc, 0, 100)
		for _, e := range entries {
			h.log("entry %d, %v of %d, recorded at %d: %+v", e.Seq, e.Kind, e.Time, e.RecordedAt, e.Line)
		}
		h.failf("%v is %+v, the model says %+v", at, row.Figures, want)
	}
	want := h.now_.available(at, 0)
	if !h.now_.locations[at.location] {
		want = 0
	}
	if got := int(row.Available()); got != want {
		h.failf("of %v %d are available, the model says %d", at, got, want)
	}
}

func (h *history) compareReservation(id string, want *reservation, now ledger.Millis) {
	r, ok, err := h.l.Reservation(id, now)
	if err != nil || !ok {
		h.failf("reservation %s: %v %v", id, ok, err)
	}
	if r.State != want.state || r.ExpiresAt != want.expiresAt || len(r.Lines) != len(want.lines) {
		h.failf("reservation %s is %+v, the model says %+v", id, *r, *want)
	}
	for i, ln := range r.Lines {
		w := want.lines[i]
		got := resLine{place{h.l.SKUName(ln.SKU), h.l.LocationName(ln.Location)}, int(ln.Quantity), int(ln.Held), int(ln.Committed),
			int(ln.Fulfilled), int(ln.Cancelled)}
		if got != w {
			h.failf("line %d of reservation %s, %v, is %+v, the model says %+v", i, id, r.State, got, w)
		}
	}
}

// compareAll is compare, and all that is kept beside: finished reservations and letters.
func (h *history) compareAll() {
	h.compare()
	now := h.clock.Now()
	for id, want := range h.now_.reservations {
		if want.changedAt > now-7*day {
			h.compareReservation(id, want, now)
		}
	}
	letters, err := h.l.DeadLetters(0, 1000)
	if err != nil {
		h.failf("list dead letters: %v", err)
	}
	if len(letters) != len(h.now_.letters) {
		h.failf("%d dead letters wait, the model says %d", len(letters), len(h.now_.letters))
	}
	for i, want := range h.now_.letters {
		if got := letters[i]; got.Code != want.code.String() || string(got.Value) != string(want.e.text) || got.ReceivedAt != want.at {
			h.failf("dead letter %d is %s %s, the model says %v %s", i, got.Code, got.Value, want.code, want.e.text)
		}
	}
	for sku := range map[string]bool{"new-1": true, "new-2": true} {
		if _, known := h.l.LookupSKU([]byte(sku)); known != h.now_.skus[sku] {
			h.failf("SKU %s is known: %v, the model says %v", sku, known, !known)
		}
	}
}
