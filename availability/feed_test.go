package availability

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"onhand/ledger"
)

// event is one server-sent event as a browser would give it.
type event struct {
	kind string
	id   string // the last one given
	data string
}

// reader parses what a subscription gives.
type reader struct {
	t      testing.TB
	sub    *Subscription
	events []event
	lastID string
}

func (s *shop) read(f *Feed, after ledger.Seq, only ...ledger.Location) *reader {
	s.t.Helper()
	sub, err := f.Subscribe(after, only...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(sub.Close)
	return &reader{t: s.t, sub: sub}
}

const patience = 20 * time.Second

// next returns the next event, or why there is none.
func (r *reader) next() (event, error) {
	for len(r.events) == 0 {
		b, err := r.sub.Next(nil, patience)
		if err != nil {
			return event{}, err
		}
		if b == nil {
			r.t.Fatal("nothing came")
		}
		for _, block := range strings.Split(strings.TrimSuffix(string(b), "\n\n"), "\n\n") {
			var e event
			for _, ln := range strings.Split(block, "\n") {
				name, value, ok := strings.Cut(ln, ": ")
				if !ok {
					r.t.Fatalf("no line of an event: %q", ln)
				}
				switch name {
				case "id":
					r.lastID = value
				case "event":
					e.kind = value
				case "data":
					e.data = value
				}
			}
			e.id = r.lastID
			if e.kind != "" { // a browser tells of no event that has an id only
				r.events = append(r.events, e)
			}
		}
	}
	e := r.events[0]
	r.events = r.events[1:]
	return e, nil
}

// until reads until a signal says that so many are available, and returns its id.
func (r *reader) until(sku, loc string, available float64) string {
	r.t.Helper()
	for {
		e, err := r.next()
		if err != nil {
			r.t.Fatal(err)
		}
		var v state
		if err := json.Unmarshal([]byte(e.data), &v); err != nil {
			r.t.Fatalf("%v: %s", err, e.data)
		}
		if e.kind == "freshness" && v.SKU == sku && v.Location == loc && v.Available == available {
			return e.id
		}
	}
}

// state is what signals and messages say of a position.
type state struct {
	SKU, Location string
	Seq           ledger.Seq
	Available     float64
}

func TestFeed(t *testing.T) {
	s := newShop(t)
	f := NewFeed(s.Stock, 0)
	defer f.Close()
	s.move("a", "l1", 1)
	sub, err := f.SubscribeNow()
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	r := &reader{t: t, sub: sub}
	seq := s.move("a", "l1", 2)
	s.clock.Advance(5)
	e, err := r.next()
	if err != nil {
		t.Fatal(err)
	}
	s.is(e.kind+" "+e.id, "freshness %d", seq)
	want := fmt.Sprintf(`{"sku":"a","seq":%d,"location":"l1","available":3,"on_hand":3,"unsellable":0,"held":0,"committed":0,"safety_stock":0,"shortage":0,"as_of":"2026-11-23T10:00:00.000Z","age_ms":`, seq)
	if !strings.HasPrefix(e.data, want) {
		t.Errorf("got  %s\nwant %s…", e.data, want)
	}
	// Another one begins in the past, and then goes on with the rest.
	r2 := s.read(f, 0)
	r2.until("a", "l1", 3)
	s.move("b", "l1", 7)
	r.until("b", "l1", 7)
	r2.until("b", "l1", 7)
	f.Close()
	for _, r := range []*reader{r, r2} {
		if _, err := r.next(); err != io.EOF {
			t.Errorf("after Close: %v", err)
		}
	}
	if _, err := f.Subscribe(0); !errors.Is(err, ErrTooManySubscribers) {
		t.Errorf("subscribe after Close: %v", err)
	}
}

// TestFeedOfLocations: who reads of some locations hears of those only, of what moved
// and of what a rule changed, and nevertheless learns how far it has read.
func TestFeedOfLocations(t *testing.T) {
	s := newShop(t)
	f := NewFeed(s.Stock, 0)
	defer f.Close()
	begin := s.ledger.Durable()
	s.move("a", "l1", 100)
	s.move("a", "l2", 100)
	s.move("a", "l3", 100)
	r := s.read(f, begin, s.loc("l1"), s.loc("l3"))
	hears := func(want string) string {
		t.Helper()
		e, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		var v state
		if err := json.Unmarshal([]byte(e.data), &v); err != nil {
			t.Fatalf("%v: %s", err, e.data)
		}
		s.is(fmt.Sprintf("%s|%s %v", v.SKU, v.Location, v.Available), "%s", want)
		return e.id
	}
	// hearsNothing until it is told how far it has read, which is as far as seq.
	hearsNothing := func(seq ledger.Seq) {
		t.Helper()
		for until := fmt.Sprintf("id: %d\n\n", seq); ; {
			b, err := r.sub.Next(nil, time.Millisecond)
			if err != nil || bytes.Contains(b, []byte("data")) {
				t.Fatalf("%v, %q", err, b)
			}
			if string(b) == until {
				return
			}
		}
	}
	hears("a|l1 100")
	hears("a|l3 100")
	hearsNothing(s.move("a", "l2", 1)) // which it may read for itself, or be told of
	hearsNothing(s.move("a", "l2", 1))
	s.move("a", "l1", 1)
	hears("a|l1 101")
	s.apply(ledger.SetSafety{Set: []ledger.SafetyRule{{SKU: s.sku("a"), Units: 10_000}}, Now: s.clock.Now()})
	hears("a|l1 91")
	s.is(hears("a|l3 90"), "%d", s.ledger.Seq())
	all := s.read(f, s.ledger.Durable())
	hearsNothing(s.move("a", "l2", 1))
	all.until("a", "l2", 93)
	s.move("a", "l3", 1)
	hears("a|l3 91")
	all.until("a", "l3", 91)
}

func TestFeedResets(t *testing.T) {
	s := newShop(t)
	f := NewFeed(s.Stock, 0)
	defer f.Close()
	r := s.read(f, s.ledger.Seq()+100)
	e, err := r.next()
	if err != nil || e.kind != "reset" || e.data != fmt.Sprintf(`{"seq":%d}`, s.ledger.Seq()) {
		t.Errorf("after an entry of the future: %+v, %v", e, err)
	}
	go func() {
		for range 3 { // it takes part once it waits
			s.ledger.Apply(&ledger.Movement{Kind: ledger.KindSale, Name: s.name(), Received: s.clock.Now(), Location: s.loc("l1"),
				Lines: []ledger.MovementLine{{SKU: s.sku("a"), Quantity: 1}}})
		}
	}()
	r.until("a", "l1", 3)
}

func TestFeedIsBounded(t *testing.T) {
	s := newShop(t)
	f := NewFeed(s.Stock, 2)
	defer f.Close()
	f.queueBytes = 2000
	slow, fast := s.read(f, s.ledger.Durable()), s.read(f, s.ledger.Durable())
	if _, err := f.Subscribe(0); !errors.Is(err, ErrTooManySubscribers) {
		t.Errorf("a third one: %v", err)
	}
	s.move("a", "l1", 1)
	id := slow.until("a", "l1", 1)
	fast.until("a", "l1", 1)
	for { // until it takes part, and what it does not read is queued
		if b, err := slow.sub.Next(nil, time.Millisecond); err != nil {
			t.Fatal(err)
		} else if b == nil {
			break
		}
	}
	for i := 2; i <= 20; i++ {
		s.move("a", "l1", 1)
		fast.until("a", "l1", float64(i))
	}
	if _, err := slow.next(); err != ErrTooSlow {
		t.Fatalf("a slow reader: %v", err)
	}
	slow.sub.Close()
	after, _ := strconv.Atoi(id)
	s.read(f, ledger.Seq(after)).until("a", "l1", 20)
}

// TestResumeLosesNothing cuts readers off anywhere and resumes them where they
// were: at the end each must know what the ledger says.
func TestResumeLosesNothing(t *testing.T) {
	s := newShop(t)
	f := NewFeed(s.Stock, 0)
	defer f.Close()
	stop := make(chan struct{})
	begin := s.ledger.Durable()
	s.location("end", true)
	type learnt struct {
		of     []string // locations
		states map[string]state
	}
	known := make(chan learnt)
	const readers = 6
	locs := []string{"l1", "l2", "l3"}
	for n := range readers {
		var only []ledger.Location // every other reader reads of some locations
		of := locs
		if n%2 == 1 {
			of = locs[n/2 : n/2+1]
			only = []ledger.Location{s.loc(of[0]), s.loc("end")}
		}
		go func() {
			rng := rand.New(rand.NewPCG(uint64(n), 7))
			states, after := map[string]state{}, begin
			defer func() { known <- learnt{of, states} }()
			for {
				sub, err := f.Subscribe(after, only...)
				if err != nil {
					t.Error(err)
					return
				}
				var got []byte
				for range 1 + rng.IntN(3) {
					b, err := sub.Next(stop, time.Millisecond)
					got = append(got, b...)
					if err == io.EOF {
						break
					}
				}
				sub.Close()
				got = got[:rng.IntN(len(got)+1)] // the connection breaks anywhere
				select {
				case <-stop:
					// The rest, to the end.
					sub, _ := f.Subscribe(after, only...)
					for got = nil; !bytes.Contains(got, []byte(`"available":77777,`)); {
						b, err := sub.Next(nil, patience)
						if err != nil || b == nil {
							t.Errorf("%q, %v", b, err)
							return
						}
						got = append(got, b...)
					}
					sub.Close()
					learn(t, got, states)
					return
				default:
					if id := learn(t, got, states); id != 0 {
						after = id
					}
				}
			}
		}()
	}
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b"}
	for i := range 400 {
		sku, loc := names[rng.IntN(2)], locs[rng.IntN(3)]
		switch i % 10 {
		case 8:
			s.apply(ledger.SetSafety{Set: []ledger.SafetyRule{{SKU: s.sku(sku), Units: 1000 * int64(rng.IntN(3))}}, Now: s.clock.Now()})
		case 9:
			s.location(loc, rng.IntN(2) == 0)
		case 7:
			s.apply(&ledger.Hold{ID: fmt.Sprint("r", i), Now: s.clock.Now(), ExpiresAt: s.clock.Now() + 60_000, AllowPartial: true,
				Lines: []ledger.HoldLine{s.line("kg", "l1", 1), s.line("kg", "l2", 1)}})
		default:
			s.move(sku, loc, ledger.Qty(rng.IntN(9)-3))
			s.location("l1", true)
			s.location("l2", true)
			s.move("kg", "l1", 5)
			s.move("kg", "l2", 5)
		}
	}
	for _, loc := range locs {
		s.location(loc, true)
	}
	close(stop)
	s.move("kg", "end", 77777000)
	for range readers {
		got := <-known
		for _, sku := range append(names, "kg") {
			for _, loc := range got.of {
				row, _ := s.ledger.Position(s.sku(sku), s.loc(loc), s.clock.Now())
				want := float64(row.Available())
				if sku == "kg" {
					want /= 1000
				}
				if told := got.states[sku+"|"+loc].Available; told != want {
					t.Errorf("%s at %s: told %v, it is %v", sku, loc, told, want)
				}
			}
		}
	}
}

// learn takes whole events and returns the id of the last one.
func learn(t *testing.T, got []byte, states map[string]state) (last ledger.Seq) {
	for {
		block, rest, whole := bytes.Cut(got, []byte("\n\n"))
		if !whole {
			return last
		}
		got = rest
		for ln := range bytes.SplitSeq(block, []byte("\n")) {
			if id, ok := bytes.CutPrefix(ln, []byte("id: ")); ok {
				n, _ := strconv.Atoi(string(id))
				last = ledger.Seq(n)
			}
			if data, ok := bytes.CutPrefix(ln, []byte("data: ")); ok {
				var v state
				if err := json.Unmarshal(data, &v); err != nil {
					t.Errorf("%v: %s", err, data)
				}
				states[v.SKU+"|"+v.Location] = v
			}
		}
	}
}
