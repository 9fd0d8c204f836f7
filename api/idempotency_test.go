package api

import (
	"strings"
	"testing"

	"onhand/ledger"
)

const two = `{"id":"r","reference":"o","lines":[{"sku":"a","location":"x","quantity":2}]}`

// replays fails unless got repeats first, with the state now beside it.
func (sh *shop) replays(first, got reply, now string) {
	sh.t.Helper()
	if got.body != first.body || got.status != first.status || got.replayed != "true" || got.stateNow != now {
		sh.t.Errorf("got   %+v\nfirst %+v\nwant the state now to be %s", got, first, now)
	}
}

// afterwards calls f at once, after a checkpoint, after a restart, and after both.
func (sh *shop) afterwards(f func()) {
	sh.t.Helper()
	f()
	if err := sh.l.Checkpoint(); err != nil {
		sh.t.Fatal(err)
	}
	f()
	sh.restart()
	f()
	if err := sh.l.Checkpoint(); err != nil {
		sh.t.Fatal(err)
	}
	sh.restart()
	f()
}

func TestReplayByKeyAndByID(t *testing.T) {
	sh := usual(t)
	key := []string{"Idempotency-Key", "k1"}
	first := sh.reserve(two, key...)
	sh.is(first, "201 held 900s a@x 2 h2")
	sh.replays(first, sh.reserve(two, key...), "held")
	sh.replays(first, sh.reserve(two), "held")                          // by its id
	sh.replays(first, sh.reserve(two, "Idempotency-Key", "k2"), "held") // by its id, which binds the key
	sh.is(sh.call("POST", "/v1/reservations/r/confirm", ""), "200 confirmed a@x 2 c2")
	sh.stock("a", "x", 0) // nothing there any more, and the location is closed
	sh.location("x", false)
	seq := sh.l.Seq()
	sh.afterwards(func() {
		t.Helper()
		for _, headers := range [][]string{nil, {"Idempotency-Key", "k1"}, {"Idempotency-Key", "k2"}} {
			sh.replays(first, sh.reserve(two, headers...), "confirmed")
		}
	})
	if sh.l.Seq() != seq {
		t.Error("a replay changed something")
	}
	sh.is(sh.call("POST", "/v1/reservations/r/cancel", ""), "200 cancelled a@x 2 x2")
	sh.afterwards(func() { t.Helper(); sh.replays(first, sh.reserve(two, key...), "cancelled") })
	// still after a day, and by then from nothing but what is on disk
	sh.clock.Advance(25 * 3600 * 1000)
	sh.afterwards(func() {
		t.Helper()
		sh.replays(first, sh.reserve(two, key...), "cancelled")
		sh.replays(first, sh.reserve(two), "cancelled")
	})
}

func TestReplayComesBeforeMasterData(t *testing.T) {
	sh := usual(t)
	body := `{"id":"r","lines":[{"sku":"c","location":"x","quantity":1.25}]}`
	first := sh.reserve(body, "Idempotency-Key", "k")
	sh.is(first, "201 held 900s c@x 1.25 h1.25")
	sh.is(sh.call("POST", "/v1/reservations/r/cancel", ""), "200 cancelled c@x 1.25 x1.25")
	sh.stock("c", "x", 0)
	sh.sku("c", 0) // 1.25 is no quantity of it any more
	sh.afterwards(func() {
		t.Helper()
		sh.replays(first, sh.reserve(body), "cancelled")
		sh.replays(first, sh.reserve(body, "Idempotency-Key", "k"), "cancelled")
		sh.is(sh.call("GET", "/v1/reservations/r", ""), "200 cancelled c@x 1.25 x1.25")
	})
	id, _ := sh.l.LookupSKU([]byte("c"))
	sh.apply(ledger.DeleteSKU{SKU: id, Now: sh.clock.Now()})
	sh.afterwards(func() {
		t.Helper()
		sh.replays(first, sh.reserve(body), "cancelled")
		sh.replays(first, sh.reserve(body, "Idempotency-Key", "k"), "cancelled")
		sh.is(sh.reserve(strings.Replace(body, "1.25", "0", 1)), "422 idempotency-mismatch")
		sh.is(sh.reserve(strings.Replace(body, `"r"`, `"s"`, 1), "Idempotency-Key", "k"), "422 idempotency-mismatch")
		sh.is(sh.reserve(strings.Replace(body, `"r"`, `"s"`, 1)), "404 unknown-sku c@x")
	})
}

