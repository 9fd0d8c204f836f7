package format

import (
	"fmt"
	"strings"
)

// receipt reads an E1WPB01; see decodeIDoc.
func (d *idocs) receipt(top *element) ([]Event, *Refusal) {
	store := firstOf(top.value("POSKREIS"), d.control.value("SNDPRN"), d.o.Location)
	till, date, bon := top.value("KASSID"), top.value("VORGDATUM"), top.value("BONNUMMER")
	parts := []idPart{{"POSKREIS", store}, {"KASSID", till}, {"VORGDATUM", date}, {"BONNUMMER", bon}}
	if bon == "" {
		parts = []idPart{{"DOCNUM", d.control.value("DOCNUM")}, {"E1WPB01", fmt.Sprint(d.receipts)}}
	}
	id, bad := joined(parts)
	if bad != nil {
		return nil, bad
	}
	if !namePart(store) {
		return nil, &Refusal{Field: "POSKREIS", Value: cut(store, 64), Why: wantNamePart}
	}
	at, err := d.o.localTime(store, "20060102150405", date+top.value("VORGZEIT"))
	if err != nil {
		return nil, &Refusal{Field: "VORGDATUM VORGZEIT", Value: cut(date+" "+top.value("VORGZEIT"), 64), Why: err.Error()}
	}
	var lines []posLine
	for _, c := range top.children {
		if c.name != "E1WPB02" {
			continue
		}
		ln, bad := receiptLine(c)
		if bad != nil {
			bad.Field = indexed("E1WPB02", len(lines)+1) + "/" + bad.Field
			return nil, bad
		}
		lines = append(lines, ln)
	}
	events := tillEvents(lines, d.o)
	for i := range events {
		events[i].ID, events[i].Time, events[i].Location = nthID(id, i), at, store
	}
	return events, nil
}

func receiptLine(e *element) (ln posLine, bad *Refusal) {
	if ln.sku = material(e.value("ARTNR")); !plainName(ln.sku, nameBytesMax) {
		return ln, &Refusal{Field: "ARTNR", Value: cut(ln.sku, 64), Why: wantName}
	}
	switch sign := e.value("VORZEICHEN"); sign {
	case "-":
	case "+":
		ln.in = true
	default:
		return ln, &Refusal{Field: "VORZEICHEN", Value: cut(sign, 64), Why: "- for what was sold or + for what was returned"}
	}
	var ok bool
	if ln.quantity, ok = number(trailingSign(e.value("MENGE")), false); !ok || strings.HasPrefix(ln.quantity, "-") {
		return ln, &Refusal{Field: "MENGE", Value: cut(e.value("MENGE"), 64), Why: "a decimal number of 0 or more"}
	}
	return ln, nil
}

// idPart is a field that an id is made of.
type idPart struct{ field, value string }

func joined(parts []idPart) (string, *Refusal) {
	var values []string
	for _, p := range parts {
		if !namePart(p.value) {
			return "", &Refusal{Field: p.field, Value: cut(p.value, 64), Why: wantNamePart}
		}
		values = append(values, p.value)
	}
	return strings.Join(values, "/"), nil
}

// nthID is the id of event i of what is called id.
func nthID(id string, i int) string {
	if i == 0 {
		return id
	}
	return fmt.Sprintf("%s/%d", id, i+1)
}

// material leaves out the zeros with which SAP fills numbers of articles up to 18 or 40 digits.
// Shorter ones may be EANs, whose zeros are their own.
func material(s string) string {
	if (len(s) != 18 && len(s) != 40) || !digits(s) {
		return s
	}
	if s = strings.TrimLeft(s, "0"); s == "" {
		return "0"
	}
	return s
}
