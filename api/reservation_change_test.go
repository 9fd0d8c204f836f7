package api

import (
	"fmt"
	"strings"
	"testing"

	"onhand/ledger"
)

// story runs calls of one reservation r, one after the other: an operation with
// its body, a stop of the clock ("wait 900000"), or a look at a position ("at a x").
func story(t *testing.T, steps ...string) {
	t.Helper()
	sh := usual(t)
	for i := 0; i < len(steps); i += 2 {
		op, want := steps[i], steps[i+1]
		name, rest, _ := strings.Cut(op, " ")
		switch name {
		case "reserve":
			sh.is(sh.reserve(rest), want)
		case "wait":
			var millis int64
			fmt.Sscan(rest, &millis)
			sh.clock.Advance(ledger.Millis(millis))
			sh.is(sh.call("GET", "/v1/reservations/r", ""), want)
		case "at":
			sku, location, _ := strings.Cut(rest, " ")
			if got := sh.figures(sku, location); got != want {
				t.Errorf("step %d, %s: got %s, want %s", i/2, op, got, want)
			}
		default:
			before := sh.l.Seq()
			got := sh.call("POST", "/v1/reservations/r/"+name, rest)
			sh.is(got, want)
			if got.status != 200 && sh.l.Seq() != before {
				t.Errorf("step %d, %s: refused, but something changed", i/2, op)
			}
		}
		if t.Failed() {
			t.Fatalf("at step %d: %s", i/2, op)
		}
	}
}

const (
	basket  = `reserve {"id":"r","lines":[{"sku":"a","location":"x","quantity":3},{"sku":"a","location":"y","quantity":2},{"sku":"b","location":"x","quantity":1}]}`
	basketY = "201 held 900s a@x 3 h3 a@y 2 h2 b@x 1 h1"
)

func TestConfirm(t *testing.T) {
	story(t, basket, basketY,
		"at a x", "5 h3 c0 av2",
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		"at a x", "5 h0 c3 av2",
		"confirm {}", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1", // already so
		`confirm {"reference":"other"}`, "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		`confirm {"lines":[{"sku":"a","quantity":1}]}`, "409 wrong-state confirmed",
		"wait 900000", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1", // no deadline any more
		"fulfil", "200 fulfilled a@x 3 f3 a@y 2 f2 b@x 1 f1",
		"confirm", "200 fulfilled a@x 3 f3 a@y 2 f2 b@x 1 f1",
		`confirm {"lines":[{"sku":"a","quantity":1}]}`, "409 wrong-state fulfilled",
	)
	story(t, basket, basketY, // with lines: from the last to the first, the rest let go
		`confirm {"lines":[{"sku":"a","quantity":3}]}`, "200 confirmed a@x 3 c1 x2 a@y 2 c2 b@x 1 x1",
		"at a x", "5 h0 c1 av4",
		"at b x", "2 h0 c0 av2",
		"confirm", "200 confirmed a@x 3 c1 x2 a@y 2 c2 b@x 1 x1",
	)
	story(t, basket, basketY,
		`confirm {"lines":[{"sku":"a","location":"x","quantity":1},{"sku":"a","location":"x","quantity":1}]}`, "200 confirmed a@x 3 c2 x1 a@y 2 x2 b@x 1 x1")
	story(t, basket, basketY,
		`confirm {"lines":[{"sku":"a","quantity":6}]}`, "409 over-confirmation a@? 6/5",
		`confirm {"lines":[{"sku":"a","location":"y","quantity":3}]}`, "409 over-confirmation a@y 3/2",
		`confirm {"lines":[{"sku":"b","location":"x","quantity":1},{"sku":"b","location":"y","quantity":1}]}`, "409 over-confirmation b@y 1/0",
		`confirm {"lines":[{"sku":"a","quantity":0}]}`, "422 invalid-quantity",
		`confirm {"lines":[{"sku":"a","quantity":1.5}]}`, "422 invalid-quantity",
		`confirm {"lines":[{"sku":"n","quantity":1},{"sku":"m","location":"x","quantity":1}]}`, "404 unknown-sku n@? m@x",
		`confirm {"lines":[{"sku":"a","location":"q","quantity":1}]}`, "404 unknown-location a@q",
		`confirm {"lines":[]}`, "400 invalid-request",
		`confirm {"lines":[{"sku":"a","quantity":1,"from":"x"}]}`, "400 invalid-request",
		`confirm {"reason":"x"}`, "400 invalid-request",
		`confirm []`, "400 invalid-request",
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
	)
	story(t, `reserve {"id":"r","allow_partial":true,"lines":[{"sku":"b","location":"x","quantity":3}]}`, "201 held 900s b@x 3 h2 av2",
		"confirm", "200 confirmed b@x 3 c2",
		"fulfil", "200 fulfilled b@x 3 f2")
}