func TestSameBodyHoweverWritten(t *testing.T) {
	sh := usual(t)
	first := sh.reserve(`{"id":"r","ttl_seconds":60,"lines":[{"sku":"a","location":"x","quantity":1},{"sku":"b","location":"x","quantity":1}]}`)
	f := func(body, want string) {
		t.Helper()
		got := sh.reserve(body)
		if want == "" {
			sh.replays(first, got, "held")
			return
		}
		sh.is(got, want)
	}
	f(` { "lines" : [ { "quantity" : 1.0, "location" : "\u0078", "sku" : "a" }, {"sku":"b","location":"x","quantity":10e-1} ], "ttl_seconds" : 6e1, "id" : "r" } `, "")
	f(`{"id":"r","ttl_seconds":60,"lines":[{"sku":"b","location":"x","quantity":1},{"sku":"a","location":"x","quantity":1}]}`, "422 idempotency-mismatch") // the order of lines is the answer's
	f(`{"id":"r","ttl_seconds":60,"allow_partial":false,"lines":[{"sku":"a","location":"x","quantity":1},{"sku":"b","location":"x","quantity":1}]}`, "422 idempotency-mismatch")
	f(`{"id":"r","ttl_seconds":60,"lines":[{"sku":"a","location":"x","quantity":2},{"sku":"b","location":"x","quantity":1}]}`, "422 idempotency-mismatch")
	f(`{"id":"r","ttl_seconds":60,"lines":[{"sku":"n","location":"q","quantity":-1}]}`, "422 idempotency-mismatch") // before master data and quantities
	f(`{"id":"r","ttl_seconds":60,"lines":[{"sku":"n","location":"q"}]}`, "400 invalid-request")
}

func TestKeyBelongsToOneCall(t *testing.T) {
	sh := usual(t)
	first := sh.reserve(two, "Idempotency-Key", "k")
	sh.reserve(`{"id":"s","lines":[{"sku":"a","location":"y","quantity":1}]}`)
	seq := sh.l.Seq()
	f := func(target, body string) {
		t.Helper()
		sh.is(sh.call("POST", target, body, "Idempotency-Key", "k"), "422 idempotency-mismatch")
	}
	sh.afterwards(func() {
		t.Helper()
		f("/v1/reservations", `{"id":"other","reference":"o","lines":[{"sku":"a","location":"x","quantity":2}]}`)
		f("/v1/reservations", `{"lines":[{"sku":"n","location":"x","quantity":0}]}`)
		f("/v1/reservations", `{"id":"s","lines":[{"sku":"a","location":"y","quantity":1}]}`) // the id's own call, but not the key's
		f("/v1/reservations/r/confirm", "")
		f("/v1/reservations/r/confirm", two[:1]+"}")
		f("/v1/reservations/nobody/cancel", `{"lines":[{"sku":"n","quantity":0}]}`)
		sh.replays(first, sh.reserve(two, "Idempotency-Key", "k"), "held")
	})
	if sh.l.Seq() != seq {
		t.Error("a mismatch changed something")
	}
	for _, key := range []string{"", strings.Repeat("k", 129)} {
		sh.is(sh.reserve(two, "Idempotency-Key", key), "400 invalid-request")
	}
	sh.is(sh.reserve(two, "Idempotency-Key", "k", "Idempotency-Key", "l"), "400 invalid-request")
	sh.is(sh.reserve(`{"id":"long","lines":[{"sku":"b","location":"x","quantity":1}]}`, "Idempotency-Key", strings.Repeat("k", 128)), "201 held 900s b@x 1 h1")
}

