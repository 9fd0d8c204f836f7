package ledger

import "slices"

// Hold reserves units with a deadline: all of its lines, or with AllowPartial what
// can be had of them.
type Hold struct {
	ID           string
	Call         Hash // of the request, to tell a retry from another wish
	Key          CallKey
	Channel      string
	Owner        string
	Reference    string
	Now          Millis
	ExpiresAt    Millis
	AllowPartial bool
	Lines        []HoldLine

	// To makes it a transfer asked for: confirmed at once, without a deadline, until goods
	// are shipped there. DueAt is when they are expected, 0 if nobody said.
	To    Location
	DueAt Millis
}

// HoldLine asks for units of one SKU at one location; there is one for each position.
type HoldLine struct {
	SKU      SKU
	Location Location
	Quantity Qty // greater than 0
}

func (h *Hold) apply(l *Ledger) (Result, error) {
	l.expireDue(h.Now)
	r, replay, err := h.enter(l)
	if replay != 0 {
		return l.replay(replay, h.ID, h.Key, h.Now)
	}
	return r, err
}

// enter makes the hold, or tells the entry of the call that made it before.
func (h *Hold) enter(l *Ledger) (res Result, replay Seq, err error) {
	slot, first, err := l.beginKey(h.Key, h.Now)
	if first != 0 || err != nil {
		return Result{}, first, err
	}
	defer slot.end()
	rs, old, err := l.lockReservation(h.ID)
	if err != nil {
		return Result{}, 0, err
	}
	defer rs.mu.Unlock()
	if old != nil {
		if old.Call != h.Call {
			return Result{}, 0, refuseOtherHold()
		}
		return Result{}, old.Created, nil
	}
	if l.inbound.shipped(h.ID, h.Now) != NoTransfer {
		return Result{}, 0, refuseOtherHold()
	}
	var shards uint64
	for i := range h.Lines {
		shards |= shardBit(h.Lines[i].SKU)
	}
	l.lockShards(shards)
	defer l.unlockShards(shards)
	r, err := h.reserve(l)
	if err != nil {
		return Result{}, 0, err
	}
	kind := KindHold
	if h.To != 0 {
		kind = KindTransferAsked
	}
	e := newEntry(kind, h.Now)
	defer e.free()
	e.key, e.reservation = h.Key, r
	e.lines = make([]EntryLine, 0, len(r.Lines))
	for i := range r.Lines {
		if ln := &r.Lines[i]; ln.open() > 0 {
			e.effect(ln.SKU, ln.Location, 0, Figures{Held: ln.Held, Committed: ln.Committed})
		}
	}
	if _, err := e.gather(); err != nil {
		return Result{}, 0, err
	}
	if err := l.settle(e); err != nil {
		return Result{}, 0, err
	}

	// From here the hold must succeed: nothing below may return early, or
	// positions and reservation would disagree.
	seq := l.enter(e)
	r.Created, r.Seq = seq, seq
	slot.taken(seq, h.Now)
	rs.put(r)
	if r.State == Held {
		l.deadlines.push(r.ExpiresAt, r.ID)
	}
	return Result{Seq: seq, Reservation: r}, 0, nil
}

// reserve works out the reservation, or why there is none. The caller holds the shards.
func (h *Hold) reserve(l *Ledger) (*Reservation, error) {
	if err := l.checkPlaces(len(h.Lines), func(i int) (SKU, Location) { return h.Lines[i].SKU, h.Lines[i].Location }); err != nil {
		return nil, err
	}
	if h.To != 0 {
		if err := l.knowsLocation(h.To); err != nil {
			return nil, err
		}
	}
	r := &Reservation{ID: h.ID, State: Held, Channel: h.Channel, Owner: h.Owner, Reference: h.Reference,
		CreatedAt: h.Now, ExpiresAt: h.ExpiresAt, Call: h.Call, Lines: make([]ReservationLine, len(h.Lines))}
	var short []Shortfall
	var held int64
	for i, ln := range h.Lines {
		available := l.available(ln.SKU, ln.Location, 0)
		got := ln.Quantity
		r.Lines[i] = ReservationLine{SKU: ln.SKU, Location: ln.Location, Quantity: ln.Quantity, Available: -1,
			Decimals: uint8(l.Decimals(ln.SKU))}
		if available < ln.Quantity {
			short = append(short, Shortfall{ln.SKU, ln.Location, int64(ln.Quantity), available})
			got = available
			r.Lines[i].Available = available
		}
		r.Lines[i].Held = got
		held += int64(got)
	}
	if len(short) > 0 && (!h.AllowPartial || held == 0) {
		return nil, &Refused{Code: InsufficientStock, Short: short}
	}
	if h.To != 0 {
		r.State, r.ExpiresAt, r.To, r.DueAt = Confirmed, 0, h.To, h.DueAt
		for i := range r.Lines {
			r.Lines[i].Held, r.Lines[i].Committed = 0, r.Lines[i].Held
		}
	}
	return r, nil
}

// available is what can be promised at a position to someone who has own units
// there already. The caller holds the shard.
func (l *Ledger) available(sku SKU, loc Location, own Qty) Qty {
	p := l.position(sku, loc)
	if p == nil {
		return 0
	}
	s := l.safetyOf(sku)
	safety, promised := s.units(loc)
	if !promised {
		return 0
	}
	return clampQty(p.Free() + int64(own) - int64(safety))
}

// checkPlaces refuses positions that master data does not know any more, or
// whose location is inactive, naming each.
func (l *Ledger) checkPlaces(n int, line func(int) (SKU, Location)) error {
	var inactive []Shortfall
	for i := range n {
		sku, loc := line(i)
		if !l.catalogue.skus.trait(uint32(sku)).known() {
			return &Refused{Code: UnknownSKU, Detail: quoted([]byte(l.SKUName(sku))), Short: []Shortfall{{SKU: sku, Location: loc}}}
		}
		at := l.catalogue.locations.trait(uint32(loc))
		if !at.known() {
			return &Refused{Code: UnknownLocation, Detail: quoted([]byte(l.LocationName(loc))), Short: []Shortfall{{SKU: sku, Location: loc}}}
		}
		if !at.active() {
			inactive = append(inactive, Shortfall{SKU: sku, Location: loc})
		}
	}
	if inactive != nil {
		return &Refused{Code: LocationInactive, Detail: quoted([]byte(l.LocationName(inactive[0].Location))), Short: inactive}
	}
	return nil
}

// MergeHoldLines adds up lines of one position, in the order of their first.
// ok is false where a sum is more than a quantity holds; at names its position.
func MergeHoldLines(lines []HoldLine) (merged []HoldLine, at int, ok bool) {
	if distinct(lines) {
		return lines, 0, true
	}
	seen := make(map[[2]uint32]int, len(lines))
	merged = slices.Grow(merged, len(lines))
	for i, ln := range lines {
		k := [2]uint32{uint32(ln.SKU), uint32(ln.Location)}
		j, again := seen[k]
		if !again {
			seen[k] = len(merged)
			merged = append(merged, ln)
			continue
		}
		sum := int64(merged[j].Quantity) + int64(ln.Quantity)
		if !inRange(sum) {
			return nil, i, false
		}
		merged[j].Quantity = Qty(sum)
	}
	return merged, 0, true
}

// distinct says of a small basket that no position comes twice, without allocating.
func distinct(lines []HoldLine) bool {
	if len(lines) > 16 {
		return false
	}
	for i := range lines {
		for j := range lines[:i] {
			if lines[i].SKU == lines[j].SKU && lines[i].Location == lines[j].Location {
				return false
			}
		}
	}
	return true
}
