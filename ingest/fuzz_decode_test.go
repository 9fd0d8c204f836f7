package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"onhand/jsonread"
	"onhand/ledger"
)

// object is an object as encoding/json gives it.
type object = map[string]any

// slowEvent is what an event says, read the obvious way.
type slowEvent struct {
	attributes                             map[string]string
	data                                   any
	location, reservation, inbound, reason *string
	voids, to                              *string
	expectedAt                             int64
	complete                               bool
	moment                                 *int64
	lines                                  []slowLine
	item                                   ledger.SKUInfo
	net                                    bool
	order, channel                         *string
	ttl                                    int64
}

type slowLine struct {
	sku       string
	location  *string // of an order's
	quantity  json.Number
	condition string // "" not given, or not asked for; of a status that from which units go
	to        string
	expected  int64
}

// obvious reads JSON of which jsonread has said that it is strictly valid.
func obvious(t *testing.T, b []byte) (v any, ok bool) {
	r := readerOf(string(b))
	r.Skip()
	if r.End() != nil {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: jsonread takes it, encoding/json says %v", b, err)
	}
	return v, true
}

// plain says whether v is a text of low to high bytes without control characters.
func plain(v any, low, high int) bool {
	s, ok := v.(string)
	return ok && len(s) >= low && len(s) <= high && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// slowly reads an event; ok is false where it must be refused.
func slowly(t *testing.T, value []byte, headers []ledger.Header) (e slowEvent, ok bool) {
	v, valid := obvious(t, value)
	e.attributes = make(map[string]string)
	hasData := true
	if binaryMode(headers) {
		e.data = v
		for _, h := range headers {
			if name, ours := strings.CutPrefix(h.Key, "ce_"); ours && slices.Contains(attributeNames, name) {
				if _, twice := e.attributes[name]; twice {
					return e, false
				}
				e.attributes[name] = string(h.Value)
			}
		}
	} else {
		o, isObject := v.(object)
		if !isObject {
			return e, false
		}
		for _, name := range attributeNames {
			if v, given := o[name]; given {
				if e.attributes[name], ok = v.(string); !ok {
					return e, false
				}
			}
		}
		e.data, hasData = o["data"]
	}
	for _, name := range attributeNames {
		if !plain(e.attributes[name], 1, 512) {
			return e, false
		}
	}
	_, timeOK := jsonread.ParseTime([]byte(e.attributes["time"]))
	k := kindOf([]byte(e.attributes["type"]))
	if !valid || !hasData || !timeOK || e.attributes["specversion"] != "1.0" || k == kindUnknown {
		return e, false
	}
	data, isObject := e.data.(object)
	switch {
	case k == kindLocation || k == kindPolicy:
		return e, true // not modelled
	case !isObject:
		return e, false
	case k == kindItem:
		return e, e.slowItem(data)
	case k.order():
		return e, e.slowOrder(data, k)
	}
	return e, e.slowStock(data, k)
}

var attributeNames = []string{"specversion", "type", "source", "id", "time"}

// text reads an optional member; null is none.
func text(data object, name string, low, high int) (s *string, ok bool) {
	v := data[name]
	if v == nil {
		return nil, true
	}
	if !plain(v, low, high) {
		return nil, false
	}
	out := v.(string)
	return &out, true
}

func (e *slowEvent) slowStock(data object, k kind) bool {
	location, ok := data["location"].(string)
	if !ok || !plain(location, 1, 64) {
		return false
	}
	e.location = &location
	switch k {
	case kindSaleVoid, kindStockVoid:
		if !plain(data["voids"], 1, 512) {
			return false
		}
		voids := data["voids"].(string)
		e.voids = &voids
		return true
	case kindHeartbeat:
		return e.slowMoment(data["as_of"]) && e.moment != nil
	}
	if !e.slowInbound(data, k) {
		return false
	}
	lines, ok := data["lines"].([]any)
	if k == kindSnapshot {
		e.complete, _ = data["complete"].(bool)
	}
	if data["lines"] == nil && e.complete && k == kindTransferReceipt {
		_, given := data["lines"]
		ok = !given
	}
	if !ok || len(lines) == 0 && k != kindInbound && !e.complete || len(lines) > 100_000 {
		return false
	}
	if k == kindSale || k == kindShipment {
		if e.reservation, ok = text(data, "reservation", 1, 128); !ok {
			return false
		}
	}
	if k == kindReceipt {
		if e.inbound, ok = text(data, "inbound", 1, 512); !ok {
			return false
		}
	}
	if v := data["reason"]; k == kindAdjustment && v != nil {
		reason, ok := v.(string)
		if !ok {
			return false
		}
		e.reason = &reason
	}
	if k == kindCount && !e.slowMoment(data["counted_at"]) {
		return false
	}
	if k == kindSnapshot {
		e.net = data["basis"] == "net_of_committed"
		if v := data["complete"]; v != nil && v != true && v != false {
			return false
		}
		if basis := data["basis"]; !e.slowMoment(data["as_of"]) || basis != nil && basis != "physical" && !e.net {
			return false
		}
	}
	for _, v := range lines {
		o, _ := v.(object)
		sku, ok := o["sku"].(string)
		quantity, ok2 := o["quantity"].(json.Number)
		if !ok || !ok2 || !plain(sku, 1, 128) {
			return false
		}
		ln := slowLine{sku: sku, quantity: quantity}
		if v := o["condition"]; v != nil && k != kindSale && k != kindCount && k != kindSnapshot && k != kindStatus && k != kindInbound {
			if ln.condition, ok = v.(string); !ok || !slices.Contains(conditionWords, ln.condition) {
				return false
			}
		}
		if k == kindInbound {
			if ln.expected, ok = slowExpected(o["expected_at"]); !ok {
				return false
			}
		}
		if k == kindStatus {
			ln.condition, ok = o["from"].(string)
			if ln.to, ok2 = o["to"].(string); !ok || !ok2 || ln.to == ln.condition ||
				!slices.Contains(conditionWords, ln.condition) || !slices.Contains(conditionWords, ln.to) {
				return false
			}
		}
		e.lines = append(e.lines, ln)
	}
	return true
}

// slowOrder reads what an order's event says; what its type does not ask for is not looked at.
func (e *slowEvent) slowOrder(data object, k kind) (ok bool) {
	e.ttl = 14_400_000
	if e.order, ok = text(data, "order", 1, 128); !ok || e.order == nil {
		return false
	}
	if k == kindOrderPaid {
		return true
	}
	if e.location, ok = text(data, "location", 1, 64); !ok {
		return false
	}
	if k == kindOrderPlaced {
		if e.channel, ok = text(data, "channel", 0, 256); !ok {
			return false
		}
		if v := data["ttl_seconds"]; v != nil {
			n, isNumber := v.(json.Number)
			if !isNumber || !modest(n) {
				return false
			}
			r, _ := new(big.Rat).SetString(string(n))
			if !r.IsInt() || r.Sign() <= 0 || r.Cmp(big.NewRat(14_400, 1)) > 0 {
				return false
			}
			e.ttl = r.Num().Int64() * 1000
		}
	} else {
		if e.reason, ok = text(data, "reason", 0, 256); !ok {
			return false
		}
		if data["lines"] == nil {
			return true
		}
	}
	lines, ok := data["lines"].([]any)
	if !ok || len(lines) == 0 || len(lines) > 100_000 {
		return false
	}
	for _, v := range lines {
		o, _ := v.(object)
		quantity, isNumber := o["quantity"].(json.Number)
		location, ok := text(o, "location", 1, 64)
		if !ok || !isNumber || !plain(o["sku"], 1, 128) {
			return false
		}
		e.lines = append(e.lines, slowLine{sku: o["sku"].(string), quantity: quantity, location: location})
	}
	return true
}

// slowInbound reads what events of goods under way have beside a receipt.
func (e *slowEvent) slowInbound(data object, k kind) bool {
	name, bytesMax := "inbound", 512
	switch k {
	case kindTransfer, kindTransferReceipt:
		name, bytesMax = "transfer", 128
	case kindInbound:
	default:
		return true
	}
	ok := true
	if e.inbound, ok = text(data, name, 1, bytesMax); !ok || e.inbound == nil {
		return false
	}
	if v := data["complete"]; k == kindTransferReceipt && v != nil {
		if e.complete, ok = v.(bool); !ok {
			return false
		}
	}
	if k != kindTransfer {
		return true
	}
	if v := data["expected_at"]; v != nil {
		if e.expectedAt, ok = slowExpected(v); !ok {
			return false
		}
	}
	e.to, ok = text(data, "to", 1, 64)
	return ok && e.to != nil && *e.to != *e.location
}

func slowExpected(v any) (millis int64, ok bool) {
	s, isText := v.(string)
	millis, ok = jsonread.ParseTime([]byte(s))
	return millis, ok && isText && millis > 0
}

var conditionWords = []string{"sellable", "damaged", "quality_control", "quarantine"}

// slowMoment reads an optional time.
func (e *slowEvent) slowMoment(v any) bool {
	if v == nil {
		return true
	}
	s, isText := v.(string)
	millis, ok := jsonread.ParseTime([]byte(s))
	e.moment = &millis
	return isText && ok
}

func (e *slowEvent) slowItem(data object) bool {
	if !plain(data["sku"], 1, 128) {
		return false
	}
	e.item.SKU = data["sku"].(string)
	gtin, ok := text(data, "gtin", 0, 256)
	category, ok2 := text(data, "category", 0, 256)
	if !ok || !ok2 {
		return false
	}
	if gtin != nil {
		e.item.GTIN = *gtin
	}
	if category != nil {
		e.item.Category = *category
	}
	if v, given := data["decimals"]; given {
		n, isNumber := v.(json.Number)
		if !isNumber || !modest(n) {
			return false
		}
		r, _ := new(big.Rat).SetString(string(n))
		if !r.IsInt() || r.Sign() < 0 || r.Cmp(big.NewRat(3, 1)) > 0 {
			return false
		}
		e.item.Decimals = int(r.Num().Int64())
	}
	if v := data["components"]; v != nil {
		if list, ok := v.([]any); !ok || len(list) > 0 {
			return false
		}
	}
	if v := data["aliases"]; v != nil {
		all, ok := v.(object)
		for system, v := range all {
			codes, isList := v.([]any)
			ok = ok && isList && plain(system, 1, 64)
			for _, c := range codes {
				ok = ok && plain(c, 1, 256)
			}
		}
		return ok
	}
	return true
}

// modest keeps big.Rat from building numbers of gigabytes.
func modest(n json.Number) bool {
	_, exponent, has := strings.Cut(strings.ToLower(string(n)), "e")
	if !has {
		return true
	}
	v, ok := new(big.Int).SetString(exponent, 10)
	return ok && v.IsInt64() && v.Int64() > -400 && v.Int64() < 400
}

func (e *slowEvent) agrees(t *testing.T, d *decoder) {
	equal := func(what, got, want string) {
		if got != want {
			t.Fatalf("%s: %q, want %q", what, got, want)
		}
	}
	optional := func(what string, got []byte, want *string) {
		if (got == nil) != (want == nil) {
			t.Fatalf("%s: %q, want it given: %v", what, got, want != nil)
		}
		if want != nil {
			equal(what, string(got), *want)
		}
	}
	equal("source", string(d.source), e.attributes["source"])
	equal("id", string(d.id), e.attributes["id"])
	millis, _ := jsonread.ParseTime([]byte(e.attributes["time"]))
	if d.time != ledger.Millis(millis) {
		t.Fatalf("time: %d, want %d", d.time, millis)
	}
	switch d.kind {
	case kindLocation, kindPolicy:
		return
	case kindItem:
		got := d.item
		got.Aliases = nil
		if got.SKU != e.item.SKU || got.GTIN != e.item.GTIN || got.Category != e.item.Category || got.Decimals != e.item.Decimals {
			t.Fatalf("item: %+v, want %+v", got, e.item)
		}
		return
	}
	optional("location", d.location, e.location)
	optional("reservation", d.reservation, e.reservation)
	optional("inbound", d.inbound, e.inbound)
	optional("reason", d.reason, e.reason)
	optional("voids", d.voids, e.voids)
	optional("to", d.to, e.to)
	optional("order", d.orderID, e.order)
	optional("channel", d.channel, e.channel)
	if d.kind.order() && int64(d.ttl) != e.ttl {
		t.Fatalf("held for %d ms, want %d", d.ttl, e.ttl)
	}
	if int64(d.expectedAt) != e.expectedAt || d.net != e.net || d.complete != e.complete {
		t.Fatalf("expected at %d, net %v, complete %v, want %d, %v, %v", d.expectedAt, d.net, d.complete, e.expectedAt, e.net, e.complete)
	}
	if e.moment != nil {
		millis = *e.moment
	}
	if d.moment != ledger.Millis(millis) || d.hasMoment != (e.moment != nil) {
		t.Fatalf("speaks of %d, want %d", d.moment, millis)
	}
	if len(d.lines) != len(e.lines) {
		t.Fatalf("%d lines, want %d", len(d.lines), len(e.lines))
	}
	conditions := map[string]condition{"": sellable, "sellable": sellable, "damaged": damaged, "quality_control": qualityControl, "quarantine": quarantine}
	for i := range e.lines {
		got, want := &d.lines[i], &e.lines[i]
		equal("sku", string(got.sku), want.sku)
		optional("location of a line", got.location, want.location)
		if int(got.index) != i || got.condition != conditions[want.condition] || got.to != conditions[want.to] || int64(got.expectedAt) != want.expected || string(got.quantity.Raw) != string(want.quantity) {
			t.Fatalf("line %d: %+v, want %+v", i, got, want)
		}
		if modest(want.quantity) && !got.quantity.Overflow {
			n, _ := new(big.Rat).SetString(string(want.quantity))
			ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(got.quantity.Scale)), nil)
			if n.Cmp(new(big.Rat).SetFrac(big.NewInt(got.quantity.Coef), ten)) != 0 {
				t.Fatalf("line %d: %+v, want %s", i, got.quantity, want.quantity)
			}
		}
	}
}

