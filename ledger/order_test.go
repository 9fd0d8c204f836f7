package ledger_test

import (
	"errors"
	"testing"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// What waits for an order to be placed has a bound, for each event writes all of it.
func TestOrderWaitsAreBounded(t *testing.T) {
	l := ledgertest.Open(t, ledgertest.NewClock())
	id := 0
	cancel := func(from, n int) error {
		id++
		o := &ledger.Order{Kind: ledger.KindOrderCancelled, ID: "o", Received: l.Now(),
			Name: ledger.EventName{Source: "shop", ID: string(rune('a' + id)), Time: l.Now()}}
		for i := range n {
			o.Lines = append(o.Lines, ledger.HoldLine{SKU: ledger.SKU(from + i), Quantity: 1})
		}
		_, err := l.Apply(o)
		return err
	}
	if err := cancel(1, 100_000); err != nil {
		t.Fatal(err)
	}
	if err := cancel(1, 100_000); err != nil {
		t.Fatalf("the same lines are no more: %v", err)
	}
	var refused *ledger.Refused
	if err := cancel(100_001, 1); !errors.As(err, &refused) || refused.Code != ledger.InvalidEvent {
		t.Errorf("one line more: %v", err)
	}
	if r, _, err := l.Reservation("o", l.Now()); err != nil || len(r.Lines) != 100_000 || r.Lines[99_999].Cancelled != 2 {
		t.Errorf("%v, %v", r.State, err)
	}
}
