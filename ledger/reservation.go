package ledger

import (
	"encoding/binary"
	"sync"
)

// State is where a reservation is in its life.
type State uint8

// The states. Their numbers are on disk: new ones go at the end.
const (
	NoState State = iota
	Held
	Confirmed
	Fulfilled
	Cancelled
	Expired
	RefusedOrder // an order that could not be had
	AwaitedOrder // an order of which part was cancelled before it was placed
	PaidOrder    // an order that was paid before it was placed
	stateCount
)

var stateWords = [stateCount]string{"", "held", "confirmed", "fulfilled", "cancelled", "expired", "refused", "awaited", "paid"}

func (s State) String() string { return stateWords[s] }

// ParseState is the inverse of State.String; NoState where there is no such word.
func ParseState(word string) State {
	for s := Held; s < stateCount; s++ {
		if stateWords[s] == word {
			return s
		}
	}
	return NoState
}

// Open says that units may still be under it.
func (s State) Open() bool { return s == Held || s == Confirmed }

// Reservation is units of SKUs at locations, promised to someone. A Reservation
// that left the ledger is a copy that never changes.
type Reservation struct {
	ID        string
	State     State
	Channel   string
	Owner     string
	Reference string
	CreatedAt Millis
	ExpiresAt Millis // the deadline; 0 once confirmed
	Created   Seq    // the entry that made it
	Seq       Seq    // the entry that changed it last
	Call      Hash   // the request that made it
	Lines     []ReservationLine

	To    Location // of a transfer asked for: where the goods are to go; else 0
	DueAt Millis   // when they are expected there; 0: nobody said
}

// ReservationLine is units of one SKU at one location. What is neither held nor
// committed, fulfilled nor cancelled was never held, expired, or let go.
type ReservationLine struct {
	SKU       SKU
	Location  Location
	Quantity  Qty // asked for
	Held      Qty
	Committed Qty
	Fulfilled Qty
	Cancelled Qty
	Available Qty // when it was made in part: what could be had then; else -1

	// Decimals are the SKU's when the line was made: a finished reservation, or a
	// repeated answer, says the same after they were changed.
	Decimals uint8
}

func (ln *ReservationLine) open() Qty { return ln.Held + ln.Committed }

// left is how many units are still under the reservation.
func (r *Reservation) left() (n int64) {
	for i := range r.Lines {
		n += int64(r.Lines[i].open())
	}
	return n
}

func (r *Reservation) fulfilledAny() bool {
	for i := range r.Lines {
		if r.Lines[i].Fulfilled > 0 {
			return true
		}
	}
	return false
}

// clone copies what a change will write to.
func (r *Reservation) clone() *Reservation {
	c := *r
	c.Lines = append([]ReservationLine(nil), r.Lines...)
	return &c
}

// settle gives a reservation under which nothing is left its last state.
func (r *Reservation) settle() {
	if r.State.Open() && r.left() == 0 {
		r.State = Cancelled
		if r.fulfilledAny() {
			r.State = Fulfilled
		}
		r.ExpiresAt = 0
	}
}

const (
	flagHeld = 1 << iota
	flagCommitted
	flagFulfilled
	flagCancelled
	flagAvailable
	flagSameAsHeld // quantity = held: most lines while held
)

const decimalsShift = 6 // the two bits above the flags

const stateOfTransfer = 1 << 7 // beside the state: To and DueAt follow

// append writes the reservation as it goes into entries and records.
// Created and Seq of 0 stand for the entry itself.
func (r *Reservation) append(b []byte) []byte {
	b = appendString(b, r.ID)
	state := byte(r.State)
	if r.To != 0 {
		state |= stateOfTransfer
	}
	b = append(b, state)
	b = appendString(b, r.Channel)
	b = appendString(b, r.Owner)
	b = appendString(b, r.Reference)
	b = binary.AppendUvarint(b, uint64(r.CreatedAt))
	b = binary.AppendUvarint(b, uint64(r.ExpiresAt))
	b = binary.AppendUvarint(b, uint64(r.Created))
	b = binary.AppendUvarint(b, uint64(r.Seq))
	b = r.Call.append(b)
	if r.To != 0 {
		b = binary.AppendUvarint(b, uint64(r.To))
		b = binary.AppendUvarint(b, uint64(r.DueAt))
	}
	b = binary.AppendUvarint(b, uint64(len(r.Lines)))
	for i := range r.Lines {
		b = r.Lines[i].append(b)
	}
	return b
}

func (ln *ReservationLine) append(b []byte) []byte {
	flags := ln.Decimals << decimalsShift
	set := func(f byte, q Qty) {
		if q != 0 {
			flags |= f
		}
	}
	if ln.Held == ln.Quantity {
		flags |= flagSameAsHeld
	} else {
		set(flagHeld, ln.Held)
	}
	set(flagCommitted, ln.Committed)
	set(flagFulfilled, ln.Fulfilled)
	set(flagCancelled, ln.Cancelled)
	if ln.Available >= 0 {
		flags |= flagAvailable
	}
	b = binary.AppendUvarint(b, uint64(ln.SKU))
	b = binary.AppendUvarint(b, uint64(ln.Location))
	b = append(b, flags)
	b = binary.AppendVarint(b, int64(ln.Quantity))
	for _, f := range [...]struct {
		flag byte
		q    Qty
	}{{flagHeld, ln.Held}, {flagCommitted, ln.Committed}, {flagFulfilled, ln.Fulfilled},
		{flagCancelled, ln.Cancelled}, {flagAvailable, ln.Available}} {
		if flags&f.flag != 0 {
			b = binary.AppendVarint(b, int64(f.q))
		}
	}
	return b
}

