package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestSteps(t *testing.T) {
	f := func(number string, decimals int, want int64) {
		t.Helper()
		got, err := steps(number, decimals)
		if err != nil || got != want {
			t.Errorf("%s with %d decimals is %d, %v; want %d", number, decimals, got, err, want)
		}
	}
	f("0", 0, 0)
	f("12", 0, 12)
	f("-3", 0, -3)
	f("3.0", 0, 3)
	f("1.25", 3, 1250)
	f("-0.001", 3, -1)
	f("2147483.647", 3, 2147483647)

	for _, bad := range []string{"", "-", "1.5", "1e3", "x", "1.2.3", "9999999999999"} {
		if n, err := steps(bad, 0); err == nil {
			t.Errorf("%q was read as %d", bad, n)
		}
	}
}

// answer is what a service with three positions of milk and one of bread says.
const answer = `{"seq":7,"items":[
 {"sku":"milk","locations":[{"location":"1","on_hand":5,"held":1,"committed":2},{"location":"2","on_hand":0.5,"held":0,"committed":0},
  {"location":"3","on_hand":0,"held":0,"committed":0}]},
 {"sku":"bread","locations":[{"location":"1","on_hand":-4,"held":0,"committed":0}]}]}`

func serveAnswer(t *testing.T) *service {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &fasthttp.Server{Handler: func(r *fasthttp.RequestCtx) { r.SetBodyString(answer) }}
	go server.Serve(ln)
	t.Cleanup(func() { server.Shutdown() })
	return &service{addr: ln.Addr().String()}
}

func TestCompare(t *testing.T) {
	s := serveAnswer(t)
	f := func(change func(map[string]map[string]figures), wrong string) {
		t.Helper()
		expected := map[string]map[string]figures{
			"milk":  {"1": {5000, 1000, 2000}, "2": {500, 0, 0}}, // 3 is all zero: it may be there
			"bread": {"1": {onHand: -4000}},
		}
		change(expected)
		b := &books{skus: []string{"milk", "bread"}, decimals: func(string) int { return 3 },
			expected: func(sku string) map[string]figures { return expected[sku] }}
		n, err := b.compare(t.Context(), s)
		var differ *mismatch
		switch {
		case wrong == "" && (err != nil || n != 4):
			t.Errorf("%d positions, %v; want 4 that agree", n, err)
		case wrong != "" && (!errors.As(err, &differ) || differ.wrong != 1 || !strings.Contains(err.Error(), wrong)):
			t.Errorf("got %v, want one difference at %s", err, wrong)
		}
	}
	type all = map[string]map[string]figures
	f(func(all) {}, "")
	f(func(e all) { e["milk"]["1"] = figures{4999, 1000, 2000} }, "milk at 1")
	f(func(e all) { e["milk"]["1"] = figures{5000, 0, 2000} }, "milk at 1")
	f(func(e all) { e["milk"]["1"] = figures{5000, 1000, 0} }, "milk at 1")
	f(func(e all) { e["bread"]["2"] = figures{} }, "bread at its locations")
	f(func(e all) { delete(e["bread"], "1") }, "bread at 1")
}

func TestOversoldAndSums(t *testing.T) {
	v := newReserve(t)
	book := func(state string, position, pieces int32) {
		v.bookings = append(v.bookings, &booking{id: fmt.Sprint(len(v.bookings)), state: state, lines: []line{{position, pieces}}})
	}
	v.stock[3] = 5
	book("held", 3, 2)
	book("confirmed", 3, 3)
	book("cancelled", 3, 9)
	if held, committed := v.sums(); held[3] != 2 || committed[3] != 3 {
		t.Errorf("held %d and committed %d, want 2 and 3", held[3], committed[3])
	}
	if err := v.oversold(); err != nil {
		t.Errorf("5 of 5 is not oversold: %v", err)
	}
	book("held", 3, 1)
	if err := v.oversold(); err == nil || !strings.Contains(err.Error(), "3 held and 3 committed of 5") {
		t.Errorf("6 of 5: %v", err)
	}
}
