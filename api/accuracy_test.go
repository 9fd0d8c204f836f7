package api

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestAccuracy(t *testing.T) {
	sh := stocked(t)
	const none = `{"items":[],"next":null,"since":"2026-10-09T00:00:00.000Z","tolerance":{"units":0,"percent":0},"total":{"counted":0,"within_tolerance":0,"exact":0,"accuracy":null}}`
	sh.gives("GET", "/v1/accuracy", "", 200, none)
	for i, loc := range []string{"l2", "l1", "l1", "l2", "l1"} { // the first of each opens the position
		sh.counts(fmt.Sprint(i), "a", loc, fmt.Sprintf("09:0%d:00", i), 5+i/4)
	}
	sh.send(`{"specversion":"1.0","type":"erp.snapshot","source":"erp","id":"1","time":"2026-11-23T09:30:00Z","data":{"location":"l1","lines":[{"sku":"a","quantity":6}]}}`)
	item := func(place, tally string) string { return `{` + place + `,` + tally + `}` }
	const (
		l1erp = `"counted":1,"within_tolerance":1,"exact":1,"accuracy":1`
		l1wms = `"counted":2,"within_tolerance":1,"exact":1,"accuracy":0.5`
		l2wms = `"counted":1,"within_tolerance":1,"exact":1,"accuracy":1`
		l1    = `"counted":3,"within_tolerance":2,"exact":2,"accuracy":0.6666`
		wms   = `"counted":3,"within_tolerance":2,"exact":2,"accuracy":0.6666`
		all   = `"counted":4,"within_tolerance":3,"exact":3,"accuracy":0.75`
	)
	f := func(query, items, total string) {
		t.Helper()
		var v struct {
			Items json.RawMessage
			Total json.RawMessage
		}
		got := sh.call("GET", "/v1/accuracy"+query, "")
		if err := json.Unmarshal([]byte(got.body), &v); err != nil || string(v.Items) != "["+items+"]" || string(v.Total) != "{"+total+"}" {
			t.Errorf("%s: %v\ngot  %s\nwant [%s] {%s}", query, err, got.body, items, total)
		}
	}
	first, second, third := item(`"location":"l1","source":"erp"`, l1erp), item(`"location":"l1","source":"wms"`, l1wms), item(`"location":"l2","source":"wms"`, l2wms)
	f("", first+","+second+","+third, all)
	f("?location=l2", third, l2wms)
	f("?by=location", item(`"location":"l1"`, l1)+","+item(`"location":"l2"`, l2wms), all)
	f("?by=source", item(`"source":"erp"`, l1erp)+","+item(`"source":"wms"`, wms), all)
	f("?since=2026-11-23T23:00:00Z", first+","+second+","+third, all)
	f("?since=2026-11-24T00:00:00Z", "", `"counted":0,"within_tolerance":0,"exact":0,"accuracy":null`)
	if n := len(sh.pages("/v1/accuracy", 1)); n != 3 {
		t.Errorf("%d items, one at a time", n)
	}
	sh.restart()
	sh.gives("GET", "/v1/accuracy?by=source&limit=1", "", 200, `{"items":[`+item(`"source":"erp"`, l1erp)+`],"next":"AGVycA","since":"2026-10-09T00:00:00.000Z","tolerance":{"units":0,"percent":0},"total":{`+all+`}}`)
	for _, query := range []string{"by=", "by=day", "since=x", "cursor=!", "sku=a"} {
		sh.refuses("GET", "/v1/accuracy?"+query, "", "400 invalid-request")
	}
	sh.refuses("GET", "/v1/accuracy?location=none", "", "404 unknown-location")
}
