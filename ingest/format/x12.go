package format

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// decodeX12 reads interchanges of ASC X12: 846, what is there, and 852, what was sold and is
// there. Other transactions are refused by name, and the next is read. What parts elements,
// components and segments stands at fixed places of ISA; a line end behind a segment, or as
// its end, is no matter. Several interchanges may follow each other.
//
// 846: QTY*17, on hand, is a physical figure; where a line has QTY*33 alone, available for
// sale, that is one which is net of what was committed. Other quantities (on order, in
// transit, damaged, minimum, …) are left out: they come as events of their own or not at all.
// The moment is BIA04 and BIA05; where BIA has no date, the first DTM of the transaction, and
// where there is none either, GS04 and GS05. A date without a time has that of GS where its day is
// the same, else it is the end of the day. Snapshots are never complete: partners send parts.
//
// 852: ZA*QS less ZA*QU is what was sold over the days of XQ, and ZA*QA what was there at
// their end. Where QS or QU stands several times, by day or price, they are added up; of several
// figures of what is there the first counts, and the others are refused. Other activities are
// left out. SDQ gives a quantity for each of many locations.
//
// An item is its GTIN or UPC (LIN with EN, UP, UK, UA, EO), else the number that the retailer
// gives it (SK, IN, BP), else that of the vendor (VN, CB). A location is N104 of the line's own
// N1, else of the transaction's: WH before SN, ST, SF and BY. Names, addresses and prices
// are not read.
//
// Strict refuses an interchange whose counts (CTT, SE01, GE01, IEA01) or control numbers do
// not agree; otherwise they are passed over. Only strict reads an interchange to its end
// before it gives anything of it.
func decodeX12(r io.Reader, o *Options, to Sink) error {
	x := &x12{s: &ediSegments{in: bufio.NewReaderSize(r, 64<<10), max: o.partBytesMax()}, h: &ediHeap{o: o, to: to}, o: o}
	err := x.interchanges()
	if err == io.EOF {
		return nil
	}
	return err
}

type x12 struct {
	s *ediSegments
	h *ediHeap
	o *Options

	// Of the interchange, the group, the transaction that is read.
	sender, isaDate, isaNumber, gsNumber, gsDate, gsTime, stNumber, kind string
	groups, transactions, segments, lineItems                            int

	begun      bool // a transaction that is taken
	date, time string
	dateField  string // that date was read from
	from, end  string // days of an 852
	parties    map[string]string
	item       x12Item
}

// x12Item is one LIN loop.
type x12Item struct {
	open     bool
	at       Place
	sku      string
	location string
	activity string // the last ZA01 or QTY01, for SDQ
	unit     string
	on       map[string]*x12Figures // by location, "" for the transaction's
	order    []string
}

type x12Figures struct {
	onHand, available, sold, returned string
	at                                Place
	segment                           int // of the transaction, ST is 1
}

const isaBytes = 106

// interchanges reads them one after the other; it ends with io.EOF.
func (x *x12) interchanges() error {
	for first := true; ; first = false {
		if err := x.isa(first); err != nil {
			return err
		}
		if err := x.interchange(); err != nil {
			return err
		}
	}
}

// isa finds the next interchange and what parts its segments.
func (x *x12) isa(first bool) error {
	in := x.s.in
	for {
		b, err := in.Peek(1)
		if err != nil {
			if err == io.EOF && first {
				return &Refusal{Place: x.s.place(), Field: "ISA", Why: "an interchange"}
			}
			return err
		}
		if b[0] != '\r' && b[0] != '\n' && b[0] != ' ' {
			break
		}
		in.Discard(1)
	}
	head, err := in.Peek(isaBytes)
	if err != nil && err != io.EOF {
		return err
	}
	if len(head) < isaBytes || string(head[:3]) != "ISA" {
		return &Refusal{Place: Place{"segment", x.s.n + 1}, Field: "ISA", Value: cut(string(head), 64), Why: "the 106 bytes with which an interchange begins"}
	}
	x.s.element, x.s.component, x.s.end = head[3], head[104], head[105]
	if x.s.element == x.s.end || strings.Count(string(head), string(rune(x.s.element))) != 16 && head[3] < 0x80 {
		return &Refusal{Place: Place{"segment", x.s.n + 1}, Field: "ISA", Value: cut(string(head), 64), Why: "16 elements of fixed length"}
	}
	return nil
}

