package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"onhand/ledger"
)

// sell books a sale at a moment of the test's day.
func (sh *shop) sell(id, sku, location, at string, quantity int) {
	sh.t.Helper()
	sh.send(fmt.Sprintf(`{"specversion":"1.0","type":"pos.sale","source":"till","id":"%s","time":"2026-11-23T%sZ",`+
		`"data":{"location":"%s","lines":[{"sku":"%s","quantity":%d}]}}`, id, at, location, sku, quantity))
}

func (sh *shop) counts(id, sku, location, at string, quantity int) {
	sh.t.Helper()
	sh.send(fmt.Sprintf(`{"specversion":"1.0","type":"wms.count","source":"wms","id":"%s","time":"2026-11-23T%sZ",`+
		`"data":{"location":"%s","lines":[{"sku":"%s","quantity":%d}]}}`, id, at, location, sku, quantity))
}

func (sh *shop) send(event string) {
	sh.t.Helper()
	if got := sh.call("POST", "/v1/events", event); !strings.Contains(got.body, `"rejected":[]`) {
		sh.t.Fatalf("%s: %s", event, got.body)
	}
}

// raised lists exceptions in brief: id code sku difference cause state.
func (sh *shop) raised(query string, limit int) string {
	sh.t.Helper()
	var out []string
	for _, it := range sh.pages("/v1/exceptions"+query, limit) {
		out = append(out, fmt.Sprint(it["id"], " ", it["code"], " ", it["sku"], " ", it["difference"], " ", it["cause"], " ", it["state"]))
	}
	return strings.Join(out, "; ")
}

func TestExceptions(t *testing.T) {
	sh := eventShop(t)
	sh.location("y", true)
	sh.call("PUT", "/v1/skus/kg", `{"decimals":3,"category":"dairy"}`)
	sh.call("POST", "/v1/events", saleEvent("1", "a", "2"))
	sh.call("POST", "/v1/events", strings.Replace(saleEvent("2", "kg", "0.5"), `"lines":[`, `"reservation":"nobody's","lines":[{"sku":"a","quantity":1},`, 1))
	sh.clock.Advance(1000)
	sh.stock("a", "x", 4)
	sh.sell("3", "a", "y", "09:59:30", 1)
	const all = "9 negative-on-hand a -1 <nil> open; 8 count-difference a 7 <nil> open; 7-1 negative-on-hand kg -0.5 <nil> open; " +
		"7 reservation-mismatch <nil> <nil> <nil> open; 6 negative-on-hand a -2 <nil> open"
	for _, limit := range []int{1, 2, 3, 4, 100} {
		if got := sh.raised("", limit); got != all {
			t.Errorf("limit %d:\ngot  %s\nwant %s", limit, got, all)
		}
	}
	f := func(query, want string) {
		t.Helper()
		for _, limit := range []int{1, 100} {
			var ids []string
			for _, it := range sh.pages("/v1/exceptions"+query, limit) {
				ids = append(ids, it["id"].(string))
			}
			if got := strings.Join(ids, " "); got != want {
				t.Errorf("%s, limit %d: %s, want %s", query, limit, got, want)
			}
		}
	}
	f("?location=x", "8 7-1 7 6")
	f("?location=y,x", "9 8 7-1 7 6")
	f("?sku=kg", "7-1")
	f("?category=dairy", "7-1")
	f("?category=none", "")
	f("?code=negative-on-hand&location=x", "7-1 6")
	f("?min_size=0.5", "9 8 7-1 6")
	f("?min_size=0.501", "9 8 6")
	f("?since=2026-11-23T10:00:01Z", "9 8")
	f("?since=2026-11-23T10:00:01.001Z", "")
	f("?cause=late-event", "")
	f("?state=resolved", "")
	f("?state=open&code=count-difference", "8")
	sh.gives("GET", "/v1/exceptions?code=count-difference&min_seq=1", "", 200, `{"items":[{"id":"8","seq":8,"time":"2026-11-23T10:00:01.000Z","recorded_at":"2026-11-23T10:00:01.000Z",`+
		`"code":"count-difference","sku":"a","location":"x","believed":-3,"counted":4,"difference":7,"cause":null,"event":{"source":"wms","id":"1"},`+
		`"state":"open","resolved_seq":null,"resolved_at":null,"note":null,"by":null}],"next":null}`)
	for _, query := range []string{"cursor=eA", "code=none", "code=", "cause=none", "since=yesterday", "min_size=-1", "min_size=x", "min_size=0.0001", "state=", "state=shut", "size=1", "sku=a&sku=kg"} {
		sh.refuses("GET", "/v1/exceptions?"+query, "", "400 invalid-request")
	}
	sh.refuses("GET", "/v1/exceptions?sku=none", "", "404 unknown-sku")
	sh.refuses("GET", "/v1/exceptions?location=none", "", "404 unknown-location")
}

