package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// TestFollowersFindWhatTheyHearOf follows the journal while SKUs become known: who
// hears of one finds it.
func TestFollowersFindWhatTheyHearOf(t *testing.T) {
	c := ledgertest.NewClock()
	l := ledgertest.Open(t, c)
	const skus = 5000
	f := l.Read(0)
	f.Only(ledger.KindSKU)
	go func() {
		for i := range skus {
			if _, err := l.Submit(ledger.PutSKU{Info: ledger.SKUInfo{SKU: fmt.Sprint(i)}, Now: c.Now()}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for heard := 0; heard < skus; {
		entries, _, err := f.Next(ctx)
		if err != nil {
			t.Fatalf("after %d: %v", heard, err)
		}
		for _, e := range entries {
			var info ledger.SKUInfo
			if err := json.Unmarshal(e.Payload, &info); err != nil {
				t.Fatal(err)
			}
			if _, known := l.LookupSKU([]byte(info.SKU)); !known {
				t.Errorf("entry %d makes SKU %s known, and it is not", e.Seq, info.SKU)
			}
			heard++
		}
	}
}

// TestBareFollower reads the same journal with and without the names of events: the
// rest is the same.
func TestBareFollower(t *testing.T) {
	c := ledgertest.NewClock()
	l := ledgertest.Open(t, c)
	commands := []ledger.Command{ledger.PutSKU{Info: ledger.SKUInfo{SKU: "a"}, Now: c.Now()}, ledger.PutSKU{Info: ledger.SKUInfo{SKU: "b"}, Now: c.Now()},
		ledger.PutLocation{Info: ledger.LocationInfo{Location: "l", Active: true}, Now: c.Now()}}
	for i := range 1000 {
		commands = append(commands, &ledger.Movement{Kind: ledger.KindAdjustment, Location: 1, Received: c.Now(),
			Name:  ledger.EventName{Source: "s", ID: fmt.Sprint(i), Time: c.Now() - ledger.Millis(i)},
			Lines: []ledger.MovementLine{{SKU: 1, Quantity: ledger.Qty(1 + i)}, {SKU: 2, Quantity: ledger.Qty(1 - 2*(i%2)), Unsellable: ledger.Qty(i % 3)}}})
	}
	for _, command := range commands {
		if _, err := l.Apply(command); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	full, bare := l.Read(0), l.Read(0)
	bare.Bare()
	for full.Cursor() < l.Seq() {
		want, _, err := full.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := bare.Next(ctx)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d entries, want %d: %v", len(got), len(want), err)
		}
		for i := range want {
			want[i].Source, want[i].EventID = "", ""
			if !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("%+v\nwant %+v", got[i], want[i])
			}
		}
	}
}
