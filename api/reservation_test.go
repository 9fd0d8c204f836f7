package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"onhand/jsonread"
	"onhand/ledger"
)

func ledgerTime(text string) (ledger.Millis, bool) {
	millis, ok := jsonread.ParseTime([]byte(text))
	return ledger.Millis(millis), ok
}

// usual is a shop with pieces a and b, c in kilograms, and stores x, y and the closed z.
func usual(t testing.TB) *shop {
	sh := newShop(t)
	sh.sku("a", 0)
	sh.sku("b", 0)
	sh.sku("c", 3)
	sh.location("x", true)
	sh.location("y", true)
	sh.stock("a", "x", 5)
	sh.stock("a", "y", 3)
	sh.stock("b", "x", 2)
	sh.stock("c", "x", 2500)
	sh.location("z", false)
	return sh
}

func TestReserveAnswersWhole(t *testing.T) {
	sh := usual(t)
	got := sh.reserve(`{"id":"cart-981","channel":"web","owner":"customer-7","reference":"order-55","ttl_seconds":900,
		"allow_partial":false,"lines":[{"sku":"a","location":"x","quantity":2}]}`)
	want := fmt.Sprintf(`{"id":"cart-981","state":"held","seq":%d,"expires_at":"2026-11-23T10:15:00.000Z","channel":"web",`+
		`"owner":"customer-7","reference":"order-55","lines":[{"sku":"a","location":"x","quantity":2,"held":2,"committed":0,"fulfilled":0,"cancelled":0}]}`,
		sh.l.Seq())
	if got.status != 201 || got.body != want || got.media != "application/json" || got.replayed != "" || got.stateNow != "" {
		t.Errorf("got  %+v\nwant %s", got, want)
	}
	if read := sh.call("GET", "/v1/reservations/cart-981", ""); read.status != 200 || read.body != want {
		t.Errorf("read %+v", read)
	}
	got = sh.reserve(`{"lines":[{"sku":"a","location":"x","quantity":1}]}`)
	want = fmt.Sprintf(`{"id":"made-1","state":"held","seq":%d,"expires_at":"2026-11-23T10:15:00.000Z","channel":null,`+
		`"owner":null,"reference":null,"lines":[{"sku":"a","location":"x","quantity":1,"held":1,"committed":0,"fulfilled":0,"cancelled":0}]}`,
		sh.l.Seq())
	if got.status != 201 || got.body != want {
		t.Errorf("got  %+v\nwant %s", got, want)
	}
}