func TestExceptionIsExplained(t *testing.T) {
	sh := eventShop(t)
	sh.counts("c1", "a", "x", "09:00:00", 10)
	sh.sell("s1", "a", "x", "09:10:00", 1)
	sh.counts("c2", "a", "x", "09:30:00", 7)
	id := fmt.Sprint(sh.l.Seq())
	sh.sell("s2", "a", "x", "09:20:00", 2)
	if want := id + " count-difference a -2 late-event open"; sh.raised("?cause=late-event", 10) != want {
		t.Errorf("got %s, want %s", sh.raised("?cause=late-event", 10), want)
	}
	var v struct {
		Cause   string
		Entries []struct {
			Type string
			ID   string
		}
		Complete bool `json:"entries_complete"`
		Missed   []struct {
			Seq      ledger.Seq
			Cause    string
			Time     string
			Quantity int
		}
	}
	body := sh.call("GET", "/v1/exceptions/"+id, "").body
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatal(err, body)
	}
	if got, want := fmt.Sprint(v), "{late-event [{wms.count c2} {pos.sale s1} {wms.count c1}] true [{7 late-event 2026-11-23T09:20:00.000Z -2}]}"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, none := range []string{"1", id + "-1", id + "-0", "0", "x", "%20", "-1"} {
		sh.refuses("GET", "/v1/exceptions/"+none, "", "404 not-found")
		sh.refuses("POST", "/v1/exceptions/"+none+"/resolve", "{}", "404 not-found")
	}
	sh.refuses("GET", "/v1/exceptions/"+id+"?x=1", "", "400 invalid-request")
	// One that is not of a position.
	sh.send(fmt.Sprintf(`{"specversion":"1.0","type":"pos.sale","source":"till","id":"s3","time":"2026-11-23T%sZ","data":{"location":"x","lines":[{"sku":"a","quantity":1}]}}`, "11:00:00"))
	if got := sh.call("GET", fmt.Sprintf("/v1/exceptions/%d", sh.l.Seq()), "").body; !strings.HasSuffix(got, `"entries":[],"entries_complete":true,"missed":[]}`) {
		t.Error(got)
	}
}

func TestManyEntriesOfAnException(t *testing.T) {
	sh := eventShop(t)
	sh.counts("c1", "a", "x", "09:00:00", 500)
	for i := range exceptionEntriesMax {
		sh.sell(fmt.Sprint("s", i), "a", "x", "09:10:00", 1)
	}
	sh.counts("c2", "a", "x", "09:30:00", 7)
	body := sh.call("GET", fmt.Sprintf("/v1/exceptions/%d", sh.l.Seq()), "").body
	if n := strings.Count(body, `"after":`); n != exceptionEntriesMax || !strings.Contains(body, `"entries_complete":false`) {
		t.Errorf("%d entries: %.200s", n, body)
	}
}

func TestResolveException(t *testing.T) {
	sh := eventShop(t)
	sh.sell("1", "a", "x", "09:00:00", 1)
	id := fmt.Sprint(sh.l.Seq())
	path := "/v1/exceptions/" + id + "/resolve"
	for _, body := range []string{`{"note":7}`, `{"text":"x"}`, `[]`, `{"note":"` + strings.Repeat("x", noteBytesMax+1) + `"}`, `{"by":"` + strings.Repeat("x", 257) + `"}`, `{`} {
		sh.refuses("POST", path, body, "400 invalid-request")
	}
	sh.refuses("POST", "/v1/exceptions/99/resolve", `{"note":"n"}`, "404 not-found", "Idempotency-Key", "k0")
	sh.clock.Advance(500)
	first := sh.call("POST", path, `{"note":"found it","by":"ann"}`, "Idempotency-Key", "k1")
	want := fmt.Sprintf(`{"id":"%s","seq":%d,"state":"resolved","resolved_at":"2026-11-23T10:00:00.500Z","note":"found it","by":"ann"}`, id, sh.l.Seq())
	if first.status != 200 || first.body != want || first.replayed != "" {
		t.Errorf("%+v, want %s", first, want)
	}
	sh.clock.Advance(500)
	before := sh.l.Seq()
	sh.gives("POST", path, `{"note":"another"}`, 200, want)
	if sh.l.Seq() != before {
		t.Error("what changed nothing made an entry")
	}
	again := func() {
		t.Helper()
		got := sh.call("POST", path, `{"by":"ann","note":"found it"}`, "Idempotency-Key", "k1")
		if got.body != want || got.replayed != "true" {
			t.Errorf("%+v, want %s", got, want)
		}
		sh.refuses("POST", path, `{"note":"another"}`, "422 idempotency-mismatch", "Idempotency-Key", "k1")
	}
	again()
	sh.gives("POST", path, `{}`, 200, want, "Idempotency-Key", "k2")
	sh.refuses("POST", path, `{"note":"x"}`, "422 idempotency-mismatch", "Idempotency-Key", "k2")
	sh.restart()
	again()
	if got := sh.raised("?state=resolved", 10); got != id+" negative-on-hand a -1 <nil> resolved" {
		t.Error(got)
	}
	if got := sh.raised("?state=open", 10); got != "" {
		t.Error(got)
	}
	if got := sh.call("GET", "/v1/exceptions/"+id, "").body; !strings.Contains(got, `"state":"resolved","resolved_seq":5,"resolved_at":"2026-11-23T10:00:00.500Z","note":"found it","by":"ann"`) {
		t.Error(got)
	}
}
