package ingest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// TestLettersAreRetried sends events whose codes come one by one: each is applied, once,
// when its last code is known, also after a restart in between.
func TestLettersAreRetried(t *testing.T) {
	c, fs := ledgertest.NewClock(), vfs.NewMem()
	var l *ledger.Ledger
	stop := func() {}
	open := func() *Applier {
		var err error
		l, err = ledger.Open(ledger.Options{Dir: "data", FS: fs, Clock: c.Now, CheckpointEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		a := NewApplier(l)
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() { NewRetrier(l, a).Run(ctx) })
		stop = func() {
			cancel()
			wg.Wait()
			ledgertest.Balanced(t, l)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		return a
	}
	a := open()
	event := func(typ, id, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","type":%q,"source":"s","id":%q,"time":"2026-11-23T09:00:00Z","data":%s}`, typ, id, data)
	}
	sale := event("pos.sale", "1", `{"location":"Dam","lines":[{"sku":"milk","quantity":2},{"sku":"ham","quantity":1}]}`)
	res, err := a.Batch([]byte("[" + sale + "," + event("pos.sale", "2", `{"location":"Dam","lines":[{"sku":"milk","quantity":1.5}]}`) + "]"))
	if err != nil || len(res.Rejected) != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	letters := func(want int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d letters are left", want), func() bool {
			if err := l.Wait(l.Seq()); err != nil {
				t.Fatal(err)
			}
			d, err := l.DeadLetters(0, 10)
			if err != nil {
				t.Fatal(err)
			}
			return len(d) == want
		})
	}
	letters(2)
	submit := func(e string) {
		t.Helper()
		if _, err := a.Submit([]byte(e), nil); err != nil {
			t.Fatal(err)
		}
	}
	submit(event("erp.location", "l", `{"location":"Dam"}`))
	submit(event("erp.item", "i1", `{"sku":"milk"}`))
	letters(2) // ham is missing; the other has a fraction too many and stays
	stop()
	a = open()
	letters(2)
	submit(event("erp.item", "i2", `{"sku":"ham"}`))
	letters(1)
	milk, _ := l.LookupSKU([]byte("milk"))
	ham, _ := l.LookupSKU([]byte("ham"))
	dam, _ := l.LookupLocation([]byte("Dam"))
	for sku, want := range map[ledger.SKU]ledger.Qty{milk: -2, ham: -1} {
		if row, _ := l.Position(sku, dam, c.Now()); row.OnHand != want {
			t.Errorf("SKU %d: on hand %d, want %d", sku, row.OnHand, want)
		}
	}
	if res, err := a.Submit([]byte(sale), nil); err != nil || !res.Duplicate {
		t.Errorf("the event sent again: %+v %v", res, err)
	}
	stop()
	a = open()
	letters(1)
	stop()
}
