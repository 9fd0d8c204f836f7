package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// FuzzCall makes any call: nothing panics, a fault is never called ours, a refusal says
// which it is and changes nothing.
func FuzzCall(f *testing.F) {
	sh := stocked(f)
	sh.stock("a", "l1", 10)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"l1","quantity":3}]}`)
	for _, seed := range [][3]string{
		{"POST", "/v1/reservations", `{"id":"q","ttl_seconds":60,"allow_partial":true,"lines":[{"sku":"a","location":"l1","quantity":1}]}`},
		{"POST", "/v1/reservations/r/confirm", `{"lines":[{"sku":"a","location":"l1","quantity":1}]}`},
		{"POST", "/v1/reservations/r/amend", `{"lines":[{"sku":"a","location":"l1","quantity":2}]}`},
		{"POST", "/v1/reservations/r/extend", `{"ttl_seconds":60}`},
		{"POST", "/v1/events", `[{"specversion":"1.0","type":"pos.sale","source":"s","id":"1","time":"2026-11-23T09:59:00Z","data":{"location":"l1","lines":[{"sku":"a","quantity":2}]}}]`},
		{"PUT", "/v1/skus/z", `{"decimals":3,"aliases":{"x":["y"]}}`},
		{"PUT", "/v1/locations/n", `{"kind":"store","lat":52.3,"lon":4.9,"timezone":"Europe/Amsterdam"}`},
		{"DELETE", "/v1/skus/b", ""},
		{"PATCH", "/v1/policies/safety-stock", `{"set":[{"sku":"a","units":1}],"remove":[{"location":"l2"}]}`},
		{"GET", "/v1/reservations?reference=x&limit=5&after=abc", ""},
		{"GET", "/v1/positions/a/l1/entries?from_seq=3&to_seq=9&limit=3", ""},
		{"GET", "/v1/positions/a/l1?at=2026-11-23T09:59:00Z", ""},
		{"GET", "/v1/positions/a/l1?at=seq:14", ""},
		{"GET", "/v1/exceptions?location=l1&min_size=0.5&state=open&since=2026-11-23T10:00:00Z&limit=1", ""},
		{"GET", "/v1/exceptions/12", ""},
		{"GET", "/v1/accuracy?by=source&since=2026-11-23T10:00:00Z&location=l1", ""},
		{"GET", "/v1/sources?limit=1", ""},
		{"POST", "/v1/exceptions/12/resolve", `{"note":"x","by":"y"}`},
		{"HEAD", "/v1/availability/a%2F%zz?location=,,&fields=x", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], "key")
	}
	f.Fuzz(func(t *testing.T, method, target, body, key string) {
		var ctx fasthttp.RequestCtx
		ctx.Request.Header.SetMethod(method)
		ctx.Request.Header.SetRequestURI(target)
		ctx.Request.Header.SetContentType("application/json")
		ctx.Request.Header.Set("Idempotency-Key", key)
		ctx.Request.Header.Set("If-Match", key)
		ctx.Request.SetBodyString(body)
		if string(ctx.Path()) == "/v1/feed" {
			return // has no end
		}
		before := sh.l.Seq()
		sh.s.handle(&ctx)
		status, answer := ctx.Response.StatusCode(), ctx.Response.Body()
		if status >= 400 {
			var problem struct{ Type string }
			if err := json.Unmarshal(answer, &problem); method != "HEAD" && (err != nil || !strings.HasPrefix(problem.Type, "/problems/")) {
				t.Errorf("%q %q %q: %d without a code: %s", method, target, body, status, answer)
			}
			if sh.l.Seq() != before {
				t.Errorf("%q %q %q: %d %s, and something was changed", method, target, body, status, answer)
			}
		}
		if status >= 500 && status != fasthttp.StatusServiceUnavailable || strings.Contains(string(answer), "internal-error") {
			t.Errorf("%q %q %q: %d %s", method, target, body, status, answer)
		}
	})
}
