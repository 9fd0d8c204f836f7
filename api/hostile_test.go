package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"onhand/ingest"
)

// TestHostileBodies sends what is meant to be misread, or to cost more than it is
// long, to each kind of call that reads a body.
func TestHostileBodies(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 5)
	sh.is(sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"l1","quantity":1}]}`), "201 held 900s a@l1 1 h1")
	const deep = 1_000_000
	nested := func(open, in, shut string) string {
		return strings.Repeat(open, deep) + in + strings.Repeat(shut, deep)
	}
	// each puts a value where a quantity goes, and a text where a name goes
	type call struct{ method, target, quantity, name string }
	calls := []call{
		{"POST", "/v1/reservations", `{"lines":[{"sku":"a","location":"l1","quantity":%s}]}`, `{"owner":%s,"lines":[{"sku":"a","location":"l1","quantity":9}]}`},
		{"POST", "/v1/reservations/r/amend", `{"lines":[{"sku":"a","location":"l1","quantity":%s}]}`, `{"lines":[{"sku":%s,"location":"l1","quantity":9}]}`},
		{"POST", "/v1/availability", `{"items":[{"sku":"a"}],"min_seq":%s}`, `{"items":[{"sku":%s}]}`},
		{"PUT", "/v1/policies/safety-stock", `{"rules":[{"units":%s}]}`, `{"rules":[{"sku":%s,"units":1}]}`},
		{"PUT", "/v1/skus/new", `{"decimals":%s}`, `{"category":%s}`},
		{"POST", "/v1/events", `{"specversion":"1.0","type":"pos.sale","source":"s","id":"1","time":"2026-11-23T10:00:00Z","data":{"location":"l1","lines":[{"sku":"a","quantity":%s}]}}`,
			`{"specversion":"1.0","type":"pos.sale","source":"s","id":"1","time":"2026-11-23T10:00:00Z","data":{"location":"l1","lines":[{"sku":%s,"quantity":1}]}}`},
	}
	before := sh.l.Seq()
	for _, c := range calls {
		refused := func(body, what string) {
			t.Helper()
			got, allocated := sh.allocating(c.method, c.target, body)
			if got.status != 400 && got.status != 422 || !strings.Contains(got.body, `"type":"/problems/invalid-`) {
				t.Errorf("%s %s, %s: %d %.200s", c.method, c.target, what, got.status, got.body)
			}
			if allowed := uint64(64<<10 + 4*len(body)); allocated > allowed {
				t.Errorf("%s %s, %s: %d bytes cost %d bytes of memory, want at most %d", c.method, c.target, what, len(body), allocated, allowed)
			}
		}
		for what, value := range map[string]string{
			"arrays in arrays": nested("[", "", "]"), "objects in objects": nested(`{"a":`, "1", "}"), "arrays without end": strings.Repeat("[", deep),
			"NaN": "NaN", "Infinity": "Infinity", "a number without end": "-", "a number in hexadecimal": "0x1", "a plus": "+1", "a zero before": "01",
			"bad UTF-8": "\"\xff\"", "half a surrogate": `"\ud800"`, "NUL": "\"\x00\"", "a comment": "/**/1", "one name twice": `{"a":1,"a":2}`,
			"one name twice, one of them escaped": `{"a":1,"\u0061":2}`, "an overlong slash": "\"\xc0\xaf\"", "a surrogate in UTF-8": "\"\xed\xa0\x80\"",
		} {
			refused(fmt.Sprintf(c.quantity, value), what+" for a number")
			refused(fmt.Sprintf(c.name, value), what+" for a text")
			refused(value, what+" alone")
		}
		refused("\xef\xbb\xbf"+fmt.Sprintf(c.quantity, "1"), "a byte order mark")
		refused(fmt.Sprintf(c.quantity, "1")+fmt.Sprintf(c.quantity, "1"), "two bodies")
		refused(strings.Replace(fmt.Sprintf(c.quantity, "1"), "{", `{"x":1,"x":1,`, 1), "a member twice")
		if c.target == "/v1/events" {
			continue // a number that is no quantity is that event's fault, not the request's
		}
		for _, number := range []string{"1e999", "-1e999", "1e-999", "1e2147483648", "1e99999999999999999999", "-0", "-0.0", "1" + strings.Repeat("0", 100_000), "0." + strings.Repeat("0", 100_000) + "1"} {
			if !strings.HasPrefix(c.target, "/v1/reservations") && strings.HasPrefix(number, "-0") {
				continue // it is 0, which others may take
			}
			refused(fmt.Sprintf(c.quantity, number), fmt.Sprintf("%.20s", number))
		}
	}
	if sh.l.Seq() != before {
		t.Errorf("something was carried out: seq %d, was %d", sh.l.Seq(), before)
	}
	for i, number := range []string{"1e999", "-1e999", "1e-999", "-0.5", "1" + strings.Repeat("0", 100_000)} {
		got, _ := sh.allocating("POST", "/v1/events", fmt.Sprintf(strings.Replace(calls[5].quantity, `"id":"1"`, fmt.Sprintf(`"id":"n%d"`, i), 1), number))
		if got.status != 200 || !strings.Contains(got.body, `"accepted":0,"duplicates":0,"rejected":[{"id":"n`) || !strings.Contains(got.body, `"code":"invalid-quantity"`) {
			t.Errorf("an event with quantity %.20s: %d %.300s", number, got.status, got.body)
		}
	}
	if got := sh.rows("/v1/availability/a?location=l1"); got != "l1=4" {
		t.Errorf("afterwards there is %s", got)
	}
}

