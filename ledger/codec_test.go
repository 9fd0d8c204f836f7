package ledger

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
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
		e.reservation = r
	}
	for range rng.IntN(5) {
		e.lines = append(e.lines, EntryLine{SKU: SKU(rng.Uint32()), Location: Location(rng.Uint32()), Prev: Seq(rng.Uint64()), Moved: q(),
			Delta: Figures{q(), q(), q(), q()}, After: Figures{q(), q(), q(), q()}, Settled: rng.IntN(2) == 0})
	}
	for range rng.IntN(3) {
		e.except(ExceptionCode(1+rng.IntN(int(exceptionCodeCount)-1)), SKU(rng.Uint32()), Location(rng.Uint32()), q(), q())
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

// The decoders read bytes that the disk may have changed: they must say so, never panic.

func FuzzEntry(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		f.Add(randomDraft(rng).append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(1, b)
		if err == nil {
			_ = e.Kind.String()
			if e.Kind == KindDeadLetter {
				e.DeadLetter()
			}
		}
	})
}

func FuzzBlock(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 10))
	b := newBlock(5, newCommit(), &block{})
	for range 4 {
		b.body = randomDraft(rng).append(b.body)
		b.ends = append(b.ends, uint32(len(b.body)))
	}
	f.Add(b.encode([32]byte{}, 1))
	f.Fuzz(func(t *testing.T, v []byte) {
		s, err := decodeBlock(v)
		if err != nil {
			return
		}
		s.entry(s.first)
		again, err := decodeBlock(s.block.encode(s.prev, s.at))
		if err != nil || again.first != s.first || again.at != s.at || again.prev != s.prev || !bytes.Equal(again.body, s.body) || !slices.Equal(again.ends, s.ends) {
			t.Fatalf("block %d of %d entries reads back otherwise: %v", s.first, len(s.ends), err)
		}
	})
}

func FuzzPage(f *testing.F) {
	p := page{positions: []position{{loc: 3, Figures: Figures{1, 2, 3, 4}, head: sixOf(9), last: sixOf(5), counted: sixOf(6)}, {loc: 4}}}
	f.Add(p.append(nil, 10))
	f.Fuzz(func(t *testing.T, v []byte) {
		p, seq, err := decodePage(v)
		if err != nil {
			return
		}
		if again, seqAgain, err := decodePage(p.append(nil, seq)); err != nil || seqAgain != seq || !reflect.DeepEqual(p, again) {
			t.Fatalf("%+v of entry %d reads back as %+v of %d: %v", p, seq, again, seqAgain, err)
		}
	})
}

func FuzzReservation(f *testing.F) {
	f.Add((&Reservation{ID: "a", State: Held, Lines: []ReservationLine{{SKU: 1, Location: 2, Quantity: 3, Held: 3, Available: -1}}}).append(nil))
	f.Fuzz(func(t *testing.T, v []byte) {
		r, err := decodeReservation(v)
		if err != nil {
			return
		}
		if again, err := decodeReservation(r.append(nil)); err != nil || !reflect.DeepEqual(r, again) {
			t.Fatalf("%+v reads back as %+v: %v", r, again, err)
		}
	})
}

func FuzzRules(f *testing.F) {
	l := &Ledger{}
	l.init()
	f.Add(l.encodeRules(true, map[ruleKey]units{{sku: 1, loc: 2}: 3000, {category: l.catalogue.category("dairy")}: unitsNone}, []ruleKey{{loc: 4}}))
	f.Fuzz(func(t *testing.T, v []byte) {
		replace, set, remove, err := l.decodeRules(v)
		if err != nil {
			return
		}
		replaceAgain, setAgain, removeAgain, err := l.decodeRules(l.encodeRules(replace, set, remove))
		if err != nil || replaceAgain != replace || !maps.Equal(setAgain, set) || !slices.Equal(removeAgain, remove) {
			t.Fatalf("%v %v %v read back as %v %v %v: %v", replace, set, remove, replaceAgain, setAgain, removeAgain, err)
		}
	})
}

// FuzzRecord reads the small records: of an offset, a name, a call and a dead letter.
func FuzzRecord(f *testing.F) {
	letter := DeadLetter{Code: "unknown-sku", Detail: "x", Topic: "pos.events", Partition: 3, Offset: 7, Key: []byte("k"), Value: []byte("v"),
		Headers: []Header{{"h", []byte("w")}}}
	f.Add(byte(0), Offset{Next: 5, Last: Hash{1, 2}}.encode("t"))
	f.Add(byte(1), seen{1, 2}.append(nil))
	f.Add(byte(2), call{Hash{1, 2}, 3, 4}.append(nil))
	f.Add(byte(3), letter.encode())
	f.Fuzz(func(t *testing.T, kind byte, v []byte) {
		var again []byte
		switch kind % 4 {
		case 0:
			o, err := decodeOffset("t", v)
			if err != nil {
				return
			}
			again = o.encode("t")
		case 1:
			if len(v) != 16 { // loadNames refuses those
				return
			}
			again = decodeSeen(v).append(nil)
		case 2:
			if len(v) != 32 { // keyOnDisk refuses those
				return
			}
			again = decodeCall(v).append(nil)
		default:
			e := Entry{Kind: KindDeadLetter, Payload: v}
			d, err := e.DeadLetter()
			if err != nil {
				return
			}
			e.Payload = d.encode() // lengths may have been written longer than they need be
			if back, err := e.DeadLetter(); err != nil || !reflect.DeepEqual(back, d) {
				t.Fatalf("%+v reads back as %+v: %v", d, back, err)
			}
			return
		}
		if !bytes.Equal(again, v) {
			t.Fatalf("%x reads back as %x", v, again)
		}
	})
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
