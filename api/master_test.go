package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestPutLocation(t *testing.T) {
	sh := stocked(t)
	f := func(body, want string) {
		t.Helper()
		want = `{"location":"n",` + want + fmt.Sprintf(`,"seq":%d}`, sh.l.Seq()+1)
		sh.gives("PUT", "/v1/locations/n", body, 200, want)
		sh.gives("GET", "/v1/locations/n", "", 200, want)
	}
	const bare = `"name":null,"kind":"store","lat":null,"lon":null,"time_zone":"UTC","priority":null,"ships":false,"active":true,"pickup":null,"aliases":{}`
	f(`{}`, bare)
	f(`{"location":"n"}`, bare)
	f(`{"name":"Dam <1> & \"co\"","kind":"warehouse","lat":52.37,"lon":4.89,"time_zone":"Europe/Amsterdam","priority":1,"ships":true,"active":false,`+
		`"pickup":{"lead_minutes":60,"cutoff":"18:00","hours":{"mon":["09:00-18:00"],"sun":[]},"exceptions":{"2026-12-25":[]}},"aliases":{"pos":["42"],"erp":["NL-0042"]}}`,
		`"name":"Dam <1> & \"co\"","kind":"warehouse","lat":52.37,"lon":4.89,"time_zone":"Europe/Amsterdam","priority":1,"ships":true,"active":false,`+
			`"pickup":{"lead_minutes":60,"cutoff":"18:00","hours":{"mon":["09:00-18:00"],"sun":[]},"exceptions":{"2026-12-25":[]}},"aliases":{"erp":["NL-0042"],"pos":["42"]}`)
	f(`{}`, bare) // the whole object is replaced
	f(sh.call("GET", "/v1/locations/n", "").body, bare)

	for _, body := range []string{"", "[]", `{"naem":"x"}`, `{"name":1}`, `{"kind":"shop"}`, `{"time_zone":"Mars/Base"}`, `{"location":"other"}`, `{"active":"yes"}`,
		`{"priority":0}`, `{"lat":91,"lon":0}`, `{"pickup":{"hours":{"monday":[]}}}`, `{} {}`} {
		sh.refuses("PUT", "/v1/locations/n", body, "400 invalid-request")
	}
	sh.refuses("PUT", "/v1/locations/n", "{}", "415 unsupported-media-type", "Content-Type", "text/xml")
	sh.refuses("PUT", "/v1/locations/n?x=1", "{}", "400 invalid-request")
	for _, id := range []string{"", "%00", "a%0Ab", "%FF", strings.Repeat("x", 65)} {
		sh.refuses("PUT", "/v1/locations/"+id, "{}", "400 invalid-request")
	}
	sh.refuses("GET", "/v1/locations/none", "", "404 unknown-location")
	sh.refuses("DELETE", "/v1/locations/none", "", "404 unknown-location")
	sh.refuses("POST", "/v1/locations/n", "{}", "405 method-not-allowed")
}

