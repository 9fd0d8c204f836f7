package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// importScenario sends a full snapshot as one file while customers look: as new, once
// more, and as it is a little later, when some of it has changed.
type importScenario struct {
	common
	Stores int     `default:"300" help:"Stores; each carries every SKU (${default})."`
	SKUs   int     `name:"skus" default:"100000" help:"SKUs (${default}): with the stores 30 million rows."`
	Rate   float64 `default:"2000" help:"GETs a second meanwhile (${default})."`
	Conns  int     `default:"16" help:"Connections of those (${default})."`
	Change int     `default:"20" help:"One of so many figures differs in the later snapshot (${default})."`
}

func (c *importScenario) run(ctx context.Context, r *report) (err error) {
	b, err := newBed(ctx, &c.common)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	s, err := b.serve(ctx)
	if err != nil {
		return err
	}
	r.progress("master data of %d stores and %d SKUs", c.Stores, c.SKUs)
	now := time.Now()
	if _, err := c.send(ctx, s, now, "erp.location", &rowReader{n: c.Stores, head: "location\n", row: appendStore}); err != nil {
		return err
	}
	if _, err := c.send(ctx, s, now, "erp.item", &rowReader{n: c.SKUs, head: "sku,category\n", row: func(b []byte, i int) []byte {
		return append(strconv.AppendInt(append(appendSKU(b, i), ",c"...), int64(i%40), 10), '\n')
	}}); err != nil {
		return err
	}
	first, later := now.Add(-10*time.Minute), now.Add(-5*time.Minute)
	reads := c.requests()
	idle, _, err := c.look(ctx, s, reads, func() bool { return true })
	if err != nil {
		return err
	}
	r.add("GET a SKU, one location, nothing else going on", "requests", 0, idle.units, usage{wall: min(c.Duration, 2*time.Second)}, idle.latency)
	before := s.residentBytes()
	var slowest float64
	for _, part := range []struct {
		name string
		at   time.Time
		day  int
		goal float64
	}{{"new", first, 0, 400_000}, {"once more, where nothing changes", first, 0, 1_000_000}, {"five minutes later, some of it changed", later, 1, 400_000}} {
		took, looked, answer, err := c.importing(ctx, s, b.dir, reads, part.at, part.day)
		if err != nil {
			return err
		}
		rows := int64(c.Stores) * int64(c.SKUs)
		if answer.Lines != rows || answer.Refused != 0 {
			return fmt.Errorf("%s: %d rows, of which %d refused, where %d were sent", part.name, answer.Lines, answer.Refused, rows)
		}
		m := r.add("import, "+part.name, "rows", 0, rows, took, nil)
		r.atLeast("import, "+part.name, "rows/s", part.goal, m.PerSecond)
		r.add("GET a SKU, one location, during that", "requests", 0, looked.units, usage{wall: took.wall}, looked.latency)
		slowest = max(slowest, latencyOf(looked.latency).P99/latencyOf(idle.latency).P99)
	}
	r.atMost("GET a SKU during an import ÷ with nothing else going on, p99", "×", 2, slowest)
	r.note("the service's memory grew from %s MB to %s MB by %d positions", grouped(before/1e6), grouped(s.residentBytes()/1e6), c.Stores*c.SKUs)
	r.check("on hand of 2,000 positions is what the later snapshot says", c.compare(s))
	return nil
}

// importing sends the snapshot of a day and looks meanwhile.
func (c *importScenario) importing(ctx context.Context, s *service, dir string, reads [][]byte, at time.Time, day int) (took usage, looked tally, answer importAnswer, err error) {
	type sent struct {
		importAnswer
		took usage
		err  error
	}
	file, err := c.snapshot(dir, day)
	if err != nil {
		return took, looked, answer, err
	}
	defer file.Close()
	ended := make(chan sent, 1)
	go func() {
		clock := startUsage(s)
		a, err := c.send(ctx, s, at, "erp.snapshot", file)
		ended <- sent{a, clock.stop(), err}
	}()
	var e sent
	over := false
	looked, _, err = c.look(ctx, s, reads, func() bool {
		select {
		case e = <-ended:
			over = true
		default:
		}
		return over
	})
	if !over {
		e = <-ended
	}
	return e.took, looked, e.importAnswer, errors.Join(err, e.err)
}

// snapshot writes the file of a day beforehand: making rows while they are sent would take
// the processors from who is measured.
func (c *importScenario) snapshot(dir string, day int) (*os.File, error) {
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("snapshot-%d.csv", day)))
	if err != nil {
		return nil, err
	}
	rows := &rowReader{n: c.Stores * c.SKUs, head: "location,sku,quantity\n", row: func(b []byte, i int) []byte {
		store, sku := i/c.SKUs, i%c.SKUs
		b = appendSKU(append(appendStoreID(b, store), ','), sku)
		return append(strconv.AppendInt(append(b, ','), c.figure(store, sku, day), 10), '\n')
	}}
	if _, err = io.Copy(f, rows); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	return f, err
}

