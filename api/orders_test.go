package api

import (
	"strings"
	"testing"
)

// An order's events come over HTTP as well, and meet the calls: what an event made, a call
// changes, and what waits for its order is no reservation yet.
func TestOrdersMeetCalls(t *testing.T) {
	sh := eventShop(t)
	send := func(typ, id, data string) {
		t.Helper()
		got := sh.call("POST", "/v1/events", `{"specversion":"1.0","type":"`+typ+`","source":"shop","id":"`+id+`","time":"2026-11-23T09:59:00Z","data":`+data+`}`, "Content-Type", "application/json")
		if got.status != 200 || !strings.Contains(string(got.body), `"accepted":1`) {
			t.Fatalf("%s %s: %d %s", typ, data, got.status, got.body)
		}
	}
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		if got := sh.call(method, path, body, "Content-Type", "application/json"); got.status != status || !strings.Contains(string(got.body), want) {
			t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", method, path, body, got.status, got.body, status, want)
		}
	}
	send("pos.return", "1", `{"location":"x","lines":[{"sku":"kg","quantity":2}]}`)
	send("order.placed", "2", `{"order":"o/1","location":"x","ttl_seconds":60,"lines":[{"sku":"kg","quantity":1.5}]}`)
	f("GET", "/v1/reservations/o%2F1", "", 200, `{"id":"o/1","state":"held"`)
	f("POST", "/v1/reservations", `{"id":"o/1","lines":[{"sku":"kg","location":"x","quantity":1.5}]}`, 422, "idempotency-mismatch")
	f("POST", "/v1/reservations/o%2F1/confirm", `{}`, 200, `"committed":1.5`)
	send("order.paid", "3", `{"order":"o/1"}`)
	f("POST", "/v1/reservations/o%2F1/fulfil", `{}`, 200, `"state":"fulfilled"`)
	f("GET", "/v1/reservations?reference=o%2F1", "", 200, `"fulfilled":1.5`)

	send("order.cancelled", "4", `{"order":"early","lines":[{"sku":"kg","quantity":0.5}]}`)
	f("GET", "/v1/reservations/early", "", 200, `"state":"awaited"`)
	f("GET", "/v1/reservations/early", "", 200, `"lines":[{"sku":"kg","location":null,"quantity":0,"held":0,"committed":0,"fulfilled":0,"cancelled":0.5}]`)
	f("POST", "/v1/reservations/early/confirm", `{}`, 409, `"state":"awaited"`)
	f("POST", "/v1/reservations", `{"id":"early","lines":[{"sku":"kg","location":"x","quantity":0.5}]}`, 422, "idempotency-mismatch")
	send("order.placed", "5", `{"order":"refused","location":"x","lines":[{"sku":"a","quantity":1}]}`)
	f("GET", "/v1/reservations?state=refused", "", 200, `"id":"refused","state":"refused"`)
	f("POST", "/v1/reservations/refused/cancel", `{}`, 409, `"state":"refused"`)
	f("GET", "/v1/positions/kg/x/entries", "", 200, `"type":"order.placed"`)
}
