package api

import (
	"fmt"
	"strings"
	"testing"

	"onhand/ingest"
)

// ships sends an event to the shop over HTTP.
func (sh *shop) ships(kind, id, data string) {
	sh.t.Helper()
	sh.s.Ingest = ingest.NewApplier(sh.l)
	got := sh.call("POST", "/v1/events", fmt.Sprintf(`{"specversion":"1.0","type":%q,"source":"lorry","id":%q,"time":"2026-11-23T10:00:00Z","data":%s}`, kind, id, data))
	if got.status != 200 || !strings.Contains(got.body, `"accepted":1`) {
		sh.t.Errorf("%s %s: %s", kind, data, got.body)
	}
}

const askT = `{"id":"t","location":"x","to":"y","expected_at":"2026-11-24T08:00:00+01:00","lines":[{"sku":"a","quantity":2},{"sku":"c","quantity":0.5},{"sku":"a","quantity":1}]}`

func TestTransferAnswersWhole(t *testing.T) {
	sh := usual(t)
	got := sh.call("POST", "/v1/transfers", askT, "Idempotency-Key", "k")
	want := fmt.Sprintf(`{"id":"t","state":"confirmed","seq":%d,"expires_at":null,"channel":null,"owner":null,"reference":null,"lines":[`+
		`{"sku":"a","location":"x","quantity":3,"held":0,"committed":3,"fulfilled":0,"cancelled":0},`+
		`{"sku":"c","location":"x","quantity":0.5,"held":0,"committed":0.5,"fulfilled":0,"cancelled":0}],`+
		`"transfer":{"to":"y","state":"requested","expected_at":"2026-11-24T07:00:00.000Z"}}`, sh.l.Seq())
	if got.status != 201 || got.body != want {
		t.Errorf("got  %+v\nwant %s", got, want)
	}
	if f := sh.figures("a", "x"); f != "5 h0 c3 av2" {
		t.Error(f)
	}
	read := func(want string) {
		t.Helper()
		if got := sh.call("GET", "/v1/transfers/t", ""); got.status != 200 || !strings.HasSuffix(got.body, `,"transfer":{"to":"y",`+want+`}}`) {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	read(`"state":"requested","expected_at":"2026-11-24T07:00:00.000Z","lines":[]`)
	sh.ships("wms.transfer", "1", `{"location":"x","to":"y","transfer":"t","expected_at":"2026-11-25T08:00:00Z","lines":[{"sku":"a","quantity":4}]}`)
	read(`"state":"shipped","expected_at":"2026-11-25T08:00:00.000Z","lines":[{"sku":"a","shipped":4,"received":0,"inbound":4}]`)
	sh.is(sh.call("GET", "/v1/transfers/t", ""), "200 fulfilled a@x 3 f3 c@x 0.5 x0.5")
	sh.ships("wms.transfer_receipt", "2", `{"location":"y","transfer":"t","lines":[{"sku":"a","quantity":3}]}`)
	read(`"state":"shipped","expected_at":"2026-11-25T08:00:00.000Z","lines":[{"sku":"a","shipped":4,"received":3,"inbound":1}]`)
	sh.restart()
	sh.ships("wms.transfer_receipt", "3", `{"location":"y","transfer":"t","complete":true}`)
	read(`"state":"received","expected_at":"2026-11-25T08:00:00.000Z","lines":[{"sku":"a","shipped":4,"received":3,"inbound":0}]`)
	// The first answer stays what it was, whatever came of the transfer.
	if again := sh.call("POST", "/v1/transfers", askT, "Idempotency-Key", "k"); again.body != want || again.replayed != "true" || again.stateNow != "fulfilled" {
		t.Errorf("again: %+v", again)
	}
	if again := sh.call("POST", "/v1/transfers", askT); again.body != want || again.replayed != "true" {
		t.Errorf("again, by its id: %+v", again)
	}
	sh.ships("wms.void", "4", `{"location":"x","voids":"1"}`)
	read(`"state":"cancelled","expected_at":"2026-11-25T08:00:00.000Z","lines":[{"sku":"a","shipped":4,"received":3,"inbound":0}]`)
}

func TestTransferRefusals(t *testing.T) {
	sh := usual(t)
	ask := func(body, want string) {
		t.Helper()
		before := sh.l.Seq()
		sh.is(sh.call("POST", "/v1/transfers", body), want)
		if sh.l.Seq() != before {
			t.Errorf("%s: refused, but something changed", body)
		}
	}
	ask(`{"location":"x","to":"x","lines":[{"sku":"a","quantity":1}]}`, "400 invalid-request")
	ask(`{"to":"y","lines":[{"sku":"a","quantity":1}]}`, "400 invalid-request")
	ask(`{"location":"x","lines":[{"sku":"a","quantity":1}]}`, "400 invalid-request")
	ask(`{"location":"x","to":"y"}`, "400 invalid-request")
	ask(`{"location":"x","to":"y","lines":[]}`, "400 invalid-request")
	ask(`{"location":"x","to":"y","ttl_seconds":5,"lines":[{"sku":"a","quantity":1}]}`, "400 invalid-request")
	ask(`{"location":"x","to":"y","expected_at":"soon","lines":[{"sku":"a","quantity":1}]}`, "400 invalid-request")
	ask(`{"location":"x","to":"y","lines":[{"sku":"a","location":"y","quantity":1}]}`, "400 invalid-request")
	ask(`{"location":"x","to":"y","lines":[{"sku":"a","quantity":0}]}`, "422 invalid-quantity")
	ask(`{"location":"x","to":"mars","lines":[{"sku":"a","quantity":1}]}`, "404 unknown-location")
	ask(`{"location":"mars","to":"y","lines":[{"sku":"a","quantity":1}]}`, "404 unknown-location a@mars")
	ask(`{"location":"x","to":"y","lines":[{"sku":"n","quantity":1}]}`, "404 unknown-sku n@x")
	ask(`{"location":"z","to":"y","lines":[{"sku":"a","quantity":1}]}`, "409 location-inactive a@z")
	ask(`{"location":"x","to":"y","lines":[{"sku":"a","quantity":6}]}`, "409 insufficient-stock a@x 6/5")
	sh.is(sh.call("GET", "/v1/transfers/t", ""), "404 not-found")
	sh.is(sh.call("POST", "/v1/transfers/t/cancel", ""), "404 not-found")
	sh.is(sh.call("POST", "/v1/transfers/t/amend", `{"lines":[{"sku":"a","quantity":1}]}`), "404 not-found")
	sh.is(sh.call("POST", "/v1/transfers/t/confirm", ""), "404 not-found")

	// Ids are shared with reservations, in both ways; each takes its own calls.
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":1}]}`)
	ask(`{"id":"r","location":"x","to":"y","lines":[{"sku":"a","quantity":1}]}`, "422 idempotency-mismatch")
	sh.is(sh.call("POST", "/v1/transfers/r/cancel", ""), "404 not-found")
	sh.is(sh.call("GET", "/v1/transfers/r", ""), "404 not-found")
	sh.call("POST", "/v1/transfers", askT)
	sh.is(sh.reserve(`{"id":"t","lines":[{"sku":"a","location":"x","quantity":1}]}`), "422 idempotency-mismatch")
	ask(strings.Replace(askT, `"quantity":1}`, `"quantity":2}`, 1), "422 idempotency-mismatch")
	for _, op := range []string{"confirm", "cancel", "fulfil", "extend", "amend"} {
		body := map[string]string{"extend": `{"ttl_seconds":5}`, "amend": `{"lines":[{"sku":"a","location":"x","quantity":1}]}`}[op]
		sh.is(sh.call("POST", "/v1/reservations/t/"+op, body), "409 wrong-state transfer")
	}
	sh.ships("wms.transfer", "1", `{"location":"x","to":"y","transfer":"unasked","lines":[{"sku":"a","quantity":1}]}`)
	ask(`{"id":"unasked","location":"x","to":"y","lines":[{"sku":"n","quantity":1}]}`, "422 idempotency-mismatch")
	sh.is(sh.reserve(`{"id":"unasked","lines":[{"sku":"a","location":"x","quantity":1}]}`), "422 idempotency-mismatch")
	sh.is(sh.call("POST", "/v1/transfers/unasked/cancel", ""), "409 wrong-state shipped")
	sh.is(sh.call("GET", "/v1/transfers/unasked", ""), "200 fulfilled a@x 1 f1")
}

func TestTransferIsChanged(t *testing.T) {
	sh := usual(t)
	sh.call("POST", "/v1/transfers", askT)
	change := func(op, body, want string) {
		t.Helper()
		sh.is(sh.call("POST", "/v1/transfers/t/"+op, body), want)
	}
	change("amend", `{"lines":[{"sku":"a","quantity":5},{"sku":"b","quantity":1}]}`, "200 confirmed a@x 5 c5 b@x 1 c1")
	change("amend", `{"lines":[{"sku":"a","location":"x","quantity":4}]}`, "200 confirmed a@x 4 c4")
	change("amend", `{"lines":[{"sku":"a","location":"y","quantity":4}]}`, "400 invalid-request")
	change("amend", `{"lines":[{"sku":"a","quantity":6}]}`, "409 insufficient-stock a@x 6/5")
	change("amend", `{"lines":[{"sku":"a","quantity":1}],"ttl_seconds":5}`, "400 invalid-request")
	change("amend", `{"lines":[{"sku":"n","quantity":1}]}`, "404 unknown-sku n@?")
	change("cancel", `{"lines":[{"sku":"a","quantity":1}]}`, "200 confirmed a@x 4 c3 x1")
	change("cancel", `{"lines":[{"sku":"a","quantity":4}]}`, "409 over-cancellation a@x 4/3")
	change("cancel", `{"reason":"no lorry"}`, "200 cancelled a@x 4 x4")
	change("cancel", "", "200 cancelled a@x 4 x4")
	change("amend", `{"lines":[{"sku":"a","quantity":1}]}`, "409 wrong-state cancelled")
	if f := sh.figures("a", "x"); f != "5 h0 c0 av5" {
		t.Error(f)
	}
}

func TestInboundList(t *testing.T) {
	sh := usual(t)
	sh.ships("wms.transfer", "1", `{"location":"x","to":"y","transfer":"t","lines":[{"sku":"a","quantity":1},{"sku":"c","quantity":0.25}]}`)
	transfers := sh.l.Seq()
	sh.ships("erp.inbound", "2", `{"location":"x","inbound":"po \"1\"","lines":[{"sku":"a","quantity":7,"expected_at":"2026-12-01T00:00:00Z"},{"sku":"a","quantity":2,"expected_at":"2026-11-30T00:00:00Z"}]}`)
	purchases := sh.l.Seq()
	rows := []string{
		fmt.Sprintf(`{"id":"po \"1\"","kind":"purchase","from":null,"location":"x","sku":"a","quantity":2,"expected_at":"2026-11-30T00:00:00.000Z","seq":%d}`, purchases),
		fmt.Sprintf(`{"id":"po \"1\"","kind":"purchase","from":null,"location":"x","sku":"a","quantity":7,"expected_at":"2026-12-01T00:00:00.000Z","seq":%d}`, purchases),
		fmt.Sprintf(`{"id":"t","kind":"transfer","from":"x","location":"y","sku":"a","quantity":1,"expected_at":null,"seq":%d}`, transfers),
		fmt.Sprintf(`{"id":"t","kind":"transfer","from":"x","location":"y","sku":"c","quantity":0.25,"expected_at":null,"seq":%d}`, transfers),
	}
	f := func(query string, want ...string) {
		t.Helper()
		if got := sh.call("GET", "/v1/inbound"+query, ""); got.status != 200 || got.body != `{"items":[`+strings.Join(want, ",")+`],"next":null}` {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	f("", rows...)
	f("?sku=a", rows[:3]...)
	f("?sku=c&location=y", rows[3])
	f("?location=y,x", rows...)
	f("?sku=b")
	sh.is(sh.call("GET", "/v1/inbound?sku=n", ""), "404 unknown-sku")
	sh.is(sh.call("GET", "/v1/inbound?location=n", ""), "404 unknown-location")
	sh.is(sh.call("GET", "/v1/inbound?skus=a", ""), "400 invalid-request")
	for i, cursor := 0, ""; i < len(rows); i++ {
		got := sh.call("GET", "/v1/inbound?limit=1"+cursor, "")
		items, next, _ := strings.Cut(strings.TrimSuffix(got.body, `}`), `],"next":`)
		if items != `{"items":[`+rows[i] || (next == "null") != (i == len(rows)-1) {
			t.Errorf("row %d: %s", i, got.body)
		}
		cursor = "&cursor=" + strings.Trim(next, `"`)
	}
	// What of it is awaited keeps its SKU and location.
	sh.sku("gone", 0)
	sh.location("far", true)
	sh.ships("erp.inbound", "3", `{"location":"far","inbound":"po-2","lines":[{"sku":"gone","quantity":1,"expected_at":"2026-12-01T00:00:00Z"}]}`)
	sh.is(sh.call("DELETE", "/v1/skus/gone", ""), "409 in-use")
	sh.is(sh.call("DELETE", "/v1/locations/far", ""), "409 in-use")
}

func TestTransfersAreListedApart(t *testing.T) {
	sh := usual(t)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":1}]}`)
	sh.call("POST", "/v1/transfers", askT)
	sh.call("POST", "/v1/transfers", `{"id":"u","location":"y","to":"x","lines":[{"sku":"a","quantity":1}]}`)
	sh.ships("wms.transfer", "1", `{"location":"y","to":"x","transfer":"u","lines":[{"sku":"a","quantity":1}]}`)
	sh.ships("wms.transfer_receipt", "2", `{"location":"x","transfer":"u","lines":[{"sku":"a","quantity":1}]}`)
	f := func(query string, want ...string) {
		t.Helper()
		got := sh.call("GET", "/v1/reservations"+query, "")
		for _, id := range []string{"r", "t", "u"} {
			is := strings.Contains(got.body, `{"id":"`+id+`"`)
			if is != strings.Contains(strings.Join(want, " "), id) {
				t.Errorf("%s: %s: %s", query, id, got.body)
			}
		}
	}
	f("", "r")
	f("?kind=reservation", "r")
	f("?kind=transfer", "t", "u")
	f("?kind=transfer&location=y", "u")
	f("?kind=transfer&state=confirmed", "t")
	sh.is(sh.call("GET", "/v1/reservations?kind=x", ""), "400 invalid-request")
	if got := sh.call("GET", "/v1/reservations?kind=transfer", ""); !strings.Contains(got.body, `"state":"received"`) || !strings.Contains(got.body, `"state":"requested"`) {
		t.Error(got.body)
	}
}
