package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// TestAnswersAreOfOneMoment reserves and cancels a basket of two SKUs over and over:
// no answer may show one of its lines without the other.
func TestAnswersAreOfOneMoment(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 10)
	sh.stock("b", "l2", 10)
	const readers = 2
	var satisfied atomic.Int32 // readers that saw the basket held and not held
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := make(chan struct{})
	defer close(stop)
	for range readers {
		wg.Go(func() {
			found := map[int]bool{}
			for {
				select {
				case <-stop:
					return
				default:
				}
				got := sh.call("POST", "/v1/availability", `{"items":[{"sku":"a"},{"sku":"b","locations":["l2","l3"]}],"fields":["available","held"]}`)
				var v struct {
					Seq   int
					Items []struct {
						Seq       int
						Total     struct{ Available int }
						Locations []struct{ Available, Held int }
					}
				}
				if err := json.Unmarshal([]byte(got.body), &v); err != nil {
					t.Error(err)
					return
				}
				a, b := v.Items[0], v.Items[1]
				if a.Seq != v.Seq || b.Seq != v.Seq || a.Total != b.Total || a.Locations[0] != b.Locations[0] ||
					a.Locations[0].Available+a.Locations[0].Held != 10 {
					t.Errorf("two moments in one answer: %s", got.body)
				}
				both := found[7] && found[10]
				found[a.Total.Available] = true
				if !both && found[7] && found[10] {
					satisfied.Add(1)
				}
			}
		})
	}
	deadline := time.Now().Add(time.Minute)
	for i := 0; i < 300 || satisfied.Load() < readers; i++ {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d readers saw the basket both held and not held", satisfied.Load(), readers)
		}
		id := fmt.Sprint("r", i)
		if got := sh.reserve(`{"id":"` + id + `","lines":[{"sku":"a","location":"l1","quantity":3},{"sku":"b","location":"l2","quantity":3}]}`); got.status != 201 {
			t.Errorf("reserve: %s", got.body)
		}
		if got := sh.call("POST", "/v1/reservations/"+id+"/cancel", ""); got.status != 200 {
			t.Errorf("cancel: %s", got.body)
		}
	}
}

// FuzzAvailability asks anything: every answer is JSON, and nothing panics.
func FuzzAvailability(f *testing.F) {
	sh := stocked(f)
	sh.stock("a", "l1", 10)
	sh.stock("e,f", "x,y", 10)
	f.Add("a?location=l1,l2&fields=available&exclude=r", `{"items":[{"sku":"a","locations":["l1"]}],"fields":"held"}`)
	f.Add("A%2FB?explain=true", `{"items":[{"locations":[],"sku":"a\u0000\"\\"}],"min_seq":0}`)
	f.Add("%", `{"items":[{"sku":"\ud83d\ude00\u2028"},{"sku":"a","locations":["\""]}],"exclude":["x"]}`)
	f.Fuzz(func(t *testing.T, target, body string) {
		for _, got := range []reply{sh.raw("GET", "/v1/availability/"+target, ""), sh.raw("POST", "/v1/availability", body),
			sh.raw("GET", "/v1/positions/"+target, ""), sh.raw("PUT", "/v1/policies/safety-stock", body)} {
			if !json.Valid([]byte(got.body)) || strings.Contains(got.body, "internal-error") {
				t.Errorf("%q %q: %d %s", target, body, got.status, got.body)
			}
		}
	})
}

// raw is call with a target that no URI parser has touched.
func (sh *shop) raw(method, target, body string) reply {
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod(method)
	ctx.Request.Header.SetRequestURI(target)
	ctx.Request.SetBodyString(body)
	sh.s.handle(&ctx)
	return reply{status: ctx.Response.StatusCode(), body: string(ctx.Response.Body())}
}
