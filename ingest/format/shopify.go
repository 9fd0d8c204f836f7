package format

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"time"
	"unicode/utf8"
)

// decodeShopify reads what Shopify's webhook inventory_levels/update sends: one object, or
// more of them on lines or in an array. Each becomes an erp.snapshot of one SKU, as of
// updated_at. available is what Shopify would still sell: of what is on hand, committed units of
// orders are deducted, so its basis is net_of_committed. The item is its inventory_item_id and
// the location its location_id, both of which aliases map. An available of null, an item that
// is not stocked there, says nothing of stock and is refused; so is one below 0, of an item
// that was oversold.
func decodeShopify(r io.Reader, o *Options, to Sink) error {
	return eachObject(r, o, func(raw []byte, at Place) error {
		var v struct {
			Item      json.Number  `json:"inventory_item_id"`
			Location  json.Number  `json:"location_id"`
			Available *json.Number `json:"available"`
			UpdatedAt string       `json:"updated_at"`
		}
		refuse := func(field, value, why string) error {
			return to.Refused(&Refusal{Place: at, Field: field, Value: cut(value, 64), Why: why, Raw: raw[:min(len(raw), 4096)]})
		}
		if !utf8.Valid(raw) {
			return refuse("", "", "UTF-8")
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return refuse("", err.Error(), "an inventory level")
		}
		item, ok := number(v.Item.String(), false)
		if !ok {
			return refuse("inventory_item_id", v.Item.String(), "a number")
		}
		location, ok := number(v.Location.String(), false)
		if !ok {
			return refuse("location_id", v.Location.String(), "a number")
		}
		moment, err := time.Parse(time.RFC3339Nano, v.UpdatedAt)
		if err != nil {
			return refuse("updated_at", v.UpdatedAt, "a time of RFC 3339")
		}
		if v.Available == nil {
			return refuse("available", "null", "a number")
		}
		quantity, ok := number(v.Available.String(), false)
		if !ok || quantity[0] == '-' {
			return refuse("available", v.Available.String(), "a number, 0 or more")
		}
		return to.Event(&Event{Type: "erp.snapshot", ID: location + "/" + item + "/" + v.UpdatedAt + "/" + quantity, Time: moment, Moment: moment, Location: location,
			Basis: "net_of_committed", Lines: []Line{{SKU: item, Quantity: quantity}}, Place: at})
	})
}

// VerifyShopify says whether a webhook's body is signed with the secret: header is
// X-Shopify-Hmac-Sha256, the HMAC of SHA-256 over the body, in base64.
func VerifyShopify(secret, body []byte, header string) bool {
	return signed(secret, header, body)
}

// signed compares in constant time.
func signed(secret []byte, header string, parts ...[]byte) bool {
	got, err := base64.StdEncoding.DecodeString(header)
	mac := hmac.New(sha256.New, secret)
	for _, p := range parts {
		mac.Write(p)
	}
	return err == nil && len(secret) > 0 && hmac.Equal(got, mac.Sum(nil))
}