// allocating calls, and says how many bytes of memory that took.
func (sh *shop) allocating(method, target, body string) (reply, uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := sh.call(method, target, body)
	runtime.ReadMemStats(&after)
	return got, after.TotalAlloc - before.TotalAlloc
}

// TestGzipBomb: compressed bodies are not taken at all, so that none can grow.
func TestGzipBomb(t *testing.T) {
	sh := stocked(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	zeroes := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeroes); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, encoding := range []string{"gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"} {
		sh.refuses("POST", "/v1/events", packed.String(), "415 unsupported-media-type", "Content-Encoding", encoding)
		sh.refuses("POST", "/v1/availability", packed.String(), "415 unsupported-media-type", "Content-Encoding", encoding)
		sh.refuses("POST", "/v1/reservations", packed.String(), "415 unsupported-media-type", "Content-Encoding", encoding)
		sh.refuses("PUT", "/v1/skus/new", packed.String(), "415 unsupported-media-type", "Content-Encoding", encoding)
		sh.refuses("PUT", "/v1/policies/safety-stock", packed.String(), "415 unsupported-media-type", "Content-Encoding", encoding)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
		t.Errorf("35 bombs of %d bytes cost %d bytes of memory", packed.Len(), got)
	}
}

// TestBodyAtTheLimit sends a body as long as may be, and one byte more.
func TestBodyAtTheLimit(t *testing.T) {
	sh := stocked(t)
	const most = 100_000
	s := New(Options{Ledger: sh.l, Ingest: ingest.NewApplier(sh.l), Stock: sh.s.Stock, Promises: sh.s.Promises, BodyBytesMax: most})
	sh.s = s
	url, _ := sh.serve()
	f := func(method, target string, bytes int, chunked bool, want string) {
		t.Helper()
		c := sh.dial(url)
		defer c.Close()
		body := "{}" + strings.Repeat(" ", bytes-2)
		if chunked {
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n%x\r\n%s\r\n0\r\n\r\n", method, target, len(body)-1, body[1:])
		} else {
			fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, target, len(body), body)
		}
		res, answer := sh.answerOn(c)
		if got := fmt.Sprint(res.StatusCode, " closed=", res.Close); got != want {
			t.Errorf("%s %s with %d bytes, chunked %t: %s %s, want %s", method, target, bytes, chunked, got, answer, want)
		}
		if res.Close {
			if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
				t.Errorf("then came %q, %v", rest, err)
			}
		}
	}
	for _, chunked := range []bool{false, true} {
		f("PUT", "/v1/skus/new", most-1, chunked, "200 closed=false")
		f("PUT", "/v1/skus/new", most, chunked, "200 closed=false")
		f("PUT", "/v1/skus/other", most+1, chunked, "413 closed=true")
		f("POST", "/v1/reservations", most, chunked, "400 closed=false") // {} has no lines
		f("POST", "/v1/reservations", most+1, chunked, "413 closed=true")
		f("POST", "/v1/events", most+1, chunked, "413 closed=true")
		f("POST", "/v1/availability", most+1, chunked, "413 closed=true")
	}
	if _, ok := sh.l.LookupSKU([]byte("other")); ok {
		t.Error("what was too large was carried out")
	}
}

// TestPanicCostsOneCall has a handler fail as only a fault of ours could make it.
func TestPanicCostsOneCall(t *testing.T) {
	sh := stocked(t)
	sh.s.Ready = func() error { panic("planted") }
	before := panics.Get()
	for range 3 { // each on the request that the one before gave back
		sh.refusesWithoutDetail("/readyz")
		sh.gives("GET", "/healthz", "", 200, `{"status":"up"}`)
	}
	if got := panics.Get() - before; got != 3 {
		t.Errorf("%d panics were counted, want 3", got)
	}
	if got := sh.call("GET", "/metrics", ""); !strings.Contains(got.body, fmt.Sprintf("onhand_api_panics_total %d\n", panics.Get())) {
		t.Errorf("/metrics does not tell of %d panics", panics.Get())
	}
	url, _ := sh.serve()
	c := sh.dial(url)
	for _, want := range []int{500, 200, 500, 200} { // the connection lives on
		path := map[int]string{500: "/readyz", 200: "/healthz"}[want]
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		if res, body := sh.answerOn(c); res.StatusCode != want || strings.Contains(body, "planted") {
			t.Errorf("%s: %d %s", path, res.StatusCode, body)
		}
	}
}

func (sh *shop) refusesWithoutDetail(target string) {
	sh.t.Helper()
	got := sh.call("GET", target, "")
	if want := `{"type":"/problems/internal-error","title":"Internal Server Error","status":500,"detail":""}`; got.status != 500 || got.body != want {
		sh.t.Errorf("%s: %d %s", target, got.status, got.body)
	}
}
