package retailer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// morning is eight o'clock in Amsterdam.
var morning = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

func small() Config {
	return Config{Stores: 10, SKUs: 500, Warehouses: 1, Seed: 7, Start: morning}
}

func mustNew(t testing.TB, config Config) *Retailer {
	t.Helper()
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run pulls n records, a hundredth of a second apart, and then what was held back.
func run(r *Retailer, n int, each func(Record)) {
	now := r.config.Start
	for range n {
		now = now.Add(10 * time.Millisecond)
		each(r.Next(now))
	}
	for record := range r.Flush() {
		each(record)
	}
}

func transcript(r *Retailer) []byte {
	var b bytes.Buffer
	each := func(record Record) { fmt.Fprintf(&b, "%s %s %s\n", record.Topic, record.Key, record.Value) }
	for record := range r.MasterData() {
		each(record)
	}
	for record := range r.Opening() {
		each(record)
	}
	run(r, 5000, each)
	return b.Bytes()
}

func TestSameSeedSameBytes(t *testing.T) {
	first := transcript(mustNew(t, small()))
	if !bytes.Equal(first, transcript(mustNew(t, small()))) {
		t.Error("two retailers from one seed differ")
	}
	other := small()
	other.Seed++
	if bytes.Equal(first, transcript(mustNew(t, other))) {
		t.Error("two seeds give one retailer")
	}
}

func TestMasterDataAndOpeningRepeat(t *testing.T) {
	r := mustNew(t, small())
	text := func() string {
		var b strings.Builder
		for record := range r.MasterData() {
			b.Write(record.Value)
		}
		for record := range r.Opening() {
			b.Write(record.Value)
		}
		return b.String()
	}
	before := text()
	run(r, 1000, func(Record) {})
	if text() != before {
		t.Error("master data or opening counts differ after the stream has run")
	}
}

func TestEpochsShareNoNames(t *testing.T) {
	names := map[string]bool{}
	for _, epoch := range []string{"", "b", "2026-11-24"} {
		config := small()
		config.Epoch = epoch
		fresh := map[string]bool{}
		r := mustNew(t, config)
		each := func(record Record) { fresh[decode(t, record).name()] = true }
		for record := range r.MasterData() {
			each(record)
		}
		for record := range r.Opening() {
			each(record)
		}
		run(r, 2000, each)
		for name := range fresh {
			if names[name] {
				t.Fatalf("epoch %q reuses %s", epoch, name)
			}
			names[name] = true
		}
	}
}

func TestConfigComplaints(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		config := small()
		change(&config)
		_, err := New(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a complaint about %s", err, want)
		}
	}
	f(func(c *Config) { c.Stores = -1 }, "stores")
	f(func(c *Config) { c.SKUs = -1 }, "skus")
	f(func(c *Config) { c.Warehouses = 101 }, "warehouses")
	f(func(c *Config) { c.Rate = -1 }, "rate")
	f(func(c *Config) { c.Coverage = 1.1 }, "coverage")
	f(func(c *Config) { c.Skew = 4 }, "skew")
	f(func(c *Config) { c.LateShare = 0.6 }, "late share")
	f(func(c *Config) { c.DuplicateShare = 0.6 }, "duplicate share")
	f(func(c *Config) { c.Start = time.Time{} }, "start")
	f(func(c *Config) { c.Epoch = `a"b` }, "epoch")
	f(func(c *Config) { c.Coverage, c.Epoch = 2, "é" }, "epoch")
}

func TestRateFollowsTheDay(t *testing.T) {
	r := mustNew(t, small())
	sum, low, high := 0.0, 1e9, 0.0
	midnight := morning.Add(-8 * time.Hour)
	for minute := range 24 * 60 {
		rate := r.RateAt(midnight.Add(time.Duration(minute) * time.Minute))
		sum += rate
		low, high = min(low, rate), max(high, rate)
	}
	if mean := sum / (24 * 60); mean < 1999 || mean > 2001 {
		t.Errorf("mean rate over a day is %g, want 2000", mean)
	}
	if low > 100 || high < 4000 {
		t.Errorf("the day goes from %g to %g: nights should be quiet and evenings busy", low, high)
	}
	flat := small()
	flat.Flat = true
	if rate := mustNew(t, flat).RateAt(midnight); rate != 2000 {
		t.Errorf("flat rate is %g, want 2000", rate)
	}
}
