package availability

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// order is an event of order o.
func (s *shop) order(kind ledger.Kind, o string, lines ...ledger.HoldLine) ledger.Seq {
	s.t.Helper()
	return s.apply(&ledger.Order{Kind: kind, Name: s.name(), Received: s.clock.Now(), ID: o, Call: ledger.Hash{Lo: 1},
		ExpiresAt: s.clock.Now() + 60_000, Lines: lines}).Seq
}

func (s *shop) change(op ledger.Kind, id string, lines ...ledger.TransitionLine) ledger.Seq {
	s.t.Helper()
	return s.apply(&ledger.Transition{Op: op, ID: id, Now: s.clock.Now(), Lines: lines, HasLines: len(lines) > 0, Reason: "no need",
		ExpiresAt: s.clock.Now() + 90_000}).Seq
}

// startBookings publishes reservations, trying and keeping its place as often as it can.
func startBookings(t *testing.T, s *shop, b *embedded.Broker) *ReservationPublisher {
	t.Helper()
	p, err := StartReservationPublisher(s.ledger, TopicOptions{Brokers: []string{b.Addr()}, RetryMax: 50 * time.Millisecond, DoneEvery: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tells reads the topic until it told n records, and no more.
func (c *consumer) tells(n int) (all []record) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for all = c.told(); len(all) < n; all = append(all, c.told()...) {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain for %d records: %v", n, all)
		}
	}
	if len(all) > n {
		c.t.Fatalf("%d records, want %d: %v", len(all), n, all)
	}
	return all
}

func TestReservationPublisher(t *testing.T) {
	s := newShop(t)
	b := startBroker(t, embedded.Options{})
	topic := newConsumer(t, b, "onhand.reservations")
	var want []string
	f := func(change, key string, seq ledger.Seq, state, reason string) {
		want = append(want, fmt.Sprintf("%d %s %s %s %s", seq, key, change, state, reason))
	}
	s.move("a", "l1", 10)
	s.move("kg", "l1", 5000)
	f("held", "h", s.hold("h", s.line("a", "l1", 3)), "held", "")
	f("extended", "h", s.change(ledger.KindExtend, "h"), "held", "")
	f("amended", "h", s.change(ledger.KindAmend, "h", ledger.TransitionLine{SKU: s.sku("a"), Location: s.loc("l1"), Quantity: 4}), "held", "")
	f("confirmed", "h", s.change(ledger.KindConfirm, "h"), "confirmed", "")
	s.apply(&ledger.Transition{Op: ledger.KindConfirm, ID: "h", Now: s.clock.Now(), Key: ledger.CallKey{Key: ledger.Hash{Lo: 1}}}) // only its key is new
	part := s.change(ledger.KindFulfil, "h", ledger.TransitionLine{SKU: s.sku("a"), Quantity: 1})
	f("partly-fulfilled", "h", part, "confirmed", "")
	f("cancelled", "h", s.change(ledger.KindCancel, "h", ledger.TransitionLine{SKU: s.sku("a"), Quantity: 1}), "confirmed", "no need")
	f("fulfilled", "h", s.change(ledger.KindFulfil, "h"), "fulfilled", "")
	f("reopened", "h", s.apply(&ledger.Void{Kind: ledger.KindStockVoid, Name: s.name(), Source: ledger.OwnSource, Voids: ledger.MovementID(part),
		Received: s.clock.Now(), Location: s.loc("l1")}).Seq, "confirmed", "")

	f("held", "o1", s.order(ledger.KindOrderPlaced, "o1", s.line("a", "l1", 1)), "held", "")
	f("confirmed", "o1", s.order(ledger.KindOrderPaid, "o1"), "confirmed", "")
	s.order(ledger.KindOrderPaid, "o1") // changes nothing, and is not told
	f("cancelled", "o1", s.order(ledger.KindPaymentFailed, "o1"), "cancelled", "")
	f("refused", "o1", s.order(ledger.KindOrderPaid, "o1"), "cancelled", "wrong-state")
	f("paid", "o2", s.order(ledger.KindOrderPaid, "o2"), "paid", "")
	f("confirmed", "o2", s.order(ledger.KindOrderPlaced, "o2", s.line("a", "l1", 1)), "confirmed", "")
	f("cancelled", "o3", s.order(ledger.KindOrderCancelled, "o3", s.line("kg", "l1", 500)), "awaited", "")
	refused := s.order(ledger.KindOrderPlaced, "o3", s.line("a", "l2", 1), s.line("kg", "l1", 6000))
	f("refused", "o3", refused, "refused", "insufficient-stock")
	f("held", "o4", s.order(ledger.KindOrderPlaced, "o4", s.line("a", "l1", 1)), "held", "")
	s.apply(&ledger.Hold{ID: "t", Now: s.clock.Now(), To: s.loc("l2"), Lines: []ledger.HoldLine{s.line("a", "l1", 1)}}) // a transfer
	s.clock.Advance(60_000)
	s.hold("never", s.line("a", "l1", 1))
	f("expired", "o4", s.ledger.Seq()-1, "expired", "")
	f("held", "never", s.ledger.Seq(), "held", "")
	f("refused", "o4", s.order(ledger.KindOrderPaid, "o4"), "expired", "reservation-expired")

	p := startBookings(t, s, b)
	all := topic.tells(len(want))
	slices.SortStableFunc(all, func(a, b record) int { return strings.Compare(a.key, b.key) })
	var got []string
	for _, r := range all {
		var e struct {
			ID, Type, Subject string
			Data              struct {
				Change, State, ID string
				Reason            *string
				Seq               ledger.Seq
			}
		}
		if err := json.Unmarshal([]byte(r.value), &e); err != nil {
			t.Fatalf("%s: %v", r.value, err)
		}
		if e.ID != fmt.Sprint(e.Data.Seq) || e.Subject != r.key || e.Data.ID != r.key || e.Type != "onhand.reservation" {
			t.Errorf("%s: %s", r.key, r.value)
		}
		reason := ""
		if e.Data.Reason != nil {
			reason = *e.Data.Reason
		}
		got = append(got, fmt.Sprintf("%d %s %s %s %s", e.Data.Seq, r.key, e.Data.Change, e.Data.State, reason))
		if e.Data.Seq == refused {
			s.is(r.value, `{"specversion":"1.0","type":"onhand.reservation","source":"onhand","id":"%d","subject":"o3","time":"2026-11-23T10:00:00.000Z","datacontenttype":"application/json","data":`+
				`{"change":"refused","reason":"insufficient-stock","event":{"source":"pos","id":"%s"},"id":"o3","state":"refused","seq":%d,"expires_at":null,"channel":null,"owner":null,"reference":"o3",`+
				`"lines":[{"sku":"a","location":"l2","quantity":1,"held":0,"committed":0,"fulfilled":0,"cancelled":0,"available":0},`+
				`{"sku":"kg","location":"l1","quantity":6,"held":0,"committed":0,"fulfilled":0,"cancelled":0.5,"available":5}],`+
				`"short":[{"sku":"a","location":"l2","requested":1,"available":0},{"sku":"kg","location":"l1","requested":5.5,"available":5}]}}`,
				refused, eventOf(t, s.ledger, refused), refused)
		}
	}
	slices.SortStableFunc(want, func(a, b string) int { return strings.Compare(strings.Fields(a)[1], strings.Fields(b)[1]) })
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	// It goes on where it was.
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	s.order(ledger.KindOrderCancelled, "o2")
	p = startBookings(t, s, b)
	if more := topic.tells(1); more[0].key != "o2" {
		t.Errorf("%v", more)
	}
	p.Close()
}

func eventOf(t *testing.T, l *ledger.Ledger, seq ledger.Seq) string {
	e, err := l.Entry(seq)
	if err != nil {
		t.Fatal(err)
	}
	return e.EventID
}

// A reservation that is too long for a record is told without its lines, and what comes
// after it goes on.
func TestLongReservationIsToldShort(t *testing.T) {
	s := newShop(t)
	b := startBroker(t, embedded.Options{})
	topic := newConsumer(t, b, "onhand.reservations")
	var lines []ledger.HoldLine
	for i := range 4000 {
		name := fmt.Sprintf("%0100d", i)
		s.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: name}, Now: s.clock.Now()})
		lines = append(lines, s.line(name, "l1", 1))
	}
	s.order(ledger.KindOrderPlaced, "long", lines...)
	s.order(ledger.KindOrderPaid, "short")
	defer startBookings(t, s, b).Close()
	for _, r := range topic.tells(2) {
		if r.key == "long" && !strings.HasSuffix(r.value, `"reference":"long","lines":null}}`) || !json.Valid([]byte(r.value)) {
			t.Errorf("%s: %.500s", r.key, r.value)
		}
	}
}
