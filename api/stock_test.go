package api

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"onhand/availability"
	"onhand/ingest"
	"onhand/ledger"
	"onhand/promise"
)

// stocked is a shop whose every call is answered, with SKUs a and b (pieces), kg
// (three decimals) and some with difficult names, at locations l1, l2 and l3.
func stocked(t testing.TB) *shop {
	t.Helper()
	sh := newShop(t)
	stock := availability.NewStock(sh.l, 0)
	feed := availability.NewFeed(stock, 3)
	t.Cleanup(feed.Close)
	sh.s = New(Options{Ledger: sh.l, Ingest: ingest.NewApplier(sh.l), Stock: stock, Feed: feed, Promises: promise.New(sh.l),
		MinSeqTimeout: 20 * time.Millisecond, WriteTimeout: 200 * time.Millisecond})
	for _, name := range []string{"a", "b", "A/B", "A%2FB", "c+d", "e,f", "é"} {
		sh.sku(name, 0)
	}
	sh.sku("kg", 3)
	for _, name := range []string{"l2", "l1", "l3", "x,y", "u/v"} {
		sh.location(name, true)
	}
	return sh
}

// gives calls and compares status and whole body.
func (sh *shop) gives(method, target, body string, status int, want string, headers ...string) {
	sh.t.Helper()
	got := sh.call(method, target, body, headers...)
	if got.status != status || got.body != want {
		sh.t.Errorf("%s %s %s\ngot  %d %s\nwant %d %s", method, target, body, got.status, got.body, status, want)
	}
	if !json.Valid([]byte(got.body)) {
		sh.t.Errorf("%s %s: not JSON: %s", method, target, got.body)
	}
}

// refuses calls and compares the problem's status and code.
func (sh *shop) refuses(method, target, body string, want string, headers ...string) {
	sh.t.Helper()
	got := sh.call(method, target, body, headers...)
	var p struct{ Type, Detail string }
	if err := json.Unmarshal([]byte(got.body), &p); err != nil {
		sh.t.Errorf("%s %s %s: %v in %s", method, target, body, err, got.body)
	}
	if brief := fmt.Sprintf("%d %s", got.status, strings.TrimPrefix(p.Type, "/problems/")); brief != want || p.Detail == "" ||
		got.media != "application/problem+json" {
		sh.t.Errorf("%s %s %s: %s, want %s: %s", method, target, body, brief, want, got.body)
	}
}

// rows is the part of an availability answer that tests compare: location=available.
func (sh *shop) rows(target string) string {
	sh.t.Helper()
	got := sh.call("GET", target, "")
	var v struct {
		Locations []struct {
			Location  string
			Available json.Number
		}
	}
	if err := json.Unmarshal([]byte(got.body), &v); err != nil || got.status != 200 {
		sh.t.Errorf("%s: %d %s", target, got.status, got.body)
	}
	var out []string
	for _, r := range v.Locations {
		out = append(out, r.Location+"="+r.Available.String())
	}
	return strings.Join(out, " ")
}

func (sh *shop) hasRows(target, want string) {
	sh.t.Helper()
	if got := sh.rows(target); got != want {
		sh.t.Errorf("%s: %q, want %q", target, got, want)
	}
}

