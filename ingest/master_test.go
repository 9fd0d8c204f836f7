package ingest

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"onhand/ledger"
)

func TestDecodeSKU(t *testing.T) {
	f := func(id, body, want string) {
		t.Helper()
		info, err := DecodeSKU(readerOf(body), id, true)
		got, _ := json.Marshal(info)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", body, got, want)
		}
	}
	f("a", `{}`, `{"sku":"a","decimals":0}`)
	f("a", `{"sku":"a","gtin":"08710398526001","category":"dairy","decimals":3,"aliases":{"erp":["MAT-1"],"pos":[]},"components":[]}`,
		`{"sku":"a","gtin":"08710398526001","category":"dairy","decimals":3,"aliases":{"erp":["MAT-1"],"pos":[]}}`)
	f("a", `{"category":null,"aliases":null,"components":null}`, `{"sku":"a","decimals":0}`)
	f("", `{}`, `sku: missing member`)
	f("a", `{"sku":"b"}`, `sku: want the same as in the path, "a", got "b"`)
	f("a", `{"colour":1}`, `colour: unknown member`)
	f("a", `{"decimals":4}`, `decimals: want a whole number from 0 to 3, got 4`)
	f("a", `{"decimals":0.5}`, `decimals: want a whole number from 0 to 3, got 0.5`)
	f("a", `{"category":"a\nb"}`, `category: want 0 to 256 bytes without control characters, got "a\nb"`)
	f("a", `{"aliases":{"":[]}}`, `aliases[""]: want the name of a system: 1 to 64 bytes without control characters, got an array`)
	f("a", `{"aliases":{"erp":[""]}}`, `aliases.erp[0]: want 1 to 256 bytes without control characters, got ""`)
	f("a", `{"components":[{"sku":"b","quantity":1}]}`, ErrKits.Error())
	f("a", `[]`, `want an object, got an array`)
}

func TestDecodeLocation(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		info, err := DecodeLocation(readerOf(body), "x", true)
		got, _ := json.Marshal(info)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != want {
			t.Errorf("%s:\ngot  %s\nwant %s", body, got, want)
		}
	}
	f(`{}`, `{"location":"x","kind":"store","time_zone":"UTC","ships":false,"active":true}`)
	f(`{"location":"x","name":"Dam","kind":"warehouse","lat":-90,"lon":4.89,"time_zone":"Europe/Amsterdam","priority":1,"ships":true,"active":false}`,
		`{"location":"x","name":"Dam","kind":"warehouse","lat":-90,"lon":4.89,"time_zone":"Europe/Amsterdam","priority":1,"ships":true,"active":false}`)
	f(`{"lat":91,"lon":0}`, `lat: want a latitude from -90 to 90, got 91`)
	f(`{"lat":9,"lon":-180.5}`, `lon: want a longitude from -180 to 180, got -180.5`)
	f(`{"lat":9,"lon":1e999}`, `lon: want a longitude from -180 to 180, got 1e999`)
	f(`{"lat":9}`, `lat and lon: one without the other names no place`)
	f(`{"kind":"shop"}`, `kind: want store, warehouse, dropship or other, got "shop"`)
	for _, zone := range []string{"", "Local", "Mars/Olympus", "../etc/passwd", "/etc/passwd", "Europe"} {
		f(`{"time_zone":"`+zone+`"}`, `time_zone: want a time zone, such as Europe/Amsterdam, got "`+zone+`"`)
	}
	f(`{"priority":0}`, `priority: want a whole number from 1, which goes first, got 0`)
	f(`{"ships":1}`, `ships: want a boolean, got a number`)
	f(`{"pickups":{}}`, `pickups: unknown member`)

	pickup := func(body, want string) {
		t.Helper()
		if !strings.HasPrefix(want, "{") {
			f(`{"pickup":`+body+`}`, want)
			return
		}
		f(`{"pickup":`+body+`}`, `{"location":"x","kind":"store","time_zone":"UTC","ships":false,"active":true,"pickup":`+want+`}`)
	}
	pickup(`{}`, `{"lead_minutes":0}`)
	pickup(`{"lead_minutes":60,"cutoff":"17:00","hours":{"mon":["13:00-18:00","08:00-13:00"],"sat":["22:00-02:00"],"sun":["00:00-24:00"]},"exceptions":{"2026-12-25":[]}}`,
		`{"lead_minutes":60,"cutoff":"17:00","hours":{"mon":["13:00-18:00","08:00-13:00"],"sat":["22:00-02:00"],"sun":["00:00-24:00"]},"exceptions":{"2026-12-25":[]}}`)
	pickup(`{"lead_minutes":-1}`, `pickup.lead_minutes: want a whole number of minutes, 0 or more, got -1`)
	pickup(`{"cutoff":"24:00"}`, `pickup.cutoff: want a time of day, HH:MM, got "24:00"`)
	pickup(`{"hours":{"monday":[]}}`, `pickup.hours.monday: unknown member`)
	pickup(`{"hours":{"mon":["08:00-13:00","12:59-18:00"]}}`, `pickup.hours.mon: want spans of time that do not overlap, got an array`)
	pickup(`{"hours":{"mon":["22:00-02:00","23:00-23:30"]}}`, `pickup.hours.mon: want spans of time that do not overlap, got an array`)
	for _, bad := range []string{"8:00-18:00", "08:00–18:00", "08:00-08:00", "08:60-09:00", "24:00-08:00", "08:00-24:01", "08.00-09.00", "-1:00-09:00"} {
		pickup(`{"hours":{"mon":["`+bad+`"]}}`, `pickup.hours.mon[0]: want a span of time, HH:MM-HH:MM, got "`+bad+`"`)
	}
	pickup(`{"exceptions":{"2026-02-29":[]}}`, `pickup.exceptions.2026-02-29: want the name of the member to be a date, YYYY-MM-DD, got an array`)
}

