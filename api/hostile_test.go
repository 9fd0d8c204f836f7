package api

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// TestSmuggling sends requests that two readers could take for different ones. None may
// reach a handler, and the connection must end, with whatever would come behind.
func TestSmuggling(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 10)
	url, _ := sh.serve()
	const reserve = `{"lines":[{"sku":"a","location":"l1","quantity":1}]}`
	post := func(head, body string) string {
		return "POST /v1/reservations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + head + "\r\n" + body
	}
	length := fmt.Sprintf("Content-Length: %d\r\n", len(reserve))
	for name, raw := range map[string]string{
		"length and chunks":         post(length+"Transfer-Encoding: chunked\r\n", reserve),
		"chunks and length":         post("Transfer-Encoding: chunked\r\n"+length, reserve),
		"two lengths":               post(length+"Content-Length: 3\r\n", reserve),
		"the same length twice":     post(length+length, reserve),
		"a list of lengths":         post(fmt.Sprintf("Content-Length: %d, %d\r\n", len(reserve), len(reserve)), reserve),
		"a length with a sign":      post(fmt.Sprintf("Content-Length: +%d\r\n", len(reserve)), reserve),
		"a negative length":         post("Content-Length: -1\r\n", reserve),
		"a length in hex":           post("Content-Length: 0x20\r\n", reserve),
		"a length beyond all":       post("Content-Length: 18446744073709551616\r\n", reserve),
		"space before the colon":    post(fmt.Sprintf("Content-Length : %d\r\n", len(reserve)), reserve),
		"a header without colon":    post(length+"X\r\n", reserve),
		"an empty header name":      post(length+": x\r\n", reserve),
		"NUL in a header":           post(length+"X: a\x00b\r\n", reserve),
		"a bare CR in a header":     post(length+"X: a\rb\r\n", reserve),
		"unknown encoding":          post("Transfer-Encoding: xchunked\r\n", reserve),
		"encoding twice":            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(reserve), reserve)),
		"a chunk of odd size":       post("Transfer-Encoding: chunked\r\n", fmt.Sprintf("0x%x\r\n%s\r\n0\r\n\r\n", len(reserve), reserve)),
		"a chunk beyond all":        post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"+reserve),
		"a chunk longer than told":  post("Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%sxx\r\n0\r\n\r\n", len(reserve), reserve)),
		"a version there is not":    strings.Replace(post(length, reserve), "HTTP/1.1", "HTTP/9.9", 1),
		"no version":                strings.Replace(post(length, reserve), " HTTP/1.1", "", 1),
		"NUL in the target":         strings.Replace(post(length, reserve), "/v1/reservations", "/v1/reservations\x00", 1),
		"a space in the target":     strings.Replace(post(length, reserve), "/v1/reservations", "/v1/reservations x", 1),
		"a method with a colon":     strings.Replace(post(length, reserve), "POST", "PO:ST", 1),
		"nothing that is a request": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
	} {
		before := sh.l.Seq()
		c := sh.dial(url)
		if _, err := io.WriteString(c, raw+"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c) // to the end: the connection must be closed
		if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
			t.Errorf("%s: the connection stayed open: %q", name, got)
		} else if err != nil && len(got) == 0 {
			continue // reset without an answer: closed all the same
		}
		if n := strings.Count(string(got), "HTTP/1.1 "); n != 1 || !strings.HasPrefix(string(got), "HTTP/1.1 4") {
			t.Errorf("%s: %d answers: %q", name, n, got)
		}
		if sh.l.Seq() != before {
			t.Errorf("%s: it was carried out", name)
		}
	}
}

// TestMalformedBodies are refused with little memory taken, and nothing is changed.
func TestMalformedBodies(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 10)
	line := func(quantity string) string {
		return `{"lines":[{"sku":"a","location":"l1","quantity":` + quantity + `}]}`
	}
	for name, body := range map[string]string{
		"a million deep":        strings.Repeat("[", 1_000_000),
		"a million deep, lines": `{"lines":` + strings.Repeat(`[{"sku":`, 500_000),
		"a member twice":        `{"ttl_seconds":5,"ttl_seconds":6,"lines":[{"sku":"a","location":"l1","quantity":1}]}`,
		"NaN":                   line("NaN"),
		"infinity":              line("1e999"),
		"minus nothing":         line("-0"),
		"nothing":               line("0"),
		"beyond 64 bits":        line("9223372036854775808"),
		"bad UTF-8":             `{"owner":"` + "\xff\xfe" + `","lines":[{"sku":"a","location":"l1","quantity":1}]}`,
		"half a surrogate":      `{"owner":"\ud800","lines":[{"sku":"a","location":"l1","quantity":1}]}`,
		"two values":            line("1") + line("1"),
		"cut off":               line("1")[:30],
		"a comment":             "/* */" + line("1"),
		"nothing at all":        " ",
	} {
		before := sh.l.Seq()
		var got reply
		allocated := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				got = sh.raw("POST", "/v1/reservations", body)
				if b.N > 1 {
					return // once is enough
				}
			}
		}).AllocedBytesPerOp()
		if got.status != 400 && got.status != 422 && got.status != 415 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if limit := int64(64<<10 + 4*len(body)); allocated > limit {
			t.Errorf("%s: %d bytes allocated for %d of body", name, allocated, len(body))
		}
		if sh.l.Seq() != before {
			t.Errorf("%s: something was changed", name)
		}
	}
}

// TestPanicCostsOneRequest plants a fault in a handler: its caller is told that it is
// ours, it is counted, and the next call is answered.
func TestPanicCostsOneRequest(t *testing.T) {
	sh := stocked(t)
	before := panics.Get()
	stock := sh.s.Stock
	sh.s.Stock = nil
	got := sh.raw("GET", "/v1/availability/a", "")
	sh.s.Stock = stock
	if got.status != 500 || !strings.HasPrefix(got.body, `{"type":"/problems/internal-error"`) || strings.Contains(got.body, "goroutine") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if panics.Get() != before+1 {
		t.Errorf("%d panics were counted", panics.Get()-before)
	}
	if got := sh.raw("GET", "/v1/availability/a", ""); got.status != 200 {
		t.Errorf("the next call: %d %s", got.status, got.body)
	}
}
