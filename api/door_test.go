package api

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// dial opens a connection that the test's end closes.
func (sh *shop) dial(url string) net.Conn {
	sh.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		sh.t.Fatal(err)
	}
	sh.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// answerOn reads one answer.
func (sh *shop) answerOn(c net.Conn) (res *http.Response, body string) {
	sh.t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		sh.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		sh.t.Fatal(err)
	}
	return res, string(b)
}

func TestWhoIsOneTooManyIsTold(t *testing.T) {
	sh := newShop(t)
	sh.s.Connections = 2
	url, _ := sh.serve()
	ask := func(c net.Conn) (*http.Response, string) {
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		return sh.answerOn(c)
	}
	var in []net.Conn
	for range 2 {
		c := sh.dial(url)
		if res, _ := ask(c); res.StatusCode != 200 {
			t.Fatalf("answered with %d", res.StatusCode)
		}
		in = append(in, c)
	}
	res, body := ask(sh.dial(url))
	if res.StatusCode != 503 || res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("Retry-After") != "1" ||
		!strings.HasPrefix(body, `{"type":"/problems/overloaded",`) {
		t.Errorf("one too many: %d %v %s", res.StatusCode, res.Header, body)
	}
	if res, _ := ask(in[0]); res.StatusCode != 200 {
		t.Errorf("who was let in is then answered with %d", res.StatusCode)
	}
	in[1].Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if res, _ := ask(sh.dial(url)); res.StatusCode == 200 {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("after one has left: %d", res.StatusCode)
		}
	}
}

// TestTooLargeIsHeardByWhoSendsOn sends all of a body that is too large before it
// reads: the answer must not be lost in a reset.
func TestTooLargeIsHeardByWhoSendsOn(t *testing.T) {
	sh := newShop(t)
	url, _ := sh.serve()
	f := func(head, body string) {
		t.Helper()
		c := sh.dial(url)
		if _, err := io.WriteString(c, "POST /v1/availability HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+head+"\r\n"); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := io.WriteString(c, body); err != nil {
				t.Fatal(err)
			}
		}
		res, got := sh.answerOn(c)
		if res.StatusCode != 413 || res.Header.Get("Content-Type") != "application/problem+json" || !strings.HasPrefix(got, `{"type":"/problems/request-too-large",`) {
			t.Errorf("%d %v %s", res.StatusCode, res.Header, got)
		}
	}
	mebi := strings.Repeat(" ", 1<<20)
	f(fmt.Sprintf("Content-Length: %d\r\n", 20<<20), mebi)
	f("Transfer-Encoding: chunked\r\n", "100000\r\n"+mebi+"\r\n")
	f("X-Long: ", mebi)
}

func TestTargetInAbsoluteForm(t *testing.T) {
	sh := stocked(t)
	url, _ := sh.serve()
	f := func(target string, status int) {
		t.Helper()
		c := sh.dial(url)
		if _, err := io.WriteString(c, "GET "+target+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if res, body := sh.answerOn(c); res.StatusCode != status {
			t.Errorf("%s: %d %s", target, res.StatusCode, body)
		}
	}
	f("/v1/skus/a", 200)
	f("http://x/v1/skus/a", 200)
	f("HTTP://other:81/v1/skus/%61?min_seq=0", 200)
	f("http://x/v1/skus/http://x/v1/skus/a", 404)
	f("/http://x/v1/skus/a", 404)
	f("http://x", 400)
	f("ftp://x/v1/skus/a", 400)
	f("*", 400)
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	sh := stocked(t)
	url, _ := sh.serve()
	f := func(path string, status int, allow string) {
		t.Helper()
		get, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		get.Body.Close()
		res, err := http.Head(url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status || res.Header.Get("Allow") != allow || res.StatusCode == get.StatusCode && res.ContentLength != get.ContentLength {
			t.Errorf("HEAD %s: %d %v, and GET %d %v", path, res.StatusCode, res.Header, get.StatusCode, get.Header)
		}
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	f("/healthz", 200, "")
	f("/v1/skus/a", 200, "")
	f("/v1/skus/none", 404, "")
	f("/v1/events", 405, "POST")
	if got := sh.call("HEAD", "/v1/feed", ""); got.status != 405 {
		t.Errorf("HEAD of a feed: %d", got.status)
	}
}

func TestBearer(t *testing.T) {
	sh := stocked(t)
	sh.s.Keys = []string{"one", "two words"}
	f := func(authorization string, status int) {
		t.Helper()
		if got := sh.call("GET", "/v1/skus/a", "", "Authorization", authorization); got.status != status {
			t.Errorf("%q: %d", authorization, got.status)
		}
	}
	f("Bearer one", 200)
	f("bearer one", 200) // the scheme's case does not matter, the key's does
	f("Bearer two words", 200)
	f("Bearer One", 401)
	f("Bearer", 401)
	f("Bearer ", 401)
	f("Basic one", 401)
	f("one", 401)
	f("", 401)
}
