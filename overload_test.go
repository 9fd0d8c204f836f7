package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// residentMiB is how much memory the service has, all in; it needs Linux.
func (p *process) residentMiB() int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		skipUnlessCI(p.t, "memory is read from /proc, which only Linux has")
	}
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			if err != nil {
				p.t.Fatal(err)
			}
			return kib >> 10
		}
	}
	p.t.Fatal("no VmRSS in /proc")
	return 0
}

func skipUnlessCI(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("would be skipped: " + why)
	}
	t.Skip(why)
}

// TestFloodIsShed sends more than a small queue holds. What is refused is told so, and
// when to come again, and leaves nothing behind; what is taken is there afterwards.
func TestFloodIsShed(t *testing.T) {
	const stock, posters, buyers, perBatch = 10_000_000, 24, 24, 400
	p := start(t, t.TempDir(), "--queue-bytes", "20000")
	p.stock([]string{"milk", "jam"}, []string{"0001"}, stock)
	before := p.residentMiB()
	var sold, shed, odd atomic.Int64
	var mu sync.Mutex
	granted := map[string]bool{}
	refused := func(status int, head http.Header, body []byte) {
		if status != 503 || head.Get("Retry-After") == "" || !bytes.Contains(body, []byte("/problems/overloaded")) {
			odd.Add(1)
			t.Errorf("%d, Retry-After %q: %s", status, head.Get("Retry-After"), body)
		}
		shed.Add(1)
	}
	post := func(path, body string) (int, http.Header, []byte) {
		res, err := client.Post(p.url+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, nil, nil
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Error(err)
		}
		return res.StatusCode, res.Header, b
	}
	done := func() bool {
		return odd.Load() > 0 || t.Failed() || sold.Load() > 20_000 && shed.Load() > 50 && len(granted) > 500
	}
	var wg sync.WaitGroup
	for i := range posters {
		wg.Go(func() {
			for n := 0; ; n++ {
				mu.Lock()
				enough := done()
				mu.Unlock()
				if enough {
					return
				}
				var events []string
				for j := range perBatch {
					events = append(events, string(saleEvent(fmt.Sprint("till/", i), fmt.Sprint(n*perBatch+j), "0001", "milk", 1)))
				}
				status, head, body := post("/v1/events", "["+strings.Join(events, ",")+"]")
				if status != 200 {
					refused(status, head, body)
					n-- // the same events again: those that were taken before are duplicates
					continue
				}
				var answer struct {
					Accepted, Duplicates int64
					Rejected             []struct {
						Index int
						Type  string
					}
				}
				if err := json.Unmarshal(body, &answer); err != nil || answer.Accepted+answer.Duplicates != perBatch {
					t.Errorf("%v: %s", err, body)
				}
				sold.Add(perBatch)
			}
		})
	}
	for i := range buyers {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("r%d-%d", i, n)
				mu.Lock()
				enough := done()
				mu.Unlock()
				if enough {
					return
				}
				status, head, body := post("/v1/reservations", `{"id":"`+id+`","ttl_seconds":3600,"lines":[{"sku":"jam","location":"0001","quantity":1}]}`)
				if status != 201 {
					refused(status, head, body)
				}
				mu.Lock()
				granted[id] = status == 201
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	held := 0
	for id, ok := range granted {
		want := 404
		if ok {
			want, held = 200, held+1
		}
		if status, body := p.get("/v1/reservations/" + id); status != want {
			t.Errorf("reservation %s, granted %v: %d %s", id, ok, status, body)
		}
	}
	if r, err := p.row("jam", "0001"); err != nil || r.Held != held || r.OnHand != stock {
		t.Errorf("%d were granted: %+v, %v", held, r, err)
	}
	if r, err := p.row("milk", "0001"); err != nil || int64(r.OnHand) != stock-sold.Load() {
		t.Errorf("%d were sold: %+v, %v", sold.Load(), r, err)
	}
	if grown := p.residentMiB() - before; grown > 256 {
		t.Errorf("memory grew by %d MiB", grown)
	}
	p.must(201, "POST", "/v1/reservations", `{"lines":[{"sku":"jam","location":"0001","quantity":1}]}`)
	t.Logf("%d sales, %d reservations, %d refused", sold.Load(), held, shed.Load())
	p.stop()
}

// TestTenThousandConnections opens as many, has each ask once, and leaves them open.
func TestTenThousandConnections(t *testing.T) {
	const n = 10_000
	p := start(t, t.TempDir(), "--connections", fmt.Sprint(n+50))
	p.stock([]string{"milk"}, []string{"0001"}, 10)
	before := p.residentMiB()
	addr := strings.TrimPrefix(p.url, "http://")
	conns := make([]net.Conn, n)
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < n; i += 8 {
				// Many source addresses: one alone may run out of ports.
				d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}}
				c, err := d.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = c
				c.SetDeadline(time.Now().Add(60 * time.Second))
				if err := ask(c, "/v1/availability/milk"); err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if grown := p.residentMiB() - before; grown > 400 {
		t.Errorf("%d connections took %d MiB, 40 KiB each is what is expected", n, grown)
	} else {
		t.Logf("%d connections took %d MiB", n, grown)
	}
	for i := 0; i < n; i += 100 {
		if err := ask(conns[i], "/v1/availability/milk"); err != nil {
			t.Errorf("connection %d, again: %v", i, err)
		}
	}
	p.must(201, "POST", "/v1/reservations", `{"lines":[{"sku":"milk","location":"0001","quantity":1}]}`)
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
	p.stop()
}

