package ledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// told is an event that a till or a counter tells of, and when it arrives.
type told struct {
	kind     ledger.Kind // KindAdjustment, KindCount or KindStockVoid
	id       string
	time     ledger.Millis
	arrives  ledger.Millis
	quantity ledger.Qty
	voids    string
}

func (e told) command() ledger.Command {
	n := ledger.EventName{Source: "test", ID: e.id, Time: e.time, Content: 1}
	switch e.kind {
	case ledger.KindCount:
		return &ledger.Count{Name: n, CountedAt: e.time, Received: e.arrives, Location: 1, Lines: []ledger.CountLine{{SKU: 1, Quantity: e.quantity}}}
	case ledger.KindStockVoid:
		return &ledger.Void{Kind: e.kind, Name: n, Source: "test", Voids: e.voids, Received: e.arrives, Location: 1}
	}
	return &ledger.Movement{Kind: e.kind, Name: n, Received: e.arrives, Location: 1, Lines: []ledger.MovementLine{{SKU: 1, Quantity: e.quantity}}}
}

func oneShelf(t *testing.T, c *ledgertest.Clock, fs vfs.FS) *ledger.Ledger {
	t.Helper()
	l := ledgertest.OpenOn(t, fs, c)
	for _, cmd := range []ledger.Command{ledger.PutSKU{Info: ledger.SKUInfo{SKU: "a"}, Now: c.Now()},
		ledger.PutLocation{Info: ledger.LocationInfo{Location: "x", Active: true}, Now: c.Now()}} {
		if _, err := l.Apply(cmd); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// TestPastIsWhatHappenedUntilThen looks back at random histories: what is now known of a
// moment is what a ledger comes to that was told only of what happened up to then.
func TestPastIsWhatHappenedUntilThen(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 60 {
		c := ledgertest.NewClock()
		l := oneShelf(t, c, vfs.NewMem())
		var all []told
		onHand := map[ledger.Seq]ledger.Qty{}
		for i := range 1 + rng.IntN(25) {
			c.Advance(ledger.Millis(rng.IntN(4 * 60_000)))
			e := told{kind: ledger.KindAdjustment, id: fmt.Sprint(i), arrives: c.Now(), quantity: ledger.Qty(1 + rng.IntN(9))}
			e.time = e.arrives + ledger.Millis(rng.IntN(34)-30)*60_000 // up to 3 minutes ahead, and half an hour late
			switch n := rng.IntN(10); {
			case n < 2:
				e.kind = ledger.KindCount
			case n < 4 && len(all) > 0:
				e.kind, e.voids = ledger.KindStockVoid, all[rng.IntN(len(all))].id
			}
			r, err := l.Apply(e.command())
			var refused *ledger.Refused
			if errors.As(err, &refused) {
				continue // voided twice, or a void of a void
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
			row, _ := l.Position(1, 1, c.Now())
			onHand[r.Seq] = row.OnHand
		}
		times := map[string]ledger.Millis{}
		for _, e := range all {
			times[e.id] = e.time
		}
		for range 12 {
			at := c.Now() - ledger.Millis(rng.IntN(60*60_000))
			until := oneShelf(t, c, vfs.NewMem())
			for _, e := range all {
				when := e.time
				if e.kind == ledger.KindStockVoid {
					when = times[e.voids]
				}
				if when <= at {
					if _, err := until.Apply(e.command()); err != nil {
						t.Fatal(err)
					}
				}
			}
			row, _ := until.Position(1, 1, c.Now())
			p, err := l.PositionAt(1, 1, 0, at, c.Now())
			if err != nil || p.Now == nil || p.Now.OnHand != row.OnHand {
				t.Fatalf("seed %d: at %d of %+v: %+v, want %d on hand: %v", seed, at, all, p.Now, row.OnHand, err)
			}
		}
		for seq, want := range onHand {
			if p, err := l.PositionAt(1, 1, seq, 0, c.Now()); err != nil || p.Known == nil || p.Known.Seq != seq || p.Known.OnHand != want {
				t.Fatalf("seed %d: after entry %d: %+v, want %d on hand: %v", seed, seq, p.Known, want, err)
			}
		}
	}
}

// TestForgottenPast looks back further than the journal is kept.
func TestForgottenPast(t *testing.T) {
	c := ledgertest.NewClock()
	fs := vfs.NewMem()
	l := oneShelf(t, c, fs)
	apply := func(id string, quantity ledger.Qty) {
		t.Helper()
		e := told{kind: ledger.KindAdjustment, id: id, time: c.Now(), arrives: c.Now(), quantity: quantity}
		if _, err := l.Apply(e.command()); err != nil {
			t.Fatal(err)
		}
	}
	start := c.Now()
	apply("1", 5)
	old := l.Seq()
	const day = 24 * 60 * 60 * 1000
	c.Advance(60 * day)
	apply("2", 7)
	c.Advance(day)
	apply("3", 1)
	if err := errors.Join(l.Checkpoint(), l.Prune(), l.Close()); err != nil {
		t.Fatal(err)
	}
	l = ledgertest.OpenOn(t, fs, c) // so that none of it is in memory
	for _, past := range []struct {
		seq ledger.Seq
		at  ledger.Millis
	}{{0, start}, {old, 0}, {0, start + 59*day}} {
		if p, err := l.PositionAt(1, 1, past.seq, past.at, c.Now()); !errors.Is(err, ledger.ErrForgotten) {
			t.Errorf("%+v: %+v %v", past, p, err)
		}
	}
	// What the journal does reach, it tells, though not how it began.
	p, err := l.PositionAt(1, 1, 0, start+60*day+1000, c.Now())
	if err != nil || p.Known == nil || p.Known.OnHand != 12 || p.Now != nil {
		t.Errorf("%+v %+v: %v", p.Known, p.Now, err)
	}
	if p, err = l.PositionAt(1, 1, 0, c.Now()-1, c.Now()); err != nil || p.Known.OnHand != 12 || p.Now == nil || p.Now.OnHand != 12 {
		t.Errorf("%+v %+v: %v", p.Known, p.Now, err)
	}
}