func TestCancel(t *testing.T) {
	story(t, basket, basketY,
		`cancel {"reason":"changed my mind"}`, "200 cancelled a@x 3 x3 a@y 2 x2 b@x 1 x1",
		"at a x", "5 h0 c0 av5",
		"cancel", "200 cancelled a@x 3 x3 a@y 2 x2 b@x 1 x1",
		`cancel {"lines":[{"sku":"a","quantity":1}]}`, "409 wrong-state cancelled",
		"confirm", "409 wrong-state cancelled",
		"fulfil", "409 wrong-state cancelled",
		`amend {"lines":[{"sku":"a","location":"x","quantity":1}]}`, "409 wrong-state cancelled",
		`extend {"ttl_seconds":5}`, "409 wrong-state cancelled",
		"wait 900000", "200 cancelled a@x 3 x3 a@y 2 x2 b@x 1 x1",
	)
	story(t, basket, basketY, // in parts, held then confirmed, until nothing is left
		`cancel {"lines":[{"sku":"a","quantity":3}]}`, "200 held 900s a@x 3 h2 x1 a@y 2 x2 b@x 1 h1",
		"confirm", "200 confirmed a@x 3 c2 x1 a@y 2 x2 b@x 1 c1",
		`cancel {"lines":[{"sku":"a","quantity":2},{"sku":"b","location":"x","quantity":1}]}`, "200 cancelled a@x 3 x3 a@y 2 x2 b@x 1 x1",
		"at a x", "5 h0 c0 av5",
	)
	story(t, basket, basketY, // fulfilled, if something was
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		`fulfil {"lines":[{"sku":"b","quantity":1}]}`, "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 f1",
		`cancel {"lines":[{"sku":"a","quantity":6}]}`, "409 over-cancellation a@? 6/5",
		`cancel {"lines":[{"sku":"b","quantity":1}]}`, "409 over-cancellation b@? 1/0",
		`cancel {"lines":[{"sku":"a","quantity":0}]}`, "422 invalid-quantity",
		`cancel {"lines":[{"sku":"a","quantity":5}]}`, "200 fulfilled a@x 3 x3 a@y 2 x2 b@x 1 f1",
	)
	story(t, basket, basketY,
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		"fulfil", "200 fulfilled a@x 3 f3 a@y 2 f2 b@x 1 f1",
		"cancel", "409 wrong-state fulfilled")
}

