package api

import (
	"fmt"
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	sh := stocked(t)
	sh.gives("GET", "/v1/sources", "", 200, `{"items":[],"next":null}`)
	sale := func(id, at, sequence string) string {
		return fmt.Sprintf(`{"specversion":"1.0","type":"pos.sale","source":"till","id":"%s","time":"2026-11-23T%sZ"%s,"data":{"location":"l1","lines":[{"sku":"a","quantity":1}]}}`, id, at, sequence)
	}
	numbered := func(n int) string { return fmt.Sprintf(`,"sequence":"%d"`, n) }
	sh.send(sale("1", "09:59:00", numbered(7)))
	sh.send(sale("2", "09:58:00", numbered(9)))
	sh.send(sale("3", "10:00:02", numbered(12)))
	sh.send(sale("3", "10:00:02", numbered(13))) // a duplicate: the number is no part of what is compared
	sh.send(sale("4", "10:00:00", numbered(8)))
	for i, none := range []string{"", `,"sequence":8`, `,"sequence":"x"`, `,"sequence":""`, `,"sequence":"-1"`, `,"sequence":"1234567890123456789"`, `,"sequence":null`, `,"sequence":["9"]`} {
		sh.send(sale(fmt.Sprint("n", i), "10:00:00", none))
	}
	sh.clock.Advance(60_000)
	sh.send(`{"specversion":"1.0","type":"feed.heartbeat","source":"wms","id":"1","time":"2026-11-23T10:01:00Z","data":{"location":"l1","as_of":"2026-11-23T10:01:00Z"}}`)
	till := `{"source":"till","last_event_at":"2026-11-23T10:00:00.000Z","last_arrival_at":"2026-11-23T10:00:00.000Z","events":12,"events_today":12,"rate_per_minute":12.000,"usual_rate_per_minute":12.000,` +
		`"duplicates":1,"out_of_order":1,"ahead":{"events":1,"max_ms":2000},"heartbeats":0,"last_heartbeat_at":null,` +
		`"sequence":{"last":12,"missing":2,"gaps":[{"from":10,"to":11,"before":"2026-11-23T10:00:00.000Z"}],"filled":1,"repeated":0,"restarts":0,"given_up":0}}`
	wms := `{"source":"wms","last_event_at":"2026-11-23T10:01:00.000Z","last_arrival_at":"2026-11-23T10:01:00.000Z","events":1,"events_today":1,"rate_per_minute":null,"usual_rate_per_minute":null,` +
		`"duplicates":0,"out_of_order":0,"ahead":{"events":0,"max_ms":0},"heartbeats":1,"last_heartbeat_at":"2026-11-23T10:01:00.000Z","sequence":null}`
	sh.gives("GET", "/v1/sources", "", 200, `{"items":[`+till+`,`+wms+`],"next":null}`)
	sh.gives("GET", "/v1/sources?limit=1", "", 200, `{"items":[`+till+`],"next":"dGlsbA"}`)
	sh.gives("GET", "/v1/sources?limit=1&cursor=dGlsbA", "", 200, `{"items":[`+wms+`],"next":null}`)
	sh.refuses("GET", "/v1/sources?location=l1", "", "400 invalid-request")

	// Where nothing else tells why a count differs, numbers that have not come do.
	sh.counts("c1", "a", "l1", "10:01:00", 9)
	if got := sh.raised("?code=count-difference", 10); !strings.HasSuffix(got, "sequence-gap open") {
		t.Error(got)
	}
	sh.counts("c2", "b", "l2", "10:01:00", 9)
	sh.sell("5", "b", "l2", "10:01:00", 1)
	sh.counts("c3", "b", "l2", "10:01:01", 2)
	if got := sh.raised("?location=l2&code=count-difference", 10); strings.Contains(got, "sequence-gap") {
		t.Error(got)
	}
	sh.send(sale("10", "09:59:59", numbered(10)))
	sh.send(sale("11", "09:59:59", numbered(11)))
	if got := sh.raised("?location=l1&code=count-difference", 10); strings.Contains(got, "sequence-gap") {
		t.Error(got)
	}
	sh.clock.Advance(24 * 60 * 60 * 1000)
	if got := sh.call("GET", "/v1/sources?limit=1", "").body; !strings.Contains(got, `"events":15,"events_today":0,`) || !strings.Contains(got, `"missing":0,"gaps":[],"filled":3`) {
		t.Error(got)
	}
}