// interchange reads from ISA to IEA.
func (x *x12) interchange() error {
	x.groups, x.begun = 0, false
	err := x.s.next() // ISA
	if err != nil {
		return err
	}
	began := x.s.place()
	x.sender, x.isaDate, x.isaNumber = x.s.get(6), x.s.get(9), x.s.get(13)
	for {
		if err := x.s.next(); err != nil {
			if err == io.EOF {
				err = &Refusal{Place: began, Field: "IEA", Value: x.isaNumber, Why: "an interchange that ends"}
			}
			return x.cutShort(err)
		}
		x.segments++
		wrong := x.segment()
		if wrong != nil && x.o.Strict {
			wrong.Place = x.s.place()
			x.h.drop()
			x.h.refuse(wrong)
			if err := x.h.give(); err != nil {
				return err
			}
			return x.skipInterchange(began)
		}
		if x.h.full() {
			return &Refusal{Place: x.s.place(), Field: "ST", Value: x.stNumber, Why: "at most " + strconv.Itoa(ediLinesMax) + " items before its end"}
		}
		if x.s.tag == "IEA" {
			return x.h.give()
		}
		if !x.o.Strict && !x.begun {
			if err := x.h.give(); err != nil {
				return err
			}
		}
	}
}

// cutShort gives what was found of an interchange that does not end, unless that has to. Half
// of a transaction has the whole one's name, which would then be refused.
func (x *x12) cutShort(err error) error {
	if x.o.Strict || x.begun || isReaders(err) {
		x.h.drop()
		return err
	}
	return errors.Join(x.h.give(), err)
}

func (x *x12) skipInterchange(began Place) error {
	for x.s.tag != "IEA" {
		if err := x.s.next(); err != nil {
			if err == io.EOF {
				return &Refusal{Place: began, Field: "IEA", Value: x.isaNumber, Why: "an interchange that ends"}
			}
			return err
		}
	}
	return nil
}

// segment takes one. What it gives is wrong with the envelope.
func (x *x12) segment() *Refusal {
	s := x.s
	differs := func(field, got, want string) *Refusal {
		if strings.TrimLeft(got, "0") == strings.TrimLeft(want, "0") {
			return nil
		}
		return s.bad(field, got, cmp.Or(want, "none"))
	}
	if s.unreadable != nil {
		x.endItem() // what follows may not be of the item before it
		x.h.refuse(s.unreadable)
		return nil
	}
	switch s.tag {
	case "GS":
		x.endTransaction()
		x.groups, x.transactions = x.groups+1, 0
		x.gsDate, x.gsTime, x.gsNumber = s.get(4), s.get(5), s.get(6)
	case "GE":
		x.endTransaction()
		if r := differs("GE01", s.get(1), strconv.Itoa(x.transactions)); r != nil {
			return r
		}
		return differs("GE02", s.get(2), x.gsNumber)
	case "IEA":
		x.endTransaction()
		if r := differs("IEA01", s.get(1), strconv.Itoa(x.groups)); r != nil {
			return r
		}
		return differs("IEA02", s.get(2), x.isaNumber)
	case "ST":
		x.endTransaction()
		x.transactions, x.segments, x.lineItems = x.transactions+1, 1, 0
		x.kind, x.stNumber = s.get(1), s.get(2)
		x.beginTransaction()
	case "SE":
		segments, number := x.segments, x.stNumber
		x.endTransaction()
		if r := differs("SE01", s.get(1), strconv.Itoa(segments)); r != nil {
			return r
		}
		return differs("SE02", s.get(2), number)
	case "CTT":
		x.endItem()
		if !x.begun {
			return nil
		}
		return differs("CTT01", s.get(1), strconv.Itoa(x.lineItems))
	default:
		if x.begun {
			x.content()
		}
	}
	return nil
}