func TestFulfil(t *testing.T) {
	story(t, basket, basketY,
		"fulfil", "409 wrong-state held",
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		`fulfil {"lines":[{"sku":"a","location":"x","quantity":1}]}`, "200 confirmed a@x 3 c2 f1 a@y 2 c2 b@x 1 c1",
		"at a x", "4 h0 c2 av2",
		`fulfil {"lines":[{"sku":"a","quantity":3}]}`, "200 confirmed a@x 3 c1 f2 a@y 2 f2 b@x 1 c1", // last to first
		"at a y", "1 h0 c0 av1",
		`fulfil {"lines":[{"sku":"a","quantity":2}]}`, "409 over-fulfilment a@? 2/1",
		`fulfil {"lines":[{"sku":"a","quantity":0}]}`, "422 invalid-quantity",
		`fulfil {"lines":[{"sku":"a","quantity":1,"from":"q"}]}`, "404 unknown-location a@q",
		`fulfil {"time":"yesterday"}`, "400 invalid-request",
		`fulfil {"time":5}`, "400 invalid-request",
		"fulfil", "200 fulfilled a@x 3 f3 a@y 2 f2 b@x 1 f1",
		"at a x", "2 h0 c0 av2",
		"fulfil", "200 fulfilled a@x 3 f3 a@y 2 f2 b@x 1 f1",
		"at a x", "2 h0 c0 av2",
		`fulfil {"lines":[{"sku":"a","quantity":1}]}`, "409 wrong-state fulfilled",
	)
	story(t, basket, basketY, // the goods left elsewhere, where there are none: never refused
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		`fulfil {"lines":[{"sku":"b","location":"x","quantity":1,"from":"y"}]}`, "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 f1",
		"at b x", "2 h0 c0 av2",
		"at b y", "-1 h0 c0 av0",
		`fulfil {"lines":[{"sku":"a","location":"x","quantity":3,"from":"z"}]}`, "200 confirmed a@x 3 f3 a@y 2 c2 b@x 1 f1",
		"at a z", "-3 h0 c0 av0",
	)
	story(t, basket, basketY, // before the count that was made at 10:00: the count has seen it
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		`fulfil {"lines":[{"sku":"a","location":"x","quantity":1}],"time":"2026-11-23T09:59:59Z"}`, "200 confirmed a@x 3 c2 f1 a@y 2 c2 b@x 1 c1",
		"at a x", "5 h0 c2 av3",
		`fulfil {"lines":[{"sku":"a","location":"x","quantity":1}],"time":"2026-11-23T11:00:00.001+01:00"}`, "200 confirmed a@x 3 c1 f2 a@y 2 c2 b@x 1 c1",
		"at a x", "4 h0 c1 av3",
		"fulfil", "200 fulfilled a@x 3 f3 a@y 2 f2 b@x 1 f1", // without a time: after every count
		"at a x", "3 h0 c0 av3",
	)
}

func TestFulfilNamesItsMovement(t *testing.T) {
	sh := usual(t)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":3}]}`)
	sh.call("POST", "/v1/reservations/r/confirm", "")
	part := `{"lines":[{"sku":"a","quantity":1}]}`
	first := sh.call("POST", "/v1/reservations/r/fulfil", part, "Idempotency-Key", "k1")
	want := fmt.Sprintf(`,"movement":"f%d"}`, sh.l.Seq())
	if !strings.HasSuffix(first.body, want) {
		t.Errorf("%s has no %s", first.body, want)
	}
	second := sh.call("POST", "/v1/reservations/r/fulfil", part)
	if want := fmt.Sprintf(`,"movement":"f%d"}`, sh.l.Seq()); !strings.HasSuffix(second.body, want) {
		t.Errorf("%s has no %s", second.body, want)
	}
	sh.restart()
	if again := sh.call("POST", "/v1/reservations/r/fulfil", part, "Idempotency-Key", "k1"); again.body != first.body || again.replayed != "true" || again.stateNow != "confirmed" {
		t.Errorf("got %+v, first %s", again, first.body)
	}
	sh.call("POST", "/v1/reservations/r/fulfil", "")
	if done := sh.call("POST", "/v1/reservations/r/fulfil", ""); done.status != 200 || strings.Contains(done.body, "movement") {
		t.Errorf("what moved nothing names a movement: %s", done.body)
	}
}

