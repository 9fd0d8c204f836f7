package ledger

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestAliasesOfTheDeleted maps codes to what was deleted between the call's look and its
// change: neither comes back for it.
func TestAliasesOfTheDeleted(t *testing.T) {
	l, err := Open(Options{Dir: "data", FS: vfs.NewMem(), CheckpointEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	apply := func(c Command) {
		t.Helper()
		if _, err := l.Apply(c); err != nil {
			t.Fatal(err)
		}
	}
	apply(PutSKU{Info: SKUInfo{SKU: "a"}, Now: 1})
	apply(PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: 1})
	sku, _ := l.LookupSKU([]byte("a"))
	loc, _ := l.LookupLocation([]byte("x"))
	skuInfo, _ := l.SKUInfo(sku)
	locInfo, _ := l.LocationInfo(loc)
	apply(DeleteSKU{SKU: sku, Now: 2})
	apply(DeleteLocation{Location: loc, Now: 2})
	before := l.Seq()
	refuses := func(c Command, code Code) {
		t.Helper()
		var refused *Refused
		if _, err := l.Apply(c); !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("%T: %v", c, err)
		}
	}
	refuses(PutSKU{Info: skuInfo, Now: 3, alias: &PutAlias{System: "pos", Code: "7", SKU: sku}}, UnknownSKU)
	refuses(PutLocation{Info: locInfo, Now: 3, alias: &PutAlias{System: "pos", Code: "7", Location: loc}}, UnknownLocation)
	if l.Seq() != before {
		t.Error("something was entered")
	}
}
