package format

import "strings"

// posLine is one line that moved goods.
//
// The item is ItemID, the retailer's own code, else POSIdentity/POSItemID, what was scanned, else
// AlternativeItem/ItemID. The quantity is the text of Quantity in its UnitOfMeasureCode;
// Units beside it counts the pieces that were weighed and is not multiplied, unless it
// has decimals: then it is the weight and the text says that it was one.
//
// A line that was taken back is known by VoidFlag and left out (Options.Void "flag"), or by
// a further line that takes off its quantity (Options.Void "offset"): one with VoidFlag, with or
// without a minus, or one with a minus alone. What is then below zero moved the other way.
type posLine struct {
	in          bool // from the customer
	reservation string
	sku         string
	quantity    string
	condition   string
}

// posMoves are the lines that move goods, and whether these come in.
var posMoves = map[string]bool{
	"Sale": false, "PreviousCustomerOrder": false, "CustomerOrderPickup": false, "Return": true,
}

// posGoods says of each ItemType whether it is kept in stock.
var posGoods = map[string]bool{
	"": true, "stock": true, "bulk": true, "weighted": true,
	"deposit": false, "depositrefund": false, "fee": false, "service": false, "giftcard": false, "giftcertificate": false,
	"donation": false, "alteration": false, "warranty": false, "insurance": false, "tip": false, "coupon": false,
	"tax": false, "subscription": false, "ticket": false, "prepaidcard": false, "phonecard": false, "rental": false,
}

// posConditions are the words for what became of returned goods. One that is not here is
// quality_control: the units are back, and nobody said that they can be sold.
var posConditions = map[string]string{
	"": "", "returntostock": "", "sellable": "", "resaleable": "", "new": "", "good": "", "ok": "", "unopened": "",
	"damaged": "damaged", "defective": "damaged", "broken": "damaged", "destroyed": "damaged", "destroy": "damaged",
	"sendtorepair": "damaged", "scrap": "damaged",
	"returntovendor": "quarantine", "quarantine": "quarantine", "recall": "quarantine",
}

func (p *posLog) lines(sold *element) ([]posLine, *Refusal) {
	if sold == nil {
		return nil, nil
	}
	var lines []posLine
	order := posOrder(sold)
	n := 0
	for _, item := range sold.children {
		if item.name != "LineItem" {
			continue
		}
		n++
		for _, moved := range item.children {
			in, ok := posMoves[moved.name]
			if !ok || item.flag("CancelFlag") {
				continue
			}
			ln, bad := p.line(item, moved)
			if bad != nil {
				bad.Field = indexed("LineItem", n) + "/" + moved.name + "/" + bad.Field
				return nil, bad
			}
			if ln == nil {
				continue
			}
			if ln.in = in; in {
				ln.condition = posCondition(moved)
			} else {
				ln.reservation = firstOf(posOrder(moved), posOrder(item), order)
				if ln.reservation != "" && !plainName(ln.reservation, nameBytesMax) {
					return nil, &Refusal{Field: indexed("LineItem", n) + "/CustomerOrderID", Value: cut(ln.reservation, 64), Why: wantName}
				}
			}
			lines = append(lines, *ln)
		}
	}
	if p.o.Void == "offset" {
		lines = netted(lines)
	}
	return lines, nil
}

// line is nil where nothing of stock was moved.
func (p *posLog) line(item, moved *element) (*posLine, *Refusal) {
	flagged := item.flag("VoidFlag") || moved.flag("VoidFlag")
	if flagged && p.o.Void != "offset" {
		return nil, nil
	}
	kind := firstOf(moved.value("ItemType"), item.value("ItemType"))
	goods, known := posGoods[strings.ToLower(kind)]
	if !known {
		return nil, &Refusal{Field: "ItemType", Value: cut(kind, 64), Why: "Stock, or a type that is known not to be stock"}
	}
	if !goods {
		return nil, nil
	}
	sku := firstOf(moved.value("ItemID"), moved.value("POSIdentity", "POSItemID"), moved.value("AlternativeItem", "ItemID"))
	if !plainName(sku, nameBytesMax) {
		return nil, &Refusal{Field: "ItemID", Value: cut(sku, 64), Why: wantName}
	}
	quantity, bad := posQuantity(moved.first("Quantity"))
	if bad != nil {
		return nil, bad
	}
	minus := strings.HasPrefix(quantity, "-")
	if minus && p.o.Void != "offset" {
		return nil, &Refusal{Field: "Quantity", Value: quantity, Why: "0 or more; lines with a minus are for sources with void set to offset"}
	}
	if flagged && !minus {
		quantity = negated(quantity)
	}
	return &posLine{sku: sku, quantity: quantity}, nil
}