func TestGetAvailability(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l2", 5)
	sh.stock("a", "l1", 3)
	sh.stock("kg", "l1", 1500)
	seq := sh.l.Seq()
	sh.clock.Advance(2300)
	row := func(loc string, n string) string {
		return fmt.Sprintf(`{"location":"%s","available":%s,"on_hand":%s,"unsellable":0,"held":0,"committed":0,"safety_stock":0,"shortage":0,`+
			`"as_of":"2026-11-23T10:00:00.000Z","age_ms":2300,"stale":false}`, loc, n, n)
	}
	sh.gives("GET", "/v1/availability/a", "", 200, fmt.Sprintf(`{"sku":"a","seq":%d,"total":{"available":8,"locations_in_stock":2},"locations":[%s,%s]}`,
		seq, row("l1", "3"), row("l2", "5")))
	sh.gives("GET", "/v1/availability/kg", "", 200, fmt.Sprintf(`{"sku":"kg","seq":%d,"total":{"available":1.5,"locations_in_stock":1},"locations":[%s]}`,
		seq, row("l1", "1.5")))
	sh.gives("GET", "/v1/availability/b", "", 200, fmt.Sprintf(`{"sku":"b","seq":%d,"total":{"available":0,"locations_in_stock":0},"locations":[]}`, seq))
	sh.hasRows("/v1/availability/a?location=l3&location=l2,l1&location=l2", "l1=3 l2=5 l3=0")
	sh.hasRows("/v1/availability/a?location=l1", "l1=3")
	sh.gives("GET", "/v1/availability/a?fields=available,held&fields=location", "", 200,
		fmt.Sprintf(`{"sku":"a","seq":%d,"total":{"available":8,"locations_in_stock":2},"locations":[{"location":"l1","available":3,"held":0},{"location":"l2","available":5,"held":0}]}`, seq))
	sh.hasRows("/v1/availability/a?channel=web&explain=false&min_seq=0", "l1=3 l2=5")

	sh.refuses("GET", "/v1/availability/none", "", "404 unknown-sku")
	sh.refuses("GET", "/v1/availability/a?location=l1,none", "", "404 unknown-location")
	for _, query := range []string{"fields=nothing", "fields=", "location=", "location=l1,", "exclude=", "at=2026-11-23T10:00:00Z", "explain=true",
		"explain=1", "min_seq=x", "min_seq=-1", "min_seq=1&min_seq=1", "locations=l1", "Location=l1", "channel=", "channel=a&channel=b", "location=%zz", "location=%"} {
		sh.refuses("GET", "/v1/availability/a?"+query, "", "400 invalid-request")
	}
	sh.refuses("GET", fmt.Sprintf("/v1/availability/a?min_seq=%d", seq+1), "", "503 not-ready")
	sh.refuses("PUT", "/v1/availability/a", "{}", "405 method-not-allowed")
	sh.refuses("GET", "/v1/availability/a/", "", "404 not-found")
}

