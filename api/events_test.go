package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"onhand/ingest"
	"onhand/ledger"
)

func eventShop(t *testing.T) *shop {
	sh := newShop(t)
	sh.s.Ingest = ingest.NewApplier(sh.l)
	sh.sku("a", 0)
	sh.sku("kg", 3)
	sh.location("x", true)
	return sh
}

func saleEvent(id, sku, quantity string) string {
	return `{"specversion":"1.0","type":"pos.sale","source":"till","id":"` + id + `","time":"2026-11-23T09:59:00Z",
		"data":{"location":"x","lines":[{"sku":"` + sku + `","quantity":` + quantity + `}]}}`
}

func TestPostEvents(t *testing.T) {
	sh := eventShop(t)
	f := func(media, body, want string) {
		t.Helper()
		got := sh.call("POST", "/v1/events", body, "Content-Type", media)
		if brief := fmt.Sprintf("%d %s", got.status, got.body); !strings.HasPrefix(brief, want) {
			t.Errorf("%s %s:\ngot  %s\nwant %s", media, body, brief, want)
		}
	}
	next := func() ledger.Seq { return sh.l.Seq() + 1 }
	one := next()
	f("application/cloudevents+json", saleEvent("1", "a", "2"), fmt.Sprintf(`200 {"seq":%d,"accepted":1,"duplicates":0,"rejected":[]}`, one))
	f("application/json; charset=utf-8", saleEvent("1", "a", "2"), fmt.Sprintf(`200 {"seq":%d,"accepted":0,"duplicates":1,"rejected":[]}`, one))
	f("application/cloudevents-batch+json", "["+saleEvent("2", "a", "1")+","+saleEvent("3", "b", "1")+",7]",
		fmt.Sprintf(`200 {"seq":%d,"accepted":1,"duplicates":0,"rejected":[{"id":"3","code":"unknown-sku","detail":"lines[0].sku: \"b\""},{"id":null,"code":"invalid-event","detail":"`, next()+2))
	f("application/json", "[]", fmt.Sprintf(`200 {"seq":%d,"accepted":0,"duplicates":0,"rejected":[]}`, sh.l.Seq()))
	if got := sh.figures("a", "x"); got != "-3 h0 c0 av0" {
		t.Error(got)
	}

	before := sh.l.Seq()
	f("application/json", `{"specversion"`, `400 {"type":"/problems/invalid-request"`)
	f("application/json", ``, `400 {"type":"/problems/invalid-request"`)
	f("application/cloudevents-batch+json", saleEvent("9", "a", "1"), `400 {"type":"/problems/invalid-request"`)
	f("application/json", "["+strings.Repeat("1,", 10_000)+"1]", `413 {"type":"/problems/too-many-items"`)
	f("text/plain", "[]", `415 {"type":"/problems/unsupported-media-type"`)
	if sh.l.Seq() != before {
		t.Error("what is no batch changed something")
	}
}

// pages reads a list to its end, and gives its items.
func (sh *shop) pages(path string, limit int) (items []map[string]any) {
	sh.t.Helper()
	cursor, join := "", "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	for {
		got := sh.call("GET", fmt.Sprintf("%s%slimit=%d%s", path, join, limit, cursor), "")
		var list struct {
			Items []map[string]any
			Next  *string
		}
		if err := json.Unmarshal([]byte(got.body), &list); err != nil || got.status != 200 || len(list.Items) > limit {
			sh.t.Fatalf("%d %s: %v", got.status, got.body, err)
		}
		items = append(items, list.Items...)
		if list.Next == nil {
			return items
		}
		cursor = "&cursor=" + *list.Next
	}
}

func TestGetDeadLetters(t *testing.T) {
	sh := eventShop(t)
	for i := range 70 {
		sh.call("POST", "/v1/events", fmt.Sprintf(`[{"id":"%d"}]`, i))
	}
	sh.apply(&ledger.DeadLetter{ReceivedAt: sh.clock.Now(), Code: "invalid-event", Detail: "d", Topic: "pos.events", Partition: 3, Offset: 9,
		Value: []byte("pois\"on"), Headers: []ledger.Header{{Key: "k", Value: []byte("v")}}})
	sh.apply(&ledger.DeadLetter{ReceivedAt: sh.clock.Now(), Code: "invalid-event", Topic: "pos.events", Value: []byte{0xff}})
	for _, limit := range []int{1, 7, 32, 72, 1000} {
		items := sh.pages("/v1/dead-letters", limit)
		if len(items) != 72 {
			t.Fatalf("limit %d: %d items", limit, len(items))
		}
		for i, it := range items[:70] {
			if it["event"].(map[string]any)["id"] != fmt.Sprint(i) || it["topic"] != nil || it["code"] != "invalid-event" {
				t.Fatalf("limit %d, item %d: %v", limit, i, it)
			}
		}
	}
	got := sh.call("GET", "/v1/dead-letters?limit=1000", "").body
	if want := `"code":"invalid-event","detail":"d","topic":"pos.events","partition":3,"offset":9,"raw":"pois\"on","headers":[{"key":"k","value":"v"}],"attempts":1}`; !strings.Contains(got, want) {
		t.Errorf("no %s in %s", want, got)
	}
	if want := `"raw_encoding":"base64","raw":"/w==","attempts":1}],"next":null}`; !strings.HasSuffix(got, want) {
		t.Errorf("no %s in %s", want, got)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=x", "cursor=!", "cursor=eA", "colour=red"} {
		sh.is(sh.call("GET", "/v1/dead-letters?"+query, ""), "400 invalid-request")
	}
}