func posQuantity(q *element) (string, *Refusal) {
	n, ok := number(q.value(), false)
	if !ok {
		return "", &Refusal{Field: "Quantity", Value: cut(q.value(), 64), Why: "a decimal number"}
	}
	if units := q.value("Units"); units != "" {
		u, ok := number(units, false)
		one := strings.TrimPrefix(n, "-") == "1"
		parted := strings.Contains(u, ".")
		if !ok || parted && !one && u != n {
			return "", &Refusal{Field: "Quantity/Units", Value: cut(units, 64), Why: "a whole number, or a weight beside the quantity 1"}
		}
		if parted && one {
			u = strings.TrimPrefix(u, "-")
			if n[0] == '-' {
				u = negated(u)
			}
			n = u
		}
	}
	unit := q.value("UnitOfMeasureCode")
	if n, ok = measured(n, unit); !ok {
		return "", &Refusal{Field: "Quantity/UnitOfMeasureCode", Value: cut(unit, 64), Why: wantMeasure}
	}
	return n, nil
}

// posOrder is the customer order that an element names. What reserved its goods comes
// first, for that is the name which stock knows.
func posOrder(e *element) string {
	for _, in := range []*element{e, e.first("CustomerOrder")} {
		if id := in.first("InventoryReservationID", "CustomerOrderID", "CustomerOrderNumber", "OrderID"); id != nil {
			return id.value()
		}
	}
	return ""
}

func posCondition(moved *element) string {
	told := firstOf(moved.value("Disposal", "Method"), moved.value("Disposal"), moved.value("ItemCondition"),
		moved.value("Condition"), moved.value("ItemStatus"))
	word := strings.NewReplacer(" ", "", "_", "", "-", "").Replace(strings.ToLower(told))
	if c, ok := posConditions[word]; ok {
		return c
	}
	return "quality_control"
}

// netted adds up what is alike, so that a line which takes back finds the one it takes.
func netted(lines []posLine) []posLine {
	at := map[posLine]int{}
	var sums []posLine
	for _, ln := range lines {
		key := ln
		key.quantity = ""
		i, ok := at[key]
		if !ok {
			at[key] = len(sums)
			sums = append(sums, ln)
			continue
		}
		sums[i].quantity = plus(sums[i].quantity, ln.quantity)
	}
	var left []posLine
	for _, ln := range sums {
		if ln.quantity == "0" {
			continue
		}
		if n, minus := strings.CutPrefix(ln.quantity, "-"); minus {
			ln = posLine{in: !ln.in, sku: ln.sku, quantity: n}
		}
		left = append(left, ln)
	}
	return left
}

// tillEvents are the lines' events without names, in the order in which the lines first need them.
func tillEvents(lines []posLine, o *Options) []Event {
	type group struct {
		in          bool
		reservation string
	}
	at := map[group]int{}
	var events []Event
	for _, ln := range lines {
		g := group{ln.in, ln.reservation}
		i, ok := at[g]
		if !ok || len(events[i].Lines) == o.linesMax() {
			i = len(events)
			at[g] = i
			events = append(events, Event{Type: "pos.sale", Reservation: ln.reservation})
			if ln.in {
				events[i].Type = "pos.return"
			}
		}
		events[i].Lines = append(events[i].Lines, Line{SKU: ln.sku, Quantity: ln.quantity, Condition: ln.condition})
	}
	return events
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return ""
}
