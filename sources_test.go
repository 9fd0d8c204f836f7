package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
)

// spoken is a file in a source's own format, and what it must come to.
type spoken struct {
	source string // its entry in --sources, without source and topic
	file   string // under ingest/format/testdata
	know   string // locations and SKUs that master data has, "l:0421 s:85123A"
	want   string // "0421/85123A=14 …": on hand by location and SKU

	differences int // sums of sales that are not what was told sale by sale
}

// TestSourcesThroughKafka gives one file of each format to the topic of a source that
// speaks it, and asks the API what is there then.
func TestSourcesThroughKafka(t *testing.T) {
	all := []spoken{
		{`"format":"csv"`, "csv/snapshot.csv", "l:0421 l:0422 s:85123A s:22423 s:71053", "0421/85123A=14 0421/71053=7 0422/85123A=3", 0},
		{`"format":"csv","type":"wms.receipt"`, "csv/receipts.csv", "l:0421 s:a s:b", "0421/a=5 0421/b=2", 0},
		{`"format":"poslog","time_zones":{"0042":"Europe/Amsterdam"}`, "poslog/six.xml", "l:0042 s:8710398526001 s:8710398526018 s:8710398526025 s:8710398526032",
			"0042/8710398526001=-2 0042/8710398526018=-3 0042/8710398526025=1 0042/8710398526032=-3", 0},
		{`"format":"idoc","time_zone":"Europe/Berlin"`, "idoc/receipts.xml", "l:0421 l:0423 s:5012345678900 s:22720.3 s:85123A s:0000012345670",
			"0421/5012345678900=-2 0421/22720=-0.42 0421/85123A=1 0421/0000012345670=-1 0423/85123A=-1", 0},
		{`"format":"x12","strict":true`, "x12/inventory.edi", "l:5012345004211 l:0421 l:0422 s:5012345678900 s:22423 s:71053.1 s:012345678905",
			"5012345004211/5012345678900=17 5012345004211/22423=12 0422/71053=1.5 0422/012345678905=4 0421/012345678905=3", 0},
		{`"format":"x12"`, "x12/activity.edi", "l:5012345004211 l:5012345004228 s:5012345678900 s:5012345678917.3", "5012345004211/5012345678900=14", 3},
		{`"format":"edifact"`, "edifact/inventory.edi", "l:5012345004211 l:5012345004228 s:5012345678900", "5012345004211/5012345678900=17 5012345004228/5012345678900=4", 0},
		{`"format":"edifact"`, "edifact/sales.edi", "l:5012345004211 l:5012345004228 s:5012345678900.3 s:5012345678917", "", 3},
		{`"format":"epcis"`, "epcis/events.jsonld", "l:5012345004211 l:0421 s:05012345678900.3 s:05012345678917 s:85123A",
			"5012345004211/05012345678900=3 5012345004211/05012345678917=2 0421/85123A=-6", 0},
		{`"format":"shopify"`, "shopify/level.json", "l:655441491 s:808950810", "655441491/808950810=14", 0},
		{`"format":"square"`, "square/count.json", "l:L0421 l:L0422 s:VAR85123A.1", "L0421/VAR85123A=14 L0422/VAR85123A=1.5", 0},
		{`"format":"d365"`, "d365/sale.json", "l:0421 s:85123A", "0421/85123A=-2", 0},
	}
	for i, s := range all {
		t.Run(s.file, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "sources.json")
			spec := fmt.Sprintf(`{"sources":[{"source":"own/%d","topic":"own.format",%s}]}`, i, s.source)
			if err := os.WriteFile(config, []byte(spec), 0o644); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(filepath.Join("ingest/format/testdata", s.file))
			if err != nil {
				t.Fatal(err)
			}
			p := start(t, t.TempDir(), "--sources", config, "--event-retention", "175200h")
			p.know(s.know)
			p.produce("own.format", string(content))
			p.holds(s.want)
			p.produce("own.format", string(content))
			p.produce("own.format", "?") // what is no file at all shows that all before it was read
			eventually(t, "the letter of what is no file is there", func() error {
				if _, b := p.get("/v1/dead-letters"); !strings.Contains(string(b), `"topic":"own.format"`) || !strings.Contains(string(b), `"raw":"?"`) {
					return fmt.Errorf("%s", b)
				}
				return nil
			})
			p.holds(s.want)
			if _, b := p.get("/v1/exceptions?code=sales-difference"); strings.Count(string(b), `"sales-difference"`) != s.differences {
				t.Errorf("want %d differences: %s", s.differences, b)
			}
			p.stop()
		})
	}
}

