package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"onhand/ingest"
)

// letters are the ids of those that a list gives.
func (sh *shop) letters(query string) string {
	ids := []string{}
	for _, item := range sh.pages("/v1/dead-letters"+query, 2) {
		ids = append(ids, fmt.Sprintf("%v:%v/%v", item["id"], item["code"], item["attempts"]))
	}
	return strings.Join(ids, " ")
}

func TestDeadLetterCalls(t *testing.T) {
	sh := eventShop(t)
	f := func(method, target, body string, status int, want string) {
		t.Helper()
		if got := sh.call(method, target, body); got.status != status || !strings.Contains(got.body, want) {
			t.Errorf("%s %s %s:\ngot  %d %s\nwant %d %s", method, target, body, got.status, got.body, status, want)
		}
	}
	from := func(source, e string) string { return strings.ReplaceAll(e, `"till"`, `"`+source+`"`) }
	first := sh.l.Seq() + 1
	id := func(n int) string { return fmt.Sprint(int(first) + n) }
	sh.call("POST", "/v1/events", "["+saleEvent("1", "b", "1")+","+from("wms", saleEvent("2", "c", "1"))+","+
		saleEvent("3", "a", "1.5")+","+saleEvent("4", "b", "1")+",7]")
	lists := func(query, want string) {
		t.Helper()
		if got := sh.letters(query); got != want {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	lists("", id(0)+":unknown-sku/1 "+id(1)+":unknown-sku/1 "+id(2)+":invalid-quantity/1 "+id(3)+":unknown-sku/1 "+id(4)+":invalid-event/1")
	lists("?code=unknown-sku&source=till", id(0)+":unknown-sku/1 "+id(3)+":unknown-sku/1")
	lists("?location=x&source=wms", id(1)+":unknown-sku/1")
	lists("?location=y", "")
	lists("?topic=pos.events", "")
	lists("?until=2026-11-01T00:00:00Z", "")
	lists("?since=2026-11-01T00:00:00Z&code=invalid-event", id(4)+":invalid-event/1")
	f("GET", "/v1/dead-letters?since=soon", "", 400, "since: want a time")
	f("GET", "/v1/dead-letters?cod=x", "", 400, "cod: unknown parameter")
	f("GET", "/v1/dead-letters?code=", "", 400, "code: want something")
	f("GET", "/v1/dead-letters/"+id(0), "", 200, `"code":"unknown-sku"`)
	f("GET", "/v1/dead-letters/1", "", 404, "not-found")
	f("GET", "/v1/dead-letters/x", "", 404, "not-found")

	replay := func(n int) string { return "/v1/dead-letters/" + id(n) + "/replay" }
	before := sh.l.Seq()
	f("POST", replay(0), `{"dry_run":true}`, 200, `"applied":false,"duplicate":false,"code":"unknown-sku","detail":"lines[0].sku: \"b\"","dry_run":true,"seq":null}`)
	if sh.l.Seq() != before {
		t.Error("a dry run changed the ledger")
	}
	f("POST", replay(0), "", 200, `"applied":false,"duplicate":false,"code":"unknown-sku"`)
	lists("?code=unknown-sku&source=till", id(0)+":unknown-sku/2 "+id(3)+":unknown-sku/1")
	sh.sku("b", 0)
	f("POST", replay(0), `{"dry_run":true}`, 200, `"applied":true,"duplicate":false,"code":null`)
	if got := sh.figures("b", "x"); got != "0 h0 c0 av0" {
		t.Errorf("after a dry run b is %s", got)
	}
	f("POST", replay(0), `{"dry_run":false}`, 200, `"applied":true,"duplicate":false`)
	f("POST", replay(0), "", 200, `"applied":false,"duplicate":true`) // its answer may have been lost
	f("GET", "/v1/dead-letters/"+id(0), "", 404, "not-found")
	if got := sh.figures("b", "x"); got != "-1 h0 c0 av0" {
		t.Errorf("b is %s", got)
	}
	f("POST", replay(2), `{"event":`+saleEvent("3", "a", "2")+`}`, 200, `"applied":true`)
	f("POST", replay(4), `{"event":7}`, 400, "event")
	f("POST", replay(4), `{"events":7}`, 400, "events")
	f("POST", "/v1/dead-letters/1/replay", "", 404, "not-found")
	f("POST", "/v1/dead-letters/replay", `{}`, 400, "want one of them")
	f("POST", "/v1/dead-letters/replay", `{"all":true,"ids":[]}`, 400, "want one of them")
	f("POST", "/v1/dead-letters/replay", `{"filter":{"sku":"x"}}`, 400, "filter.sku: unknown member")
	f("POST", "/v1/dead-letters/replay", `{"ids":["x"]}`, 400, "ids[0]")
	f("POST", "/v1/dead-letters/replay", `{"filter":{"source":"till"},"dry_run":true}`, 200, `"applied":1,"duplicates":0,"refused":0,"next":null`)
	f("POST", "/v1/dead-letters/replay", `{"all":true,"limit":2}`, 200, `"applied":1,"duplicates":0,"refused":1,"next":"`+id(3)+`"`)
	f("POST", "/v1/dead-letters/replay", `{"all":true,"after":"`+id(3)+`"}`, 200, `"applied":0,"duplicates":0,"refused":1,"next":null`)
	f("POST", "/v1/dead-letters/replay", `{"ids":["`+id(0)+`","`+id(1)+`","99999"]}`, 200, `"refused":1`)
	sh.restartWithIngest()
	lists("", id(1)+":unknown-sku/3 "+id(4)+":invalid-event/2")

	// Many at once: one of them applies it.
	sh.call("POST", "/v1/events", from("other", saleEvent("9", "late", "1")))
	var last struct{ Items []struct{ ID string } }
	if err := json.Unmarshal([]byte(sh.call("GET", "/v1/dead-letters?source=other", "").body), &last); err != nil || len(last.Items) != 1 {
		t.Fatal(err, last)
	}
	sh.sku("late", 0)
	var wg sync.WaitGroup
	answers := make([]string, 16)
	for i := range answers {
		wg.Go(func() { answers[i] = sh.call("POST", "/v1/dead-letters/"+last.Items[0].ID+"/replay", "").body })
	}
	wg.Wait()
	if n := strings.Count(strings.Join(answers, ""), `"applied":true`); n != 1 {
		t.Errorf("%d of 16 replays at once applied the letter: %v", n, answers)
	}
	if got := sh.figures("late", "x"); got != "-1 h0 c0 av0" {
		t.Errorf("late is %s", got)
	}

	// With another event in its place each: only one of them is.
	const letters = 200
	batch := []string{}
	for n := range letters {
		batch = append(batch, from("third", saleEvent(fmt.Sprint(n), "nobody", "1")))
	}
	sh.call("POST", "/v1/events", "["+strings.Join(batch, ",")+"]")
	for n, item := range sh.pages("/v1/dead-letters?source=third", 100) {
		begin := make(chan struct{})
		for i := range answers {
			wg.Go(func() {
				<-begin
				answers[i] = sh.call("POST", fmt.Sprintf("/v1/dead-letters/%v/replay", item["id"]), fmt.Sprintf(`{"event":%s}`, saleEvent(fmt.Sprint(n, "-", i), "late", "1"))).body
			})
		}
		close(begin)
		wg.Wait()
		if applied := strings.Count(strings.Join(answers, ""), `"applied":true`); applied != 1 {
			t.Fatalf("%d of 16 corrections at once were applied: %v", applied, answers)
		}
	}
	if got, want := sh.figures("late", "x"), fmt.Sprintf("-%d h0 c0 av0", letters+1); got != want {
		t.Errorf("late is %s, want %s", got, want)
	}
}

func (sh *shop) restartWithIngest() {
	sh.t.Helper()
	old := sh.s.Ingest
	sh.restart()
	if old != nil {
		sh.s.Ingest = ingest.NewApplier(sh.l)
	}
}
