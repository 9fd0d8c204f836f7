package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestSmuggling sends what two readers of HTTP could take apart differently. It is
// answered with 400, nothing in it is carried out, and the connection is closed, so
// that what follows it is never taken for a request.
func TestSmuggling(t *testing.T) {
	sh := stocked(t)
	url, _ := sh.serve()
	const (
		line   = "PUT /v1/skus/carried-out HTTP/1.1\r\n"
		host   = "Host: x\r\n"
		put    = line + host
		second = "PUT /v1/skus/carried-out HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
	)
	f := func(name, raw string) {
		t.Helper()
		c := sh.dial(url)
		defer c.Close()
		io.WriteString(c, raw) // the service may have closed before all of it was sent
		in := bufio.NewReader(c)
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%s: no answer: %v", name, err)
			return
		}
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != 400 || res.Header.Get("Content-Type") != "application/problem+json" || !res.Close ||
			!strings.HasPrefix(string(body), `{"type":"/problems/invalid-request",`) {
			t.Errorf("%s: %d %v %s", name, res.StatusCode, res.Header, body)
		}
		if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
			t.Errorf("%s: after the answer came %q, %v", name, rest, err)
		}
		if _, ok := sh.l.LookupSKU([]byte("carried-out")); ok {
			t.Errorf("%s: it was carried out", name)
			sh.call("DELETE", "/v1/skus/carried-out", "")
		}
	}
	body := func(name, headers, body string) {
		t.Helper()
		f(name, put+headers+"\r\n"+body+second)
	}

	body("a length and chunks", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n", "{} ")
	body("one length twice", "Content-Length: 2\r\nContent-Length: 2\r\n", "{}")
	body("a list of lengths", "Content-Length: 2, 2\r\n", "{}")
	body("a length with a sign", "Content-Length: +2\r\n", "{}")
	body("a length below 0", "Content-Length: -2\r\n", "{}")
	body("a hexadecimal length", "Content-Length: 0x2\r\n", "{}")
	body("a length with more behind it", "Content-Length: 2abc\r\n", "{}")
	body("a length with a space in it", "Content-Length: 2 0\r\n", "{}")
	body("an empty length", "Content-Length:\r\n", "{}")
	body("a length of 65 bits", "Content-Length: 18446744073709551618\r\n", "{}")
	body("space before the colon of a length", "Content-Length : 2\r\n", "{}")
	body("a vertical tab before a length", "Content-Length:\v2\r\n", "{}")

	body("space before the colon of chunks", "Transfer-Encoding : chunked\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("chunks by another name", "Transfer-Encoding: xchunked\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("chunks in quotes", "Transfer-Encoding: \"chunked\"\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("chunks that are not last", "Transfer-Encoding: chunked, identity\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("chunks of gzip", "Transfer-Encoding: gzip, chunked\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("chunks and then identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "2\r\n{}\r\n0\r\n\r\n")
	body("identity and a length", "Transfer-Encoding: identity\r\nContent-Length: 2\r\n", "{}")
	body("a vertical tab before chunks", "Transfer-Encoding:\vchunked\r\n", "2\r\n{}\r\n0\r\n\r\n")
	f("chunks of HTTP/1.0", "PUT /v1/skus/carried-out HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"+second)

	chunks := func(name, chunks string) {
		t.Helper()
		body(name, "Transfer-Encoding: chunked\r\n", chunks)
	}
	chunks("a chunk with a sign", "+2\r\n{}\r\n0\r\n\r\n")
	chunks("a chunk below 0", "-2\r\n{}\r\n0\r\n\r\n")
	chunks("a chunk with 0x", "0x2\r\n{}\r\n0\r\n\r\n")
	chunks("a chunk without a size", "\r\n{}\r\n0\r\n\r\n")
	chunks("a chunk of 65 bits", "10000000000000002\r\n{}\r\n0\r\n\r\n")
	chunks("a chunk with space before its size", " 2\r\n{}\r\n0\r\n\r\n")
	chunks("a chunk longer than it says", "1\r\n{}\r\n0\r\n\r\n")
	chunks("a chunk shorter than it says", "3\r\n{}\r\n0\r\n\r\n")
	chunks("chunks with bare line feeds", "2\n{}\n0\n\n")
	chunks("a line feed in a chunk's extension", "2;\n{}\r\n0\r\n\r\n")
	chunks("a carriage return in a chunk's extension", "2;a\rb\r\n{}\r\n0\r\n\r\n")

	body("a folded header", "X-Fold: a\r\n b\r\nContent-Length: 2\r\n", "{}")
	f("a folded first header", line+" Host: x\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"+second)
	body("a carriage return in a header", "X-A: b\rContent-Length: 7\r\nContent-Length: 2\r\n", "{}")
	body("NUL in a header", "X-A: b\x00c\r\nContent-Length: 2\r\n", "{}")
	body("NUL in a header's name", "X-A\x00: b\r\nContent-Length: 2\r\n", "{}")
	body("a space in a header's name", "X A: b\r\nContent-Length: 2\r\n", "{}")
	body("a header without a name", ": b\r\nContent-Length: 2\r\n", "{}")
	body("a header without a colon", "Content-Length\r\nContent-Length: 2\r\n", "{}")
	body("a bare line feed after a header", "X-A: b\nContent-Length: 2\r\n", "{}")

	f("no host", line+"Content-Length: 2\r\n\r\n{}"+second)
	f("two hosts", put+"Host: y\r\nContent-Length: 2\r\n\r\n{}"+second)
	f("a host with a path", line+"Host: x/y\r\nContent-Length: 2\r\n\r\n{}"+second)
	target := func(name, line string) {
		t.Helper()
		f(name, line+host+"Content-Length: 2\r\n\r\n{}"+second)
	}
	target("two spaces before the target", "PUT  /v1/skus/carried-out HTTP/1.1\r\n")
	target("a space in the target", "PUT /v1/skus/carried-out ?a HTTP/1.1\r\n")
	target("a tab for a space", "PUT\t/v1/skus/carried-out\tHTTP/1.1\r\n")
	target("NUL in the target", "PUT /v1/skus/carried-out?\x00 HTTP/1.1\r\n")
	target("a carriage return in the target", "PUT /v1/skus/carried-out?\r HTTP/1.1\r\n")
	target("no version", "PUT /v1/skus/carried-out\r\n")
	target("a version in small letters", "PUT /v1/skus/carried-out http/1.1\r\n")
	target("version 2", "PUT /v1/skus/carried-out HTTP/2.0\r\n")
	target("version 1.10", "PUT /v1/skus/carried-out HTTP/1.10\r\n")
	target("a method with a colon", "PUT: /v1/skus/carried-out HTTP/1.1\r\n")
}

// TestBodyOfGetIsNoRequest sends with GET a body that looks like a request.
func TestBodyOfGetIsNoRequest(t *testing.T) {
	sh := stocked(t)
	url, _ := sh.serve()
	f := func(head, body string) {
		t.Helper()
		c := sh.dial(url)
		defer c.Close()
		io.WriteString(c, head+"Host: x\r\n"+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(body))+body)
		if half, ok := c.(*net.TCPConn); ok {
			half.CloseWrite()
		}
		answers, err := io.ReadAll(c)
		if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || err != nil {
			t.Errorf("%s: %d answers, %v: %s", head, n, err, answers)
		}
		if _, ok := sh.l.LookupSKU([]byte("carried-out")); ok {
			t.Errorf("%s: its body was carried out", head)
			sh.call("DELETE", "/v1/skus/carried-out", "")
		}
	}
	body := "PUT /v1/skus/carried-out HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
	f("GET /v1/skus/a HTTP/1.1\r\n", body)
	f("HEAD /v1/skus/a HTTP/1.1\r\n", body)
	f("DELETE /v1/skus/none HTTP/1.1\r\n", body)
	f("OPTIONS /v1/skus/a HTTP/1.1\r\n", body)
	f("GET /v1/none HTTP/1.1\r\n", body)
}
