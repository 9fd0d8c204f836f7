package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"onhand/ledger"
)

// serve answers on loopback until the test ends, and returns the URL.
func (sh *shop) serve() (url string, stop func() error) {
	sh.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		sh.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- sh.s.Serve(ln) }()
	var once sync.Once
	stop = func() (err error) {
		once.Do(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err = sh.s.Shutdown(ctx); err == nil {
				err = <-served
			}
		})
		return err
	}
	sh.t.Cleanup(func() { stop() })
	return "http://" + ln.Addr().String(), stop
}

// feedReader reads a feed over a connection of its own.
type feedReader struct {
	t    testing.TB
	body io.ReadCloser
	*bufio.Scanner
	lastID string
}

func openFeed(t testing.TB, url, lastID string) *feedReader {
	t.Helper()
	req, _ := http.NewRequest("GET", url, nil)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	res, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s: %d %v", url, res.StatusCode, res.Header)
	}
	t.Cleanup(func() { res.Body.Close() })
	return &feedReader{t: t, body: res.Body, Scanner: bufio.NewScanner(res.Body)}
}

// until reads lines until one contains text, and returns all before it too.
func (f *feedReader) until(text string) string {
	f.t.Helper()
	var seen strings.Builder
	for f.Scan() {
		if id, ok := strings.CutPrefix(f.Text(), "id: "); ok {
			f.lastID = id
		}
		seen.WriteString(f.Text() + "\n")
		if strings.Contains(f.Text(), text) {
			return seen.String()
		}
	}
	f.t.Fatalf("the feed ended without %s: %v\n%s", text, f.Err(), seen.String())
	return ""
}

func TestFeedOverHTTP(t *testing.T) {
	sh := stocked(t)
	url, stop := sh.serve()
	url += "/v1/feed"
	sh.stock("a", "l1", 1)
	before := sh.l.Seq()
	now := openFeed(t, url, "")
	now.until(": onhand")
	sh.stock("a", "l1", 2)
	seen := now.until("data: ")
	if want := fmt.Sprintf("id: %d\nevent: freshness\ndata: {\"sku\":\"a\",\"seq\":%[1]d,\"location\":\"l1\",\"available\":2,", before+1); !strings.Contains(seen, want) {
		t.Errorf("got  %s\nwant %s", seen, want)
	}
	// It lives on past the time that a whole answer may take, with heartbeats in between.
	for range 6 {
		now.until(": heartbeat")
	}
	sh.stock("a", "l1", 3)
	now.until(`"available":3,`)

	openFeed(t, fmt.Sprintf("%s?after=%d", url, before), "").until(`"available":3,`)
	resumed := openFeed(t, url+"?after=0", now.lastID) // the header wins
	sh.stock("a", "l2", 9)
	if seen := resumed.until(`"location":"l2","available":9,`); strings.Contains(seen, "l1") {
		t.Errorf("resumed after %s: %s", now.lastID, seen)
	}
	openFeedRefused(t, url)
	sh.refuses("GET", "/v1/feed?location=l1,nowhere", "", "404 unknown-location")

	began := time.Now()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("shutdown took %v", took)
	}
	for now.Scan() {
	}
	if err := now.Err(); err != nil {
		t.Errorf("the feed did not end in order: %v", err)
	}
}

func TestFeedOfLocationsOverHTTP(t *testing.T) {
	sh := stocked(t)
	url, stop := sh.serve()
	of := openFeed(t, url+"/v1/feed?location=l2", "")
	of.until(": onhand")
	sh.stock("a", "l1", 1)
	sh.stock("a", "l2", 2)
	if seen := of.until(`"location":"l2","available":2,`); strings.Contains(seen, "l1") {
		t.Errorf("of l2: %s", seen)
	}
	sh.stock("a", "l1", 3)
	of.until(fmt.Sprintf("id: %d", sh.l.Seq()))
	resumed := openFeed(t, url+"/v1/feed?location=l2", of.lastID)
	sh.stock("a", "l2", 4)
	if seen := resumed.until(`"location":"l2","available":4,`); strings.Contains(seen, `"available":2,`) {
		t.Errorf("resumed after %s: %s", of.lastID, seen)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// openFeedRefused asks for one subscription more than there may be.
func openFeedRefused(t testing.TB, url string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(string(b), "/problems/overloaded") {
		t.Errorf("one subscriber too many: %d %s", res.StatusCode, b)
	}
}

func TestFeedRefusesWhatIsNoSeq(t *testing.T) {
	sh := stocked(t)
	for _, query := range []string{"after=x", "after=-1", "after=", "after=1&after=2", "since=1"} {
		sh.refuses("GET", "/v1/feed?"+query, "", "400 invalid-request")
	}
	sh.refuses("GET", "/v1/feed", "", "400 invalid-request", "Last-Event-ID", "x")
}

// TestFeedCutsWhoStopsReading has a reader that never reads: the connection is
// given up at the write deadline, and its place is free again.
func TestFeedCutsWhoStopsReading(t *testing.T) {
	sh := stocked(t)
	url, _ := sh.serve()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(conn, "GET /v1/feed HTTP/1.1\r\nHost: x\r\n\r\n")
	bufio.NewReaderSize(conn, 16).ReadString('\n') // the answer has begun
	others := []*feedReader{openFeed(t, url+"/v1/feed", ""), openFeed(t, url+"/v1/feed", "")}
	go func() {
		for others[1].Scan() {
		}
	}()
	l1, _ := sh.l.LookupLocation([]byte("l1"))
	var lines []ledger.MovementLine
	for i := range 200 { // so that one change is much to tell
		name := fmt.Sprint("s", i)
		sh.sku(name, 0)
		sku, _ := sh.l.LookupSKU([]byte(name))
		lines = append(lines, ledger.MovementLine{SKU: sku, Quantity: 1})
	}
	stop, moved := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				moved <- nil
				return
			default:
			}
			now := sh.clock.Now()
			if _, err := sh.l.Apply(&ledger.Movement{Kind: ledger.KindReceipt, Name: ledger.EventName{Source: "wms", ID: fmt.Sprint("m", i), Time: now, Content: 1},
				Received: now, Location: l1, Lines: lines}); err != nil {
				moved <- err
				return
			}
		}
	}()
	for { // as soon as there is room for one more, the silent one was cut
		res, err := http.Get(url + "/v1/feed")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == 200 {
			break
		}
		others[0].until("data: ") // those who read are not held up meanwhile
	}
	http.DefaultClient.CloseIdleConnections()
	close(stop)
	if err := <-moved; err != nil {
		t.Error(err)
	}
}