// headersOf reads lines of "name: value", as few real ones are found by chance.
func headersOf(text string) (out []ledger.Header) {
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			out = append(out, ledger.Header{Key: name, Value: []byte(value)})
		}
	}
	return out
}

const binaryHeaders = "ce_specversion: 1.0\nce_type: %s\nce_source: pos/0042/till-3\nce_id: 1\nce_time: 2026-11-23T09:00:00+01:00\ncontent-type: application/json"

// eventSeeds are an event of every type in both modes.
func eventSeeds(add func(value, headers string)) {
	for _, data := range []string{
		`{"location":"0042","lines":[{"sku":"a","quantity":2},{"sku":"kg","quantity":0.5,"condition":"damaged"}],"reservation":"r","inbound":"po-1","reason":"theft"}`,
		`{"location":"0042","counted_at":"2026-11-23T09:00:00Z","lines":[{"sku":"a","quantity":0}]}`,
		`{"location":"n","name":"Dam","time_zone":"Europe/Amsterdam","pickup":{"lead_minutes":3,"hours":{"mon":["08:00-18:00"]}},"lat":1,"lon":2,"aliases":{"x":["y"]}}`,
		`{"sku":"z","decimals":1,"gtin":"08710398526001","category":"dairy","aliases":{"erp":["M1"]},"components":[]}`,
		`{"policy":"safety-stock","set":[{"sku":"a","units":1}],"remove":[{}]}`,
		`{"location":"0042","lines":[{"sku":"a","quantity":2,"from":"sellable","to":"damaged"}]}`,
		`{"location":"0042","as_of":"2026-11-23T09:00:00Z","basis":"physical","complete":false,"lines":[{"sku":"a","quantity":3}],"voids":"2"}`,
		`{"location":"0042","to":"dc1","transfer":"t-1","inbound":"po-1","complete":true,"expected_at":"2026-11-24T09:00:00Z",
			"lines":[{"sku":"a","quantity":3,"expected_at":"2026-11-24T09:00:00Z","condition":"damaged"}]}`,
		`{"location":"0042","transfer":"t-1","inbound":"po-1","complete":true,"lines":[]}`,
		`{"location":"0042","basis":"net_of_committed","complete":true,"lines":[]}`,
		`{"policy":"safety-stock","rules":[{"category":"dairy","location":"0042","units":1.5},{"units":null}]}`,
		`{"order":"o-1","channel":"web","ttl_seconds":60,"reason":"no longer wanted","location":"dc1","lines":[{"sku":"a","location":"0042","quantity":1},{"sku":"kg","quantity":0.5}]}`,
	} {
		for _, kind := range []string{"pos.sale", "pos.return", "wms.receipt", "wms.shipment", "wms.adjustment", "wms.count",
			"erp.item", "erp.location", "erp.policy", "wms.status", "erp.snapshot", "feed.heartbeat", "pos.void", "wms.void", "wms.transfer", "wms.transfer_receipt",
			"erp.inbound", "order.placed", "order.paid", "order.cancelled", "order.payment_failed", "x"} {
			add(event(kind, "1", data), "")
			add(data, strings.Replace(binaryHeaders, "%s", kind, 1))
		}
	}
	add(`{"specversion":"1.0","data":{"lines":[{"quantity":1e2,"sku":"\u0061"}],"location":"\ud83d\ude00"},"type":"pos.sale","source":"s","id":"é","time":"2026-11-23t09:59:60Z"}`, "")
}

