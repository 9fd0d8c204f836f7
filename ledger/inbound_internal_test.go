package ledger

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func inboundSeeds(rng *rand.Rand) (out [][]byte) {
	for _, d := range []*inbound{
		{key: inboundKey{InboundPurchase, "po-1"}, began: 3, seq: 9, touched: testStart, announced: true, time: testStart, source: "erp", id: "17", to: 4,
			lines: []InboundLine{{1, 5, testStart}, {1, 2, 0}, {7, 0, testStart}}, receipts: []inboundReceipt{{1, testStart + 1, 4}, {1, testStart + 9, -2}}},
		{key: inboundKey{InboundTransfer, "t"}, began: 1, seq: 1, closed: -1, receipts: []inboundReceipt{{2, 0, 1 << 40}}},
		{key: inboundKey{InboundTransfer, "t"}, began: 1, seq: 2, announced: true, voided: true, from: 3, closed: 2},
	} {
		out = append(out, append(append([]byte{byte(len(d.key.key()))}, d.key.key()...), d.append(nil)...))
	}
	return out
}

func readsInbound(t *testing.T, b []byte) {
	if len(b) == 0 || int(b[0]) > len(b)-1 {
		return
	}
	key, v := b[1:1+b[0]], b[1+b[0]:]
	d, err := decodeInbound(key, v)
	if err != nil {
		return
	}
	again := d.append(nil)
	if len(again) > len(v) {
		t.Fatalf("%d bytes are written as %d", len(v), len(again))
	}
	if string(d.key.key()[1:]) != string(key[1:]) {
		t.Fatalf("%x is read as the key of %+v", key, d.key)
	}
	back, err := decodeInbound(d.key.key(), again)
	if err != nil {
		t.Fatalf("%+v: %v", d, err)
	}
	same(t, "the document", back, d)
	d.open(func(ln InboundLine, left Qty) {
		if left <= 0 || left > ln.Quantity {
			t.Fatalf("%d of %+v are to come", left, ln)
		}
	})
}

func changeSeeds(*rand.Rand) (out [][]byte) {
	for _, c := range []InboundChange{
		{Op: InboundAnnounced, ID: "po-1", To: 4, Lines: []InboundLine{{1, 5, testStart}, {7, 1 << 30, 0}}},
		{Op: InboundShipped, ID: "t", From: 1, To: 2, Voided: true, Lines: []InboundLine{{1, 1, 0}}},
		{Op: InboundTransferReceipt, ID: "é", Complete: true, Undo: true},
	} {
		out = append(out, c.append(nil))
	}
	return out
}

func readsChange(t *testing.T, b []byte) {
	c, err := decodeInboundChange(b)
	if err != nil {
		return
	}
	again := c.append(nil)
	if len(again) > len(b) {
		t.Fatalf("%d bytes are written as %d", len(b), len(again))
	}
	back, err := decodeInboundChange(again)
	if err != nil || !bytes.Equal(back.append(nil), again) {
		t.Fatalf("%+v reads back as %+v: %v", c, back, err)
	}
	same(t, "the change", back, c)
	// Whatever it says, a document takes it, and its record reads back.
	table := inbounds{}
	table.init(dayMillis)
	for seq := range Seq(2) {
		table.apply(c, &Entry{Seq: seq + 1, Time: testStart, RecordedAt: testStart, Source: "s", EventID: "1"})
	}
	d := table.by[c.key()]
	if _, err := decodeInbound(d.key.key(), d.append(nil)); err != nil {
		t.Fatalf("%+v makes %+v: %v", c, d, err)
	}
}

// transferred ships 3 of a SKU from location 1 to 2.
func transferred(id string, sku SKU, now Millis) *Movement {
	return &Movement{Kind: KindTransfer, Name: EventName{Source: "wms", ID: "ship " + id, Time: now}, Received: now, Location: 1,
		Lines: []MovementLine{{SKU: sku, Quantity: -3}}, Inbound: &InboundChange{Op: InboundShipped, ID: id, To: 2}}
}
