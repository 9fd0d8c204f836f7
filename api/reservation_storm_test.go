package api

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestStormOfCalls sends calls made from a seed, each with a key of its own, lets
// time pass, and in the end repeats them all: no answer may be a fault of ours, no
// line may hold more than it asked for, and every accepted call must say again
// what it said. That the positions agree with the journal is checked when it ends.
func TestStormOfCalls(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { storm(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

type kept struct {
	target, body string
	first        reply
}

func storm(t *testing.T, rnd *rand.Rand) {
	sh := usual(t)
	var accepted []kept
	refused := make(map[string]int)
	for i := range 600 {
		switch rnd.IntN(40) {
		case 0:
			sh.clock.Advance(2000)
		case 1:
			sh.stock([]string{"a", "b", "c"}[rnd.IntN(3)], "x", 5)
		case 2:
			if err := sh.l.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		case 3:
			sh.restart()
		}
		k := randomCall(rnd)
		k.first = sh.call("POST", k.target, k.body, "Idempotency-Key", fmt.Sprint(i))
		switch k.first.status {
		case 200, 201:
			accepted = append(accepted, k)
			checkLines(t, k)
		case 400, 404, 409, 422: // 400: amending to a SKU that has no line to tell where
			refused[strings.Fields(sh.brief(k.first))[1]]++
			accepted = append(accepted, kept{}) // its key stays free
		default:
			t.Fatalf("%s %s: %+v", k.target, k.body, k.first)
		}
	}
	sh.restart()
	seq := sh.l.Seq()
	for i, k := range accepted {
		if k.target == "" {
			continue
		}
		if again := sh.call("POST", k.target, k.body, "Idempotency-Key", fmt.Sprint(i)); again.body != k.first.body || again.replayed != "true" || again.status != k.first.status {
			t.Errorf("%s %s: got %+v, first %+v", k.target, k.body, again, k.first)
		}
	}
	if sh.l.Seq() != seq {
		t.Error("a replay changed something")
	}
	t.Logf("refused %v", refused)
}

func randomCall(rnd *rand.Rand) kept {
	lines := func(placed bool) string {
		var out []string
		for range 1 + rnd.IntN(3) {
			location := fmt.Sprintf(`,"location":"%s"`, []string{"x", "y", "x", "y", "z"}[rnd.IntN(5)])
			if !placed && rnd.IntN(2) == 0 {
				location = ""
			}
			out = append(out, fmt.Sprintf(`{"sku":"%s","quantity":%d%s}`, []string{"a", "b", "c"}[rnd.IntN(3)], 1+rnd.IntN(3), location))
		}
		return `"lines":[` + strings.Join(out, ",") + `]`
	}
	id := fmt.Sprintf("r%d", rnd.IntN(12))
	if rnd.IntN(3) == 0 {
		if rnd.IntN(4) == 0 {
			id += fmt.Sprint("-", rnd.IntN(100))
		}
		return kept{target: "/v1/reservations",
			body: fmt.Sprintf(`{"id":"%s","ttl_seconds":%d,"allow_partial":%v,%s}`, id, 1+rnd.IntN(60), rnd.IntN(2) == 0, lines(true))}
	}
	op := []string{"confirm", "cancel", "fulfil", "fulfil", "amend", "amend", "extend"}[rnd.IntN(7)]
	body := ""
	switch {
	case op == "extend":
		body = fmt.Sprintf(`{"ttl_seconds":%d}`, 1+rnd.IntN(60))
	case op == "amend", rnd.IntN(2) == 0:
		body = "{" + lines(op == "amend" && rnd.IntN(3) > 0) + "}"
	}
	return kept{target: "/v1/reservations/" + id + "/" + op, body: body}
}

// checkLines holds the answer to what a line is.
func checkLines(t *testing.T, k kept) {
	t.Helper()
	var v answer
	if err := json.Unmarshal([]byte(k.first.body), &v); err != nil {
		t.Fatal(err)
	}
	for _, ln := range v.Lines {
		sum := 0
		for _, n := range []json.Number{ln.Held, ln.Committed, ln.Fulfilled, ln.Cancelled} {
			if steps(n) < 0 {
				t.Fatalf("%s %s: %s", k.target, k.body, k.first.body)
			}
			sum += steps(n)
		}
		open := v.State == "held" || v.State == "confirmed"
		if sum > steps(ln.Quantity) || open != (v.State == "held" && v.ExpiresAt != nil || v.State == "confirmed" && v.ExpiresAt == nil) {
			t.Fatalf("%s %s: %s", k.target, k.body, k.first.body)
		}
	}
}

// steps are thousandths.
func steps(n json.Number) int {
	f, err := n.Float64()
	if err != nil {
		return -1
	}
	return int(math.Round(f * 1000))
}
