package ingest

import (
	"errors"
	"strings"
	"time"
	_ "time/tzdata" // which time zones exist must not depend on the machine

	"onhand/jsonread"
	"onhand/ledger"
)

// ErrKits refuses components: kits are not built yet, and a kit taken for a plain
// SKU would be promised from stock that it never has.
var ErrKits = errors.New("components: kits are not supported yet")

// DecodeSKU reads master data of a SKU, the object that is next in r:
//
//	{"gtin":"08710398526001","category":"dairy","decimals":0,"aliases":{"erp":["MAT-1"]}}
//
// All members are optional. id is the SKU where the caller knows it from elsewhere;
// a member sku must then repeat it. With id "" the member sku is required. strict
// refuses unknown members. Every error is the fault of who sent it; it names
// member and value, and one that is a *ledger.Refused says its code itself.
func DecodeSKU(r *jsonread.Reader, id string, strict bool) (ledger.SKUInfo, error) {
	info := ledger.SKUInfo{SKU: id}
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "sku":
			info.SKU = string(readSKU(r))
			sameID(r, id, info.SKU)
		case "gtin":
			info.GTIN = optionalText(r, textBytesMax)
		case "category":
			info.Category = optionalText(r, textBytesMax)
		case "decimals":
			info.Decimals = int(wholeNumber(r, 0, 3, "a whole number from 0 to 3"))
		case "aliases":
			info.Aliases = decodeAliases(r)
		case "components":
			refuseKit(r)
		case "seq": // what was got can be put again, and this member is not the caller's to say
		default:
			unknown(r, strict)
		}
	}
	if info.SKU == "" {
		r.Missing("sku")
	}
	return info, r.Err()
}

func refuseKit(r *jsonread.Reader) {
	if r.Null() {
		return
	}
	n := 0
	for r.BeginArray(); r.NextElem(); {
		n++
	}
	if n > 0 {
		r.Fail(ErrKits)
	}
}

// DecodeLocation reads master data of a location, the object that is next in r.
// Members left out get the contract's defaults. For id, strict and errors see DecodeSKU.
func DecodeLocation(r *jsonread.Reader, id string, strict bool) (ledger.LocationInfo, error) {
	info := ledger.LocationInfo{Location: id, Kind: "store", TimeZone: "UTC", Active: true}
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "location":
			info.Location = string(readLocation(r))
			sameID(r, id, info.Location)
		case "name":
			info.Name = optionalText(r, textBytesMax)
		case "kind":
			if info.Kind = string(r.Text()); !kinds[info.Kind] {
				r.Refuse("store, warehouse, dropship or other")
			}
		case "lat":
			info.Lat = degrees(r, 90, "a latitude from -90 to 90")
		case "lon":
			info.Lon = degrees(r, 180, "a longitude from -180 to 180")
		case "time_zone":
			info.TimeZone = timeZone(r)
		case "priority":
			if !r.Null() {
				p := wholeNumber(r, 1, 1_000_000_000, "a whole number from 1, which goes first")
				info.Priority = &p
			}
		case "ships":
			info.Ships = r.Bool()
		case "active":
			info.Active = r.Bool()
		case "pickup":
			if !r.Null() {
				info.Pickup = decodePickup(r, strict)
			}
		case "aliases":
			info.Aliases = decodeAliases(r)
		case "seq": // as in DecodeSKU
		default:
			unknown(r, strict)
		}
	}
	if info.Location == "" {
		r.Missing("location")
	}
	if (info.Lat == nil) != (info.Lon == nil) {
		r.Fail(errors.New("lat and lon: one without the other names no place"))
	}
	return info, r.Err()
}

var kinds = map[string]bool{"store": true, "warehouse": true, "dropship": true, "other": true}

func unknown(r *jsonread.Reader, strict bool) {
	if strict {
		r.Unknown()
	}
}

func sameID(r *jsonread.Reader, id, got string) {
	if id != "" && got != id && r.Err() == nil {
		r.Refuse("the same as in the path, " + string(jsonread.AppendString(nil, id)))
	}
}

// optionalText reads a text, or null for none.
func optionalText(r *jsonread.Reader, bytesMax int) string {
	if r.Null() {
		return ""
	}
	return string(readText(r, 0, bytesMax))
}

func wholeNumber(r *jsonread.Reader, low, high int64, want string) int64 {
	n, ok := r.Number().Int64()
	if r.Err() == nil && (!ok || n < low || n > high) {
		r.Refuse(want)
	}
	return n
}

func degrees(r *jsonread.Reader, bound float64, want string) *float64 {
	if r.Null() {
		return nil
	}
	v, ok := r.Number().Float64()
	if r.Err() == nil && (!ok || v < -bound || v > bound) {
		r.Refuse(want)
	}
	return &v
}

func timeZone(r *jsonread.Reader) string {
	name := string(r.Text())
	if r.Err() != nil {
		return ""
	}
	// Local would mean something else on each machine. A name is never a path: what
	// LoadLocation lets through beside names with dots and slashes at the front is looked up in files.
	if name == "" || name == "Local" || strings.ContainsAny(name, `\.`) {
		r.Refuse("a time zone, such as Europe/Amsterdam")
	} else if _, err := time.LoadLocation(name); err != nil {
		r.Refuse("a time zone, such as Europe/Amsterdam")
	}
	return name
}

// decodeAliases reads the codes by which other systems call it: {"pos":["42"]}.
func decodeAliases(r *jsonread.Reader) map[string][]string {
	if r.Null() {
		return nil
	}
	var out map[string][]string
	for r.BeginObject(); r.NextKey(); {
		system := r.Key()
		if len(system) == 0 || !plainText(system, locationBytesMax) {
			r.Refuse("the name of a system: " + wantText(1, locationBytesMax))
			break
		}
		codes := []string{}
		for r.BeginArray(); r.NextElem(); {
			codes = append(codes, string(readText(r, 1, textBytesMax)))
		}
		if out == nil {
			out = make(map[string][]string)
		}
		out[string(system)] = codes
	}
	return out
}
