package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// buildOnce makes the program that the tests start, with the race detector where
// the tests themselves run under it.
var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "onhand-test-")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "onhand")
	args := []string{"build", "-o", bin}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, ".")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return bin, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if bin, err := buildOnce(); err == nil {
		os.RemoveAll(filepath.Dir(bin))
	}
	os.Exit(code)
}

// process is one running onhand.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	url   string
	kafka string
	log   *os.File
	done  chan struct{} // closed when it ended
	err   error
}

// start starts `onhand serve` on a data directory and waits until it is ready.
func start(t testing.TB, dir string, args ...string) *process {
	t.Helper()
	p := launch(t, dir, args...)
	p.waitReady()
	return p
}

// launch is start without the waiting.
func launch(t testing.TB, dir string, args ...string) *process {
	t.Helper()
	return launchBy(t, nil, dir, args...)
}

// launchBy is launch by way of another program, which is given onhand and its arguments.
func launchBy(t testing.TB, by []string, dir string, args ...string) *process {
	t.Helper()
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.CreateTemp(t.TempDir(), "log-")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, log: log, done: make(chan struct{})}
	line := append(slices.Clone(by), bin, "serve", "--http", "127.0.0.1:0", "--data", dir)
	line = append(line, args...)
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Stderr = log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("the service's log ends:\n%s", p.logged())
		}
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			p.url = url
		}
		if addr, ok := strings.CutPrefix(lines.Text(), "kafka on "); ok {
			p.kafka = addr
			break
		}
	}
	go func() {
		io.Copy(io.Discard, stdout)
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	if p.url == "" || p.kafka == "" {
		<-p.done
		t.Fatalf("onhand did not start: %v\n%s", p.err, p.logged())
	}
	return p
}

func (p *process) waitReady() {
	p.t.Helper()
	eventually(p.t, "it is ready", func() error {
		code, body := p.get("/readyz")
		if code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

func (p *process) logged() string {
	b, _ := os.ReadFile(p.log.Name())
	return string(b[max(0, len(b)-8192):])
}

// kill ends it as a loss of power to the process would.
func (p *process) kill() {
	p.cmd.Process.Signal(syscall.SIGKILL)
	<-p.done
}

// stop ends it in order; it must have exited with 0 within 10 s.
func (p *process) stop() {
	p.t.Helper()
	began := time.Now()
	p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.done
	if p.err != nil || time.Since(began) > 10*time.Second {
		p.t.Errorf("SIGTERM: ended after %v with %v\n%s", time.Since(began), p.err, p.logged())
	}
}

var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// call makes one request. A status of 0 is none: the process went away, or never was there.
func (p *process) call(method, path, body string, headers ...string) (status int, answer []byte) {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return res.StatusCode, b
}

func (p *process) get(path string) (int, []byte) { return p.call("GET", path, "") }

// must makes a request that has to be answered with status.
func (p *process) must(status int, method, path, body string, headers ...string) map[string]any {
	p.t.Helper()
	code, b := p.call(method, path, body, headers...)
	if code != status {
		p.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, code, b, status)
	}
	var v map[string]any
	if len(b) > 0 {
		if err := json.Unmarshal(b, &v); err != nil {
			p.t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
	return v
}

// row is one row of an availability answer.
type row struct {
	Location                                         string
	Available, Unsellable, Held, Committed, Shortage int
	OnHand                                           int     `json:"on_hand"`
	SafetyStock                                      *int    `json:"safety_stock"`
	AsOf                                             *string `json:"as_of"`
	AgeMillis                                        *int64  `json:"age_ms"`
	Stale                                            bool
}

func (p *process) row(sku, location string) (row, error) {
	code, b := p.get("/v1/availability/" + sku + "?location=" + location)
	if code != 200 {
		return row{}, fmt.Errorf("%d %s", code, b)
	}
	var v struct{ Locations []row }
	if err := json.Unmarshal(b, &v); err != nil {
		return row{}, err
	}
	if len(v.Locations) != 1 {
		return row{}, fmt.Errorf("%d rows: %s", len(v.Locations), b)
	}
	return v.Locations[0], nil
}

// eventually waits for a condition, looking again and again, for at most a minute.
func eventually(t testing.TB, what string, ok func() error) {
	t.Helper()
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("waited in vain until %s: %v", what, err)
		case <-tick.C:
		}
	}
}

// saleEvent is a pos.sale of one line, happening now.
func saleEvent(source, id, location, sku string, quantity int) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"pos.sale","source":%q,"id":%q,"time":%q,"data":{"location":%q,"lines":[{"sku":%q,"quantity":%d}]}}`,
		source, id, time.Now().UTC().Format(time.RFC3339Nano), location, sku, quantity)
}

// countEvent is a count of a minute ago: a sale of the same millisecond as a count
// would be taken to be in it.
func countEvent(id, location, sku string, quantity int) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","type":"wms.count","source":"wms","id":%q,"time":%q,"data":{"location":%q,"lines":[{"sku":%q,"quantity":%d}]}}`,
		id, time.Now().UTC().Add(-time.Minute).Format(time.RFC3339Nano), location, sku, quantity)
}

// stock makes SKUs and locations known and counts quantity of each SKU at each location.
func (p *process) stock(skus, locations []string, quantity int) {
	p.t.Helper()
	for _, sku := range skus {
		p.must(200, "PUT", "/v1/skus/"+sku, `{}`)
	}
	for _, loc := range locations {
		p.must(200, "PUT", "/v1/locations/"+loc, `{"name":"`+loc+`"}`)
	}
	var events [][]byte
	for _, sku := range skus {
		for _, loc := range locations {
			events = append(events, countEvent("opening-"+sku+"-"+loc, loc, sku, quantity))
		}
	}
	v := p.must(200, "POST", "/v1/events", "["+string(bytes.Join(events, []byte{','}))+"]")
	if v["accepted"] != float64(len(events)) {
		p.t.Fatalf("opening stock: %v", v)
	}
}

// producer writes to a topic with acknowledgement by all replicas.
func producer(addr, topic string) *kafka.Writer {
	return &kafka.Writer{Addr: kafka.TCP(addr), Topic: topic, RequiredAcks: kafka.RequireAll, Balancer: &kafka.Hash{},
		BatchTimeout: 2 * time.Millisecond, MaxAttempts: 1, WriteTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second}
}
