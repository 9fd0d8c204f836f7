package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"onhand/ingest"
)

func TestHooks(t *testing.T) {
	sh := eventShop(t)
	sh.s.Sources = []ingest.Source{{Name: "shop/nl", Format: "shopify", Secret: "s3cret"}, {Name: "square", Format: "square", Secret: "key", URL: "https://stock.example/v1/hooks/square"},
		{Name: "csv", Format: "csv", Secret: "x"}, {Name: "open", Format: "shopify"}}
	sh.s.Keys = []string{"a key that webhooks do not have"}
	sign := func(secret, text string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(text))
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	f := func(path, body, header, signature string, status int, want string) {
		t.Helper()
		got := sh.call("POST", "/v1/hooks/"+path, body, header, signature)
		if got.status != status || !strings.Contains(got.body, want) {
			t.Errorf("%s %s:\ngot  %d %s\nwant %d %s", path, body, got.status, got.body, status, want)
		}
	}
	const shopify, square = "X-Shopify-Hmac-Sha256", "X-Square-HmacSha256-Signature"
	level := `{"inventory_item_id":11,"location_id":22,"available":14,"updated_at":"2026-11-23T09:15:30Z"}`
	sh.sku("11", 0)
	sh.location("22", true)
	f("shop%2Fnl", level, shopify, sign("s3cret", level), 200, `"accepted":1,"duplicates":0,"refused":0}`)
	f("shop%2Fnl", level, shopify, sign("s3cret", level), 200, `"accepted":0,"duplicates":1,"refused":0}`)
	if got := sh.figures("11", "22"); got != "14 h0 c0 av14" {
		t.Error(got)
	}
	f("shop%2Fnl", level, shopify, sign("other", level), 401, "unauthorized")
	f("shop%2Fnl", level+" ", shopify, sign("s3cret", level), 401, "unauthorized")
	f("shop%2Fnl", level, shopify, "", 401, "unauthorized")
	f("shop%2Fnl", level, square, sign("s3cret", level), 401, "unauthorized")
	f("nobody", level, shopify, sign("s3cret", level), 401, "unauthorized")
	f("open", level, shopify, sign("", level), 401, "unauthorized")
	f("csv", level, shopify, sign("x", level), 401, "unauthorized")
	unknown := strings.ReplaceAll(level, "11", "12")
	f("shop%2Fnl", unknown, shopify, sign("s3cret", unknown), 200, `"accepted":0,"duplicates":0,"refused":1}`)
	f("shop%2Fnl", "no json", shopify, sign("s3cret", "no json"), 200, `"refused":1}`)
	count := `{"type":"inventory.count.updated","event_id":"e1","data":{"object":{"inventory_counts":[{"calculated_at":"2026-11-23T09:16:30Z","catalog_object_id":"11","location_id":"22","quantity":"9","state":"IN_STOCK"}]}}}`
	f("square", count, square, sign("key", "https://stock.example/v1/hooks/square"+count), 200, `"accepted":1`)
	f("square", count, square, sign("key", count), 401, "unauthorized")
	if got := sh.figures("11", "22"); got != "9 h0 c0 av9" {
		t.Error(got)
	}
	sh.s.Keys = nil
	if got := sh.letters(""); strings.Count(got, ":") != 2 {
		t.Errorf("letters are %s", got)
	}
}