// look reads at the scenario's rate until enough says so, in measurements of its length.
func (c *importScenario) look(ctx context.Context, s *service, reads [][]byte, enough func() bool) (all tally, backlog int64, err error) {
	a := availabilityScenario{common: c.common}
	for {
		o, err := load{conns: c.Conns, rate: c.Rate, duration: min(c.Duration, 2*time.Second)}.run(ctx, s, 1, a.reader(s, reads, 1))
		if err != nil {
			return all, backlog, err
		}
		all.merge(o.kinds[0])
		backlog += o.backlog
		if enough() {
			return all, backlog, nil
		}
	}
}

func (c *importScenario) requests() [][]byte {
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	reads := make([][]byte, readsMade)
	for i := range reads {
		b := append([]byte("/v1/availability/"), appendSKU(nil, rng.IntN(c.SKUs))...)
		reads[i] = get(string(append(append(b, "?location="...), appendStoreID(nil, rng.IntN(c.Stores))...)))
	}
	return reads
}

// figure is what was there on a day.
func (c *importScenario) figure(store, sku, day int) int64 {
	h := uint64(store)*0x9e3779b97f4a7c15 ^ uint64(sku)*0xff51afd7ed558ccd ^ c.Seed
	h ^= h >> 29
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 32
	if day > 0 && h%uint64(c.Change) == 0 {
		return int64((h>>8)%50) + 1
	}
	return int64((h >> 8) % 50)
}

type importAnswer struct {
	Lines, Refused int64
	Error          *string
}

// send imports rows as one CSV of a moment.
func (c *importScenario) send(ctx context.Context, s *service, at time.Time, kind string, rows io.Reader) (a importAnswer, err error) {
	q := url.Values{"format": {"csv"}, "type": {kind}, "source": {"erp/bench"}, "time": {at.UTC().Format(time.RFC3339)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.addr+"/v1/imports?"+q.Encode(), rows)
	if err != nil {
		return a, err
	}
	if f, ok := rows.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return a, err
		}
		req.ContentLength = info.Size() // so the kernel sends it
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("import answered %d: %s", res.StatusCode, clip(body))
	}
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	if err == nil && a.Error != nil {
		err = errors.New(*a.Error)
	}
	return a, err
}

// compare looks at positions here and there.
func (c *importScenario) compare(s *service) error {
	conn, err := dial(s.addr, time.Now().Add(time.Minute))
	if err != nil {
		return err
	}
	defer conn.Close()
	rng := rand.New(rand.NewPCG(c.Seed, 2))
	for range 2000 {
		store, sku := rng.IntN(c.Stores), rng.IntN(c.SKUs)
		path := fmt.Sprintf("/v1/availability/%s?location=%s&fields=on_hand", appendSKU(nil, sku), appendStoreID(nil, store))
		status, body, err := conn.do(get(path))
		if err != nil {
			return err
		}
		var answer struct {
			Locations []struct {
				OnHand int64 `json:"on_hand"`
			}
		}
		if err := json.Unmarshal(body, &answer); status != 200 || err != nil || len(answer.Locations) != 1 {
			return fmt.Errorf("%s: %d %s", path, status, clip(body))
		}
		if got, want := answer.Locations[0].OnHand, c.figure(store, sku, 1); got != want {
			return fmt.Errorf("%s: on hand %d, want %d", path, got, want)
		}
	}
	return nil
}

// rowReader is a file of n rows that is made while it is read.
type rowReader struct {
	n    int
	head string
	row  func(b []byte, i int) []byte

	next int
	buf  []byte
	left []byte
}

func (r *rowReader) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		r.buf = append(r.buf[:0], r.head...)
		r.head = ""
		for ; r.next < r.n && len(r.buf) < 256<<10; r.next++ {
			r.buf = r.row(r.buf, r.next)
		}
		if len(r.buf) == 0 {
			return 0, io.EOF
		}
		r.left = r.buf
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func appendStore(b []byte, i int) []byte { return append(appendStoreID(b, i), '\n') }

func appendStoreID(b []byte, i int) []byte {
	return append(b, byte('0'+i/1000%10), byte('0'+i/100%10), byte('0'+i/10%10), byte('0'+i%10))
}

func appendSKU(b []byte, i int) []byte { return strconv.AppendInt(b, 8_710_000_000_000+int64(i), 10) }
