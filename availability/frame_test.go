package availability

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"onhand/ledger"
)

var frameID = regexp.MustCompile(`(?m)^id: (\d+)$`)

// TestFrameIDs: who has read an event and resumes after its id is told all that
// came behind it. Only the last event of a window may name the window's end.
func TestFrameIDs(t *testing.T) {
	s := newShop(t)
	s.move("a", "l1", 9)
	s.move("a", "l2", 9)
	s.move("b", "l1", 9)
	w := s.window(s.ledger.Read(s.ledger.Durable()), positionsMax)
	f := func(want string, change func()) {
		t.Helper()
		change()
		if err := w.gather(context.Background(), 0); err != nil {
			t.Fatal(err)
		}
		var all []byte
		out := framer{stock: s.Stock, yield: func(b []byte) bool { all = append(all, b...); return true }}
		out.begin(w)
		if err := w.each(nil, out.add); err != nil {
			t.Fatal(err)
		}
		out.end(w)
		var ids []string
		for _, m := range frameID.FindAllSubmatch(all, -1) {
			var id ledger.Seq
			fmt.Sscan(string(m[1]), &id)
			ids = append(ids, fmt.Sprint(id-w.from))
		}
		s.is(strings.Join(ids, " "), "%s", want)
	}
	f("1", func() { s.move("a", "l1", 1) })
	f("0 0 1", func() { s.hold("r", s.line("a", "l1", 1), s.line("a", "l2", 1), s.line("b", "l1", 1)) })
	f("1 2 3", func() { s.move("a", "l1", 1); s.move("b", "l1", 1); s.move("a", "l2", 1) })
	f("2 3", func() { s.move("a", "l1", 1); s.move("a", "l2", 1); s.move("a", "l1", 1) })
	f("3", func() { s.move("a", "l1", 1); s.move("a", "l2", 1); s.move("a", "l2", -1) }) // the last event, of an earlier entry
	// A rule is told of after what moved, so nothing before that may name its entry or a later one.
	f("1 1 1 1 3", func() {
		s.move("a", "l1", 1)
		s.apply(ledger.SetSafety{Set: []ledger.SafetyRule{{Units: 1000}}, Now: s.clock.Now()})
		s.move("a", "l2", 2)
	})
}