func TestAmend(t *testing.T) {
	story(t, basket, basketY,
		`amend {"lines":[{"sku":"a","location":"x","quantity":5},{"sku":"a","location":"y","quantity":1}]}`, "200 held 900s a@x 5 h5 a@y 1 h1", // its own count
		"at a x", "5 h5 c0 av0",
		"at b x", "2 h0 c0 av2",
		`amend {"lines":[{"sku":"a","location":"x","quantity":6},{"sku":"b","location":"x","quantity":3}]}`, "409 insufficient-stock a@x 6/5 b@x 3/2",
		"at a x", "5 h5 c0 av0", // the old lines stand
		`amend {"lines":[{"sku":"b","location":"x","quantity":1},{"sku":"b","location":"x","quantity":1}],"ttl_seconds":60}`, "200 held 60s b@x 2 h2",
		"at a x", "5 h0 c0 av5",
		"confirm", "200 confirmed b@x 2 c2",
		`amend {"lines":[{"sku":"a","location":"y","quantity":3}]}`, "200 confirmed a@y 3 c3",
		"at a y", "3 h0 c3 av0",
		`amend {"lines":[{"sku":"a","location":"y","quantity":3}],"ttl_seconds":5}`, "409 wrong-state confirmed", // it has no deadline
		`fulfil {"lines":[{"sku":"a","quantity":2}]}`, "200 confirmed a@y 3 c1 f2",
		`amend {"lines":[{"sku":"a","location":"y","quantity":1}]}`, "409 over-fulfilment a@y 1/2",
		`amend {"lines":[{"sku":"b","location":"x","quantity":1}]}`, "409 over-fulfilment a@y 0/2",
		`amend {"lines":[{"sku":"a","location":"y","quantity":4}]}`, "409 insufficient-stock a@y 4/3",
		`amend {"lines":[{"sku":"a","location":"y","quantity":3},{"sku":"b","location":"x","quantity":2}]}`, "200 confirmed a@y 3 c1 f2 b@x 2 c2",
	)
	story(t, basket, basketY, // without a location: less is taken from the last to the first, more goes to the last
		`amend {"lines":[{"sku":"a","quantity":4},{"sku":"b","quantity":1}]}`, "200 held 900s a@x 3 h3 a@y 1 h1 b@x 1 h1",
		`amend {"lines":[{"sku":"a","quantity":4},{"sku":"a","quantity":2},{"sku":"b","quantity":1}]}`, "200 held 900s a@x 3 h3 a@y 3 h3 b@x 1 h1",
		`amend {"lines":[{"sku":"a","quantity":2}]}`, "200 held 900s a@x 2 h2",
		`amend {"lines":[{"sku":"b","quantity":1}]}`, "400 invalid-request", // no line tells where
	)
	story(t, basket, basketY, // never from what was fulfilled
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		`fulfil {"lines":[{"sku":"a","location":"y","quantity":2}]}`, "200 confirmed a@x 3 c3 a@y 2 f2 b@x 1 c1",
		`amend {"lines":[{"sku":"a","quantity":1},{"sku":"b","quantity":1}]}`, "409 over-fulfilment a@? 1/2",
		`amend {"lines":[{"sku":"a","quantity":3},{"sku":"b","quantity":1}]}`, "200 confirmed a@x 1 c1 a@y 2 f2 b@x 1 c1",
	)
	story(t, basket, basketY,
		`amend {"lines":[{"sku":"a","location":"z","quantity":1},{"sku":"b","location":"z","quantity":1}]}`, "409 location-inactive a@z b@z",
		`amend {"lines":[{"sku":"a","location":"x","quantity":0}]}`, "422 invalid-quantity",
		`amend {"lines":[{"sku":"a","location":"x","quantity":2147483647},{"sku":"a","location":"x","quantity":1}]}`, "422 invalid-quantity",
		`amend {"lines":[{"sku":"a","quantity":2147483647},{"sku":"a","quantity":1}]}`, "422 invalid-quantity",
		`amend {"lines":[{"sku":"n","location":"x","quantity":1}]}`, "404 unknown-sku n@x",
		`amend {"lines":[{"sku":"a","location":"q","quantity":1}]}`, "404 unknown-location a@q",
		`amend {}`, "400 invalid-request",
		`amend`, "400 invalid-request",
		`amend {"lines":[]}`, "400 invalid-request",
		`amend {"lines":[{"sku":"a","location":"x","quantity":1}],"ttl_seconds":14401}`, "400 invalid-request",
	)
	story(t, `reserve {"id":"r","allow_partial":true,"lines":[{"sku":"b","location":"x","quantity":3}]}`, "201 held 900s b@x 3 h2 av2",
		`amend {"lines":[{"sku":"b","location":"x","quantity":3}]}`, "409 insufficient-stock b@x 3/2",
		`amend {"lines":[{"sku":"b","location":"x","quantity":2}]}`, "200 held 900s b@x 2 h2")
}

func TestExtend(t *testing.T) {
	story(t, basket, basketY,
		`extend {"ttl_seconds":14400}`, "200 held 14400s a@x 3 h3 a@y 2 h2 b@x 1 h1",
		"wait 900000", "200 held 13500s a@x 3 h3 a@y 2 h2 b@x 1 h1",
		`extend {"ttl_seconds":1}`, "200 held 1s a@x 3 h3 a@y 2 h2 b@x 1 h1", // may shorten
		`extend {"ttl_seconds":0}`, "400 invalid-request",
		`extend {"ttl_seconds":14401}`, "400 invalid-request",
		`extend {}`, "400 invalid-request",
		`extend`, "400 invalid-request",
		`extend {"ttl_seconds":5,"lines":[]}`, "400 invalid-request",
		"wait 1000", "200 expired 0s a@x 3 a@y 2 b@x 1",
	)
	story(t, basket, basketY,
		"confirm", "200 confirmed a@x 3 c3 a@y 2 c2 b@x 1 c1",
		`extend {"ttl_seconds":5}`, "409 wrong-state confirmed")
}

