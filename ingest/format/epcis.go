package format

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

// decodeEPCIS reads EPCIS 2.0 documents in JSON-LD, those that answer a query too, event by event.
// ObjectEvents become events by their business step (epcisSteps) and disposition
// (epcisConditions). AggregationEvents, AssociationEvents and TransactionEvents move no stock and
// are left out, as are steps within a location; a TransformationEvent makes one item of others,
// and is refused by name, as is a step that is not known.
//
// The location is bizLocation, else readPoint: the GLN in it. Items are quantityList, and epcList
// with one unit for each; those of one GTIN are added up, whatever their lots and serial numbers.
// Containers (SSCC and the like) in epcList are not goods. Units but pieces and kilograms are
// refused. Receiving with a bizTransaction of type po names the purchase that it lowers.
//
// An eventID may be used again: an event that was wrong is repeated with an errorDeclaration, and
// what should have been said comes under another eventID or under the same. So the id of what
// comes of an event is its eventID with a digest of what it says, however that is spelt; a declaration, which repeats
// what was wrong, undoes the id that it gives. Whatever comes first, and however often, the same
// holds in the end. eventTimeZoneOffset is for people: eventTime says its offset.
func decodeEPCIS(r io.Reader, o *Options, to Sink) error {
	e := &epcis{o: o, to: to, budget: &budgetReader{in: r, left: o.partBytesMax()}}
	e.json = json.NewDecoder(e.budget)
	e.json.UseNumber()
	err := e.document()
	var bad *Refusal
	if err == nil || errors.As(err, &bad) {
		return err
	}
	if err == errBudget {
		return &Refusal{Place: e.place(), Why: fmt.Sprintf("an event, or what stands before the first, of at most %d bytes", o.partBytesMax())}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &Refusal{Place: e.place(), Value: cut(err.Error(), 64), Why: "JSON to the end of the document"}
	}
	return err
}

type epcis struct {
	o      *Options
	to     Sink
	json   *json.Decoder
	budget *budgetReader
	n      int // events read
	lists  int // eventLists found
}

func (e *epcis) place() Place { return Place{"event", max(e.n, 1)} }

var errBudget = errors.New("too much for one part")

// budgetReader ends what is read between two grants: the decoder above it keeps all of it.
type budgetReader struct {
	in   io.Reader
	left int
}

func (b *budgetReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errBudget
	}
	n, err := b.in.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// document walks to the lists of events.
func (e *epcis) document() error {
	if t, err := e.json.Token(); err != nil || t != json.Delim('{') {
		if err != nil {
			return err
		}
		return &Refusal{Place: e.place(), Field: "document", Value: cut(fmt.Sprint(t), 64), Why: "an EPCISDocument"}
	}
	if err := e.object(0); err != nil {
		return err
	}
	if e.lists == 0 {
		return &Refusal{Place: e.place(), Field: "eventList", Why: "an EPCISDocument with a list of events"}
	}
	if _, err := e.json.Token(); err != io.EOF {
		return &Refusal{Place: e.place(), Field: "after the document", Why: "nothing"}
	}
	return nil
}

// object reads members of an object that was opened, and goes into those in which events lie.
func (e *epcis) object(depth int) error {
	for e.json.More() {
		key, err := e.json.Token()
		if err != nil {
			return err
		}
		switch name, _ := key.(string); {
		case name == "eventList":
			err = e.list()
		case depth < 4 && (name == "epcisBody" || name == "queryResults" || name == "resultsBody"):
			var t json.Token
			if t, err = e.json.Token(); err == nil && t != json.Delim('{') {
				return &Refusal{Place: e.place(), Field: name, Value: cut(fmt.Sprint(t), 64), Why: "an object"}
			}
			if err == nil {
				err = e.object(depth + 1)
			}
		default:
			var skipped json.RawMessage
			err = e.json.Decode(&skipped)
		}
		if err != nil {
			return err
		}
	}
	_, err := e.json.Token() // }
	return err
}

func (e *epcis) list() error {
	e.lists++
	t, err := e.json.Token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return &Refusal{Place: e.place(), Field: "eventList", Value: cut(fmt.Sprint(t), 64), Why: "an array"}
	}
	for e.json.More() {
		e.n++
		var raw json.RawMessage
		if err := e.json.Decode(&raw); err != nil {
			return err
		}
		e.budget.left = e.o.partBytesMax()
		if err := e.event(raw); err != nil {
			return err
		}
	}
	_, err = e.json.Token() // ]
	return err
}

