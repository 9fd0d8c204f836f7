package api

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/valyala/fasthttp"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
	"onhand/promise"
)

// shop is a server on a ledger with some stock, which can be closed and opened
// again on the same disk.
type shop struct {
	t     testing.TB
	fs    vfs.FS
	clock *ledgertest.Clock
	l     *ledger.Ledger
	s     *Server
	open  bool // the catalogue is open
	ids   atomic.Int64
	names atomic.Int64
}

func newShop(t testing.TB) *shop {
	sh := &shop{t: t, fs: vfs.NewMem(), clock: ledgertest.NewClock()}
	sh.start()
	t.Cleanup(func() {
		ledgertest.Balanced(t, sh.l)
		if err := sh.l.Close(); err != nil {
			t.Error(err)
		}
	})
	return sh
}

func (sh *shop) start() {
	sh.t.Helper()
	l, err := ledger.Open(ledger.Options{Dir: "data", FS: sh.fs, Clock: sh.clock.Now, CheckpointEvery: -1,
		OpenCatalogue: sh.open, Fatal: func(err error) { panic(err) }})
	if err != nil {
		sh.t.Fatal(err)
	}
	sh.l = l
	p := promise.New(l)
	p.NewID = func() string { return fmt.Sprintf("made-%d", sh.ids.Add(1)) }
	sh.s = New(Options{Ledger: l, Promises: p})
}

func (sh *shop) restart() {
	sh.t.Helper()
	if err := sh.l.Close(); err != nil {
		sh.t.Fatal(err)
	}
	sh.start()
}

func (sh *shop) apply(c ledger.Command) {
	sh.t.Helper()
	if _, err := sh.l.Apply(c); err != nil {
		sh.t.Fatal(err)
	}
}

func (sh *shop) sku(name string, decimals int) {
	sh.t.Helper()
	sh.apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: name, Decimals: decimals}, Now: sh.clock.Now()})
}

func (sh *shop) location(name string, active bool) {
	sh.t.Helper()
	sh.apply(ledger.PutLocation{Info: ledger.LocationInfo{Location: name, Kind: "store", Active: active}, Now: sh.clock.Now()})
}

// stock counts steps of a SKU at a location, now.
func (sh *shop) stock(sku, location string, steps ledger.Qty) {
	sh.t.Helper()
	now := sh.clock.Now()
	s, _ := sh.l.LookupSKU([]byte(sku))
	loc, _ := sh.l.LookupLocation([]byte(location))
	name := ledger.EventName{Source: "wms", ID: strconv.FormatInt(sh.names.Add(1), 10), Time: now, Content: 1}
	sh.apply(&ledger.Count{Name: name, CountedAt: now, Received: now, Location: loc, Lines: []ledger.CountLine{{SKU: s, Quantity: steps}}})
}

// figures are a position's: on hand, held, committed and available.
func (sh *shop) figures(sku, location string) string {
	s, _ := sh.l.LookupSKU([]byte(sku))
	loc, _ := sh.l.LookupLocation([]byte(location))
	r, _ := sh.l.Position(s, loc, sh.clock.Now())
	return fmt.Sprintf("%d h%d c%d av%d", r.OnHand, r.Held, r.Committed, r.Available())
}

// reply is an answer as a client has it.
type reply struct {
	status   int
	body     string
	media    string
	replayed string
	stateNow string
}

// call sends a request; headers are name, value, name, value.
func (sh *shop) call(method, target, body string, headers ...string) reply {
	var ctx fasthttp.RequestCtx
	ctx.Request.Header.SetMethod(method)
	ctx.Request.SetRequestURI(target)
	if body != "" {
		ctx.Request.SetBodyString(body)
		ctx.Request.Header.SetContentType("application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		ctx.Request.Header.Add(headers[i], headers[i+1])
	}
	sh.s.handle(&ctx)
	h := &ctx.Response.Header
	return reply{ctx.Response.StatusCode(), string(ctx.Response.Body()), string(h.ContentType()),
		string(h.Peek("Idempotent-Replayed")), string(h.Peek("Reservation-State"))}
}

func (sh *shop) reserve(body string, headers ...string) reply {
	return sh.call("POST", "/v1/reservations", body, headers...)
}

// is compares what was answered in brief: "201 held 900s a@x 2 h2" or
// "409 insufficient-stock a@x 2/1".
func (sh *shop) is(got reply, want string) {
	sh.t.Helper()
	if brief := sh.brief(got); brief != want {
		sh.t.Errorf("got  %s\nwant %s\nin   %s", brief, want, got.body)
	}
}

type answer struct {
	Type, Title, Detail string
	Status              int
	State               string
	ID                  string
	Seq                 int
	ExpiresAt           *string `json:"expires_at"`
	Movement            string
	Lines               []struct {
		SKU                                  string
		Location                             *string
		Quantity, Held, Committed, Fulfilled json.Number
		Cancelled, Requested                 json.Number
		Available                            *json.Number
	}
}

func (sh *shop) brief(got reply) string {
	var v answer
	if err := json.Unmarshal([]byte(got.body), &v); err != nil {
		return fmt.Sprintf("%d %v", got.status, err)
	}
	b := &strings.Builder{}
	fmt.Fprintf(b, "%d", got.status)
	if v.Type != "" {
		fmt.Fprintf(b, " %s", strings.TrimPrefix(v.Type, "/problems/"))
		if v.Status != got.status || v.Title == "" || got.media != "application/problem+json" {
			b.WriteString(" (not a problem of RFC 9457)")
		}
	}
	if v.State != "" {
		fmt.Fprintf(b, " %s", v.State)
	}
	if v.ExpiresAt != nil {
		millis, _ := ledgerTime(*v.ExpiresAt)
		fmt.Fprintf(b, " %ss", strconv.FormatFloat(float64(millis-sh.clock.Now())/1000, 'f', -1, 64))
	}
	for _, ln := range v.Lines {
		location := "?"
		if ln.Location != nil {
			location = *ln.Location
		}
		fmt.Fprintf(b, " %s@%s", ln.SKU, location)
		if ln.Requested != "" {
			fmt.Fprintf(b, " %s/%s", ln.Requested, *ln.Available)
			continue
		}
		if ln.Quantity != "" {
			fmt.Fprintf(b, " %s", ln.Quantity)
		}
		for _, f := range []struct {
			name string
			n    json.Number
		}{{"h", ln.Held}, {"c", ln.Committed}, {"f", ln.Fulfilled}, {"x", ln.Cancelled}} {
			if f.n != "" && f.n != "0" {
				fmt.Fprintf(b, " %s%s", f.name, f.n)
			}
		}
		if ln.Available != nil {
			fmt.Fprintf(b, " av%s", *ln.Available)
		}
	}
	return b.String()
}
