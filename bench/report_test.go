package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	var out bytes.Buffer
	r := newReport("reserve", []string{"reserve", "--conns", "64"}, &out)
	h := newHistogram()
	for i := range 1000 {
		h.RecordValue(int64(i+1) * 1000)
	}
	r.add("reserve", "requests", 2, 50_000, usage{wall: 2 * time.Second, client: time.Second, service: 3 * time.Second}, h)
	r.compare("a ÷ b", []float64{9, 8, 10}, []float64{10, 10, 10})
	r.check("books", nil)
	if err := r.verdict(); err != nil {
		t.Errorf("verdict %v on what holds", err)
	}
	r.check("stock", errors.New("one unit is missing"))
	if err := r.verdict(); err == nil || !strings.Contains(err.Error(), "one unit is missing") {
		t.Errorf("verdict %v on what does not hold", err)
	}
	r.print()
	for _, want := range []string{"reserve #2", "25,000", "0.900 (median of 3 rounds, 0.800 to 1.000)", "ok", "FAILED: stock one unit", "bench reserve --conns 64"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}

	file := filepath.Join(t.TempDir(), "r.json")
	if err := r.writeJSON(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	m := back.Measures[0]
	if m.PerSecond != 25_000 || m.Round != 2 || m.Latency.P50 < 495 || m.Latency.P50 > 505 || m.Latency.Max < 999 || m.ServiceSeconds != 3 {
		t.Errorf("read back %+v, latency %+v", m, m.Latency)
	}
}

func TestGrouped(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := grouped(v); got != want {
			t.Errorf("%g is written %s, want %s", v, got, want)
		}
	}
	f(0, "0.0")
	f(99.94, "99.9")
	f(100, "100")
	f(1000, "1,000")
	f(123456, "123,456")
	f(1234567, "1,234,567")
}