// produce writes a record to one partition of a topic.
func (p *process) produce(topic, value string) {
	p.t.Helper()
	w := producer(p.kafka, topic)
	defer w.Close()
	if err := w.WriteMessages(context.Background(), kafka.Message{Key: []byte("0421"), Value: []byte(value)}); err != nil {
		p.t.Fatal(err)
	}
}

// know makes locations and SKUs known, "l:0421 s:85123A".
func (p *process) know(codes string) {
	p.t.Helper()
	for _, c := range strings.Fields(codes) {
		kind, code, _ := strings.Cut(c, ":")
		path := "/v1/skus/"
		if kind == "l" {
			path = "/v1/locations/"
		}
		body := "{}"
		if code, decimals, ok := strings.Cut(code, "."); ok {
			p.must(200, "PUT", path+code, `{"decimals":`+decimals+`}`)
			continue
		}
		p.must(200, "PUT", path+code, body)
	}
}

// holds waits until on hand is "0421/85123A=14 …".
func (p *process) holds(want string) {
	p.t.Helper()
	for _, w := range strings.Fields(want) {
		position, figure, _ := strings.Cut(w, "=")
		location, sku, _ := strings.Cut(position, "/")
		eventually(p.t, w, func() error {
			_, b := p.get("/v1/availability/" + sku + "?location=" + location)
			if !strings.Contains(string(b), `"on_hand":`+figure+`,`) {
				return fmt.Errorf("%s", b)
			}
			return nil
		})
	}
}

