package ledger

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Goods under way of which nothing is to come are forgotten when no event about them can
// come any more, and not before; those that are still to come are kept.
func TestInboundIsForgotten(t *testing.T) {
	fs, now := vfs.NewMem(), testStart
	o := small(fs, &now)
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(c Command) {
		t.Helper()
		if _, err := l.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	reopen := func() {
		t.Helper()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = Open(o); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		if r, err := l.Check(); err != nil || !r.OK() {
			t.Errorf("%v, %v", r.Findings, err)
		}
	}
	came := func(id string) *Movement {
		return &Movement{Kind: KindTransferReceipt, Name: EventName{Source: "wms", ID: "came " + id, Time: now}, Received: now, Location: 2,
			Lines: []MovementLine{{SKU: 1, Quantity: 3}}, Inbound: &InboundChange{Op: InboundTransferReceipt, ID: id}}
	}
	apply(PutSKU{Info: SKUInfo{SKU: "a"}, Now: now})
	apply(PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now})
	apply(PutLocation{Info: LocationInfo{Location: "y", Active: true}, Now: now})
	for _, id := range []string{"over", "open", "pruned"} {
		apply(transferred(id, 1, now))
	}
	apply(came("over"))
	apply(came("pruned"))
	reopen()

	known := func(id string) TransferState { return l.inbound.shipped(id, now) }
	now += l.opts.EventRetentionMillis + dayMillis
	if known("over") != TransferReceived || known("open") != TransferShipped {
		t.Errorf("%v, %v after the time that events are kept", known("over"), known("open"))
	}
	now++
	if known("over") != NoTransfer || known("open") != TransferShipped {
		t.Errorf("%v, %v after that", known("over"), known("open"))
	}
	// Its id is free, also where nobody tidied up; what came before is not set off.
	again := transferred("over", 1, now)
	again.Name.ID = "again"
	apply(again)
	check()
	reopen()
	if rows := l.InboundRows(InboundFilter{}, "", 9); len(rows) != 2 || rows[0].ID != "open" || rows[1].ID != "over" || rows[1].Quantity != 3 {
		t.Errorf("under way: %+v", rows)
	}
	if err := l.Prune(); err != nil {
		t.Fatal(err)
	}
	check()
	reopen()
	keys := 0
	if err := scan(l.db, span(prefixInbound), func(k, _ []byte) error { keys++; return nil }); err != nil || keys != 2 || len(l.inbound.by) != 2 {
		t.Errorf("%d on disk, %d in memory, %v", keys, len(l.inbound.by), err)
	}
	check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