// reservation reads what append wrote; at is the seq of the entry it stands in.
func (d *decoder) reservation(at Seq) *Reservation {
	r := &Reservation{ID: d.string()}
	state := d.byte()
	r.State = State(state &^ stateOfTransfer)
	if r.State == NoState || r.State >= stateCount {
		d.fail()
	}
	r.Channel, r.Owner, r.Reference = d.string(), d.string(), d.string()
	r.CreatedAt, r.ExpiresAt = Millis(d.uvarint()), Millis(d.uvarint())
	r.Created, r.Seq = Seq(d.uvarint()), Seq(d.uvarint())
	if r.Created == 0 {
		r.Created = at
	}
	if r.Seq == 0 {
		r.Seq = at
	}
	r.Call = Hash{d.fixed64(), d.fixed64()}
	if state&stateOfTransfer != 0 {
		if r.To, r.DueAt = Location(d.uint32()), d.six(); r.To == 0 {
			d.fail()
		}
	}
	n := d.count(4)
	r.Lines = make([]ReservationLine, 0, n)
	for range n {
		r.Lines = append(r.Lines, d.reservationLine())
	}
	return r
}

func (d *decoder) reservationLine() ReservationLine {
	ln := ReservationLine{SKU: SKU(d.uint32()), Location: Location(d.uint32()), Available: -1}
	flags := d.byte()
	ln.Decimals = flags >> decimalsShift
	units := func() Qty {
		q := d.qty()
		if q < 0 {
			d.fail()
		}
		return q
	}
	ln.Quantity = units()
	read := func(f byte, q *Qty) {
		if flags&f != 0 {
			*q = units()
		}
	}
	if flags&flagSameAsHeld != 0 {
		ln.Held = ln.Quantity
	}
	read(flagHeld, &ln.Held)
	read(flagCommitted, &ln.Committed)
	read(flagFulfilled, &ln.Fulfilled)
	read(flagCancelled, &ln.Cancelled)
	read(flagAvailable, &ln.Available)
	return ln
}

const reservationShards = 64

// reservations are the open ones, and those that finished since the last
// checkpoint; the others are on disk.
type reservations struct {
	shards [reservationShards]reservationShard
}

type reservationShard struct {
	mu    sync.RWMutex
	byID  map[string]*Reservation // replaced, never changed in place
	dirty map[string]struct{}     // changed since last written
	// reopened were given something back by a void since then, or their order was placed
	// after it was paid: the disk may say that they are over.
	reopened map[string]struct{}
}

func (t *reservations) init() {
	for i := range t.shards {
		t.shards[i].byID = make(map[string]*Reservation)
		t.shards[i].dirty = make(map[string]struct{})
	}
}

func (t *reservations) shard(id string) *reservationShard {
	return &t.shards[reservationShardIndex(id)]
}

func reservationShardIndex(id string) int { return int(hashString(id) % reservationShards) }

// put makes r the current version; the caller holds the shard's lock.
func (s *reservationShard) put(r *Reservation) {
	s.byID[r.ID] = r
	s.dirty[r.ID] = struct{}{}
}

// putBack is put for one that the disk may say is over, and that may be open again.
func (s *reservationShard) putBack(r *Reservation) {
	if s.reopened == nil {
		s.reopened = make(map[string]struct{})
	}
	s.reopened[r.ID] = struct{}{}
	s.put(r)
}

// lockReservation locks the shard of id and returns the reservation, nil if nobody
// made it in the time that reservations are kept.
func (l *Ledger) lockReservation(id string) (s *reservationShard, r *Reservation, err error) {
	s = l.reservations.shard(id)
	looked, generation := false, uint64(0)
	for {
		s.mu.Lock()
		if r = s.byID[id]; r != nil || looked && generation == l.evictions.Load() {
			return s, r, nil
		}
		s.mu.Unlock()
		generation = l.evictions.Load()
		r, err = l.finishedOnDisk(id)
		if err != nil {
			return nil, nil, err
		}
		if r != nil {
			s.mu.Lock()
			if now := s.byID[id]; now != nil { // a void has opened it again
				return s, now, nil
			}
			if generation == l.evictions.Load() {
				return s, r, nil
			}
			s.mu.Unlock()
			continue
		}
		looked = true
	}
}

// Reservation returns the reservation as it is at now, and whether there is one.
func (l *Ledger) Reservation(id string, now Millis) (*Reservation, bool, error) {
	l.expireDue(now)
	for {
		generation := l.evictions.Load()
		s := l.reservations.shard(id)
		s.mu.RLock()
		r := s.byID[id]
		s.mu.RUnlock()
		if r != nil {
			return r, true, nil
		}
		r, err := l.finishedOnDisk(id)
		if r != nil || err != nil {
			return r, r != nil, err
		}
		if generation == l.evictions.Load() {
			return nil, false, nil
		}
	}
}
