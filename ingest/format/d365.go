package format

import (
	"encoding/json"
	"io"
	"sort"
	"strings"
	"unicode/utf8"
)

// decodeD365 reads postings of on-hand changes as Dynamics 365's Inventory Visibility takes
// them: one object, or more of them on lines or in an array. Each measure becomes an event of
// its own, by d365Measures; measures of goods that are ordered or reserved are left out, and one
// that is not known is refused by name. A posting says no time: it is that of its record, or of
// the file.
//
// The location is the dimension PosLocationId, else LocationId, else Options.Location. The item is
// productId, and behind it the configuration, size, colour and style where a product has them,
// each behind a colon, which is what aliases map. Other dimensions (site, batch, serial, pallet)
// and the organization are not read.
func decodeD365(r io.Reader, o *Options, to Sink) error {
	return eachObject(r, o, func(raw []byte, at Place) error {
		var v d365Posting
		refuse := func(field, value, why string) error {
			return to.Refused(&Refusal{Place: at, Field: field, Value: cut(value, 64), Why: why, Raw: raw[:min(len(raw), 4096)]})
		}
		if !utf8.Valid(raw) {
			return refuse("", "", "UTF-8")
		}
		if err := json.Unmarshal(raw, &v); err != nil {
			return refuse("", err.Error(), "a posting of on-hand changes")
		}
		dimensions := make(map[string]string)
		for name, value := range v.Dimensions {
			dimensions[strings.ToLower(name)] = value
		}
		location := o.Location
		for _, name := range [...]string{"locationid", "poslocationid"} {
			if dimensions[name] != "" {
				location = dimensions[name]
			}
		}
		item := v.Product
		for _, name := range [...]string{"configid", "sizeid", "colorid", "styleid"} {
			if dimensions[name] != "" {
				item += ":" + dimensions[name]
			}
		}
		switch {
		case v.ID == "":
			return refuse("id", "", "an id")
		case v.Product == "":
			return refuse("productId", "", "a product")
		case location == "":
			return refuse("dimensions", "", "PosLocationId or LocationId")
		case o.Time.IsZero():
			return refuse("time", "", "the time of the file or record, for a posting says none")
		}
		for _, source := range keys(v.Quantities) {
			for _, measure := range keys(v.Quantities[source]) {
				field, value := "quantities."+source+"."+measure, v.Quantities[source][measure].String()
				kind, known := d365Kind(source, measure)
				quantity, ok := number(value, false)
				switch {
				case !known:
					if err := refuse(field, value, "a measure that is known"); err != nil {
						return err
					}
					continue
				case kind == "":
					continue
				case !ok:
					if err := refuse(field, value, "a number"); err != nil {
						return err
					}
					continue
				}
				if quantity[0] == '-' && kind != "wms.adjustment" {
					kind, quantity = d365Undoing[kind], negated(quantity)
				}
				if quantity == "0" {
					continue
				}
				e := &Event{Type: kind, ID: v.ID + "/" + source + "/" + measure, Time: o.Time, Location: location, Lines: []Line{{SKU: item, Quantity: quantity}}, Place: at}
				if err := to.Event(e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

type d365Posting struct {
	ID         string                            `json:"id"`
	Product    string                            `json:"productId"`
	Dimensions map[string]string                 `json:"dimensions"`
	Quantities map[string]map[string]json.Number `json:"quantities"`
}

// d365Undoing is the event by which a negative quantity of another says what it means.
var d365Undoing = map[string]string{"pos.sale": "pos.return", "pos.return": "pos.sale", "wms.receipt": "wms.shipment", "wms.shipment": "wms.receipt"}

// d365Kind is the event that a physical measure of a data source makes; "" where it moves nothing.
func d365Kind(source, measure string) (kind string, known bool) {
	pos := strings.EqualFold(source, "pos")
	switch strings.ToLower(measure) {
	case "outbound", "sold", "posoutbound":
		if pos {
			return "pos.sale", true
		}
		return "wms.shipment", true
	case "inbound", "returned", "posinbound":
		if pos {
			return "pos.return", true
		}
		return "wms.receipt", true
	case "received":
		return "wms.receipt", true
	case "deducted":
		return "wms.shipment", true
	case "onhand", "physicalinvent", "adjusted":
		return "wms.adjustment", true
	case "ordered", "onorder", "arrived", "registered", "picked", "posted", "reservphysical", "reservordered", "softreservphysical", "softreserved",
		"softreserveordered", "availphysical", "availordered", "intransit", "allocated", "virtualphysical":
		return "", true
	}
	return "", false
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
