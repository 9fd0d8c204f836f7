package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
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
