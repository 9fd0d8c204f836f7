package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"onhand/ingest"
	"onhand/ingest/format"
)

// imported is what is answered to an import, in brief.
func (sh *shop) imported(query, file string) string {
	sh.t.Helper()
	return briefImport(sh.call("POST", "/v1/imports?"+query, file))
}

func briefImport(got reply) string {
	var v struct {
		Type, Detail                                 string
		Source, Format                               string
		Lines, Accepted, Duplicates, Refused, Events int
		Error                                        *string
		Refusals                                     []struct {
			Number int
			Code   string
		}
	}
	if err := json.Unmarshal([]byte(got.body), &v); err != nil {
		return fmt.Sprintf("%d %v: %s", got.status, err, got.body)
	}
	if v.Type != "" {
		return fmt.Sprintf("%d %s", got.status, v.Detail)
	}
	b := fmt.Sprintf("%d %s %s: %d lines, %d taken, %d again", got.status, v.Source, v.Format, v.Lines, v.Accepted, v.Duplicates)
	for _, r := range v.Refusals {
		b += fmt.Sprintf(", %d %s", r.Number, r.Code)
	}
	if len(v.Refusals) != v.Refused {
		b += fmt.Sprintf(", %d refused", v.Refused)
	}
	if v.Error != nil {
		b += ": " + *v.Error
	}
	return b
}

func TestPostImports(t *testing.T) {
	sh := eventShop(t)
	sh.s.Sources = []ingest.Source{{Name: "erp/hq", Format: "csv"}}
	sh.s.Sources[0].Options.Columns = map[string]string{"location": "store", "sku": "article", "quantity": "stock"}
	f := func(query, file, want string) {
		t.Helper()
		if got := sh.imported(query, file); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	const at = "time=2026-11-23T09:00:00Z"
	rows := "location,sku,quantity\nx,a,5\nx,b,1\nx,kg,1.2345\nx,kg,1.234\n"
	f(at, rows, "200 import csv: 4 lines, 2 taken, 0 again, 3 unknown-sku, 4 invalid-quantity")
	f(at, rows, "200 import csv: 4 lines, 0 taken, 2 again, 3 unknown-sku, 4 invalid-quantity")
	if got := sh.figures("a", "x") + " " + sh.figures("kg", "x"); got != "5 h0 c0 av5 1234 h0 c0 av1234" {
		t.Error(got)
	}
	f(at+"&columns=sku:art%2Cicle,quantity:n&source=wms&type=wms.count", "\"art,icle\";n;location\na;7;x\n", "200 wms csv: 1 lines, 1 taken, 0 again")
	f(at+"&source=erp/hq", "store,article,stock,x\nx,a,9,\n", "200 erp/hq csv: 1 lines, 1 taken, 0 again")
	f("source=erp/hq&id=now", "store,article,stock\nx,a,9\n", "200 erp/hq csv: 1 lines, 1 taken, 0 again")
	f("source=erp/hq&complete=true", "a", "400 complete: unknown parameter beside source erp/hq, which is configured: its entry says how it speaks")
	f("source=erp/hq&time=now", "a", `400 time: want a time like 2006-01-02T15:04:05Z, got "now"`)
	f("system=erp", "a", "400 system: unknown parameter")
	f("", saleEvent("1", "a", "1")+"\n"+saleEvent("2", "zzz", "1")+"\n{\"id\":", "200 import cloudevents: 2 lines, 1 taken, 0 again, 3 unknown-sku: line 5: an event: want one that ends before the file does, got \"{\\\"id\\\":\"")
	f("", "?", "400 format: how the file begins does not tell it: want one of "+strings.Join(formats(), ", "))
	f("", "", "400 format: how the file begins does not tell it: want one of "+strings.Join(formats(), ", "))
	f("", "a,b\n1,2\n", `400 line 1: location: want a column for it, of this name or mapped, got "a,b"`)
	f("format=cvs", "a", `400 format: want one of `+strings.Join(formats(), ", ")+`, got "cvs"`)
	f("complete=yes", "a", `400 complete: want true or false, got "yes"`)
	f("time=now&basis=net&void=no&time_zone=Dam", "a,b\n", "400 time_zone: \"Dam\" is no time zone\nvoid: want flag or offset, got \"no\"\nbasis: want physical or net_of_committed, got \"net\"\ntime: want a time like 2006-01-02T15:04:05Z, got \"now\"")
	f("columns=sku", "a,b\n", `400 columns: want member:column, got "sku"`)
	f("colums=sku:a", "a,b\n", "400 colums: unknown parameter")

	list := sh.call("GET", "/v1/imports", "")
	var items struct{ Items []struct{ ID, Format string } }
	if err := json.Unmarshal([]byte(list.body), &items); err != nil || len(items.Items) != 7 {
		t.Fatalf("%v: %s", err, list.body)
	}
	one := sh.call("GET", "/v1/imports/"+items.Items[0].ID, "")
	if one.status != 200 || !strings.Contains(list.body, one.body) {
		t.Errorf("%d %s", one.status, one.body)
	}
	if got := sh.call("GET", "/v1/imports/nobody", ""); got.status != 404 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func formats() []string { return format.Names() }

// TestImportsStream sends a file that is longer than any body may be, slowly, and asks meanwhile.
func TestImportsStream(t *testing.T) {
	sh := eventShop(t)
	const most = 10_000
	sh.s = New(Options{Ledger: sh.l, Ingest: sh.s.Ingest, Stock: sh.s.Stock, Promises: sh.s.Promises, BodyBytesMax: most})
	base, _ := sh.serve()
	url := base + "/v1/imports"
	client := &http.Client{Timeout: time.Minute}

	in, out := io.Pipe()
	answered := make(chan string)
	go func() {
		res, err := client.Post(url+"?id=slow&format=csv", "text/csv", in)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		answered <- briefImport(reply{status: res.StatusCode, body: string(b)})
	}()
	get := func(path string) string {
		res, err := client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	io.WriteString(out, "location,sku,quantity,as_of\n")
	const rows = 3000
	for n := range rows {
		fmt.Fprintf(out, "x,a,%d,2026-11-23T09:%02d:%02dZ\n", n+1, n/60, n%60)
	}
	for sh.figures("a", "x") == "0 h0 c0 av0" { // what is before the last row is taken while the file comes
		runtime.Gosched()
	}
	if got := get("/v1/imports/slow"); !strings.Contains(got, `"ended_at":null`) {
		t.Errorf("while it runs: %s", got)
	}
	res, err := client.Post(url+"?id=slow", "text/csv", strings.NewReader("location,sku,quantity\nx,a,1\n"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("another of this id meanwhile: %d", res.StatusCode)
	}
	out.Close()
	want := fmt.Sprintf("200 import csv: %d lines", rows)
	if got := <-answered; !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s …", got, want)
	}
	if got := get("/v1/imports/slow"); strings.Contains(got, `"ended_at":null`) {
		t.Errorf("when it has ended: %s", got)
	}

	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprintf(z, "location,sku,quantity,as_of\nx,kg,1.5,2026-11-23T09:00:00Z\n")
	z.Close()
	if res, err = client.Post(url, "application/gzip", &zipped); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if got := briefImport(reply{status: res.StatusCode, body: string(b)}); got != "200 import csv: 1 lines, 1 taken, 0 again" {
		t.Error(got)
	}
	if res, err = client.Post(base+"/v1/events", "application/json", strings.NewReader(strings.Repeat(" ", most+1))); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 413 {
		t.Errorf("a body that is too long elsewhere: %d", res.StatusCode)
	}
}