func (x *x12) beginTransaction() {
	if x.kind != "846" && x.kind != "852" {
		x.h.refuse(x.s.bad("ST01", x.kind, "846 or 852"))
		return
	}
	x.begun = true
	x.date, x.time, x.dateField, x.from, x.end = "", "", "", "", ""
	x.parties = make(map[string]string)
	x.item = x12Item{}
	x.h.begin(x.sender + "/" + x.isaDate + "-" + x.isaNumber + "/" + x.gsNumber + "/" + x.stNumber)
}

func (x *x12) endTransaction() {
	x.endItem()
	x.begun = false
}

// content takes a segment of a transaction.
func (x *x12) content() {
	s := x.s
	switch s.tag {
	case "BIA":
		x.date, x.time, x.dateField = s.get(4), s.get(5), "BIA04"
	case "DTM":
		if x.kind == "846" && !x.item.open && x.date == "" {
			x.date, x.time, x.dateField = s.get(2), s.get(3), "DTM02"
		}
	case "XQ":
		x.from, x.end = s.get(2), s.get(3)
	case "N1":
		if x.item.open {
			x.item.location = s.get(4)
		} else if id := s.get(4); id != "" {
			x.parties[s.get(1)] = id
		}
	case "LIN":
		x.endItem()
		x.lineItems++
		x.item = x12Item{open: true, at: s.place(), on: make(map[string]*x12Figures)}
		if x.item.sku = x.itemID(); x.item.sku == "" {
			x.h.refuse(s.refusal("LIN", "a GTIN (EN, UP, UK), or a number of retailer or vendor (SK, IN, BP, VN, CB)"))
		}
	case "QTY":
		x.activity("QTY", s.get(1), s.get(2), s.part(3, 1))
	case "ZA":
		x.activity("ZA", s.get(1), s.get(2), s.part(3, 1))
	case "SDQ":
		x.spread()
	}
}

// itemIDs are the qualifiers of LIN and what they name, the best first.
var itemIDs = [...]string{"EN", "UK", "UP", "UA", "EO", "SK", "IN", "BP", "VN", "CB"}

func (x *x12) itemID() string {
	for _, want := range itemIDs {
		for n := 2; n < len(x.s.elements)+1; n += 2 {
			if x.s.get(n) == want && x.s.get(n+1) != "" {
				return x.s.get(n + 1)
			}
		}
	}
	return ""
}

// activity takes a quantity of the item: of QTY or of ZA.
func (x *x12) activity(tag, code, value, unit string) {
	if !x.item.open {
		return
	}
	x.item.activity, x.item.unit = code, unit
	if value != "" {
		x.quantity(x.item.location, tag+"02", value, tag+"03", unit)
	}
}

// spread takes SDQ: pairs of location and quantity, of the activity before it.
func (x *x12) spread() {
	if !x.item.open {
		return
	}
	for n := 3; n+1 <= len(x.s.elements); n += 2 {
		if location := x.s.get(n); location != "" {
			x.quantity(location, "SDQ"+two(n+1), x.s.get(n+1), "SDQ01", x.s.get(1))
		}
	}
}

func two(n int) string { return string([]byte{byte('0' + n/10%10), byte('0' + n%10)}) }

func (x *x12) quantity(location, field, value, unitField, unit string) {
	var into func(*x12Figures) *string
	switch x.kind + x.item.activity {
	case "84617", "852QA":
		into = func(f *x12Figures) *string { return &f.onHand }
	case "84633":
		into = func(f *x12Figures) *string { return &f.available }
	case "852QS":
		into = func(f *x12Figures) *string { return &f.sold }
	case "852QU":
		into = func(f *x12Figures) *string { return &f.returned }
	default:
		return
	}
	if x.item.sku == "" {
		return // refused already
	}
	n, bad := x.s.quantity(field, value, unitField, unit)
	if bad == nil && n[0] == '-' && (x.item.activity == "17" || x.item.activity == "33" || x.item.activity == "QA") {
		bad = x.s.bad(field, value, "0 or more")
	}
	if bad != nil {
		x.h.refuse(bad)
		return
	}
	f := x.item.on[location]
	if f == nil {
		f = &x12Figures{at: x.s.place(), segment: x.segments}
		x.item.on[location] = f
		x.item.order = append(x.item.order, location)
	}
	switch into := into(f); {
	case *into == "" || x.item.activity == "QS" || x.item.activity == "QU":
		*into = added(*into, n)
	default:
		x.h.refuse(x.s.bad(field, value, "one figure of an item at a location; "+*into+" was said before"))
	}
}

