package ingest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"onhand/jsonread"
	"onhand/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const noon = ledger.Millis(1_795_428_000_000) // 2026-11-23T10:00:00Z

// shop is a ledger that knows the SKUs a, b (pieces) and kg (three decimals) and the
// locations 0042 and dc1, with an applier and a clock that stands at noon.
type shop struct {
	*Applier
	t     testing.TB
	fs    vfs.FS
	clock *atomic.Int64
}

func openShop(t testing.TB, o ledger.Options) *shop {
	t.Helper()
	s := &shop{t: t, fs: o.FS, clock: new(atomic.Int64)}
	if s.fs == nil {
		s.fs = vfs.NewMem()
	}
	s.clock.Store(int64(noon))
	o.Dir, o.FS, o.CheckpointEvery = "d", s.fs, -1
	o.Clock = func() ledger.Millis { return ledger.Millis(s.clock.Load()) }
	l, err := ledger.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Applier = NewApplier(l)
	for _, sku := range []ledger.SKUInfo{{SKU: "a"}, {SKU: "b"}, {SKU: "kg", Decimals: 3}} {
		s.must(ledger.PutSKU{Info: sku, Now: noon, OnSight: true})
	}
	for _, loc := range []string{"0042", "dc1"} {
		s.must(ledger.PutLocation{Info: ledger.LocationInfo{Location: loc, Active: true}, Now: noon, OnSight: true})
	}
	return s
}

func (s *shop) must(c ledger.Command) ledger.Result {
	s.t.Helper()
	r, err := s.ledger.Apply(c)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// figures of a position: on hand/unsellable/held/committed.
func (s *shop) figures(sku, location string) string {
	s.t.Helper()
	id, ok := s.ledger.LookupSKU([]byte(sku))
	loc, ok2 := s.ledger.LookupLocation([]byte(location))
	if !ok || !ok2 {
		return "unknown"
	}
	row, _ := s.ledger.Position(id, loc, s.ledger.Now())
	return fmt.Sprintf("%d/%d/%d/%d", row.OnHand, row.Unsellable, row.Held, row.Committed)
}

// event is a CloudEvent of one type; its id is given, all else is like the contract's example.
func event(kind, id, data string) string {
	return `{"specversion":"1.0","type":"` + kind + `","source":"pos/0042/till-3","id":"` + id +
		`","time":"2026-11-23T09:59:00Z","data":` + data + `}`
}

func (s *shop) submit(value string) error {
	_, err := s.Submit([]byte(value), nil)
	return err
}

func (s *shop) accept(value string) ledger.Result {
	s.t.Helper()
	r, err := s.Submit([]byte(value), nil)
	if err != nil {
		s.t.Fatalf("%s: %v", value, err)
	}
	return r
}

// refuses checks the code, and that the detail holds a text.
func (s *shop) refuses(value string, code ledger.Code, detail string) {
	s.t.Helper()
	before := s.ledger.Seq()
	err := s.submit(value)
	var refused *ledger.Refused
	if !errors.As(err, &refused) || refused.Code != code || !strings.Contains(refused.Detail, detail) {
		s.t.Errorf("%s:\ngot  %v\nwant %s … %s", value, err, code, detail)
	}
	if s.ledger.Seq() != before {
		s.t.Errorf("%s: refused, but the ledger changed", value)
	}
}

func readerOf(text string) *jsonread.Reader {
	r := new(jsonread.Reader)
	r.Reset([]byte(text))
	return r
}
