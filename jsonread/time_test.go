package jsonread

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		millis, ok := ParseTime([]byte(in))
		if got := string(AppendTime(nil, millis)); !ok || got != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, ok, want)
		}
	}
	f("2026-11-23T10:00:00.120Z", "2026-11-23T10:00:00.120Z")
	f("2026-11-23t10:00:00z", "2026-11-23T10:00:00.000Z")
	f("2026-11-23T10:00:00+01:30", "2026-11-23T08:30:00.000Z")
	f("2026-12-31T23:30:00.5-00:45", "2027-01-01T00:15:00.500Z")
	f("2026-11-23T10:00:00-00:00", "2026-11-23T10:00:00.000Z")
	f("2026-11-23T10:00:00.1239999999999999999999999Z", "2026-11-23T10:00:00.123Z")
	f("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z")
	f("2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z")
	f("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z")
	f("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z")
	f("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z")
	f("2017-01-01T00:59:60.5+01:00", "2016-12-31T23:59:59.999Z")
	f("2016-12-31T18:59:60-05:00", "2016-12-31T23:59:59.999Z")

	for _, in := range []string{
		"", "2026-11-23", "2026-11-23T10:00:00", "2026-11-23 10:00:00Z", "2026-11-23T10:00Z", "2026-11-23T10:00:00.Z",
		"2026-11-23T10:00:00,5Z", "2026-11-23T10:00:00+0100", "2026-11-23T10:00:00+24:00", "2026-11-23T10:00:00+01:60",
		"2026-11-23T10:00:00 01:00", "2026-11-23T10:00:00+01-00", "2026-11-23T24:00:00Z", "2026-11-23T10:60:00Z", "2026-11-23T10:00:61Z",
		"2026-11-23T10:00:60Z", "2016-12-31T23:59:60+01:00", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
		"0000-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:00-00:01", "+2026-11-23T10:00:00Z",
		"2026-11-23T10:00:00ZZ", "2026-11-23T10:00:00.5", "2026-11-23T10:00:0/Z", "2026-11-23T1:00:00.00Z", "2026-11-23T10:00:00Z ",
	} {
		if millis, ok := ParseTime([]byte(in)); ok {
			t.Errorf("%s: accepted as %d", in, millis)
		}
	}
}

func TestAppendTimeEveryDay(t *testing.T) {
	for day := time.UnixMilli(MillisMin).UTC(); day.Year() < 10000; day = day.AddDate(0, 0, 1) {
		want := day.Format("2006-01-02T15:04:05.000Z")
		if got := AppendTime(nil, day.UnixMilli()); string(got) != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		if millis, ok := ParseTime([]byte(want)); !ok || millis != day.UnixMilli() {
			t.Fatalf("%s: got %d, %v", want, millis, ok)
		}
	}
	for millis, want := range map[int64]string{
		MillisMin - 1: "0001-01-01T00:00:00.000Z",
		MillisMax:     "9999-12-31T23:59:59.999Z",
		MillisMax + 1: "9999-12-31T23:59:59.999Z",
		-1 << 63:      "0001-01-01T00:00:00.000Z",
	} {
		if got := AppendTime(nil, millis); string(got) != want {
			t.Errorf("%d: got %s, want %s", millis, got, want)
		}
	}
}

// time.Parse is looser than RFC 3339 about a comma and about offsets.
var strictTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

func FuzzTime(f *testing.F) {
	for _, in := range []string{"2026-11-23T10:00:00.120Z", "2024-02-29t23:59:59.999999999-12:45", "0001-01-01T00:00:00Z", "9999-12-31T23:59:60+00:00", "1900-02-29T00:00:00Z"} {
		f.Add(in, int64(1795428000120))
	}
	f.Fuzz(func(t *testing.T, in string, millis int64) {
		got, ok := ParseTime([]byte(in))
		upper := strings.ToUpper(in)
		want, err := time.Parse(time.RFC3339Nano, upper)
		leap := len(in) > 19 && in[17:19] == "60"
		if leap { // not for time.Parse, which sees the millisecond before
			upper = upper[:17] + "59" + strings.TrimLeft(upper[19:], ".0123456789")
			if strings.HasPrefix(in[19:], ".") {
				if !regexp.MustCompile(`^\.\d+[^\d]`).MatchString(in[19:]) {
					upper = ""
				}
			} else if len(in) > 19 && in[19] >= '0' && in[19] <= '9' {
				upper = ""
			}
			want, err = time.Parse(time.RFC3339Nano, upper)
			want = want.Add(999 * time.Millisecond)
		}
		at := want.UnixMilli()
		valid := err == nil && strictTime.MatchString(upper) && at >= MillisMin && at <= MillisMax && want.Year() > 0
		if leap {
			valid = valid && want.UTC().Format("15:04") == "23:59"
		}
		if ok != valid || ok && got != at {
			t.Fatalf("%q: got %d, %v, want %d, %v (%v)", in, got, ok, at, valid, err)
		}
		if millis >= MillisMin && millis <= MillisMax {
			out := AppendTime(nil, millis)
			if want := time.UnixMilli(millis).UTC().Format("2006-01-02T15:04:05.000Z"); string(out) != want {
				t.Fatalf("%d: got %s, want %s", millis, out, want)
			}
			if back, ok := ParseTime(out); !ok || back != millis {
				t.Fatalf("%s: got %d, %v", out, back, ok)
			}
		}
	})
}
