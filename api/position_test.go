package api

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPositionAt(t *testing.T) {
	sh := stocked(t)
	sh.counts("c1", "a", "l1", "09:00:00", 10)
	count := sh.l.Seq()
	sh.is(sh.reserve(`{"id":"r","lines":[{"sku":"a","location":"l1","quantity":2}]}`), "201 held 900s a@l1 2 h2")
	held := sh.l.Seq()
	sh.clock.Advance(60_000)
	sh.sell("s1", "a", "l1", "09:59:00", 3)
	last := sh.l.Seq()
	figures := func(onHand, held int) string {
		return fmt.Sprintf(`"on_hand":%d,"unsellable":0,"held":%d,"committed":0`, onHand, held)
	}
	entries := func(from int) string {
		return fmt.Sprintf(`"entries":"/v1/positions/a/l1/entries?from_seq=%d&to_seq=%d"`, from, last)
	}
	f := func(at, want string) {
		t.Helper()
		sh.gives("GET", "/v1/positions/a/l1"+at, "", 200, fmt.Sprintf(`{"sku":"a","location":"l1","seq":%d,"at":%s}`, last, want))
	}
	f("", fmt.Sprintf(`"2026-11-23T10:01:00.000Z","available":5,"known":{"seq":%d,"recorded_at":"2026-11-23T10:01:00.000Z",%s},"as_now_known":{%s},"reservations":[{"id":"r","held":2,"committed":0}],"reservations_complete":true,%s`,
		last, figures(7, 2), figures(7, 2), entries(int(last)+1)))
	then := fmt.Sprintf(`"2026-11-23T10:00:00.000Z","known":{"seq":%d,"recorded_at":"2026-11-23T10:00:00.000Z",%s},"as_now_known":{%s},"reservations":[{"id":"r","held":2,"committed":0}],"reservations_complete":true,%s`,
		held, figures(10, 2), figures(7, 2), entries(int(held)+1))
	f("?at=2026-11-23T10:00:00.000Z", then)
	f("?at=2026-11-23T12:00:00.000%2B02:00", then)
	f(fmt.Sprintf("?at=seq:%d", held), then)
	f(fmt.Sprintf("?at=seq=%d&min_seq=1", held), then)
	f(fmt.Sprintf("?at=seq:%d", count), fmt.Sprintf(`"2026-11-23T10:00:00.000Z","known":{"seq":%d,"recorded_at":"2026-11-23T10:00:00.000Z",%s},"as_now_known":{%s},"reservations":[],"reservations_complete":true,%s`,
		count, figures(10, 0), figures(7, 2), entries(int(count)+1)))
	f("?at=2026-11-23T09:30:00Z", fmt.Sprintf(`"2026-11-23T09:30:00.000Z","known":null,"as_now_known":{%s},"reservations":[],"reservations_complete":true,%s`, figures(10, 0), entries(1)))

	sh.gives("GET", "/v1/positions/kg/u%2Fv", "", 200, fmt.Sprintf(`{"sku":"kg","location":"u/v","seq":%d,"at":"2026-11-23T10:01:00.000Z","available":0,"known":null,"as_now_known":{%s},`+
		`"reservations":[],"reservations_complete":true,"entries":"/v1/positions/kg/u%%2Fv/entries?from_seq=1&to_seq=%d"}`, last, figures(0, 0), last))
	for _, query := range []string{"at=", "at=x", "at=seq:0", "at=seq:", "at=seq:-1", "at=12", "at=2026-11-23T10:01:00.001Z", fmt.Sprintf("at=seq:%d", last+1), "when=1", "at=seq:1&at=seq:1"} {
		sh.refuses("GET", "/v1/positions/a/l1?"+query, "", "400 invalid-request")
	}
	sh.refuses("GET", "/v1/positions/none/l1", "", "404 unknown-sku")
	sh.refuses("GET", "/v1/positions/a/none", "", "404 unknown-location")

	// The link leads to the entries that explain the difference.
	seqs := func(query string) (all string) {
		for _, limit := range []string{"&limit=1000", "&limit=1"} {
			out := ""
			for target := "/v1/positions/a/l1/entries" + query + limit; target != ""; {
				body := sh.call("GET", target, "").body
				for _, part := range strings.Split(body, `{"seq":`)[1:] {
					n, _, _ := strings.Cut(part, ",")
					out += n + " "
				}
				_, cursor, _ := strings.Cut(body, `"next":"`)
				target = ""
				if cursor != "" {
					target = "/v1/positions/a/l1/entries" + query + limit + "&cursor=" + strings.TrimSuffix(cursor, `"}`)
				}
			}
			if all != "" && all != out {
				t.Errorf("%s: %s, one at a time %s", query, all, out)
			}
			all = out
		}
		return all
	}
	if got, want := seqs(fmt.Sprintf("?from_seq=%d&to_seq=%d", held, last)), fmt.Sprintf("%d %d ", last, held); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := seqs(fmt.Sprintf("?to_seq=%d", held)), fmt.Sprintf("%d %d ", held, count); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for _, query := range []string{"from_seq=0", "to_seq=x", "from_seq=-1"} {
		sh.refuses("GET", "/v1/positions/a/l1/entries?"+query, "", "400 invalid-request")
	}
}

// TestPositionIsNoLongerKnown asks for a moment that the journal has dropped.
func TestPositionIsNoLongerKnown(t *testing.T) {
	sh := stocked(t)
	sh.stock("a", "l1", 5)
	old := sh.l.Seq()
	for range 2 {
		sh.clock.Advance(46 * 24 * 60 * 60 * 1000)
		sh.stock("a", "l1", 6)
	}
	if err := sh.l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if err := sh.l.Prune(); err != nil {
		t.Fatal(err)
	}
	sh.restart()
	at := time.UnixMilli(int64(sh.clock.Now())).UTC().AddDate(0, 0, -60).Format(time.RFC3339)
	for _, at := range []string{at, fmt.Sprintf("seq:%d", old)} {
		sh.refuses("GET", "/v1/positions/a/l1?at="+at, "", "404 not-found")
	}
}