func TestPutSKU(t *testing.T) {
	sh := stocked(t)
	f := func(path, body, want string) {
		t.Helper()
		want = `{` + want + fmt.Sprintf(`,"seq":%d}`, sh.l.Seq()+1)
		sh.gives("PUT", path, body, 200, want)
		sh.gives("GET", path, "", 200, want)
	}
	f("/v1/skus/n", `{}`, `"sku":"n","gtin":null,"category":null,"decimals":0,"aliases":{}`)
	f("/v1/skus/n%2F%25", `{"gtin":"08710398526001","category":"dairy","decimals":3,"aliases":{"erp":["MAT-1"]},"sku":"n/%"}`,
		`"sku":"n/%","gtin":"08710398526001","category":"dairy","decimals":3,"aliases":{"erp":["MAT-1"]}`)
	f("/v1/skus/n", sh.call("GET", "/v1/skus/n", "").body, `"sku":"n","gtin":null,"category":null,"decimals":0,"aliases":{}`)
	for _, body := range []string{"", `{"decimals":4}`, `{"decimals":0.5}`, `{"sku":"m"}`, `{"colour":"red"}`, `{"aliases":["x"]}`, `{"components":[{"sku":"a","quantity":1}]}`} {
		sh.refuses("PUT", "/v1/skus/n", body, "400 invalid-request")
	}
	for _, id := range []string{"", "%7F", strings.Repeat("x", 129)} {
		sh.refuses("PUT", "/v1/skus/"+id, "{}", "400 invalid-request")
	}
	sh.stock("n", "l1", 1)
	sh.refuses("PUT", "/v1/skus/n", `{"decimals":2}`, "409 in-use")
	sh.refuses("DELETE", "/v1/skus/n", "", "409 in-use")
	sh.refuses("DELETE", "/v1/locations/l1", "", "409 in-use")
	sh.stock("n", "l1", 0)
	f("/v1/skus/n", `{"decimals":2}`, `"sku":"n","gtin":null,"category":null,"decimals":2,"aliases":{}`)
	sh.gives("DELETE", "/v1/skus/n", "", 200, fmt.Sprintf(`{"seq":%d}`, sh.l.Seq()+1))
	for _, path := range []string{"/v1/skus/n", "/v1/availability/n", "/v1/positions/n/l1/entries"} {
		sh.refuses("GET", path, "", "404 unknown-sku")
	}
	sh.refuses("DELETE", "/v1/skus/n", "", "404 unknown-sku")
	sh.gives("DELETE", "/v1/locations/l1", "", 200, fmt.Sprintf(`{"seq":%d}`, sh.l.Seq()+1))
	sh.refuses("GET", "/v1/availability/a?location=l1", "", "404 unknown-location")
	f("/v1/skus/n", `{}`, `"sku":"n","gtin":null,"category":null,"decimals":0,"aliases":{}`)
}

func TestInactiveLocationShowsNothing(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 3)
	sh.stock("a", "l2", 4)
	sh.call("PUT", "/v1/locations/l1", `{"active":false}`)
	want := `"total":{"available":4,"locations_in_stock":1},"locations":[{"location":"l1","available":0,"on_hand":3,"unsellable":0,"held":0,"committed":0,` +
		`"safety_stock":0,"shortage":0,"as_of":"2026-11-23T10:00:00.000Z","age_ms":0,"stale":false,"active":false},{"location":"l2","available":4,`
	if got := sh.call("GET", "/v1/availability/a", ""); !strings.Contains(got.body, want) {
		t.Error(got.body)
	}
	sh.call("PUT", "/v1/locations/l1", `{"active":true}`)
	sh.hasRows("/v1/availability/a", "l1=3 l2=4")
}

func TestLists(t *testing.T) {
	sh := stocked(t)
	for path, ids := range map[string]string{"/v1/skus": "a b A/B A%2FB c+d e,f é kg", "/v1/locations": "l2 l1 l3 x,y u/v"} {
		for _, limit := range []int{1, 2, 3, 100} {
			var got []string
			for cursor, pages := "", 0; ; pages++ {
				target := fmt.Sprintf("%s?limit=%d", path, limit)
				if cursor != "" {
					target += "&cursor=" + cursor
				}
				var v struct {
					Items []struct {
						SKU, Location string
						Seq           int
					}
					Next *string
				}
				if err := json.Unmarshal([]byte(sh.call("GET", target, "").body), &v); err != nil || pages > 10 {
					t.Fatal(err, pages)
				}
				for _, i := range v.Items {
					if got = append(got, i.SKU+i.Location); i.Seq == 0 {
						t.Errorf("%s: no seq", target)
					}
				}
				if v.Next == nil {
					break
				}
				cursor = *v.Next
			}
			if strings.Join(got, " ") != ids {
				t.Errorf("%s by %d: %v", path, limit, got)
			}
		}
		sh.refuses("GET", path+"?limit=1001", "", "400 invalid-request")
		sh.refuses("GET", path+"?cursor=_", "", "400 invalid-request")
		sh.refuses("GET", path+"?after=a", "", "400 invalid-request")
	}
}

// rules calls the rules' path and returns status, body and ETag.
func (sh *shop) rules(method, body string, ifMatch ...string) (int, string, string) {
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod(method)
	ctx.Request.SetRequestURI("/v1/policies/safety-stock")
	ctx.Request.SetBodyString(body)
	for _, tag := range ifMatch {
		ctx.Request.Header.Add("If-Match", tag)
	}
	sh.s.handle(&ctx)
	return ctx.Response.StatusCode(), string(ctx.Response.Body()), string(ctx.Response.Header.Peek("ETag"))
}

