package format

import (
	"fmt"
	"strings"
	"time"
)

// moved is one line of a goods movement with what its event has in common with others.
type moved struct {
	head goodsHead
	line Line
}

// goodsHead is what lines of one event share.
type goodsHead struct {
	event, location, inbound, reason, transfer, to string
	at                                             time.Time
}

// goodsMovement gives an E1MBGMCR as one event for each kind of movement and plant in it: a
// document is posted whole or not at all, so one bad item refuses all. The id is the IDoc's
// number, and with /2, /3 where there are more events than one.
//
// The location is PLANT; the storage location is not looked at. The movement type says what
// happens, see movementTypes; STCK_TYPE says the condition where the type does not.
// PO_NUMBER is the inbound of a receipt. Goods in two steps between plants are one transfer by
// REF_DOC_NO, which both documents have to name; of a shipment that names none the IDoc's
// number is it. The time is that of postedAt.
func (d *idocs) goodsMovement(top *element) ([]Event, *Refusal) {
	id, bad := joined([]idPart{{"EDI_DC40/DOCNUM", d.control.value("DOCNUM")}})
	if bad != nil {
		return nil, bad
	}
	if d.movements > 1 {
		id += fmt.Sprintf(".%d", d.movements)
	}
	var all []moved
	n := 0
	for _, item := range top.children {
		if item.name != "E1BP2017_GM_ITEM_CREATE" {
			continue
		}
		n++
		lines, bad := d.item(top.first("E1BP2017_GM_HEAD_01"), item, id)
		if bad != nil {
			bad.Field = indexed(item.name, n) + "/" + bad.Field
			return nil, bad
		}
		all = append(all, lines...)
	}
	if n == 0 {
		return nil, &Refusal{Field: "E1BP2017_GM_ITEM_CREATE", Why: "at least one"}
	}
	return goodsEvents(all, id, d.o.linesMax()), nil
}

func (d *idocs) item(head, item *element, id string) ([]moved, *Refusal) {
	code := item.value("MOVE_TYPE")
	m, bad := d.o.movementType(code)
	if bad != nil {
		return nil, bad
	}
	if item.value("XSTOB") != "" {
		return nil, &Refusal{Field: "XSTOB", Value: cut(item.value("XSTOB"), 64), Why: "none: a reversal by its own movement type"}
	}
	if m == (movementType{}) {
		return nil, nil
	}
	plant := firstOf(item.value("PLANT"), d.o.Location)
	if !namePart(plant) {
		return nil, &Refusal{Field: "PLANT", Value: cut(plant, 64), Why: wantNamePart}
	}
	at, bad := d.postedAt(head, plant)
	if bad != nil {
		return nil, bad
	}
	sku := itemMaterial(item, "MATERIAL")
	if !plainName(sku, nameBytesMax) {
		return nil, &Refusal{Field: "MATERIAL", Value: cut(sku, 64), Why: wantName}
	}
	quantity, bad := itemQuantity(item)
	if bad != nil {
		return nil, bad
	}
	condition, bad := m.stock(item.value("STCK_TYPE"))
	if bad != nil {
		return nil, bad
	}
	for _, f := range [...]idPart{{"REF_DOC_NO", head.value("REF_DOC_NO")}, {"PO_NUMBER", item.value("PO_NUMBER")}} {
		if f.value != "" && !plainName(f.value, nameBytesMax) {
			return nil, &Refusal{Field: f.field, Value: cut(f.value, 64), Why: wantName}
		}
	}
	h := goodsHead{event: m.event, location: plant, at: at}
	ln := Line{SKU: sku, Quantity: quantity, Condition: condition}
	other := item.value("MOVE_PLANT")
	if (m.event == "wms.transfer" || m.special == "one-step") && (!namePart(other) || other == plant) {
		return nil, &Refusal{Field: "MOVE_PLANT", Value: cut(other, 64), Why: "the other plant"}
	}
	switch {
	case m.special == "one-step":
		h.event, h.reason = wmsAdjustment, "movement type "+code
		return oneStep(h, ln, other, m.reversed), nil
	case m.special == "material":
		return otherMaterial(h, ln, item, m.reversed)
	case m.event == "wms.transfer":
		h.to, h.transfer = other, firstOf(head.value("REF_DOC_NO"), id)
	case m.event == "wms.transfer_receipt":
		if condition != "" {
			return nil, &Refusal{Field: "STCK_TYPE", Value: item.value("STCK_TYPE"), Why: "F or empty for what comes from another plant"}
		}
		if h.transfer = head.value("REF_DOC_NO"); h.transfer == "" {
			return nil, &Refusal{Field: "MOVE_TYPE", Value: code, Why: "a REF_DOC_NO in the head that names what was shipped"}
		}
	case m.event == wmsReceipt:
		h.inbound = item.value("PO_NUMBER")
	case m.event == wmsAdjustment:
		h.reason = "movement type " + code
		if m.minus {
			ln.Quantity = negated(quantity)
		}
	case m.event == wmsStatus:
		ln.Condition, ln.From, ln.To = "", m.condition, m.to
	case m.event == "pos.sale":
		ln.Condition = "" // a till sells what can be sold
	}
	return []moved{{h, ln}}, nil
}