func TestMinSeqWaits(t *testing.T) {
	sh := stocked(t)
	sh.s.MinSeqTimeout = 20 * time.Second
	seq := sh.l.Seq() + 1
	answered := make(chan reply)
	go func() { answered <- sh.call("GET", fmt.Sprintf("/v1/availability/a?min_seq=%d", seq), "") }()
	sh.stock("a", "l1", 3)
	if got := <-answered; got.status != 200 || !strings.Contains(got.body, `"available":3`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestIdsInURLs(t *testing.T) {
	sh := stocked(t)
	for i, sku := range []string{"A/B", "A%2FB", "c+d", "e,f", "é"} {
		sh.stock(sku, "x,y", ledger.Qty(i+1))
	}
	sh.stock("a", "u/v", 6)
	sh.hasRows("/v1/availability/A%2FB", "x,y=1")
	sh.hasRows("/v1/availability/A%2fB", "x,y=1")
	sh.hasRows("/v1/availability/A%252FB", "x,y=2")
	sh.hasRows("/v1/availability/c+d", "x,y=3")
	sh.hasRows("/v1/availability/c%2Bd", "x,y=3")
	sh.hasRows("/v1/availability/e,f", "x,y=4")
	sh.hasRows("/v1/availability/e%2Cf", "x,y=4")
	sh.hasRows("/v1/availability/%C3%A9", "x,y=5")
	sh.hasRows("/v1/availability/%61", "u/v=6")
	sh.refuses("GET", "/v1/availability/c%20d", "", "404 unknown-sku")
	sh.refuses("GET", "/v1/availability/A", "", "404 unknown-sku")
	sh.refuses("GET", "/v1/availability/E%CC%81", "", "404 unknown-sku") // é of two code points: nothing is normalised
	sh.refuses("GET", "/v1/availability/%", "", "400 invalid-request")
	sh.hasRows("/v1/availability/a?location=x%2Cy,u/v", "u/v=6 x,y=0")
	sh.hasRows("/v1/availability/a?location=x%2cy", "x,y=0")
	sh.hasRows("/v1/availability/a?location=u%2Fv", "u/v=6")
	sh.refuses("GET", "/v1/availability/a?location=x,y", "", "404 unknown-location")
	sh.gives("GET", "/v1/positions/A%252FB/x,y/entries?limit=0", "", 400,
		`{"type":"/problems/invalid-request","title":"Bad Request","status":400,"detail":"limit: want a whole number from 1 to 1000"}`)
	sh.gives("GET", "/v1/skus/A%2FB", "", 200, `{"sku":"A/B","gtin":null,"category":null,"decimals":0,"aliases":{},"seq":3}`)
}

func TestExcludeReservations(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 5)
	for _, id := range []string{"r1", "r,2"} {
		sh.is(sh.reserve(`{"id":"`+id+`","lines":[{"sku":"a","location":"l1","quantity":2}]}`), "201 held 900s a@l1 2 h2")
	}
	sh.hasRows("/v1/availability/a", "l1=1")
	sh.hasRows("/v1/availability/a?exclude=r1", "l1=3")
	sh.hasRows("/v1/availability/a?exclude=r1,r%2C2", "l1=5")
	sh.hasRows("/v1/availability/a?exclude=r1&exclude=r%2C2&location=l1", "l1=5")
	sh.hasRows("/v1/availability/a?exclude=nobody", "l1=1")
	many := strings.TrimSuffix(strings.Repeat("x,", 20), ",")
	sh.hasRows("/v1/availability/a?exclude="+many, "l1=1")
	sh.refuses("GET", "/v1/availability/a?exclude="+many+",x", "", "400 invalid-request")
	sh.gives("POST", "/v1/availability", `{"items":[{"sku":"a"}],"exclude":["r1","r,2"],"fields":["available"]}`, 200,
		fmt.Sprintf(`{"seq":%d,"items":[{"sku":"a","seq":%[1]d,"total":{"available":5,"locations_in_stock":1},"locations":[{"available":5}]}]}`, sh.l.Seq()))
	sh.refuses("POST", "/v1/availability", `{"items":[{"sku":"a"}],"exclude":["`+strings.ReplaceAll(many, ",", `","`)+`","x"]}`, "400 invalid-request")
}

func TestPostAvailability(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 3)
	sh.stock("b", "l2", 4)
	seq := sh.l.Seq()
	f := func(body, items string) {
		t.Helper()
		sh.gives("POST", "/v1/availability", body, 200, fmt.Sprintf(`{"seq":%d,"items":[%s]}`, seq, strings.ReplaceAll(items, "SEQ", fmt.Sprint(seq))))
	}
	const a = `{"sku":"a","seq":SEQ,"total":{"available":3,"locations_in_stock":1},"locations":[{"location":"l1","available":3}]}`
	const b = `{"sku":"b","seq":SEQ,"total":{"available":0,"locations_in_stock":0},"locations":[{"location":"l1","available":0}]}`
	const fields = `,"fields":"location,available"}`
	f(`{"items":[{"sku":"a"}]`+fields, a)
	f(`{"items":[{"sku":"b","locations":["l1"]},{"sku":"a","locations":["l1","l1"]},{"sku":"b","locations":["l1"]}]`+fields, b+","+a+","+b)
	f(`{"items":[{"locations":["l1"],"sku":"b"},{"locations":["l1"],"sku":"a"}],"channel":"web","explain":false,"min_seq":1`+fields, b+","+a)
	f(`{"items":[{"sku":"none"},{"sku":"a"},{"sku":"a","locations":["l1","none"]},{"sku":""}]`+fields,
		`{"sku":"none","error":"unknown-sku"},`+a+`,{"sku":"a","error":"unknown-location"},{"sku":"","error":"unknown-sku"}`)
	f(`{"items":[{"sku":"a","locations":[]}]}`, `{"sku":"a","seq":SEQ,"total":{"available":0,"locations_in_stock":0},"locations":[]}`)
	for _, body := range []string{"", "{}", "[]", `{"items":[]}`, `{"items":{}}`, `{"items":[{}]}`, `{"items":[{"sku":1}]}`, `{"items":[{"sku":"a","location":"l1"}]}`,
		`{"items":[{"sku":"a","locations":"l1"}]}`, `{"items":[{"sku":"a","locations":[1]}]}`, `{"items":[{"locations":[1],"sku":"a"}]}`, `{"items":[{"sku":"a"}],"chanel":"web"}`,
		`{"items":[{"sku":"a"}],"at":"2026-11-23T10:00:00Z"}`, `{"items":[{"sku":"a"}],"explain":true}`, `{"items":[{"sku":"a"}],"fields":["x"]}`,
		`{"items":[{"sku":"a"}],"fields":"available,"}`, `{"items":[{"sku":"a"}],"channel":""}`, `{"items":[{"sku":"a"}],"channel":7}`,
		`{"items":[{"sku":"a"}],"min_seq":-1}`, `{"items":[{"sku":"a"}]}x`, `{"items":[{"sku":"a","sku":"a"}]}`, `{"items":[{"sku":"a"}],"items":[]}`} {
		sh.refuses("POST", "/v1/availability", body, "400 invalid-request")
	}
	sh.refuses("POST", "/v1/availability", `{"items":[{"sku":"a"}],"min_seq":1000}`, "503 not-ready")
	sh.refuses("POST", "/v1/availability?x=1", `{"items":[{"sku":"a"}]}`, "400 invalid-request")
	sh.refuses("POST", "/v1/availability", `{"items":[{"sku":"a"}]}`, "415 unsupported-media-type", "Content-Type", "text/plain")
	// It changes nothing, so a key does not tie it to anything.
	f(`{"items":[{"sku":"a"}]`+fields, a)
	sh.gives("POST", "/v1/availability", `{"items":[{"sku":"none"}]}`, 200, fmt.Sprintf(`{"seq":%d,"items":[{"sku":"none","error":"unknown-sku"}]}`, seq), "Idempotency-Key", "k")
	sh.gives("POST", "/v1/availability", `{"items":[{"sku":"nune"}]}`, 200, fmt.Sprintf(`{"seq":%d,"items":[{"sku":"nune","error":"unknown-sku"}]}`, seq), "Idempotency-Key", "k")
}