// TestImportFromTheCommandLine is what a new user does: a file is imported, a code that
// nobody knows is found, made known, and the file's figure is there.
func TestImportFromTheCommandLine(t *testing.T) {
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, t.TempDir(), "--event-retention", "175200h")
	file := filepath.Join(t.TempDir(), "stock.csv")
	if err := os.WriteFile(file, []byte("store,article,stock\n0421,85123A,14\n0421,22423,3\n0421,71053,many\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p.know("l:0421 s:85123A s:71053")
	tool := func(code int, args ...string) string {
		t.Helper()
		out, err := exec.Command(bin, args...).CombinedOutput()
		if got := exitCode(err); got != code {
			t.Fatalf("%v: exit %d, want %d: %s", args, got, code, out)
		}
		return string(out)
	}
	run := func(code int, args ...string) string {
		t.Helper()
		return tool(code, append([]string{"import", "--http", p.url}, args...)...)
	}
	says := func(want, got string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %s:\n%s", want, got)
		}
	}
	columns := []string{"--column", "location=store", "--column", "sku=article", "--column", "quantity=stock", file}
	out := run(1, columns...)
	if want := "csv from import: 2 lines in 1 events, 1 taken, 0 there already, 2 refused"; !strings.Contains(out, want) {
		t.Errorf("it says %s", out)
	}
	report, err := os.ReadFile(file + ".refused.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`line,4,quantity,many,invalid-event,"line 4: quantity: want a number, got ""many""",false`, `line,3,,,unknown-sku,`} {
		if !strings.Contains(string(report), want) {
			t.Errorf("the report has no %s:\n%s", want, report)
		}
	}
	says(`unknown-sku  1      HTTP  lines[0].sku: "22423"`, tool(0, "dead-letters", "list", "--http", p.url, "--code", "unknown-sku", "--source", "import"))
	says(`"code":"unknown-sku"`, tool(0, "dead-letters", "list", "--http", p.url, "--json"))
	says("0 would be applied, 0 had been already, 1 are refused", tool(1, "dead-letters", "replay", "--http", p.url, "--all", "--dry-run"))
	says(`unknown-sku  lines[0].sku: "22423"`, tool(1, "dead-letters", "replay", "--http", p.url, "--location", "0421"))
	says("unknown-sku  2 ", tool(0, "dead-letters", "list", "--http", p.url))
	says("one of them", tool(2, "dead-letters", "replay", "--http", p.url))
	says("not-found", tool(1, "dead-letters", "list", "--http", p.url+"/nowhere"))
	p.must(200, "PUT", "/v1/skus/light-3", `{}`)
	p.must(200, "PUT", "/v1/aliases/import/22423", `{"sku":"light-3"}`) // mapped, and so it is tried again
	p.holds("0421/85123A=14 0421/light-3=3")
	eventually(t, "the letter is gone", func() error {
		if _, b := p.get("/v1/dead-letters"); strings.Contains(string(b), "22423") {
			return fmt.Errorf("%s", b)
		}
		return nil
	})
	// Files of other formats are told by how they begin.
	for _, f := range []struct{ file, says, position string }{
		{"poslog/six.xml", "poslog from pos/nl: ", "0042/8710398526001=-2"},
		{"x12/inventory.edi", "x12 from erp/edi: ", "5012345004211/5012345678900=17"},
	} {
		source := strings.TrimSuffix(f.says[strings.LastIndex(f.says, " from ")+6:], ": ")
		p.know("l:0042 l:5012345004211 s:8710398526001 s:5012345678900")
		says(f.says, tool(1, "import", "--http", p.url, "--source", source, "--time-zone", "Europe/Amsterdam",
			"--report", filepath.Join(t.TempDir(), "refused.csv"), filepath.Join("ingest/format/testdata", f.file)))
	}
	// A sale is whole or not at all: it waits for all its codes. Of figures each stands for itself.
	p.holds("5012345004211/5012345678900=17")
	p.know("s:8710398526018 s:8710398526025")
	p.must(200, "PUT", "/v1/aliases/pos/8710398526032", `{"sku":"8710398526025"}`)
	p.holds("0042/8710398526001=-2 0042/8710398526025=-2")
	if out := run(1, "--format", "cloudevents", file); !strings.Contains(out, "want an object") {
		t.Errorf("of a file that is something else it says %s", out)
	}
	if out := run(2, file+".gone"); !strings.Contains(out, "gone") {
		t.Errorf("of a file that is not there it says %s", out)
	}
	p.stop()
}

func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := err.(*exec.ExitError); ok {
		return e.ExitCode()
	}
	return -1
}

// TestRebuild makes a data directory anew from the journal of another.
func TestRebuild(t *testing.T) {
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := start(t, dir)
	p.stock([]string{"a", "b"}, []string{"0042"}, 10)
	p.must(201, "POST", "/v1/reservations", `{"id":"r","lines":[{"sku":"a","location":"0042","quantity":2}]}`)
	p.must(200, "POST", "/v1/events", string(saleEvent("till", "1", "0042", "nobody", 1)))
	p.stop()
	run := func(code int, want string, args ...string) {
		t.Helper()
		out, err := exec.Command(bin, args...).CombinedOutput()
		if exitCode(err) != code || !strings.Contains(string(out), want) {
			t.Errorf("%v: exit %d, want %d and %q: %s", args, exitCode(err), code, want, out)
		}
	}
	anew := filepath.Join(t.TempDir(), "anew")
	run(0, "2 positions, 1 open reservations: every invariant holds", "rebuild", "--data", dir, "--into", anew)
	run(1, "there already", "rebuild", "--data", dir, "--into", anew)
	run(0, "every invariant holds", "verify", "--data", anew)
	p = start(t, anew)
	run(1, "another process", "rebuild", "--data", anew, "--into", filepath.Join(t.TempDir(), "other"))
	if r, err := p.row("a", "0042"); err != nil || r.OnHand != 10 || r.Held != 2 {
		t.Errorf("%+v %v", r, err)
	}
	if _, b := p.get("/v1/dead-letters"); !strings.Contains(string(b), "nobody") {
		t.Errorf("the dead letter is gone: %s", b)
	}
	p.must(200, "POST", "/v1/reservations/r/confirm", `{}`)
	p.stop()
}

// TestReplay reads the topics again into a data directory: what is there is not applied twice.
func TestReplay(t *testing.T) {
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := start(t, dir)
	p.stock([]string{"a"}, []string{"0042"}, 10)
	p.produce("pos.events", string(saleEvent("till", "1", "0042", "a", 1)))
	p.produce("pos.events", string(saleEvent("till", "2", "0042", "a", 2)))
	p.produce("pos.events", string(saleEvent("till", "3", "0042", "nobody", 2)))
	p.holds("0042/a=7")
	eventually(t, "the letter is there", func() error {
		if _, b := p.get("/v1/dead-letters"); !strings.Contains(string(b), "nobody") {
			return fmt.Errorf("%s", b)
		}
		return nil
	})
	p.stop()
	run := func(code int, want string, args ...string) {
		t.Helper()
		out, err := exec.Command(bin, append([]string{"replay", "--data", dir}, args...)...).CombinedOutput()
		if exitCode(err) != code || !strings.Contains(string(out), want) {
			t.Errorf("%v: exit %d, want %d and %q: %s", args, exitCode(err), code, want, out)
		}
	}
	run(0, "3 records: 0 events applied, 2 there already, 1 wait as dead letters, 0 have become one", "--from", "2026-01-01T00:00:00Z")
	run(2, "from", "--from", "yesterday")
	p = start(t, dir)
	p.holds("0042/a=7")
	run(1, "another process", "--from", "2026-01-01T00:00:00Z")
	p.stop()
}