func TestDeadlineToTheMillisecond(t *testing.T) {
	for _, call := range []string{"confirm", "cancel", "fulfil", `extend {"ttl_seconds":5}`, `amend {"lines":[{"sku":"a","location":"x","quantity":1}]}`,
		`confirm {"lines":[{"sku":"a","quantity":1}]}`, `cancel {"lines":[{"sku":"a","quantity":0}]}`, `fulfil {"lines":[{"sku":"n","quantity":1}]}`} {
		story(t, basket, basketY,
			"wait 899999", "200 held 0.001s a@x 3 h3 a@y 2 h2 b@x 1 h1",
			"at a x", "5 h3 c0 av2",
			"wait 1", "200 expired 0s a@x 3 a@y 2 b@x 1",
			"at a x", "5 h0 c0 av5",
			call, "409 reservation-expired",
		)
	}
	// the call itself is the first to come by
	sh := usual(t)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":5}]}`)
	sh.clock.Advance(899_999)
	sh.is(sh.reserve(`{"id":"s","lines":[{"sku":"a","location":"x","quantity":5}]}`), "409 insufficient-stock a@x 5/0")
	sh.clock.Advance(1)
	sh.is(sh.call("POST", "/v1/reservations/r/confirm", ""), "409 reservation-expired")
	sh.is(sh.reserve(`{"id":"s","lines":[{"sku":"a","location":"x","quantity":5}]}`), "201 held 900s a@x 5 h5")
	// and through a restart
	sh.restart()
	sh.clock.Advance(899_999)
	sh.is(sh.call("GET", "/v1/reservations/s", ""), "200 held 0.001s a@x 5 h5")
	sh.clock.Advance(1)
	sh.is(sh.call("POST", "/v1/reservations/s/confirm", ""), "409 reservation-expired")
}

func TestChangeOfNothing(t *testing.T) {
	sh := usual(t)
	f := func(target, want string) {
		t.Helper()
		sh.is(sh.call("POST", target, ""), want)
	}
	f("/v1/reservations/r/confirm", "404 unknown-reservation")
	f("/v1/reservations/r/fulfil", "404 unknown-reservation")
	f("/v1/reservations/r/destroy", "404 not-found")
	f("/v1/reservations/r/confirm/x", "404 not-found")
	sh.is(sh.call("POST", "/v1/reservations/r/cancel", `{"lines":[{"sku":"n","quantity":0}]}`), "404 unknown-reservation")
	sh.is(sh.call("GET", "/v1/reservations/r/confirm", ""), "405 method-not-allowed")
}

func TestIDInThePathIsDecodedOnce(t *testing.T) {
	sh := usual(t)
	sh.reserve(`{"id":"a/b%2F+c","lines":[{"sku":"a","location":"x","quantity":1}]}`)
	sh.is(sh.call("GET", "/v1/reservations/a%2Fb%252F+c", ""), "200 held 900s a@x 1 h1")
	sh.is(sh.call("POST", "/v1/reservations/a%2Fb%252F+c/confirm", ""), "200 confirmed a@x 1 c1")
	sh.is(sh.call("GET", "/v1/reservations/a%2Fb%2F+c", ""), "404 unknown-reservation")
}

func TestInactiveLocation(t *testing.T) {
	sh := usual(t)
	sh.is(sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":2}]}`), "201 held 900s a@x 2 h2")
	sh.location("x", false)
	post := func(op, body, want string) {
		t.Helper()
		sh.is(sh.call("POST", "/v1/reservations/r/"+op, body), want)
	}
	post("extend", `{"ttl_seconds":5}`, "409 location-inactive a@x")
	post("amend", `{"lines":[{"sku":"a","location":"x","quantity":1}]}`, "409 location-inactive a@x")
	post("confirm", "", "200 confirmed a@x 2 c2") // open ones stay
	post("fulfil", `{"lines":[{"sku":"a","quantity":1}]}`, "200 confirmed a@x 2 c1 f1")
	post("cancel", "", "200 cancelled a@x 2 f1 x1")
}
