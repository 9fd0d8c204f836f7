package availability

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"onhand/ledger"
)

// told lists the signals of one window as sku@location=available#seq, with the id
// up to which all has been told, and ! where what is available changed.
func (s *shop) told(w *window) string {
	s.t.Helper()
	if err := w.gather(context.Background(), 0); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	if err := w.each(nil, func(sig *Signal) bool {
		changed := ""
		if sig.Changed {
			changed = "!"
		}
		out = append(out, fmt.Sprintf("%s@%s=%d#+%d safe+%d%s", s.ledger.SKUName(sig.SKU), s.ledger.LocationName(sig.Row.Location),
			sig.Row.Available(), sig.Seq-w.from, sig.Safe-w.from, changed))
		return true
	}); err != nil {
		s.t.Fatal(err)
	}
	if w.to != s.ledger.Durable() {
		s.t.Errorf("the window ends at %d, the journal at %d", w.to, s.ledger.Durable())
	}
	return strings.Join(out, ", ")
}

func TestSignals(t *testing.T) {
	s := newShop(t)
	w := s.window(s.ledger.Read(s.ledger.Durable()), positionsMax)
	s.move("a", "l1", 5)
	s.is(s.told(w), "a@l1=5#+1 safe+1!")
	s.move("a", "l1", 1)
	s.move("b", "l2", 1)
	s.move("a", "l1", -1)
	s.is(s.told(w), "b@l2=1#+2 safe+2!, a@l1=5#+3 safe+3") // as it was: told of, but no change
	s.move("a", "l2", 1)
	s.told(w)
	// Lines of one entry: resuming before the last of them must tell all of them again.
	s.hold("r", s.line("a", "l1", 2), s.line("b", "l2", 1), s.line("a", "l2", 1))
	s.is(s.told(w), "a@l2=0#+1 safe+0!, a@l1=3#+1 safe+0!, b@l2=0#+1 safe+1!")
	s.move("a", "l3", -4)
	s.is(s.told(w), "a@l3=0#+1 safe+1")
}

func TestSignalsOfMasterData(t *testing.T) {
	s := newShop(t)
	s.move("a", "l1", 5)
	s.move("a", "l2", 5)
	s.move("b", "l1", 5)
	w := s.window(s.ledger.Read(s.ledger.Durable()), positionsMax)
	f := func(want string, change func()) {
		t.Helper()
		change()
		got := strings.Split(s.told(w), ", ")
		slices.Sort(got)
		s.is(strings.Join(slices.Compact(got), ", "), "%s", want)
	}
	set := func(rules ...ledger.SafetyRule) func() {
		return func() { s.apply(ledger.SetSafety{Set: rules, Now: s.clock.Now()}) }
	}
	a, l1 := s.sku("a"), s.loc("l1")
	f("a@l1=0#+1 safe+0!, b@l1=0#+1 safe+0!", func() { s.location("l1", false) })
	f("", func() { s.location("l1", false) })
	f("", func() { s.location("new", true) })
	f("a@l1=5#+1 safe+0!, b@l1=5#+1 safe+0!", func() { s.location("l1", true) })
	f("a@l1=4#+1 safe+0!, a@l2=4#+1 safe+0!", set(ledger.SafetyRule{SKU: a, Units: 1000}))
	f("", set(ledger.SafetyRule{SKU: a, Units: 1000}))
	f("a@l1=3#+1 safe+0!, a@l2=4#+1 safe+0!", set(ledger.SafetyRule{SKU: a, Location: l1, Units: 2000}))
	f("a@l1=3#+1 safe+0!, a@l2=4#+1 safe+0!", set(ledger.SafetyRule{Category: "dairy", Units: 3000}))
	f("a@l1=3#+1 safe+0!, b@l1=1#+1 safe+0!", set(ledger.SafetyRule{Location: l1, Units: 4000}))
	f("a@l1=3#+1 safe+0!, a@l2=4#+1 safe+0!, b@l1=1#+1 safe+0!", set(ledger.SafetyRule{None: true}))
	f("a@l1=5#+1 safe+0!, a@l2=5#+1 safe+0!, b@l1=5#+1 safe+0!", func() { s.apply(ledger.SetSafety{Replace: true, Now: s.clock.Now()}) })
	f("a@l1=5#+1 safe+0!, a@l2=5#+1 safe+0!", func() { s.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: "a"}, Now: s.clock.Now()}) })
	// What moves in the window of a change of rules is told first, but not as if the rules were told too.
	f("a@l1=2#+3 safe+2!, a@l2=2#+3 safe+2!, b@l1=3#+3 safe+2!, b@l1=3#+4 safe+2!, b@l2=0#+2 safe+2, b@l2=0#+3 safe+2!", func() {
		s.move("b", "l2", 1)
		s.move("b", "l2", -1)
		set(ledger.SafetyRule{Units: 3000})()
		s.move("b", "l1", 1)
	})
	for _, loc := range []string{"l1"} {
		s.move("a", loc, -5)
		s.move("b", loc, -6)
	}
	s.told(w)
	f("a@l1=0#+1 safe+0!, b@l1=0#+1 safe+0!", func() { s.apply(ledger.DeleteLocation{Location: l1, Now: s.clock.Now()}) })
	f("a@l1=0#+1 safe+0!, b@l1=0#+1 safe+0!", func() { s.location("l1", true) })

	// A reader that comes to changes which its knowledge includes tells of all they may concern.
	w = s.window(s.ledger.Read(s.ledger.Durable()-1), positionsMax)
	f("a@l1=0#+1 safe+0!, b@l1=0#+1 safe+0!", func() {})
}

func TestWindowIsBounded(t *testing.T) {
	s := newShop(t)
	for i := range 40 {
		s.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: fmt.Sprint("s", i)}, Now: s.clock.Now()})
	}
	after := s.ledger.Durable()
	for i := range 40 {
		s.move(fmt.Sprint("s", i), "l1", 1)
	}
	w := s.window(s.ledger.Read(after), 10)
	n := 0
	for w.to < s.ledger.Durable() {
		if err := w.gather(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
		if len(w.index) > 10 {
			t.Errorf("%d positions in a window", len(w.index))
		}
		w.each(nil, func(*Signal) bool { n++; return true })
	}
	if n != 40 {
		t.Errorf("%d signals", n)
	}
}
