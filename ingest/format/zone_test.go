package format

import (
	"testing"
	"time"
)

func TestLocalTime(t *testing.T) {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	o := &Options{Zone: amsterdam, Zones: map[string]string{"L": "Australia/Lord_Howe", "N": "America/New_York"}}
	f := func(location, value, want string) {
		t.Helper()
		got := "refused"
		if at, err := o.localTime(location, "2006-01-02T15:04:05", value); err == nil {
			got = at.UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("0042", "2026-11-23T10:15:30", "2026-11-23T09:15:30Z")
	f("0042", "2026-07-01T10:15:30", "2026-07-01T08:15:30Z")
	f("N", "2026-11-23T10:15:30", "2026-11-23T15:15:30Z")
	f("0042", "2026-03-29T01:59:59", "2026-03-29T00:59:59Z")
	f("0042", "2026-03-29T02:30:00", "refused")
	f("0042", "2026-03-29T03:00:00", "2026-03-29T01:00:00Z")
	f("0042", "2026-10-25T02:30:00", "2026-10-25T00:30:00Z") // the first of two
	f("0042", "2026-10-25T03:00:00", "2026-10-25T02:00:00Z")
	f("N", "2026-11-01T01:30:00", "2026-11-01T05:30:00Z")
	f("L", "2026-04-05T01:45:00", "2026-04-04T14:45:00Z") // clocks go back by half an hour there
	f("0042", "2026-02-30T10:00:00", "refused")
	f("0042", "2026-11-23T24:00:00", "refused")
	f("0042", "2026-11-23", "refused")
	f("", "2026-11-23T10:15:30", "2026-11-23T09:15:30Z")

	o = &Options{}
	f("0042", "2026-10-25T02:30:00", "2026-10-25T02:30:00Z")
}

func TestNumber(t *testing.T) {
	f := func(s string, comma bool, want string) {
		t.Helper()
		got, ok := number(s, comma)
		if !ok {
			got = "refused"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
	f("2", false, "2")
	f("007.50", false, "7.50")
	f("-0", false, "0")
	f("+3", false, "3")
	f(".5", false, "0.5")
	f("5.", false, "5")
	f("2.000", false, "2")
	f("1,5", true, "1.5")
	f("1,5", false, "refused")
	f("1,500.5", true, "refused")
	f("1e3", false, "refused")
	f("", false, "refused")
	f("-", false, "refused")
	f(".", false, "refused")
	f("--2", false, "refused")
	f("٣", false, "refused")
	f("1234567890123456789012345", false, "refused")
	f(trailingSign("2-"), false, "-2")
	f(trailingSign("-2-"), false, "refused")
	f(negated("-2"), false, "2")
	f(negated("0"), false, "0")
}
