package ingest

import (
	"errors"
	"slices"
	"testing"

	"onhand/ledger"
)

// FuzzEvent gives any bytes to the applier, alone and in a batch: nothing panics,
// what is refused changes nothing and has one of the contract's codes, and what is
// accepted is known the second time.
func FuzzEvent(f *testing.F) {
	for _, data := range []string{
		`{"location":"0042","lines":[{"sku":"a","quantity":2},{"sku":"kg","quantity":0.5,"condition":"damaged"}]}`,
		`{"location":"0042","counted_at":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":0}]}`,
		`{"location":"n","pickup":{"lead_minutes":3,"hours":{"mon":["08:00-18:00"]}},"lat":1,"lon":2,"aliases":{"x":["y"]}}`,
		`{"sku":"z","decimals":1}`,
		`{"location":"0042","lines":[{"sku":"a","quantity":2,"from":"sellable","to":"damaged"}]}`,
		`{"location":"0042","as_of":"2026-11-23T09:00:00Z","basis":"physical","complete":false,"lines":[{"sku":"a","quantity":3}],"voids":"2"}`,
		`{"location":"0042","to":"dc1","transfer":"t-1","inbound":"po-1","complete":true,"expected_at":"2026-11-24T09:00:00Z",
			"lines":[{"sku":"a","quantity":3,"expected_at":"2026-11-24T09:00:00Z","condition":"damaged"}]}`,
		`{"location":"0042","transfer":"t-1","inbound":"po-1","complete":true,"lines":[]}`,
		`{"policy":"safety-stock","set":[{"sku":"a","units":1}],"remove":[{}]}`,
		`{"order":"o-1","channel":"web","ttl_seconds":60,"reason":"no longer wanted","location":"dc1","lines":[{"sku":"a","location":"0042","quantity":1},{"sku":"kg","quantity":0.5}]}`,
	} {
		for _, kind := range []string{"pos.sale", "pos.return", "wms.receipt", "wms.shipment", "wms.adjustment", "wms.count",
			"erp.item", "erp.location", "erp.policy", "wms.status", "erp.snapshot", "feed.heartbeat", "pos.void", "wms.void", "wms.transfer", "wms.transfer_receipt",
			"erp.inbound", "order.placed", "order.paid", "order.cancelled", "order.payment_failed", "x"} {
			f.Add([]byte(event(kind, "1", data)), false)
			f.Add([]byte(data), true)
		}
	}
	codes := []ledger.Code{ledger.InvalidEvent, ledger.InvalidQuantity, ledger.DuplicateLine, ledger.UnknownSKU,
		ledger.UnknownLocation, ledger.IdempotencyMismatch, ledger.TooOld, ledger.NotSupported, ledger.AlreadyVoided, ledger.TransferAlreadyShipped}
	// One ledger for all, since opening it takes a thousand times as long as an event:
	// what came before may be known already, and the same is asked of it.
	s := openShop(f, ledger.Options{AsyncSync: true})
	f.Fuzz(func(t *testing.T, value []byte, binary bool) {
		var headers []ledger.Header
		if binary {
			for k, v := range map[string]string{"ce_specversion": "1.0", "ce_type": "wms.adjustment", "ce_source": "s", "ce_id": "1", "ce_time": "2026-11-23T09:00:00Z"} {
				headers = append(headers, ledger.Header{Key: k, Value: []byte(v)})
			}
		}
		before := s.ledger.Seq()
		first, err := s.Submit(value, headers)
		var refused *ledger.Refused
		if err != nil && (!errors.As(err, &refused) || !slices.Contains(codes, refused.Code) || refused.Detail == "") {
			t.Fatalf("refused as %v", err)
		}
		if err != nil && s.ledger.Seq() != before {
			t.Fatalf("refused, but changed something: %v", err)
		}
		if err == nil {
			if again, err := s.Submit(value, headers); err != nil || !again.Duplicate || again.Seq != first.Seq {
				t.Fatalf("first %+v, then %+v, %v", first, again, err)
			}
		}
		s.Batch(value)
		s.Batch(append(append([]byte("[1,"), value...), ']'))
	})
}
