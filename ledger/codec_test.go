package ledger

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

// randomDraft makes an entry with every part that entries have.
func randomDraft(rng *rand.Rand) *entryDraft {
	q := func() Qty { return Qty(rng.Uint32()>>rng.IntN(32)) * Qty(1-2*rng.IntN(2)) }
	few := func() Qty { return max(0, q()) }
	e := newEntry(Kind(1+rng.IntN(int(kindCount)-1)), 1_800_000_000_000+Millis(rng.IntN(1_000_000)))
	if rng.IntN(2) == 0 {
		e.name(EventName{Source: "pos/0042/till-3", ID: "000123", Time: e.recordedAt - Millis(rng.IntN(100_000)), Content: rng.Uint64()})
		e.time -= Millis(rng.IntN(3))
		e.event.Sequence = uint64(rng.IntN(3))
		e.id = rng.Uint32N(100)
	}
	if rng.IntN(2) == 0 {
		e.key = CallKey{Hash{rng.Uint64(), rng.Uint64()}, Hash{rng.Uint64(), rng.Uint64()}}
	}
	if rng.IntN(2) == 0 {
		r := &Reservation{ID: "cart-981", State: State(1 + rng.IntN(int(stateCount)-1)), Channel: "web", Owner: "é\"", Reference: "",
			CreatedAt: Millis(rng.Uint32()), ExpiresAt: Millis(rng.Uint32()), Created: Seq(rng.Uint32()) + 1, Seq: Seq(rng.Uint32()) + 1,
			Call: Hash{rng.Uint64(), rng.Uint64()}, Lines: []ReservationLine{}}
		for range rng.IntN(4) {
			r.Lines = append(r.Lines, ReservationLine{SKU: SKU(rng.Uint32()), Location: Location(rng.Uint32()), Quantity: few(), Held: few(),
				Committed: few(), Fulfilled: few(), Cancelled: few(), Available: few() - 1})
		}
		for i := range r.Lines {
			r.Lines[i].Available = max(-1, r.Lines[i].Available)
		}
		if rng.IntN(3) == 0 {
			r.To, r.DueAt = Location(1+rng.Uint32N(9)), Millis(rng.Uint64N(2)*1_800_000_000_000)
		}
		e.reservation = r
	}
	for range rng.IntN(5) {
		e.lines = append(e.lines, EntryLine{SKU: SKU(rng.Uint32()), Location: Location(rng.Uint32()), Prev: Seq(rng.Uint64()), Moved: q(),
			Delta: Figures{q(), q(), q(), q()}, After: Figures{q(), q(), q(), q()}, Settled: rng.IntN(2) == 0, Net: rng.IntN(2) == 0})
		if ln := &e.lines[len(e.lines)-1]; rng.IntN(4) == 0 {
			ln.Recounted, ln.CountedAt = true, Millis(rng.Uint32())
		}
	}
	for range rng.IntN(3) {
		e.except(ExceptionCode(1+rng.IntN(int(exceptionCodeCount)-1)), SKU(rng.Uint32()), Location(rng.Uint32()), q(), q())
		e.because(Millis(rng.Int64N(sixMax)), Cause(rng.IntN(int(causeCount))))
	}
	if rng.IntN(3) == 0 {
		e.payload = []byte{0, 1, 2}
	}
	return e
}

func TestEntriesReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		e := randomDraft(rng)
		got, err := decodeEntry(7, e.append(nil))
		if err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		want := Entry{Seq: 7, Kind: e.kind, Time: e.time, RecordedAt: e.recordedAt, ID: e.id, Key: e.key, Reservation: e.reservation,
			Lines: e.lines, Exceptions: e.exceptions, Payload: e.payload}
		if !e.event.isZero() {
			want.Source, want.EventID, want.Content, want.SaidTime = e.event.Source, e.event.ID, e.event.Content, e.event.Time
			want.Sequence = e.event.Sequence
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read back\n%+v\nof\n%+v", got, want)
		}
	}
}

func sixOf(v uint64) (s six) {
	s.set(v)
	return s
}

func TestPagesReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		var p page
		loc := Location(0)
		for range rng.IntN(20) {
			loc += 1 + Location(rng.Uint32N(1000))
			p.positions = append(p.positions, position{Figures: Figures{Qty(rng.Int32()), Qty(rng.IntN(2)), Qty(rng.IntN(3)), Qty(rng.IntN(2))},
				loc: loc, last: sixOf(rng.Uint64N(3) * 1_800_000_000_000), counted: sixOf(rng.Uint64N(2) * uint64(rng.Uint32())), head: sixOf(rng.Uint64() & sixMax)})
		}
		b := p.append(nil, 99)
		got, seq, err := decodePage(b)
		if err != nil || seq != 99 || len(got.positions) != len(p.positions) {
			t.Fatalf("%d positions, seq %d: %v", len(got.positions), seq, err)
		}
		for i := range p.positions {
			if got.positions[i] != p.positions[i] {
				t.Fatalf("read back %+v of %+v", got.positions[i], p.positions[i])
			}
		}
		if len(b) > 0 {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			if _, _, err := decodePage(b); err == nil {
				t.Fatal("a page with a flipped bit was read")
			}
		}
	}
}

func TestBlocksReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		b := newBlock(Seq(1+rng.IntN(1000)), newCommit(), &block{})
		for range 1 + rng.IntN(20) {
			b.body = randomDraft(rng).append(b.body)
			b.ends = append(b.ends, uint32(len(b.body)))
		}
		v := b.encode([32]byte{1, 2, 3}, 1_800_000_000_000)
		s, err := decodeBlock(v)
		if err != nil || s.first != b.first || s.last() != b.last() || s.prev != [32]byte{1, 2, 3} || !bytes.Equal(s.body, b.body) {
			t.Fatalf("block %d of %d entries: %v", b.first, len(b.ends), err)
		}
		v[rng.IntN(len(v))] ^= 1 << rng.IntN(8)
		if _, err := decodeBlock(v); err == nil {
			t.Fatal("a block with a flipped bit was read")
		}
	}
}

// TestPageIndex looks for every number among, between and beside the locations of
// pages of all densities.
func TestPageIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 3000 {
		var p page
		loc := Location(0)
		gap := 1 + rng.Uint32N(40)
		for range rng.IntN(60) {
			loc += 1 + Location(rng.Uint32N(gap))
			p.positions, p.top = append(p.positions, position{loc: loc}), loc
		}
		for want := Location(1); want < loc+3; want++ {
			i, ok := p.index(want)
			j, found := 0, false
			for j < len(p.positions) && p.positions[j].loc < want {
				j++
			}
			found = j < len(p.positions) && p.positions[j].loc == want
			if i != j || ok != found {
				t.Fatalf("%d is at %d (%v) of %v, index says %d (%v)", want, j, found, p.positions, i, ok)
			}
		}
	}
}
