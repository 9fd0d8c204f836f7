package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fuzz gives a decoder what its files become when bytes of them change. Whatever it is
// given: no panic, what it gives is JSON, what it refuses says where and why, and it gives
// the same when it reads the same again.
func fuzz(f *testing.F, format string, options ...*Options) {
	files, err := filepath.Glob(filepath.Join("testdata", format, "*"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no files of %s: %v", format, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") || strings.HasSuffix(file, ".options.json") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for i := range options {
			f.Add(uint8(i), b)
		}
	}
	decode := Named(format)
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		o := options[int(which)%len(options)]
		var first, again checked
		first.t, again.t = t, t
		err := decode(bytes.NewReader(b), o, &first)
		var refused *Refusal
		if err != nil && (!errors.As(err, &refused) || refused.Place.N < 1 || refused.Why == "") {
			t.Errorf("the error does not say where and why: %v", err)
		}
		decode(bytes.NewReader(b), o, &again)
		if first.String() != again.String() {
			t.Errorf("read again it is\n%s\ninstead of\n%s", &again, &first)
		}
	})
}

// checked checks what it is given.
type checked struct {
	bytes.Buffer
	t *testing.T
}

func (c *checked) Event(e *Event) error {
	b := e.AppendJSON(nil, "test")
	if e.Raw == nil && (!json.Valid(b) || e.ID == "" || e.Time.IsZero() || e.Place.N < 1) {
		c.t.Errorf("%v: %s", e.Place, b)
	}
	c.Write(b)
	return nil
}

func (c *checked) Period(p *Period) error {
	if n, ok := number(p.Sold, false); !ok || n != p.Sold || p.ID == "" || p.To.Before(p.From) || p.Place.N < 1 {
		c.t.Errorf("%+v", p)
	}
	return nil
}

func (c *checked) Refused(r *Refusal) error {
	if r.Place.N < 1 || r.Why == "" || len(r.Value) > 64 || len(r.Raw) > 4096 {
		c.t.Errorf("%+v", r)
	}
	c.WriteString(r.Error())
	return nil
}

func FuzzCSV(f *testing.F) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	fuzz(f, "csv", &Options{Time: at}, &Options{Time: at, Complete: true, LinesMax: 2}, &Options{Time: at, Type: "wms.adjustment"},
		&Options{Time: at, Type: "erp.item"}, &Options{Time: at, Type: "erp.inbound", PartBytesMax: 100})
}

func FuzzCloudEvents(f *testing.F) {
	fuzz(f, "cloudevents", &Options{}, &Options{PartBytesMax: 100})
}

func FuzzX12(f *testing.F) {
	fuzz(f, "x12", &Options{}, &Options{Strict: true, Location: "0421", LinesMax: 1}, &Options{PartBytesMax: 120})
}

func FuzzEDIFACT(f *testing.F) {
	fuzz(f, "edifact", &Options{}, &Options{Strict: true, Location: "0421", LinesMax: 1}, &Options{PartBytesMax: 60})
}

func FuzzEPCIS(f *testing.F) {
	fuzz(f, "epcis", &Options{}, &Options{PartBytesMax: 500, Location: "0421"})
}

func FuzzShopify(f *testing.F) { fuzz(f, "shopify", &Options{}) }

func FuzzSquare(f *testing.F) { fuzz(f, "square", &Options{}) }

func FuzzD365(f *testing.F) {
	fuzz(f, "d365", &Options{}, &Options{Time: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Location: "0421"})
}