// FuzzDecode holds what is read of an event against encoding/json and a reading as
// plain as can be: which events are refused, and what the others say. The same
// event written otherwise, with its members in another order or in the other mode, has the same content.
func FuzzDecode(f *testing.F) {
	eventSeeds(func(value, headers string) { f.Add([]byte(value), headers) })
	f.Fuzz(func(t *testing.T, value []byte, lines string) {
		headers := headersOf(lines)
		was := bytes.Clone(value)
		var d, again decoder
		err := d.read(value, headers)
		want, ok := slowly(t, value, headers)
		if err != nil {
			var refused *ledger.Refused
			if !errors.As(err, &refused) || refused.Detail == "" || !utf8.ValidString(refused.Detail) {
				t.Fatalf("refused as %v", err)
			}
			if k := kindOf(d.eventType); ok && k != kindLocation && k != kindPolicy {
				t.Fatalf("%s\nrefused: %v", value, err)
			}
			return
		}
		if !ok {
			t.Fatalf("%s\nwas taken", value)
		}
		want.agrees(t, &d)
		content := d.contentHash()
		sorted := object{"data": want.data}
		var binary []ledger.Header
		for name, v := range want.attributes {
			sorted[name] = v
			binary = append(binary, ledger.Header{Key: "ce_" + name, Value: []byte(v)})
		}
		structured, err := json.Marshal(sorted)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := json.Marshal(want.data)
		for _, other := range []struct {
			value   []byte
			headers []ledger.Header
		}{{structured, nil}, {data, binary}} {
			if r := readerOf(string(other.value)); r.RawValue() == nil {
				continue // an envelope makes it too deep
			}
			if err := again.read(other.value, other.headers); err != nil || again.contentHash() != content {
				t.Fatalf("%s and %s have other contents: %v", value, other.value, err)
			}
		}
		if !bytes.Equal(value, was) {
			t.Fatal("the decoder changed its input")
		}
	})
}