func TestDecodeSafetyRules(t *testing.T) {
	rules, err := DecodeSafetyRules(readerOf(`[{"category":"dairy","units":1},{"sku":"a","location":"x","units":0.125},{"units":null},{"sku":"a","units":0}]`), true)
	want := []Rule{{Category: "dairy", Units: 1000}, {SKU: "a", Location: "x", Units: 125}, {None: true}, {SKU: "a"}}
	if err != nil || len(rules) != 4 {
		t.Fatal(rules, err)
	}
	for i := range want {
		if rules[i] != want[i] {
			t.Errorf("%d: got %+v, want %+v", i, rules[i], want[i])
		}
	}
	f := func(body, want string, quantity bool) {
		t.Helper()
		_, err := DecodeSafetyRules(readerOf(body), true)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", body, err, want)
		}
		var refused *ledger.Refused
		if errors.As(err, &refused) != quantity || quantity && refused.Code != ledger.InvalidQuantity {
			t.Errorf("%s: %v is of the wrong sort", body, err)
		}
	}
	f(`{}`, "want an array", false)
	f(`[{"sku":"a"}]`, "[0].units: missing member", false)
	f(`[{"units":"1"}]`, "[0].units: want a number", false)
	f(`[{"unit":1}]`, "[0].unit: unknown member", false)
	f(`[{"sku":"a","category":"b","units":1}]`, "of a sku or of a category", false)
	f(`[{"sku":"a","units":1},{"sku":"a","units":2}]`, "there twice", false)
	f(`[{"units":-1}]`, "[0].units: -1", true)
	f(`[{"units":0.0005}]`, "[0].units: 0.0005", true)
	f(`[{"units":1e12}]`, "[0].units: 1e12", true)

	if names, err := DecodeRuleNames(readerOf(`[{"sku":"a"},{"category":"b","units":3}]`), true); err != nil || len(names) != 2 {
		t.Error(names, err)
	}
	if err := DistinctRules([]Rule{{SKU: "a", Units: 1}}, []Rule{{SKU: "b"}, {SKU: "a"}}); err == nil {
		t.Error("set and removed")
	}
}