// ask sends a GET and reads its answer, which must be 200.
func ask(c net.Conn, path string) error {
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 200 {
		return fmt.Errorf("%d %s %v", res.StatusCode, b, err)
	}
	return nil
}

// TestSlowClientsAreCut sends a head and a body a byte at a time, and asks for large
// answers without ever reading one: each is cut, and nobody else notices.
func TestSlowClientsAreCut(t *testing.T) {
	p := start(t, t.TempDir(), "--read-timeout", "1s", "--write-timeout", "1s")
	p.stock([]string{"milk"}, []string{"0001", "0002"}, 10)
	addr := strings.TrimPrefix(p.url, "http://")
	dial := func() *net.TCPConn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(60 * time.Second))
		return c.(*net.TCPConn)
	}
	dribble := func(head, rest string) error {
		c := dial()
		if _, err := io.WriteString(c, head); err != nil {
			return err
		}
		cut := make(chan error, 1)
		go func() {
			_, err := io.Copy(io.Discard, c)
			cut <- err
		}()
		every := time.NewTicker(100 * time.Millisecond) // how slow it is, not how long is waited
		defer every.Stop()
		for i := 0; ; i++ {
			select {
			case <-cut:
				return nil
			case <-every.C:
				if i == len(rest) {
					return errors.New("it was let to send all of it")
				}
				io.WriteString(c, rest[i:i+1])
			}
		}
	}
	never := func() error {
		c := dial()
		c.SetReadBuffer(4 << 10)
		request := []byte(strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 100))
		for range 10_000 {
			if _, err := c.Write(request); err != nil {
				if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
					return errors.New("it was never cut")
				}
				return nil
			}
		}
		return errors.New("a million requests were taken without an answer being read")
	}
	slow := strings.Repeat("x", 200)
	var wg sync.WaitGroup
	for name, f := range map[string]func() error{
		"head": func() error { return dribble("GET /v1/availability/milk HTTP/1.1\r\nX-Slow: ", slow) },
		"body": func() error {
			return dribble("POST /v1/reservations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", slow)
		},
		"never reads": never,
	} {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	others := make(chan struct{})
	go func() { wg.Wait(); close(others) }()
	for n := 0; ; n++ {
		select {
		case <-others:
			if n == 0 {
				t.Error("nobody else asked meanwhile")
			}
			p.stop()
			return
		default:
			p.must(200, "GET", "/v1/availability/milk", "")
		}
	}
}

// TestFewOpenFiles lets the service open few files and then wants more connections than
// that: the store keeps what it needs.
func TestFewOpenFiles(t *testing.T) {
	p := launchBy(t, []string{"sh", "-c", `ulimit -n 256 && exec "$0" "$@"`}, t.TempDir(), "--checkpoint-every", "100ms")
	p.waitReady()
	p.stock([]string{"milk"}, []string{"0001"}, 1_000_000)
	addr := strings.TrimPrefix(p.url, "http://")
	var in []net.Conn
	turned := 0
	for range 300 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(30 * time.Second))
		if err := ask(c, "/healthz"); err != nil {
			turned++
		} else {
			in = append(in, c)
		}
	}
	if turned < 100 || len(in) < 50 {
		t.Errorf("%d were let in, %d turned away", len(in), turned)
	}
	c := in[0]
	for i := range 500 { // each durable, and checkpoints among them
		body := fmt.Sprintf(`{"id":"r%d","lines":[{"sku":"milk","location":"0001","quantity":1}]}`, i)
		if _, err := fmt.Fprintf(c, "POST /v1/reservations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != 201 {
			t.Fatalf("reservation %d: %+v, %v", i, res, err)
		}
		io.Copy(io.Discard, res.Body)
	}
	for _, c := range in {
		c.Close()
	}
	eventually(t, "others are let in again", func() error {
		if code, body := p.get("/healthz"); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	p.stop()
}