func TestPostAvailabilityIsBounded(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 3)
	items := func(n int, item string) string {
		return `{"items":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `],"fields":["available"]}`
	}
	got := sh.call("POST", "/v1/availability", items(5000, `{"sku":"a"}`))
	if got.status != 200 || strings.Count(got.body, `{"available":3}`) != 5000 || !json.Valid([]byte(got.body)) {
		t.Errorf("5,000 items: %d, %d bytes", got.status, len(got.body))
	}
	sh.refuses("POST", "/v1/availability", items(5001, `{"sku":"a"}`), "413 too-many-items")
	for i := range 250 {
		sh.location(fmt.Sprint("m", i), true)
	}
	var locs []string
	for i := range 250 {
		locs = append(locs, fmt.Sprintf(`"m%d"`, i))
	}
	item := `{"sku":"a","locations":[` + strings.Join(locs, ",") + `]}`
	got = sh.call("POST", "/v1/availability", items(4000, item)) // a million rows: written while it is sent
	if got.status != 200 || strings.Count(got.body, `{"available":0}`) != 1_000_000 || !json.Valid([]byte(got.body)) {
		t.Errorf("1,000,000 rows: %d, %d bytes", got.status, len(got.body))
	}
	sh.refuses("POST", "/v1/availability", items(4001, item), "413 too-many-items")
}

func TestGetAvailabilityAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector drops what a pool holds")
	}
	sh := stocked(t)
	sh.stock("a", "l1", 3)
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("GET")
	ctx.Request.SetRequestURI("/v1/availability/a?location=l1")
	r := &request{}
	r.reset(sh.s, &ctx)
	if err := r.parseTarget(); err != nil {
		t.Fatal(err)
	}
	r.getAvailability()
	if n := testing.AllocsPerRun(200, func() {
		ctx.Response.Reset()
		r.getAvailability()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGetAvailability(b *testing.B) {
	sh := stocked(b)
	sh.stock("a", "l1", 3)
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("GET")
	ctx.Request.SetRequestURI("/v1/availability/a?location=l1")
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		sh.s.handle(&ctx)
	}
}

// BenchmarkPostAvailability asks for 100 SKUs at all of 300 locations.
func BenchmarkPostAvailability(b *testing.B) {
	sh := stocked(b)
	body := `{"items":[`
	var lines []ledger.CountLine
	for i := range 100 {
		name := fmt.Sprintf("871039852%04d", i)
		sh.sku(name, 0)
		id, _ := sh.l.LookupSKU([]byte(name))
		lines = append(lines, ledger.CountLine{SKU: id, Quantity: 5})
		body += `{"sku":"` + name + `"},`
	}
	body = body[:len(body)-1] + `]}`
	for i := range 300 {
		name := fmt.Sprintf("%04d", i)
		sh.location(name, true)
		loc, _ := sh.l.LookupLocation([]byte(name))
		now := sh.clock.Now()
		sh.apply(&ledger.Count{Name: ledger.EventName{Source: "wms", ID: name, Time: now, Content: 1}, CountedAt: now, Received: now, Location: loc, Lines: lines})
	}
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.SetRequestURI("/v1/availability")
	ctx.Request.Header.SetContentType("application/json")
	ctx.Request.SetBodyString(body)
	b.ReportAllocs()
	for b.Loop() {
		ctx.Response.Reset()
		sh.s.handle(&ctx)
		if err := ctx.Response.BodyWriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*30_000/b.Elapsed().Seconds(), "rows/s")
}
