package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"onhand/ledger"
)

// together runs n calls at the same moment and gives their answers.
func together(n int, call func(i int) reply) []reply {
	answers := make([]reply, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			answers[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return answers
}

func count(answers []reply, status int) (n int) {
	for _, a := range answers {
		if a.status == status {
			n++
		}
	}
	return n
}

func TestOneOfManyInFlightIsExecuted(t *testing.T) {
	for name, call := range map[string]func(sh *shop, i int) reply{
		"id": func(sh *shop, i int) reply { return sh.reserve(two) },
		"key": func(sh *shop, i int) reply {
			return sh.reserve(`{"lines":[{"sku":"a","location":"x","quantity":2}]}`, "Idempotency-Key", "k")
		},
		"id and key": func(sh *shop, i int) reply { return sh.reserve(two, "Idempotency-Key", "k") },
		"id and keys": func(sh *shop, i int) reply {
			return sh.reserve(two, "Idempotency-Key", fmt.Sprint(i))
		},
	} {
		t.Run(name, func(t *testing.T) {
			sh := usual(t)
			answers := together(32, func(i int) reply { return call(sh, i) })
			first := 0
			for _, a := range answers {
				if a.status != 201 || a.body != answers[0].body {
					t.Fatalf("got %+v beside %+v", a, answers[0])
				}
				if a.replayed == "" {
					first++
				}
			}
			if got := sh.figures("a", "x"); first != 1 || got != "5 h2 c0 av3" {
				t.Errorf("%d were executed, leaving %s", first, got)
			}
		})
	}
	sh := usual(t)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":5}]}`)
	sh.call("POST", "/v1/reservations/r/confirm", "")
	answers := together(32, func(i int) reply {
		return sh.call("POST", "/v1/reservations/r/fulfil", `{"lines":[{"sku":"a","quantity":1}]}`, "Idempotency-Key", "k")
	})
	for _, a := range answers {
		if a.body != answers[0].body || a.status != 200 {
			t.Fatalf("got %+v beside %+v", a, answers[0])
		}
	}
	if got := sh.figures("a", "x"); got != "4 h0 c4 av0" {
		t.Errorf("left %s", got)
	}
}

func TestExactlyTheStockIsSold(t *testing.T) {
	sh := usual(t)
	sh.stock("a", "x", 40)
	answers := together(100, func(i int) reply {
		return sh.reserve(fmt.Sprintf(`{"id":"one-%d","lines":[{"sku":"a","location":"x","quantity":1}]}`, i))
	})
	if sold, short := count(answers, 201), count(answers, 409); sold != 40 || short != 60 {
		t.Errorf("%d sold and %d refused", sold, short)
	}
	if got := sh.figures("a", "x"); got != "40 h40 c0 av0" {
		t.Errorf("left %s", got)
	}
}

func TestOverlappingBasketsSellExactlyTheStock(t *testing.T) {
	sh := usual(t)
	const skus, each, buyers = 6, 20, 120
	for i := range skus {
		sh.sku(fmt.Sprintf("s%d", i), 0)
		sh.stock(fmt.Sprintf("s%d", i), "x", each)
	}
	// Neighbours in a ring, named in both orders: locks taken in the order of the
	// lines would meet.
	answers := together(buyers, func(i int) reply {
		a, b := i%skus, (i+1)%skus
		if i%2 == 0 {
			a, b = b, a
		}
		return sh.reserve(fmt.Sprintf(`{"id":"basket-%d","lines":[{"sku":"s%d","location":"x","quantity":1},{"sku":"s%d","location":"x","quantity":1}]}`, i, a, b))
	})
	held := make(map[string]int)
	for _, a := range answers {
		var v answer
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Fatal(err)
		}
		if a.status == 201 {
			for _, ln := range v.Lines {
				held[ln.SKU]++
			}
		}
	}
	for i, a := range answers {
		if a.status != 201 && held[fmt.Sprintf("s%d", i%skus)] < each && held[fmt.Sprintf("s%d", (i+1)%skus)] < each {
			t.Errorf("basket %d was refused, though both of its SKUs are left: %s", i, a.body)
		}
	}
	for i := range skus {
		name := fmt.Sprintf("s%d", i)
		want := fmt.Sprintf("%d h%d c0 av%d", each, held[name], each-held[name])
		if got := sh.figures(name, "x"); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestChangesAtOnceNeverExceedTheReservation(t *testing.T) {
	sh := usual(t)
	sh.stock("a", "x", 50)
	sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"x","quantity":50}]}`)
	sh.call("POST", "/v1/reservations/r/confirm", "")
	answers := together(80, func(i int) reply {
		op := "fulfil"
		if i%2 == 0 {
			op = "cancel"
		}
		return sh.call("POST", "/v1/reservations/r/"+op, `{"lines":[{"sku":"a","quantity":1}]}`)
	})
	if ok := count(answers, 200); ok != 50 || ok+count(answers, 409) != 80 {
		t.Errorf("%d applied", ok)
	}
	v, err := sh.s.Promises.Get("r")
	if err != nil || v.State != ledger.Fulfilled || v.Lines[0].Fulfilled+v.Lines[0].Cancelled != 50 {
		t.Errorf("left %+v, %v", v, err)
	}
}

func TestReservationOverHTTP(t *testing.T) {
	sh := usual(t)
	ln := fasthttputil.NewInmemoryListener()
	served := make(chan error, 1)
	go func() { served <- sh.s.Serve(ln) }()
	client := fasthttp.Client{Dial: func(string) (net.Conn, error) { return ln.Dial() }}
	post := func(target, body, key string) (int, string, string) {
		t.Helper()
		var req fasthttp.Request
		var res fasthttp.Response
		req.Header.SetMethod("POST")
		req.SetRequestURI("http://onhand" + target)
		req.Header.SetContentType("application/json")
		req.Header.Set("Idempotency-Key", key)
		req.SetBodyString(body)
		if err := client.Do(&req, &res); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode(), string(res.Body()), string(res.Header.Peek("Idempotent-Replayed")) + " " + string(res.Header.Peek("Reservation-State"))
	}
	status, first, _ := post("/v1/reservations", two, "k")
	if status != 201 || !strings.Contains(first, `"state":"held"`) {
		t.Errorf("%d %s", status, first)
	}
	if status, body, headers := post("/v1/reservations", two, "k"); status != 201 || body != first || headers != "true held" {
		t.Errorf("%d %s %s", status, body, headers)
	}
	if status, body, _ := post("/v1/reservations/r/confirm", "", "c"); status != 200 || !strings.Contains(body, `"state":"confirmed"`) {
		t.Errorf("%d %s", status, body)
	}
	client.CloseIdleConnections()
	if err := sh.s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
