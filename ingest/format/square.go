package format

import (
	"encoding/json"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// decodeSquare reads what Square's webhook inventory.count.updated sends: one object, or more
// of them on lines or in an array. Each count with the state IN_STOCK becomes an erp.snapshot
// of one SKU as of calculated_at, a physical figure. Counts of other states are left out: they
// are of units that have left or have not come. The item is catalog_object_id and the location
// location_id, both of which aliases map. Another type of webhook, or another state than
// Square's own, is refused by name.
func decodeSquare(r io.Reader, o *Options, to Sink) error {
	return eachObject(r, o, func(raw []byte, at Place) error {
		var v squareEvent
		refuse := func(field, value, why string) error {
			return to.Refused(&Refusal{Place: at, Field: field, Value: cut(value, 64), Why: why, Raw: raw[:min(len(raw), 4096)]})
		}
		if !utf8.Valid(raw) {
			return refuse("", "", "UTF-8")
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return refuse("", err.Error(), "an event of Square's")
		}
		if v.Type != "inventory.count.updated" {
			return refuse("type", v.Type, "inventory.count.updated")
		}
		if v.ID == "" {
			return refuse("event_id", "", "an id")
		}
		for n := range v.Data.Object.Counts {
			if err := v.Data.Object.Counts[n].give(v.ID, n, at, to, refuse); err != nil {
				return err
			}
		}
		return nil
	})
}

type squareEvent struct {
	Type string `json:"type"`
	ID   string `json:"event_id"`
	Data struct {
		Object struct {
			Counts []squareCount `json:"inventory_counts"`
		} `json:"object"`
	} `json:"data"`
}

type squareCount struct {
	CalculatedAt string `json:"calculated_at"`
	Item         string `json:"catalog_object_id"`
	Kind         string `json:"catalog_object_type"`
	Location     string `json:"location_id"`
	Quantity     string `json:"quantity"`
	State        string `json:"state"`
}

func (c *squareCount) give(id string, n int, at Place, to Sink, refuse func(field, value, why string) error) error {
	field := func(name string) string { return "inventory_counts[" + strconv.Itoa(n) + "]." + name }
	switch c.State {
	case "IN_STOCK":
	case "SOLD", "SOLD_ONLINE", "RETURNED_BY_CUSTOMER", "RESERVED_FOR_SALE", "ORDERED_FROM_VENDOR", "RECEIVED_FROM_VENDOR",
		"IN_TRANSIT", "IN_TRANSIT_TO", "WASTE", "UNLINKED_RETURN", "COMPOSED", "DECOMPOSED", "NONE":
		return nil
	default:
		return refuse(field("state"), c.State, "a state of Square's")
	}
	if c.Kind != "" && c.Kind != "ITEM_VARIATION" {
		return refuse(field("catalog_object_type"), c.Kind, "ITEM_VARIATION")
	}
	moment, err := time.Parse(time.RFC3339Nano, c.CalculatedAt)
	if err != nil {
		return refuse(field("calculated_at"), c.CalculatedAt, "a time of RFC 3339")
	}
	if c.Item == "" {
		return refuse(field("catalog_object_id"), "", "an id")
	}
	if c.Location == "" {
		return refuse(field("location_id"), "", "an id")
	}
	quantity, ok := number(c.Quantity, false)
	if !ok || quantity[0] == '-' {
		return refuse(field("quantity"), c.Quantity, "a number, 0 or more")
	}
	return to.Event(&Event{Type: "erp.snapshot", ID: id + "/" + strconv.Itoa(n+1), Time: moment, Moment: moment, Location: c.Location,
		Lines: []Line{{SKU: c.Item, Quantity: quantity}}, Place: at})
}

// VerifySquare says whether a webhook's body is signed with the key: header is
// x-square-hmacsha256-signature, the HMAC of SHA-256 over the URL that Square calls and the
// body, in base64.
func VerifySquare(key []byte, url string, body []byte, header string) bool {
	return signed(key, header, []byte(url), body)
}
