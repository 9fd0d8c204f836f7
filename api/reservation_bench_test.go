package api

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/valyala/fasthttp"

	"onhand/ledger"
	"onhand/promise"
)

// BenchmarkPostReservation is a reserve as the handler answers it, body to answer,
// on a real disk: 256 callers, unique ids, one line, 1,000 SKUs.
func BenchmarkPostReservation(b *testing.B) {
	l, err := ledger.Open(ledger.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	sh := &shop{t: b, l: l}
	const skus = 1000
	now := l.Now()
	sh.apply(ledger.PutLocation{Info: ledger.LocationInfo{Location: "0042", Active: true}, Now: now})
	count := &ledger.Count{Name: ledger.EventName{Source: "wms", ID: "1", Time: now, Content: 1}, CountedAt: now, Received: now, Location: 1}
	for i := range skus {
		sh.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: fmt.Sprintf("sku-%d", i)}, Now: now})
		count.Lines = append(count.Lines, ledger.CountLine{SKU: ledger.SKU(i + 1), Quantity: 1 << 30})
	}
	sh.apply(count)
	s := New(Options{Ledger: l, Promises: promise.New(l)})
	var ids atomic.Int64
	b.SetParallelism(128)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		var ctx fasthttp.RequestCtx
		var body []byte
		for pb.Next() {
			n := ids.Add(1)
			body = append(strconv.AppendInt(append(body[:0], `{"id":"cart-`...), n, 10), `","ttl_seconds":900,"lines":[{"sku":"sku-`...)
			body = append(strconv.AppendInt(body, n%skus, 10), `","location":"0042","quantity":1}]}`...)
			ctx.Request.Reset()
			ctx.Response.Reset()
			ctx.Request.Header.SetMethod("POST")
			ctx.Request.SetRequestURI("/v1/reservations")
			ctx.Request.Header.SetContentType("application/json")
			ctx.Request.SetBodyRaw(body)
			s.handle(&ctx)
			if ctx.Response.StatusCode() != 201 {
				b.Fatalf("%s", ctx.Response.Body())
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "reserves/s")
}
