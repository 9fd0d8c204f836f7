package retailer

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

type eventLine struct {
	SKU       string      `json:"sku"`
	Quantity  json.Number `json:"quantity"`
	Condition string      `json:"condition"`
}

type event struct {
	SpecVersion string `json:"specversion"`
	Type        string `json:"type"`
	Source      string `json:"source"`
	ID          string `json:"id"`
	Time        string `json:"time"`
	Data        struct {
		Location string      `json:"location"`
		SKU      string      `json:"sku"`
		Lines    []eventLine `json:"lines"`
		Reason   string      `json:"reason"`

		Name     string  `json:"name"`
		Kind     string  `json:"kind"`
		Lat      float64 `json:"lat"`
		Lon      float64 `json:"lon"`
		TimeZone string  `json:"time_zone"`
		Priority int     `json:"priority"`
		Ships    bool    `json:"ships"`
		Active   bool    `json:"active"`
		Pickup   *Pickup `json:"pickup"`
		GTIN     string  `json:"gtin"`
		Category string  `json:"category"`
		Decimals *int    `json:"decimals"`
		Aliases  Aliases `json:"aliases"`
	} `json:"data"`
}

func (e event) name() string { return e.Source + " " + e.ID }

func (e event) time(t testing.TB) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02T15:04:05.000Z", e.Time)
	if err != nil {
		t.Fatalf("%s: %v", e.name(), err)
	}
	return at
}

// decode refuses members that the struct above does not know: those would not be in the contract.
func decode(t testing.TB, record Record) event {
	t.Helper()
	var e event
	d := json.NewDecoder(bytes.NewReader(record.Value))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || !json.Valid(record.Value) {
		t.Fatalf("%s: %v", record.Value, err)
	}
	return e
}

// steps is a quantity in smallest steps of its SKU, refused with more decimals than that has.
func steps(t testing.TB, r *Retailer, ln eventLine) int64 {
	t.Helper()
	item, ok := r.catalogue.indexOf[ln.SKU]
	if !ok {
		t.Fatalf("unknown SKU %s", ln.SKU)
	}
	unit := float64(r.catalogue.unit(item))
	v, err := strconv.ParseFloat(string(ln.Quantity), 64)
	n := math.Round(v * unit)
	if err != nil || math.Abs(n-v*unit) > 1e-6 {
		t.Fatalf("%s of %s: not a number of steps of 1/%g", ln.Quantity, ln.SKU, unit)
	}
	return int64(n)
}

var (
	tillSource = regexp.MustCompile(`^pos/\d{4}/till-[1-8]$`)
	wmsSource  = regexp.MustCompile(`^wms/(\d{4}|dc\d)$`)
)

func TestEventsKeepTheContract(t *testing.T) {
	r := mustNew(t, small())
	kinds := map[string]int{}
	each := func(record Record) {
		e := decode(t, record)
		kinds[e.Type]++
		e.time(t)
		if e.SpecVersion != "1.0" || e.ID == "" {
			t.Fatalf("not a CloudEvent: %s", record.Value)
		}
		switch e.Type {
		case "erp.item":
			if record.Topic != TopicERP || string(record.Key) != e.Data.SKU || e.Data.GTIN == "" || e.Data.Decimals == nil || e.Data.Category == "" {
				t.Fatalf("wrong: %s", record.Value)
			}
			return
		case "erp.location":
			checkLocation(t, e)
		case "pos.sale", "pos.return":
			if record.Topic != TopicPOS || !tillSource.MatchString(e.Source) || !strings.HasPrefix(e.Source, "pos/"+e.Data.Location+"/") {
				t.Fatalf("wrong: %s %s", record.Topic, record.Value)
			}
		default:
			if record.Topic != TopicWMS || !wmsSource.MatchString(e.Source) || e.Source != "wms/"+e.Data.Location {
				t.Fatalf("wrong: %s %s", record.Topic, record.Value)
			}
		}
		if string(record.Key) != e.Data.Location {
			t.Fatalf("key %s of %s", record.Key, record.Value)
		}
		checkLines(t, r, e)
	}
	for record := range r.MasterData() {
		each(record)
	}
	for record := range r.Opening() {
		each(record)
	}
	run(r, 50_000, each)
	for _, kind := range []string{"erp.item", "erp.location", "wms.count", "pos.sale", "pos.return", "wms.receipt", "wms.adjustment"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	t.Log(kinds)
}

func checkLocation(t *testing.T, e event) {
	t.Helper()
	d := e.Data
	inside := d.Lat > 50.5 && d.Lat < 53.7 && d.Lon > 3.3 && d.Lon < 7.3
	if !inside || d.Name == "" || d.TimeZone != "Europe/Amsterdam" || !d.Active || len(d.Aliases.ERP) == 0 {
		t.Fatalf("wrong location: %+v", d)
	}
	if warehouse := strings.HasPrefix(d.Location, "dc"); warehouse != (d.Kind == "warehouse") || warehouse && (!d.Ships || d.Pickup != nil) {
		t.Fatalf("wrong kind of location: %+v", d)
	}
	if p := d.Pickup; p != nil {
		hours := regexp.MustCompile(`^\d\d:00-\d\d:00$`)
		if p.LeadMinutes <= 0 || len(p.Hours.Mon) != 1 || !hours.MatchString(p.Hours.Mon[0]) || p.Hours.Sun == nil || p.Exceptions["2026-12-25"] == nil {
			t.Fatalf("wrong pickup: %+v", p)
		}
	}
}

func checkLines(t *testing.T, r *Retailer, e event) {
	t.Helper()
	most := map[string]int{"pos.sale": 12, "pos.return": 3, "wms.receipt": receiptLinesMax, "wms.adjustment": 1, "wms.count": openingLinesMax, "erp.location": 0}[e.Type]
	if n := len(e.Data.Lines); n > most || n == 0 && most > 0 {
		t.Fatalf("%s has %d lines", e.Type, n)
	}
	if (e.Type == "wms.adjustment") != (e.Data.Reason != "") {
		t.Fatalf("%s with reason %q", e.Type, e.Data.Reason)
	}
	for _, ln := range e.Data.Lines {
		n := steps(t, r, ln)
		if n <= 0 && !(e.Type == "wms.adjustment" && n < 0) && !(e.Type == "wms.count" && n == 0) {
			t.Fatalf("%s of %s", e.Type, ln.Quantity)
		}
		if _, _, ok := r.find(e.Data.Location, ln.SKU); !ok {
			t.Fatalf("%s of %s at %s, which does not carry it", e.Type, ln.SKU, e.Data.Location)
		}
		if ln.Condition != "" && (e.Type != "pos.return" || ln.Condition != "damaged") {
			t.Fatalf("%s in condition %s", e.Type, ln.Condition)
		}
	}
}
