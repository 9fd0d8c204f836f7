package availability

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a ledger with SKUs a and b (pieces) and kg (three decimals) and the
// locations l1, l2 and l3.
type shop struct {
	t     testing.TB
	fs    vfs.FS
	clock *ledgertest.Clock
	*Stock
	events int
}

func newShop(t testing.TB) *shop {
	t.Helper()
	s := &shop{t: t, fs: vfs.NewMem(), clock: ledgertest.NewClock()}
	s.open()
	for _, i := range []ledger.SKUInfo{{SKU: "a", Category: "dairy"}, {SKU: "b"}, {SKU: "kg", Decimals: 3}} {
		s.apply(ledger.PutSKU{Info: i, Now: s.clock.Now()})
	}
	for _, loc := range []string{"l2", "l1", "l3"} { // numbers are not in order of name
		s.location(loc, true)
	}
	t.Cleanup(func() {
		ledgertest.Balanced(t, s.ledger)
		s.ledger.Close()
	})
	return s
}

func (s *shop) open() {
	l, err := ledger.Open(ledger.Options{Dir: "d", FS: s.fs, Clock: s.clock.Now, CheckpointEvery: -1,
		Fatal: func(err error) { panic(err) }})
	if err != nil {
		s.t.Fatal(err)
	}
	s.Stock = NewStock(l, 0)
}

func (s *shop) apply(c ledger.Command) ledger.Result {
	s.t.Helper()
	r, err := s.ledger.Apply(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *shop) location(name string, active bool) ledger.Seq {
	s.t.Helper()
	return s.apply(ledger.PutLocation{Info: ledger.LocationInfo{Location: name, Active: active}, Now: s.clock.Now()}).Seq
}

func (s *shop) sku(name string) ledger.SKU {
	id, ok := s.ledger.LookupSKU([]byte(name))
	if !ok {
		s.t.Fatalf("no SKU %s", name)
	}
	return id
}

func (s *shop) loc(name string) ledger.Location {
	id, ok := s.ledger.LookupLocation([]byte(name))
	if !ok {
		s.t.Fatalf("no location %s", name)
	}
	return id
}

func (s *shop) name() ledger.EventName {
	s.events++
	return ledger.EventName{Source: "pos", ID: strconv.Itoa(s.events), Time: s.clock.Now(), Content: 1}
}

// move changes what is on hand.
func (s *shop) move(sku, loc string, by ledger.Qty) ledger.Seq {
	s.t.Helper()
	return s.apply(&ledger.Movement{Kind: ledger.KindAdjustment, Name: s.name(), Received: s.clock.Now(), Location: s.loc(loc),
		Lines: []ledger.MovementLine{{SKU: s.sku(sku), Quantity: by}}}).Seq
}

func (s *shop) hold(id string, lines ...ledger.HoldLine) ledger.Seq {
	s.t.Helper()
	return s.apply(&ledger.Hold{ID: id, Now: s.clock.Now(), ExpiresAt: s.clock.Now() + 60_000, Lines: lines}).Seq
}

func (s *shop) line(sku, loc string, q ledger.Qty) ledger.HoldLine {
	return ledger.HoldLine{SKU: s.sku(sku), Location: s.loc(loc), Quantity: q}
}

// ask runs a query for one SKU and returns its JSON.
func (s *shop) ask(sku string, locations ...string) string {
	s.t.Helper()
	q := s.Query()
	defer q.Release()
	q.Add([]byte(sku))
	for _, loc := range locations {
		q.At([]byte(loc))
	}
	if err := q.Run(1000); err != nil {
		s.t.Fatal(err)
	}
	return string(q.AppendItem(nil, 0))
}

func (s *shop) is(got, want string, args ...any) {
	s.t.Helper()
	if want = fmt.Sprintf(want, args...); got != want {
		s.t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}
