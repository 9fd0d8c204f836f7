package ingest

import (
	"fmt"
	"strings"
	"testing"

	"onhand/ingest/format"
	"onhand/ledger"
)

// TestImportsOfLongEvents imports movements and announcements with more rows than an event of
// figures is given: they are not such as can be cut, for each part would be refused, or would
// take the place of the one before.
func TestImportsOfLongEvents(t *testing.T) {
	s := openShop(t, ledger.Options{})
	const rows = importLines + 44
	f := func(kind, header, row, want string) {
		t.Helper()
		src := Source{Name: "wms/1", Format: "csv", Options: format.Options{Type: kind}}
		if _, got := s.imported(src, header+"\n"+strings.Repeat(row+"\n", rows)); got != want {
			t.Errorf("%s: got %s, want %s", kind, got, want)
		}
	}
	f("wms.receipt", "id,location,sku,quantity,time", "R1,0042,a,1,2026-11-23T09:00:00Z", fmt.Sprintf("%d lines, 1 taken, 0 again, 0 refused", rows))
	if got, want := s.figures("a", "0042"), fmt.Sprintf("%d/0/0/0", rows); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var b strings.Builder
	for n := range rows {
		fmt.Fprintf(&b, "0042,a,1,2026-11-23T09:00:00Z,PO1,2026-12-01T%02d:%02d:00Z\n", n/60, n%60)
	}
	src := Source{Name: "erp/hq", Format: "csv", Options: format.Options{Type: "erp.inbound"}}
	if _, got := s.imported(src, "location,sku,quantity,time,inbound,expected_at\n"+b.String()); got != fmt.Sprintf("%d lines, 1 taken, 0 again, 0 refused", rows) {
		t.Error(got)
	}
	if got := len(s.ledger.InboundRows(ledger.InboundFilter{}, "", 1000)); got != rows {
		t.Errorf("%d are under way, want %d", got, rows)
	}
}

// TestImportsMended imports a complete file of which a row does not tell its location, and then
// the file without the fault: what could not be taken as complete is now.
func TestImportsMended(t *testing.T) {
	s := openShop(t, ledger.Options{})
	f := func(rows, want, figures string) {
		t.Helper()
		src := Source{Name: "erp/hq", Format: "csv", Options: format.Options{Complete: true}}
		if _, got := s.imported(src, "location,sku,quantity,as_of\n"+rows); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := s.figures("a", "0042") + " " + s.figures("b", "0042"); got != figures {
			t.Errorf("got %s, want %s", got, figures)
		}
	}
	f("0042,a,5,2026-11-23T09:00:00Z\n0042,b,5,2026-11-23T09:00:00Z\n", "2 lines, 1 taken, 0 again, 0 refused", "5/0/0/0 5/0/0/0")
	f("0042,a,6,2026-11-23T09:30:00Z\n,b,7,2026-11-23T09:30:00Z\n", "1 lines, 1 taken, 0 again, 2 refused", "6/0/0/0 5/0/0/0")
	f("0042,a,6,2026-11-23T09:30:00Z\ndc1,b,7,2026-11-23T09:30:00Z\n", "2 lines, 2 taken, 0 again, 0 refused", "6/0/0/0 0/0/0/0")
	s.check()
}