// endItem gives what the item's figures come to.
func (x *x12) endItem() {
	if !x.item.open {
		return
	}
	x.item.open = false
	for _, location := range x.item.order {
		f := x.item.on[location]
		where := location
		if where == "" {
			where = x.item.location
		}
		if where == "" {
			where = x.place()
		}
		if where == "" {
			x.h.refuse(&Refusal{Place: f.at, Field: "N104", Why: "a location, in N1 of WH, SN, ST, SF or BY"})
			continue
		}
		x.figures(where, f)
	}
}

// place is the transaction's location.
func (x *x12) place() string {
	for _, entity := range [...]string{"WH", "SN", "ST", "SF", "BY"} {
		if id := x.parties[entity]; id != "" {
			return id
		}
	}
	return x.o.Location
}

func (x *x12) figures(location string, f *x12Figures) {
	moment, from, bad := x.moment(location)
	if wrong := named(f.at, "LIN", x.item.sku, "N104", location); wrong != nil {
		bad = wrong
	}
	if bad != nil {
		bad.Place = f.at
		x.h.refuse(bad)
		return
	}
	switch {
	case f.onHand != "":
		x.h.figure(f.at, location, "", moment, x.item.sku, f.onHand)
	case f.available != "":
		x.h.figure(f.at, location, "net_of_committed", moment, x.item.sku, f.available)
	}
	if f.sold == "" && f.returned == "" {
		return
	}
	sold, ok := less(f.sold, f.returned)
	if !ok {
		x.h.refuse(&Refusal{Place: f.at, Field: "ZA02", Value: cut(f.sold+" less "+f.returned, 64), Why: "numbers of at most 11 digits and 6 decimals"})
		return
	}
	x.h.period(&Period{ID: x.h.id + "/" + strconv.Itoa(f.segment) + "/" + location, Location: location, SKU: x.item.sku, From: from, To: moment.Add(time.Second),
		Sold: sold, Place: f.at})
}

// moment is what the transaction's figures are of, and when its period began.
func (x *x12) moment(location string) (moment, from time.Time, bad *Refusal) {
	if x.kind == "852" {
		first, _, err := x.o.dateTime(location, x.from, "")
		if err != nil {
			return moment, from, &Refusal{Field: "XQ02", Value: cut(x.from, 64), Why: err.Error()}
		}
		last := first
		if x.end != "" {
			if last, _, err = x.o.dateTime(location, x.end, ""); err != nil {
				return moment, from, &Refusal{Field: "XQ03", Value: cut(x.end, 64), Why: err.Error()}
			}
		}
		if last.Before(first) {
			return moment, from, &Refusal{Field: "XQ03", Value: cut(x.end, 64), Why: "a day that is not before XQ02"}
		}
		return x.o.dayEnds(location, last), first, nil
	}
	date, clock, field := x.date, x.time, x.dateField
	if date == "" {
		date, clock, field = x.gsDate, "", "GS04"
	}
	if clock == "" && len(x.gsDate) == 8 && x.gsDate == date {
		clock = x.gsTime
	}
	moment, hasTime, err := x.o.dateTime(location, date, clock)
	switch {
	case err != nil:
		return moment, from, &Refusal{Field: field, Value: cut(strings.TrimSpace(date+" "+clock), 64), Why: err.Error()}
	case !hasTime:
		moment = x.o.dayEnds(location, moment)
	}
	return moment, from, nil
}
