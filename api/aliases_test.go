package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestAliasCalls(t *testing.T) {
	sh := eventShop(t)
	f := func(method, target, body string, status int, want string) {
		t.Helper()
		if got := sh.call(method, target, body); got.status != status || !strings.Contains(got.body, want) {
			t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", method, target, body, got.status, got.body, status, want)
		}
	}
	f("PUT", "/v1/aliases/pos/PLU-1", `{"sku":"a"}`, 200, `{"system":"pos","code":"PLU-1","sku":"a","owner":"http","seq":`)
	f("PUT", "/v1/aliases/pos/PLU-1", `{"sku":"kg"}`, 409, `aliases.pos: \"PLU-1\" is that of SKU a, as http says`)
	f("PUT", "/v1/aliases/pos/PLU-1", `{"sku":"kg","location":"x"}`, 400, "want one of them")
	f("PUT", "/v1/aliases/pos/PLU-1", `{}`, 400, "want one of them")
	f("PUT", "/v1/aliases/pos/PLU-1", `{"skus":"kg"}`, 400, "skus")
	f("PUT", "/v1/aliases/pos/PLU-1", `{"sku":"nobody"}`, 404, "unknown-sku")
	f("PUT", "/v1/aliases/pos/PLU-1", `{"location":"nowhere"}`, 404, "unknown-location")
	f("POST", "/v1/aliases", `{"system":"pos","code":"..","location":"x"}`, 200, `{"system":"pos","code":"..","location":"x","owner":"http"`)
	f("POST", "/v1/aliases", `{"system":"","code":"1","location":"x"}`, 400, "want a system")
	f("PUT", "/v1/aliases/pos/PLU-1", `{"location":"x"}`, 200, `"location":"x"`) // of SKUs and of locations by themselves
	f("PUT", "/v1/skus/kg", `{"decimals":3,"gtin":"8710398526001","aliases":{"pos":["PLU-1"]}}`, 409, "is that of SKU a")
	f("PUT", "/v1/skus/kg", `{"decimals":3,"gtin":"8710398526001","aliases":{"pos":["PLU-9"],"erp":[]}}`, 200, `"aliases":{"erp":[],"pos":["PLU-9"]}`)
	f("GET", "/v1/aliases/pos/PLU-1", "", 200, `{"system":"pos","code":"PLU-1","sku":"a","location":"x"}`)
	f("GET", "/v1/aliases/wms/08710398526001", "", 200, `"sku":"kg","location":null`)
	f("GET", "/v1/aliases/wms/PLU-1", "", 404, "not-found")
	f("GET", "/v1/aliases?sku=kg", "", 200, `{"items":[{"system":"pos","code":"PLU-9","sku":"kg","owner":"http"}],"next":null}`)
	f("GET", "/v1/aliases?location=x&system=erp", "", 200, `{"items":[],"next":null}`)
	f("GET", "/v1/aliases?location=x&sku=a", "", 400, "want one of them")
	f("GET", "/v1/aliases?cursor=eA", "", 400, "cursor")
	if got := sh.pages("/v1/aliases", 2); len(got) != 4 {
		t.Errorf("%d aliases: %v", len(got), got)
	}
	f("POST", "/v1/events", fmt.Sprintf("[%s]", strings.ReplaceAll(saleEvent("1", "PLU-1", "2"), `"till"`, `"pos/7"`)), 200, `"accepted":1`)
	if got := sh.figures("a", "x"); got != "-2 h0 c0 av0" {
		t.Error(got)
	}
	f("DELETE", "/v1/aliases/pos/PLU-1", "", 400, "want sku or location")
	f("DELETE", "/v1/aliases/pos/PLU-1?of=till", "", 400, "of: want sku or location")
	f("DELETE", "/v1/aliases/pos/PLU-1?of=location", "", 200, `{"seq":`)
	f("DELETE", "/v1/aliases/pos/PLU-1", "", 200, `{"seq":`)
	f("DELETE", "/v1/aliases/pos/PLU-1", "", 404, "not-found")
	f("DELETE", "/v1/aliases/gtin/08710398526001", "", 404, "master data")
	f("PUT", "/v1/aliases/pos/PLU-1", `{"sku":"kg"}`, 200, `"seq":`)
	if r, err := sh.l.Check(); err != nil || !r.OK() {
		t.Errorf("%+v %v", r, err)
	}
}