// postedAt is when goods moved. A posting has a date alone, and its midnight would be before
// that day's counts: it is the moment in which the IDoc was made, if that is on the same day, else
// the day's last second.
func (d *idocs) postedAt(head *element, plant string) (time.Time, *Refusal) {
	date, made := head.value("PSTNG_DATE"), d.control.value("CRETIM")
	if _, err := time.Parse("20060102", date); err != nil {
		return time.Time{}, &Refusal{Field: "PSTNG_DATE", Value: cut(date, 64), Why: "a date like 20060102"}
	}
	field, clock := "PSTNG_DATE", "235959"
	if made != "" && d.control.value("CREDAT") == date {
		field, clock = "PSTNG_DATE CRETIM", made
	}
	at, err := d.o.localTime(plant, "20060102150405", date+clock)
	if err != nil {
		return at, &Refusal{Field: field, Value: cut(date+" "+clock, 64), Why: err.Error()}
	}
	return at.UTC(), nil // goodsHead compares it, and a zone is another each time it is loaded
}

// oneStep leaves one plant and comes to the other at the same moment, so nothing is ever
// under way: two adjustments, which unlike a transfer's receipt keep the condition.
func oneStep(h goodsHead, ln Line, other string, reversed bool) []moved {
	from, to := h, h
	to.location = other
	if reversed {
		from, to = to, from
	}
	out := ln
	out.Quantity = negated(ln.Quantity)
	return []moved{{from, out}, {to, ln}}
}

func otherMaterial(h goodsHead, ln Line, item *element, reversed bool) ([]moved, *Refusal) {
	into := ln
	if into.SKU = itemMaterial(item, "MOVE_MAT"); !plainName(into.SKU, nameBytesMax) || into.SKU == ln.SKU {
		return nil, &Refusal{Field: "MOVE_MAT", Value: cut(into.SKU, 64), Why: "the other material"}
	}
	if reversed {
		ln, into = into, ln
	}
	ln.Quantity = negated(ln.Quantity)
	h.event, h.reason = wmsAdjustment, "movement type "+item.value("MOVE_TYPE")
	return []moved{{h, ln}, {h, into}}, nil
}

// itemMaterial is the material in name, or in its long form, which newer systems fill alone.
func itemMaterial(item *element, name string) string {
	return material(firstOf(item.value(name+"_LONG"), item.value("E1BP2017_GM_ITEM_CREATE1", name+"_LONG"), item.value(name)))
}

func itemQuantity(item *element) (string, *Refusal) {
	text := item.value("ENTRY_QNT")
	n, ok := number(trailingSign(text), false)
	if !ok || n == "0" || strings.HasPrefix(n, "-") {
		return "", &Refusal{Field: "ENTRY_QNT", Value: cut(text, 64), Why: "a decimal number greater than 0: the movement type has the sign"}
	}
	unit := firstOf(item.value("ENTRY_UOM"), item.value("ENTRY_UOM_ISO"))
	if n, ok = measured(n, unit); !ok {
		return "", &Refusal{Field: "ENTRY_UOM", Value: cut(unit, 64), Why: wantMeasure}
	}
	return n, nil
}

// stock is the line's condition: the movement type's, else that of the type of stock.
func (m movementType) stock(kind string) (string, *Refusal) {
	condition := ""
	switch kind {
	case "", "F", "1":
	case "X", "2":
		condition = qualityControl
	case "S", "3":
		condition = quarantine
	default:
		return "", &Refusal{Field: "STCK_TYPE", Value: cut(kind, 64), Why: "F or empty, X or S"}
	}
	return firstOf(m.condition, condition), nil
}

// goodsEvents makes an event of the lines that share a head, in the order in which heads come.
func goodsEvents(all []moved, id string, linesMax int) []Event {
	at := map[goodsHead]int{}
	var events []Event
	for _, m := range all {
		h := m.head
		i, ok := at[h]
		if !ok || len(events[i].Lines) == linesMax && h.transfer == "" { // a transfer ships once
			i = len(events)
			at[h] = i
			events = append(events, Event{Type: h.event, ID: nthID(id, i), Time: h.at, Location: h.location,
				Inbound: h.inbound, Reason: h.reason, Transfer: h.transfer, To: h.to})
		}
		events[i].Lines = append(events[i].Lines, m.line)
	}
	return events
}
