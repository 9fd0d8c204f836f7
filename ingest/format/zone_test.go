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

func TestDays(t *testing.T) {
	f := func(zone, date, begins, ends string) {
		t.Helper()
		o := &Options{Zones: map[string]string{"L": zone}}
		day, err := time.Parse(time.DateOnly, date)
		if err != nil {
			t.Fatal(err)
		}
		got := o.dayBegins("L", day).UTC().Format(time.RFC3339) + " " + o.dayEnds("L", day).UTC().Format(time.RFC3339)
		if got != begins+" "+ends {
			t.Errorf("got %s, want %s %s", got, begins, ends)
		}
	}
	f("UTC", "2026-11-23", "2026-11-23T00:00:00Z", "2026-11-23T23:59:59Z")
	f("Europe/Amsterdam", "2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z") // 23 hours
	f("Europe/Amsterdam", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z") // 25 hours
	f("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", "2026-04-24T20:59:59Z")     // begins at 01:00
	f("Africa/Cairo", "2026-04-23", "2026-04-22T22:00:00Z", "2026-04-23T21:59:59Z")
	f("Africa/Cairo", "2026-10-29", "2026-10-28T21:00:00Z", "2026-10-29T21:59:59Z") // 23:30 comes twice
	f("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z", "2026-09-07T02:59:59Z")
	f("America/Santiago", "2026-09-05", "2026-09-05T04:00:00Z", "2026-09-06T03:59:59Z")
	f("America/Havana", "2026-03-08", "2026-03-08T05:00:00Z", "2026-03-09T03:59:59Z")
	f("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", "2026-11-02T04:59:59Z")  // midnight comes twice
	f("Asia/Amman", "2021-10-29", "2021-10-28T21:00:00Z", "2021-10-29T21:59:59Z")      // there too, east of Greenwich
	f("America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z", "1919-04-01T03:59:59Z") // begins at 00:30
}
