package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"onhand/ingest"
	"onhand/jsonread"
	"onhand/ledger"
)

// pathID is the id in the path, or an answer that it is none.
func (r *request) pathID(bytesMax int) (id string, ok bool) {
	id = string(r.segments[2])
	if !isName(r.segments[2], bytesMax) {
		r.problem("invalid-request", fmt.Sprintf("path: want an id of 1 to %d bytes of UTF-8 without control characters", bytesMax))
		return "", false
	}
	return id, true
}

// readObject prepares to read the body, or answers why it cannot be read.
func (r *request) readObject() (ok bool) {
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return false
	}
	if !r.bodyIsJSON() {
		r.problem("unsupported-media-type", "want Content-Type: application/json, without a Content-Encoding")
		return false
	}
	r.json.Reset(r.ctx.Request.Body())
	return true
}

// malformed answers to a body that does not decode. What is a number but no
// quantity says its code itself.
func (r *request) malformed(err error) {
	if refused := (*ledger.Refused)(nil); errors.As(err, &refused) {
		r.fail(err)
		return
	}
	r.invalid(err)
}

// reading checks the query of a GET of one object, and waits for min_seq.
func (r *request) reading() (ok bool) {
	if err := r.onlyParams("min_seq"); err != nil {
		r.invalid(err)
		return false
	}
	return r.waitForSeq()
}

// locationAnswer is a location with every member shown, and the change that made it so.
type locationAnswer struct {
	Location string              `json:"location"`
	Name     *string             `json:"name"`
	Kind     string              `json:"kind"`
	Lat      *float64            `json:"lat"`
	Lon      *float64            `json:"lon"`
	TimeZone string              `json:"time_zone"`
	Priority *int64              `json:"priority"`
	Ships    bool                `json:"ships"`
	Active   bool                `json:"active"`
	Pickup   *ledger.Pickup      `json:"pickup"`
	Aliases  map[string][]string `json:"aliases"`
	Seq      ledger.Seq          `json:"seq"`
}

func appendLocation(b []byte, i *ledger.LocationInfo, seq ledger.Seq) []byte {
	return appendJSON(b, locationAnswer{i.Location, optional(i.Name), i.Kind, i.Lat, i.Lon, i.TimeZone, i.Priority,
		i.Ships, i.Active, i.Pickup, shownAliases(i.Aliases), seq})
}

// skuAnswer is a SKU likewise.
type skuAnswer struct {
	SKU      string              `json:"sku"`
	GTIN     *string             `json:"gtin"`
	Category *string             `json:"category"`
	Decimals int                 `json:"decimals"`
	Aliases  map[string][]string `json:"aliases"`
	Seq      ledger.Seq          `json:"seq"`
}

func appendSKU(b []byte, i *ledger.SKUInfo, seq ledger.Seq) []byte {
	return appendJSON(b, skuAnswer{i.SKU, optional(i.GTIN), optional(i.Category), i.Decimals, shownAliases(i.Aliases), seq})
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func shownAliases(a map[string][]string) map[string][]string {
	if a == nil {
		return map[string][]string{}
	}
	return a
}

func appendJSON(b []byte, v any) []byte {
	buf := bytes.NewBuffer(b)
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // plain structs of texts and finite numbers always encode
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
}

// putLocation answers PUT /v1/locations/{id}.
func (r *request) putLocation() {
	id, ok := r.pathID(locationBytesMax)
	if !ok || !r.readObject() {
		return
	}
	info, err := ingest.DecodeLocation(&r.json, id, true)
	if err == nil {
		err = r.json.End()
	}
	if err != nil {
		r.malformed(err)
		return
	}
	res, err := r.s.Ledger.Apply(ledger.PutLocation{Info: info, Now: r.s.Ledger.Now()})
	if err != nil {
		r.fail(err)
		return
	}
	if id, ok := r.s.Ledger.LookupLocation([]byte(id)); ok { // with aliases that others have set
		info, _ = r.s.Ledger.LocationInfo(id)
	}
	r.out = appendLocation(r.out[:0], &info, res.Seq)
	r.answer(200, r.out)
}

// putSKU answers PUT /v1/skus/{id}.
func (r *request) putSKU() {
	id, ok := r.pathID(skuBytesMax)
	if !ok || !r.readObject() {
		return
	}
	info, err := ingest.DecodeSKU(&r.json, id, true)
	if err == nil {
		err = r.json.End()
	}
	if err != nil {
		r.malformed(err)
		return
	}
	res, err := r.s.Ledger.Apply(ledger.PutSKU{Info: info, Now: r.s.Ledger.Now()})
	if err != nil {
		r.fail(err)
		return
	}
	if id, ok := r.s.Ledger.LookupSKU([]byte(id)); ok {
		info, _ = r.s.Ledger.SKUInfo(id)
	}
	r.out = appendSKU(r.out[:0], &info, res.Seq)
	r.answer(200, r.out)
}

// getLocation answers GET /v1/locations/{id}.
func (r *request) getLocation() {
	if !r.reading() {
		return
	}
	id, ok := r.knownLocation()
	if !ok {
		return
	}
	info, seq := r.s.Ledger.LocationInfo(id)
	r.out = appendLocation(r.out[:0], &info, seq)
	r.answer(200, r.out)
}

// getSKU answers GET /v1/skus/{id}.
func (r *request) getSKU() {
	if !r.reading() {
		return
	}
	id, ok := r.knownSKU()
	if !ok {
		return
	}
	info, seq := r.s.Ledger.SKUInfo(id)
	r.out = appendSKU(r.out[:0], &info, seq)
	r.answer(200, r.out)
}

// deleteLocation answers DELETE /v1/locations/{id}.
func (r *request) deleteLocation() {
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return
	}
	if id, ok := r.knownLocation(); ok {
		r.deleted(ledger.DeleteLocation{Location: id, Now: r.s.Ledger.Now()})
	}
}

// deleteSKU answers DELETE /v1/skus/{id}.
func (r *request) deleteSKU() {
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return
	}
	if id, ok := r.knownSKU(); ok {
		r.deleted(ledger.DeleteSKU{SKU: id, Now: r.s.Ledger.Now()})
	}
}

func (r *request) deleted(c ledger.Command) {
	res, err := r.s.Ledger.Apply(c)
	if err != nil {
		r.fail(err)
		return
	}
	b := append(r.out[:0], `{"seq":`...)
	r.out = append(strconv.AppendUint(b, uint64(res.Seq), 10), '}')
	r.answer(200, r.out)
}

// knownLocation is the location in the path, or an answer that nobody knows it.
func (r *request) knownLocation() (id ledger.Location, ok bool) {
	name, ok := r.pathID(locationBytesMax)
	if !ok {
		return 0, false
	}
	if id, ok = r.s.Ledger.LookupLocation(r.segments[2]); !ok {
		r.problem("unknown-location", string(jsonread.AppendString(nil, name)))
	}
	return id, ok
}

// knownSKU is the SKU in the path, or an answer that nobody knows it.
func (r *request) knownSKU() (id ledger.SKU, ok bool) {
	name, ok := r.pathID(skuBytesMax)
	if !ok {
		return 0, false
	}
	if id, ok = r.s.Ledger.LookupSKU(r.segments[2]); !ok {
		r.problem("unknown-sku", string(jsonread.AppendString(nil, name)))
	}
	return id, ok
}