func TestChangesReplayByKey(t *testing.T) {
	sh := usual(t)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":5}]}`)
	sh.reserve(`{"id":"s","lines":[{"sku":"a","location":"y","quantity":1}]}`)
	post := func(op, body, key string) reply {
		return sh.call("POST", "/v1/reservations/r/"+op, body, "Idempotency-Key", key)
	}
	part := `{"lines":[{"sku":"a","quantity":1}]}`
	confirm := post("confirm", "", "k-confirm")
	sh.is(confirm, "200 confirmed a@x 5 c5")
	again := post("confirm", "{}", "k-again") // its effect was there: kept all the same
	sh.is(again, "200 confirmed a@x 5 c5")
	cancel := post("cancel", part, "k-cancel")
	sh.is(cancel, "200 confirmed a@x 5 c4 x1")
	fulfil := post("fulfil", part, "k-fulfil")
	sh.is(fulfil, "200 confirmed a@x 5 c3 f1 x1")
	amend := post("amend", `{"lines":[{"sku":"a","location":"x","quantity":4}]}`, "k-amend")
	sh.is(amend, "200 confirmed a@x 4 c3 f1")
	seq := sh.l.Seq()
	now := "confirmed"
	all := func() {
		t.Helper()
		sh.replays(confirm, post("confirm", "", "k-confirm"), now)
		sh.replays(confirm, post("confirm", " {} ", "k-confirm"), now)
		sh.replays(again, post("confirm", "", "k-again"), now)
		sh.replays(cancel, post("cancel", part, "k-cancel"), now)
		sh.replays(fulfil, post("fulfil", `{"lines":[{"quantity":1e0,"sku":"a"}]}`, "k-fulfil"), now)
		sh.replays(amend, post("amend", `{"lines":[{"sku":"a","location":"x","quantity":4}]}`, "k-amend"), now)
		sh.is(post("confirm", `{"reference":"o"}`, "k-confirm"), "422 idempotency-mismatch")
		sh.is(post("cancel", part, "k-fulfil"), "422 idempotency-mismatch")
		sh.is(post("fulfil", `{"lines":[{"sku":"n","quantity":1}]}`, "k-fulfil"), "422 idempotency-mismatch")
		sh.is(sh.call("POST", "/v1/reservations/s/confirm", "", "Idempotency-Key", "k-confirm"), "422 idempotency-mismatch")
	}
	sh.afterwards(all)
	if sh.l.Seq() != seq {
		t.Error("a replay changed something")
	}
	sh.is(sh.call("POST", "/v1/reservations/r/fulfil", ""), "200 fulfilled a@x 4 f4")
	now = "fulfilled"
	sh.afterwards(all)
}

func TestWithLinesAndWithoutKeyEachIsApplied(t *testing.T) {
	sh := usual(t)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":3}]}`)
	part := `{"lines":[{"sku":"a","quantity":1}]}`
	sh.is(sh.call("POST", "/v1/reservations/r/cancel", part), "200 held 900s a@x 3 h2 x1")
	sh.is(sh.call("POST", "/v1/reservations/r/cancel", part), "200 held 900s a@x 3 h1 x2")
	sh.is(sh.call("POST", "/v1/reservations/r/cancel", part), "200 cancelled a@x 3 x3")
}

func TestRefusedCallsAreJudgedAnew(t *testing.T) {
	sh := usual(t)
	body := `{"id":"r","lines":[{"sku":"a","location":"x","quantity":6}]}`
	sh.is(sh.reserve(body, "Idempotency-Key", "k"), "409 insufficient-stock a@x 6/5")
	sh.clock.Advance(1)
	sh.stock("a", "x", 6)
	first := sh.reserve(body, "Idempotency-Key", "k")
	sh.is(first, "201 held 900s a@x 6 h6")
	sh.is(sh.call("POST", "/v1/reservations/r/fulfil", "", "Idempotency-Key", "f"), "409 wrong-state held")
	sh.is(sh.call("POST", "/v1/reservations/r/confirm", "", "Idempotency-Key", "f"), "200 confirmed a@x 6 c6") // the key was free
	sh.is(sh.reserve(`{"id":"s","lines":[{"sku":"n","location":"x","quantity":1}]}`, "Idempotency-Key", "n"), "404 unknown-sku n@x")
	sh.sku("n", 0)
	sh.stock("n", "x", 1)
	sh.is(sh.reserve(`{"id":"s","lines":[{"sku":"n","location":"x","quantity":1}]}`, "Idempotency-Key", "n"), "201 held 900s n@x 1 h1")
	sh.replays(first, sh.reserve(body, "Idempotency-Key", "k"), "confirmed")
}

func TestKeyOfAMadeID(t *testing.T) {
	sh := usual(t)
	body := `{"lines":[{"sku":"a","location":"x","quantity":1}]}`
	first := sh.reserve(body, "Idempotency-Key", "k")
	if !strings.Contains(first.body, `"id":"made-1"`) {
		t.Errorf("got %+v", first)
	}
	sh.afterwards(func() { t.Helper(); sh.replays(first, sh.reserve(body, "Idempotency-Key", "k"), "held") })
	if second := sh.reserve(body); second.status != 201 || second.replayed != "" || second.body == first.body {
		t.Errorf("without id and key each is a new one, got %+v", second)
	}
}