type epcisEvent struct {
	Type        string    `json:"type"`
	ID          string    `json:"eventID"`
	Time        string    `json:"eventTime"`
	Action      string    `json:"action"`
	Step        string    `json:"bizStep"`
	Disposition string    `json:"disposition"`
	Location    epcisNode `json:"bizLocation"`
	ReadPoint   epcisNode `json:"readPoint"`
	EPCs        []string  `json:"epcList"`
	Quantities  []struct {
		Class    string       `json:"epcClass"`
		Quantity *json.Number `json:"quantity"`
		Unit     string       `json:"uom"`
	} `json:"quantityList"`
	Transactions []struct {
		Type string `json:"type"`
		ID   string `json:"bizTransaction"`
	} `json:"bizTransactionList"`
	Error *struct{} `json:"errorDeclaration"`
}

type epcisNode struct {
	ID string `json:"id"`
}

// epcisSteps are the events of business steps; "" are those that move nothing in or out of a location.
var epcisSteps = map[string]string{
	"retail_selling": "pos.sale", "dispensing": "pos.sale",
	"receiving": "wms.receipt",
	"shipping":  "wms.shipment", "departing": "wms.shipment", "consigning": "wms.shipment",
	"cycle_counting": "wms.count", "stock_taking": "wms.count",
	"destroying": "wms.adjustment", "decommissioning": "wms.adjustment", "void_shipping": "wms.adjustment",

	"accepting": "", "arriving": "", "assembling": "", "collecting": "", "commissioning": "", "creating_class_instance": "", "disassembling": "",
	"encoding": "", "entering_exiting": "", "holding": "", "inspecting": "", "installing": "", "killing": "", "loading": "", "other": "",
	"packing": "", "picking": "", "removing": "", "repackaging": "", "repairing": "", "replacing": "", "reserving": "", "sampling": "",
	"sensor_reporting": "", "staging_outbound": "", "storing": "", "stocking": "", "transporting": "", "unloading": "", "unpacking": "",
}

// epcisConditions are the conditions of dispositions; all others are sellable.
var epcisConditions = map[string]string{
	"damaged": "damaged", "expired": "quarantine", "recalled": "quarantine", "needs_replacement": "quarantine",
	"non_sellable_other": "quarantine", "no_pedigree_match": "quarantine", "unknown": "quality_control", "returned": "quality_control",
}

func (e *epcis) event(raw []byte) error {
	refuse := func(field, value, why string) error {
		return e.to.Refused(&Refusal{Place: e.place(), Field: field, Value: cut(value, 64), Why: why, Raw: raw[:min(len(raw), 4096)]})
	}
	var v epcisEvent
	if !utf8.Valid(raw) {
		return refuse("", "", "UTF-8")
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return refuse("", err.Error(), "an event of EPCIS")
	}
	switch v.Type {
	case "ObjectEvent":
	case "AggregationEvent", "AssociationEvent", "TransactionEvent":
		return nil
	default:
		return refuse("type", v.Type, "ObjectEvent, AggregationEvent, AssociationEvent or TransactionEvent")
	}
	step := cbvWord(v.Step)
	kind, known := epcisSteps[step]
	if !known {
		return refuse("bizStep", v.Step, "a step of the Core Business Vocabulary")
	}
	if kind == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, v.Time)
	if err != nil {
		return refuse("eventTime", v.Time, "a time of RFC 3339 with an offset")
	}
	out := &Event{Type: kind, Time: at, Location: epcisLocation(v.Location.ID), Place: e.place()}
	if out.Location == "" {
		out.Location = epcisLocation(v.ReadPoint.ID)
	}
	if out.Location == "" {
		out.Location = e.o.Location
	}
	if out.Location == "" {
		return refuse("bizLocation", "", "a location, there or in readPoint")
	}
	if v.Action != "" && v.Action != "ADD" && v.Action != "OBSERVE" && v.Action != "DELETE" {
		return refuse("action", v.Action, "ADD, OBSERVE or DELETE")
	}
	if v.Action == "DELETE" && (kind == "wms.receipt" || kind == "wms.count") {
		return refuse("action", v.Action, "ADD or OBSERVE with this step")
	}
	sums, order, field, value, why := v.sums()
	if why != "" {
		return refuse(field, value, why)
	}
	if len(order) == 0 {
		return refuse("quantityList", "", "items, there or in epcList")
	}
	condition := epcisConditions[cbvWord(v.Disposition)]
	if kind == "wms.receipt" && cbvWord(v.Disposition) == "returned" {
		out.Type = "pos.return"
	}
	if kind == "wms.adjustment" {
		out.Reason = step
	}
	if out.Type == "pos.sale" || kind == "wms.count" {
		condition = ""
	}
	for _, t := range v.Transactions {
		if out.Type == "wms.receipt" && cbvWord(t.Type) == "po" {
			out.Inbound = lastOf(t.ID)
		}
	}
	for _, sku := range order {
		quantity := sums[sku]
		if quantity[0] == '-' {
			return refuse("quantityList", quantity+" of "+sku, "0 or more")
		}
		if kind == "wms.adjustment" && step != "void_shipping" {
			quantity = negated(quantity)
		}
		out.Lines = append(out.Lines, Line{SKU: sku, Quantity: quantity, Condition: condition})
	}
	out.ID = v.name(raw, out)
	if v.Error == nil {
		return e.to.Event(out)
	}
	void := "wms.void"
	if strings.HasPrefix(out.Type, "pos.") {
		void = "pos.void"
	}
	return e.to.Event(&Event{Type: void, ID: out.ID + "/error", Time: at, Location: out.Location, Voids: out.ID, Place: e.place()})
}

