package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestImportsCutShort lets connections end within a file. What may be half a row is not
// taken, and a file of which the rest is missing is never complete.
func TestImportsCutShort(t *testing.T) {
	sh := eventShop(t)
	sh.s.ReadTimeout = time.Minute
	url, _ := sh.serve()
	f := func(name, query, headers, body, want string) {
		t.Helper()
		c := sh.dial(url)
		io.WriteString(c, "POST /v1/imports?"+query+" HTTP/1.1\r\nHost: x\r\n"+headers+"\r\n"+body)
		c.(interface{ CloseWrite() error }).CloseWrite()
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		c.Close()
		if res.StatusCode != 400 || !strings.Contains(string(b), "did not come to its end") {
			t.Errorf("%s: %d %s", name, res.StatusCode, b)
		}
		if got := sh.figures("a", "x") + ", " + sh.figures("kg", "x"); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	sh.imported("", "location,sku,quantity,as_of\nx,a,5,2026-11-23T08:00:00Z\nx,kg,1.5,2026-11-23T08:00:00Z\n")
	const before = "5 h0 c0 av5, 1500 h0 c0 av1500"
	rows := "note,location,as_of,sku,quantity\n" + strings.Repeat("-", 100_000) + ",x,2026-11-23T09:00:00Z,a,6"
	f("a row by its length", "format=csv", "Content-Length: 200000\r\n", rows, before)
	f("a complete file by its length", "format=csv&complete=true", "Content-Length: 200000\r\n", rows+"\n", before)
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(rows), rows)
	f("a row in chunks", "format=csv", "Transfer-Encoding: chunked\r\n", chunk, before)
	f("a row within a chunk", "format=csv", "Transfer-Encoding: chunked\r\n", chunk[:len(chunk)-3], before)
}

// TestImportsEndWithTheService stops the service while a file is on its way: who sends it is
// told at once, however slow it is.
func TestImportsEndWithTheService(t *testing.T) {
	sh := eventShop(t)
	sh.s.ReadTimeout = time.Hour
	url, stop := sh.serve()
	c := sh.dial(url)
	defer c.Close()
	io.WriteString(c, "POST /v1/imports?id=slow&format=csv HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\nlocation,sku,quantity\n"+strings.Repeat("\n", 100_000))
	for sh.call("GET", "/v1/imports/slow", "").status != 200 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 503 || !strings.Contains(string(b), "not-ready") {
		t.Errorf("%d %s", res.StatusCode, b)
	}
	select {
	case err := <-stopped:
		if err != nil {
			t.Error(err)
		}
	case <-ctx.Done():
		t.Error("it does not stop")
	}
}

// TestBodiesCutShort ends connections between the chunks of a body: it is not taken for all of it.
func TestBodiesCutShort(t *testing.T) {
	sh := stocked(t)
	url, _ := sh.serve()
	f := func(body string) {
		t.Helper()
		c := sh.dial(url)
		io.WriteString(c, "PUT /v1/skus/cut HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"+body)
		c.(interface{ CloseWrite() error }).CloseWrite()
		if res, b := sh.answerOn(c); res.StatusCode != 400 {
			t.Errorf("%q: %d %s", body, res.StatusCode, b)
		}
	}
	f("")
	f("2\r\n{}\r\n")
	f("2\r\n{}\r\n0\r\n")
	if _, ok := sh.l.LookupSKU([]byte("cut")); ok {
		t.Error("it was carried out")
	}
}

// TestImportFaults lets decoding panic more often than imports may run at once: each costs itself alone.
func TestImportFaults(t *testing.T) {
	sh := eventShop(t)
	for range importsAtOnce + 1 {
		r := &request{s: sh.s}
		job := &importJob{id: "fault"}
		job.Source.Name, job.Source.Format = "erp/hq", "csv"
		if !sh.s.imports.begin(job) {
			t.Fatal("those before are taken to run")
		}
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "a broken decoder") {
					t.Errorf("%v", p)
				}
			}()
			r.runImport(job, io.MultiReader(strings.NewReader("location,sku,quantity,as_of\n"), panicking{}))
		}()
	}
	if got := sh.call("GET", "/v1/imports/fault", ""); !strings.Contains(got.body, "a fault of the service") {
		t.Error(got.body)
	}
}

type panicking struct{}

func (panicking) Read(b []byte) (int, error) { panic("a broken decoder") }

// TestImportsRefusedEarly refuses files before they have come, and says why to who is still sending.
func TestImportsRefusedEarly(t *testing.T) {
	sh := eventShop(t)
	sh.s.Keys = []string{"key"}
	url, _ := sh.serve()
	f := func(query, key string, status int, want string) {
		t.Helper()
		c := sh.dial(url)
		head := "POST /v1/imports?" + query + " HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\nAuthorization: Bearer " + key + "\r\n\r\n"
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, head+strings.Repeat("x,a,1\n", 33554432/6)+"\n\n")
			sent <- err
		}()
		if err := <-sent; err != nil {
			t.Errorf("%s: while it was sent: %v", query, err)
		}
		if res, body := sh.answerOn(c); res.StatusCode != status || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, res.StatusCode, body)
		}
		c.Close()
	}
	f("format=nonsense", "key", 400, "format: want one of")
	f("format=csv", "key", 400, "line 1")
	f("format=csv", "another", 401, "unauthorized")
}