func TestReserve(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		sh := usual(t)
		before := sh.l.Seq()
		got := sh.reserve(body)
		sh.is(got, want)
		if got.status != 201 && sh.l.Seq() != before {
			t.Error("a refusal changed something")
		}
	}
	f(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":5}]}`, "201 held 900s a@x 5 h5")
	f(`{"id":"r","ttl_seconds":1,"lines":[{"sku":"a","location":"x","quantity":5}]}`, "201 held 1s a@x 5 h5")
	f(`{"id":"r","ttl_seconds":14400,"lines":[{"sku":"a","location":"x","quantity":5}]}`, "201 held 14400s a@x 5 h5")
	f(`{"id":"..","ttl_seconds":9e2,"lines":[{"sku":"a","location":"x","quantity":5.0}]}`, "201 held 900s a@x 5 h5")
	// a line per position, in order of first mention, each the sum
	f(`{"lines":[{"sku":"b","location":"x","quantity":1},{"sku":"a","location":"y","quantity":1},{"sku":"b","location":"x","quantity":1}]}`,
		"201 held 900s b@x 2 h2 a@y 1 h1")
	f(`{"lines":[{"sku":"c","location":"x","quantity":0.25},{"sku":"c","location":"x","quantity":1.5}]}`, "201 held 900s c@x 1.75 h1.75")

	// too little: all or nothing, each position that fell short
	f(`{"lines":[{"sku":"a","location":"x","quantity":6}]}`, "409 insufficient-stock a@x 6/5")
	f(`{"lines":[{"sku":"a","location":"x","quantity":3},{"sku":"a","location":"x","quantity":3}]}`, "409 insufficient-stock a@x 6/5")
	f(`{"lines":[{"sku":"a","location":"x","quantity":6},{"sku":"a","location":"y","quantity":1},{"sku":"b","location":"x","quantity":4}]}`,
		"409 insufficient-stock a@x 6/5 b@x 4/2")
	f(`{"lines":[{"sku":"c","location":"x","quantity":2.501}]}`, "409 insufficient-stock c@x 2.501/2.5")
	f(`{"lines":[{"sku":"b","location":"y","quantity":1}]}`, "409 insufficient-stock b@y 1/0") // known, never had stock

	// in part
	f(`{"allow_partial":true,"lines":[{"sku":"a","location":"x","quantity":7},{"sku":"b","location":"x","quantity":1}]}`,
		"201 held 900s a@x 7 h5 av5 b@x 1 h1")
	f(`{"allow_partial":true,"lines":[{"sku":"a","location":"x","quantity":1},{"sku":"b","location":"y","quantity":1}]}`,
		"201 held 900s a@x 1 h1 b@y 1 av0")
	f(`{"allow_partial":true,"lines":[{"sku":"b","location":"y","quantity":1}]}`, "409 insufficient-stock b@y 1/0")

	// unknown and inactive, whatever may be had in part; all of them named
	for _, partial := range []string{"true", "false"} {
		f(`{"allow_partial":`+partial+`,"lines":[{"sku":"n","location":"x","quantity":1},{"sku":"a","location":"x","quantity":1},{"sku":"m","location":"y","quantity":1}]}`,
			"404 unknown-sku n@x m@y")
		f(`{"allow_partial":`+partial+`,"lines":[{"sku":"a","location":"q","quantity":1},{"sku":"a","location":"x","quantity":1},{"sku":"a","location":"r","quantity":1}]}`,
			"404 unknown-location a@q a@r")
		f(`{"allow_partial":`+partial+`,"lines":[{"sku":"a","location":"q","quantity":1},{"sku":"n","location":"x","quantity":1},{"sku":"n","location":"q","quantity":1}]}`,
			"404 unknown-sku a@q n@x n@q")
		f(`{"allow_partial":`+partial+`,"lines":[{"sku":"a","location":"z","quantity":1},{"sku":"a","location":"x","quantity":1},{"sku":"b","location":"z","quantity":1}]}`,
			"409 location-inactive a@z b@z")
	}

	// quantities
	for _, q := range []string{"0", "-1", "-0", "1.5", "0.0001", "2147483648", "-2147483649", "1e99", "1e-99", "123456789012345678901234567890"} {
		f(`{"lines":[{"sku":"a","location":"x","quantity":`+q+`}]}`, "422 invalid-quantity")
	}
	f(`{"lines":[{"sku":"c","location":"x","quantity":1.2345}]}`, "422 invalid-quantity")
	f(`{"lines":[{"sku":"c","location":"x","quantity":2147483.648}]}`, "422 invalid-quantity")
	f(`{"lines":[{"sku":"a","location":"x","quantity":2147483647}]}`, "409 insufficient-stock a@x 2147483647/5")
	f(`{"lines":[{"sku":"a","location":"x","quantity":2147483647},{"sku":"a","location":"x","quantity":1}]}`, "422 invalid-quantity")
	f(`{"lines":[{"sku":"n","location":"x","quantity":0}]}`, "404 unknown-sku n@x")

	for _, body := range []string{
		``, `{}`, `[]`, `null`, `{`, `{"lines":[]}`, `{"lines":{}}`, `{"lines":null}`, `{"lines":[1]}`, `{"lines":[{}]}`, `{"lines":[{"sku":"a","location":"x","quantity":1}]}x`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"lines":[{"sku":"a","location":"x","quantity":1}]}`,
		`{"lines":[{"sku":"a","quantity":1}]}`, `{"lines":[{"location":"x","quantity":1}]}`, `{"lines":[{"sku":"a","location":"x"}]}`,
		`{"lines":[{"sku":"a","location":"x","quantity":"1"}]}`, `{"lines":[{"sku":"a","location":"x","quantity":null}]}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1,"from":"y"}]}`, `{"lines":[{"sku":"a","location":"x","quantty":1}]}`,
		`{"lines":[{"sku":1,"location":"x","quantity":1}]}`, `{"lines":[{"sku":"","location":"x","quantity":1}]}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl":900}`, `{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":0}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":14401}`, `{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":-1}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":1.5}`, `{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":"900"}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":1e99}`, `{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":null}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"id":""}`, `{"lines":[{"sku":"a","location":"x","quantity":1}],"id":7}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"id":"a\u0000b"}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"id":"` + strings.Repeat("i", 129) + `"}`,
		`{"lines":[{"sku":"a","location":"x","quantity":1}],"allow_partial":"yes"}`, `{"lines":[{"sku":"a","location":"x","quantity":1}],"owner":7}`,
	} {
		f(body, "400 invalid-request")
	}
	lines := strings.Repeat(`{"sku":"a","location":"x","quantity":1},`, 10_000)
	f(`{"lines":[`+strings.TrimSuffix(lines, ",")+`]}`, "409 insufficient-stock a@x 10000/5")
	f(`{"lines":[`+lines+`{"sku":"a","location":"x","quantity":1}]}`, "413 too-many-items")
}

func TestReserveSaysWhatWasWrong(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		got := usual(t).reserve(body)
		var v answer
		if err := json.Unmarshal([]byte(got.body), &v); err != nil || !strings.Contains(v.Detail, want) {
			t.Errorf("%q does not say %q", v.Detail, want)
		}
	}
	f(`{"lines":[{"sku":"a","location":"x","quantity":1},{"sku":"a","location":"x","quantity":-1.50}]}`, "lines[1].quantity: -1.5")
	f(`{"lines":[{"sku":"c","location":"x","quantity":0.0001}]}`, "lines[0].quantity: 0.0001: more decimals")
	f(`{"lines":[{"sku":"a","location":"x","quantity":1e18}]}`, "lines[0].quantity: 1000000000000000000: out of range")
	f(`{"lines":[{"sku":"a","location":"x","quantity":2147483647},{"sku":"b","location":"x","quantity":1},{"sku":"a","location":"x","quantity":1}]}`, "lines[2].quantity: with the lines of the same SKU and location from lines[0]")
	f(`{"lines":[{"sku":"a","quantity":1}]}`, "lines[0].location: missing member")
	f(`{"lines":[{"sku":"a","location":"x","quantity":1,"qty":1}]}`, "lines[0].qty: unknown member")
	f(`{"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":14401}`, "ttl_seconds: want a whole number from 1 to 14400, got 14401")
	f(`{"lines":[{"sku":"a","location":"x","quantity":1},{"sku":"n","location":"x","quantity":1}]}`, `lines[1]: nobody knows "n"`)
}

func TestReserveTakesJSONOnly(t *testing.T) {
	sh := usual(t)
	f := func(want string, headers ...string) {
		t.Helper()
		sh.is(sh.call("POST", "/v1/reservations", "", headers...), want)
	}
	body := `{"lines":[{"sku":"a","location":"x","quantity":9}]}`
	with := func(media string) reply {
		got := sh.call("POST", "/v1/reservations", body, "Content-Type", media)
		return got
	}
	for _, media := range []string{"application/json; charset=utf-8", "Application/JSON"} {
		sh.is(with(media), "409 insufficient-stock a@x 9/5")
	}
	for _, media := range []string{"text/plain", "application/cloudevents+json", "application/jsonx"} {
		sh.is(with(media), "415 unsupported-media-type")
	}
	sh.is(sh.reserve(body, "Content-Encoding", "gzip"), "415 unsupported-media-type")
	f("400 invalid-request")
	sh.is(sh.call("POST", "/v1/reservations?dry=1", body), "400 invalid-request")
	sh.is(sh.call("PUT", "/v1/reservations", body), "405 method-not-allowed")
}

func TestOpenCatalogueAddsOnSight(t *testing.T) {
	sh := usual(t)
	sh.open = true
	sh.restart()
	sh.is(sh.reserve(`{"id":"r","lines":[{"sku":"new","location":"x","quantity":0}]}`), "422 invalid-quantity")
	if _, known := sh.l.LookupSKU([]byte("new")); known {
		t.Error("a request that is refused for its quantity added a name")
	}
	sh.is(sh.reserve(`{"id":"r","lines":[{"sku":"new","location":"far","quantity":1}]}`), "409 insufficient-stock new@far 1/0")
	sh.is(sh.reserve(`{"id":"r","allow_partial":true,"lines":[{"sku":"new","location":"far","quantity":1},{"sku":"a","location":"x","quantity":1}]}`),
		"201 held 900s new@far 1 av0 a@x 1 h1")
	sh.is(sh.reserve(`{"id":"r","lines":[{"sku":"other","location":"x","quantity":1}]}`), "422 idempotency-mismatch")
	if _, known := sh.l.LookupSKU([]byte("other")); known {
		t.Error("a request that is refused as a mismatch added a name")
	}
	codes := 0
	for seq := ledger.Seq(1); seq <= sh.l.Seq(); seq++ {
		e, err := sh.l.Entry(seq)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range e.Exceptions {
			if x.Code == ledger.Unmapped {
				codes++
			}
		}
	}
	if codes != 2 {
		t.Errorf("%d exceptions, want one for the SKU and one for the location", codes)
	}
}

func TestListReservations(t *testing.T) {
	sh := usual(t)
	for _, body := range []string{
		`{"id":"r3","owner":"o1","reference":"f1","lines":[{"sku":"a","location":"x","quantity":1}]}`,
		`{"id":"r1","owner":"o1","reference":"f2","lines":[{"sku":"a","location":"y","quantity":1}]}`,
		`{"id":"r2","owner":"o2","reference":"f1","lines":[{"sku":"a","location":"x","quantity":1},{"sku":"a","location":"y","quantity":1}]}`,
		`{"id":"r4","owner":"o2","ttl_seconds":1,"lines":[{"sku":"b","location":"x","quantity":1}]}`,
	} {
		if got := sh.reserve(body); got.status != 201 {
			t.Fatal(got)
		}
	}
	sh.is(sh.call("POST", "/v1/reservations/r3/cancel", ""), "200 cancelled a@x 1 x1")
	sh.clock.Advance(1000)
	list := func(query string) (ids []string, next string) {
		t.Helper()
		got := sh.call("GET", "/v1/reservations"+query, "")
		var v struct {
			Items []struct{ ID string }
			Next  *string
		}
		if err := json.Unmarshal([]byte(got.body), &v); err != nil || got.status != 200 {
			t.Fatalf("%s: %+v", query, got)
		}
		for _, it := range v.Items {
			ids = append(ids, it.ID)
		}
		if v.Next != nil {
			next = *v.Next
		}
		return ids, next
	}
	f := func(query, want string) {
		t.Helper()
		if ids, next := list(query); strings.Join(ids, " ") != want || next != "" {
			t.Errorf("%s: got %v and a next of %q, want %s", query, ids, next, want)
		}
	}
	all := func() {
		t.Helper()
		f("", "r1 r2 r3 r4")
		f("?reference=f1", "r2 r3")
		f("?owner=o1", "r1 r3")
		f("?owner=o1&reference=f1", "r3")
		f("?owner=nobody", "")
		f("?state=held", "r1 r2")
		f("?state=cancelled", "r3")
		f("?state=expired", "r4")
		f("?state=fulfilled", "")
		f("?location=y", "r1 r2")
		f("?location=x,y&state=held", "r1 r2")
		f("?location=x&location=y&owner=o2", "r2 r4")
		f("?location=z", "")
		for _, query := range []string{"?", "?owner=o2&", "?state=held&"} {
			var pages []string
			for cursor := ""; ; {
				ids, next := list(query + "limit=1" + cursor)
				pages = append(pages, ids...)
				if next == "" {
					break
				}
				cursor = "&cursor=" + next
			}
			whole, _ := list(query)
			if !slices.Equal(pages, whole) {
				t.Errorf("%s: %v in pages of one, %v whole", query, pages, whole)
			}
		}
	}
	all()
	if err := sh.l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	all()
	sh.restart()
	all()
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?state=open", "?state=", "?cursor=!", "?color=red", "?owner=a&owner=b"} {
		sh.is(sh.call("GET", "/v1/reservations"+query, ""), "400 invalid-request")
	}
	sh.is(sh.call("GET", "/v1/reservations?location=q", ""), "404 unknown-location")
	sh.is(sh.call("GET", "/v1/reservations/nobody", ""), "404 unknown-reservation")
	sh.is(sh.call("GET", "/v1/reservations/r4", ""), "200 expired 0s b@x 1")
}
