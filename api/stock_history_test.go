package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"onhand/ledger"
)

func TestEntries(t *testing.T) {
	sh := stocked(t)
	const path = "/v1/positions/a/l1/entries"
	sh.gives("GET", path, "", 200, `{"items":[],"next":null}`)
	sh.refuses("GET", "/v1/positions/none/l1/entries", "", "404 unknown-sku")
	sh.refuses("GET", "/v1/positions/a/none/entries", "", "404 unknown-location")
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "cursor=", "cursor=!", "cursor=eHg", "from=1", "limit=1&limit=1"} {
		sh.refuses("GET", path+"?"+query, "", "400 invalid-request")
	}

	a, _ := sh.l.LookupSKU([]byte("a"))
	l1, _ := sh.l.LookupLocation([]byte("l1"))
	now := sh.clock.Now()
	sh.stock("a", "l1", 5)
	first := sh.l.Seq()
	sh.clock.Advance(1000)
	sh.apply(&ledger.Movement{Kind: ledger.KindSale, Name: ledger.EventName{Source: "pos/1", ID: "7", Time: now + 250, Content: 1},
		Received: sh.clock.Now(), Location: l1, Lines: []ledger.MovementLine{{SKU: a, Quantity: -2}}})
	sh.is(sh.reserve(`{"id":"r","ttl_seconds":10,"lines":[{"sku":"a","location":"l1","quantity":1}]}`), "201 held 10s a@l1 1 h1")
	sh.clock.Advance(10_000) // the hold is over, and reading makes it so
	item := func(n ledger.Seq, time, recorded, kind, source, id, reservation, delta, after string) string {
		return fmt.Sprintf(`{"seq":%d,"time":"2026-11-23T10:00:%sZ","recorded_at":"2026-11-23T10:00:%sZ","type":"%s","source":%s,"id":%s,"reservation":%s,%s,"after":{%s}}`,
			first+n, time, recorded, kind, source, id, reservation, delta, after)
	}
	figures := func(onHand, held int) string {
		return fmt.Sprintf(`"on_hand":%d,"unsellable":0,"held":%d,"committed":0`, onHand, held)
	}
	all := []string{
		item(3, "11.000", "11.000", "reservation.expired", "null", "null", `"r"`, figures(0, -1), figures(3, 0)),
		item(2, "01.000", "01.000", "reservation.held", "null", "null", `"r"`, figures(0, 1), figures(3, 1)),
		item(1, "00.250", "01.000", "pos.sale", `"pos/1"`, `"7"`, "null", figures(-2, 0), figures(3, 0)),
		item(0, "00.000", "00.000", "wms.count", `"wms"`, `"1"`, "null", figures(5, 0), figures(5, 0)),
	}
	sh.gives("GET", path, "", 200, `{"items":[`+strings.Join(all, ",")+`],"next":null}`)
	sh.gives("GET", path+"?limit=4", "", 200, `{"items":[`+strings.Join(all, ",")+`],"next":null}`)

	var paged []string
	for target, pages := path+"?limit=3", 0; target != ""; pages++ {
		var v struct {
			Items []json.RawMessage
			Next  *string
		}
		if err := json.Unmarshal([]byte(sh.call("GET", target, "").body), &v); err != nil || pages > 2 {
			t.Fatal(err, pages)
		}
		for _, i := range v.Items {
			paged = append(paged, string(i))
		}
		if target = ""; v.Next != nil {
			target = path + "?limit=3&cursor=" + *v.Next
		}
	}
	if strings.Join(paged, ",") != strings.Join(all, ",") {
		t.Errorf("page by page: %v", paged)
	}
}

func TestFreshness(t *testing.T) {
	sh := stocked(t)
	sh.gives("GET", "/v1/freshness", "", 200, `{"items":[],"next":null}`)
	a, _ := sh.l.LookupSKU([]byte("a"))
	sell := func(loc, source string, ago ledger.Millis) {
		id, _ := sh.l.LookupLocation([]byte(loc))
		sh.apply(&ledger.Movement{Kind: ledger.KindSale, Name: ledger.EventName{Source: source, ID: fmt.Sprint(sh.names.Add(1)), Time: sh.clock.Now() - ago, Content: 1},
			Received: sh.clock.Now(), Location: id, Lines: []ledger.MovementLine{{SKU: a, Quantity: 1}}})
	}
	sell("l2", "pos", 500)
	sell("l1", "pos", 15*60_000+1)
	sell("l1", "erp", 0)
	sell("l1", "pos", 20*60_000) // an older one: the latest counts
	items := []string{
		`{"location":"l1","source":"erp","last_event_at":"2026-11-23T10:00:00.000Z","as_of":"2026-11-23T10:00:00.000Z","lag_ms":0,"stale":false,"expected_unseen_sales":null}`,
		`{"location":"l1","source":"pos","last_event_at":"2026-11-23T09:44:59.999Z","as_of":"2026-11-23T09:44:59.999Z","lag_ms":900001,"stale":true,"expected_unseen_sales":null}`,
		`{"location":"l2","source":"pos","last_event_at":"2026-11-23T09:59:59.500Z","as_of":"2026-11-23T09:59:59.500Z","lag_ms":500,"stale":false,"expected_unseen_sales":null}`,
	}
	sh.gives("GET", "/v1/freshness", "", 200, `{"items":[`+strings.Join(items, ",")+`],"next":null}`)
	sh.gives("GET", "/v1/freshness?location=l1,l3", "", 200, `{"items":[`+strings.Join(items[:2], ",")+`],"next":null}`)
	sh.gives("GET", "/v1/freshness?location=l2&limit=1", "", 200, `{"items":[`+items[2]+`],"next":null}`)
	var v struct{ Next string }
	json.Unmarshal([]byte(sh.call("GET", "/v1/freshness?limit=2", "").body), &v)
	sh.gives("GET", "/v1/freshness?limit=2&cursor="+v.Next, "", 200, `{"items":[`+items[2]+`],"next":null}`)
	sh.refuses("GET", "/v1/freshness?location=none", "", "404 unknown-location")
	sh.refuses("GET", "/v1/freshness?place=l1", "", "400 invalid-request")
}

func TestHealth(t *testing.T) {
	sh := stocked(t)
	sh.gives("GET", "/healthz", "", 200, `{"status":"up"}`)
	sh.gives("GET", "/readyz", "", 200, `{"status":"ready"}`)
	sh.s.Ready = func() error { return ledger.ErrDiskFull }
	sh.refuses("GET", "/readyz", "", "503 not-ready")
	sh.s.Keys = []string{"secret"}
	sh.gives("GET", "/healthz", "", 200, `{"status":"up"}`)
	got := sh.call("GET", "/metrics", "")
	if got.status != 200 || !strings.HasPrefix(got.media, "text/plain") || !strings.Contains(got.body, "\nonhand_api_panics_total ") ||
		!strings.Contains(got.body, "\nprocess_") || !strings.Contains(got.body, "\ngo_goroutines ") {
		t.Errorf("metrics: %d %s\n%.200s", got.status, got.media, got.body)
	}
}