// sums adds up the items of one kind.
func (v *epcisEvent) sums() (sums map[string]string, order []string, field, value, why string) {
	sums = make(map[string]string)
	units := make(map[string]bool) // of items that are weighed, and of those that are not
	add := func(sku, n string) bool {
		if _, seen := sums[sku]; !seen {
			sums[sku] = n
			order = append(order, sku)
			return true
		}
		sum, ok := less(sums[sku], negated(n))
		sums[sku] = sum
		return ok
	}
	for i, epc := range v.EPCs {
		if epcisContainer(epc) {
			continue
		}
		if item, ok := epcisItem(epc); !ok || !add(item, "1") {
			return nil, nil, fmt.Sprintf("epcList[%d]", i), epc, "an SGTIN"
		}
	}
	for i, q := range v.Quantities {
		field := fmt.Sprintf("quantityList[%d].", i)
		item, ok := epcisItem(q.Class)
		if !ok {
			return nil, nil, field + "epcClass", q.Class, "a GTIN"
		}
		if q.Quantity == nil {
			return nil, nil, field + "quantity", "", "a number"
		}
		switch q.Unit {
		case "", "KGM", "EA", "H87", "C62":
		default:
			return nil, nil, field + "uom", q.Unit, "pieces or KGM"
		}
		if unit, seen := units[item]; seen && unit != (q.Unit == "KGM") {
			return nil, nil, field + "uom", q.Unit, "one unit for one item"
		}
		units[item] = q.Unit == "KGM"
		n, ok := number(q.Quantity.String(), false)
		if !ok || !add(item, n) {
			return nil, nil, field + "quantity", q.Quantity.String(), "a number"
		}
	}
	return sums, order, "", "", ""
}

// name is the event's id with a digest of all that it says, but of when that was recorded and
// that it was wrong: what is read of it in one spelling, the rest as canonical JSON.
func (v *epcisEvent) name(raw []byte, e *Event) string {
	h := xxh3.New()
	say := func(texts ...string) {
		for _, s := range texts {
			h.WriteString(s + "\x00")
		}
	}
	say(e.Type, e.Time.UTC().Format(time.RFC3339Nano), e.Location, cbvWord(v.Step), cbvWord(v.Disposition), strings.ToUpper(v.Action))
	for _, ln := range e.Lines {
		say(ln.SKU, ln.Quantity)
	}
	var rest map[string]any
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	if in.Decode(&rest) == nil {
		for _, m := range [...]string{"errorDeclaration", "recordTime", "eventTimeZoneOffset", "eventID", "@context", "type", "isA",
			"eventTime", "bizStep", "disposition", "bizLocation", "action", "quantityList"} {
			delete(rest, m)
		}
		canonical, _ := json.Marshal(rest) // with sorted members; it was JSON, and can be written as such
		h.Write(canonical)
	}
	sum := h.Sum128()
	if v.ID == "" {
		return fmt.Sprintf("digest:%016x%016x", sum.Hi, sum.Lo)
	}
	return fmt.Sprintf("%s#%016x", v.ID, sum.Lo)
}