func TestSafetyStock(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 5)
	sh.stock("a", "l2", 5)
	sh.stock("kg", "l1", 5000)
	// A call that must succeed, and the rules that are then in force.
	f := func(method, body, rules string, ifMatch ...string) string {
		t.Helper()
		status, got, tag := sh.rules(method, body, ifMatch...)
		seq := sh.l.Seq()
		want := fmt.Sprintf(`{"rules":[%s],"seq":%d}`, rules, seq)
		if status != 200 || got != want || tag != fmt.Sprintf(`"%d"`, seq) {
			t.Errorf("%s %s\ngot  %d %s %s\nwant %s", method, body, status, tag, got, want)
		}
		if _, again, againTag := sh.rules("GET", ""); again != want || againTag != tag {
			t.Errorf("GET then: %s %s", againTag, again)
		}
		return tag
	}
	if status, body, tag := sh.rules("GET", ""); status != 200 || body != `{"rules":[],"seq":0}` || tag != `"0"` {
		t.Errorf("at first: %d %s %s", status, body, tag)
	}
	first := f("PUT", `{"rules":[{"sku":"a","location":"l1","units":2},{"category":"dairy","units":1},{"units":0.5},{"location":"l2","units":null}]}`,
		`{"units":0.5},{"category":"dairy","units":1},{"location":"l2","units":null},{"sku":"a","location":"l1","units":2}`, `"0"`)
	sh.hasRows("/v1/availability/a", "l1=3 l2=0")
	sh.hasRows("/v1/availability/kg", "l1=4.5")
	second := f("PATCH", `{"set":[{"sku":"a","location":"l1","units":3},{"sku":"a","units":1}],"remove":[{"category":"dairy"},{"sku":"unheard-of"},{}]}`,
		`{"location":"l2","units":null},{"sku":"a","units":1},{"sku":"a","location":"l1","units":3}`, first)
	sh.hasRows("/v1/availability/a", "l1=2 l2=4")
	for _, tags := range [][]string{{first}, {`"0"`}, {"W/" + second}, {""}, {"x"}} {
		if status, body, _ := sh.rules("PUT", `{"rules":[]}`, tags...); status != 412 || !strings.Contains(body, "/problems/precondition-failed") {
			t.Errorf("If-Match %v: %d %s", tags, status, body)
		}
	}
	f("PATCH", `{"set":[]}`, `{"location":"l2","units":null},{"sku":"a","units":1},{"sku":"a","location":"l1","units":3}`, first+", "+second)
	_, got, _ := sh.rules("GET", "")
	f("PUT", got, `{"location":"l2","units":null},{"sku":"a","units":1},{"sku":"a","location":"l1","units":3}`)
	third := f("PUT", `{"rules":[]}`, "", "*")
	for _, body := range []string{"", "{}", `{"rules":{}}`, `{"rules":[{"units":-1}]}`, `{"rules":[{"unit":1}]}`, `{"rules":[{"sku":"a"}]}`, `{"rules":[{"units":"1"}]}`,
		`{"rules":[{"units":1},{"units":2}]}`, `{"rules":[{"sku":"a","category":"dairy","units":1}]}`, `{"rules":[],"set":[]}`} {
		if status, got, _ := sh.rules("PUT", body); status != 400 && !strings.Contains(got, "invalid-quantity") {
			t.Errorf("PUT %s: %d %s", body, status, got)
		}
	}
	for _, body := range []string{"{}", `{"rules":[]}`, `{"set":[{"units":1}],"remove":[{}]}`, `{"set":[{"units":1},{"units":1}]}`, `{"remove":[{"sku":"a"},{"sku":"a"}]}`} {
		sh.refuses("PATCH", "/v1/policies/safety-stock", body, "400 invalid-request")
	}
	sh.refuses("PUT", "/v1/policies/safety-stock", `{"rules":[{"sku":"none","units":1}]}`, "404 unknown-sku")
	sh.refuses("PATCH", "/v1/policies/safety-stock", `{"set":[{"location":"none","units":1}]}`, "404 unknown-location")
	sh.refuses("PUT", "/v1/policies/safety-stock", `{"rules":[{"units":1.2345}]}`, "422 invalid-quantity")
	if _, _, tag := sh.rules("GET", ""); tag != third {
		t.Errorf("what was refused changed the rules: %s, then %s", third, tag)
	}
}
