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

// decodeEDIFACT reads UN/EDIFACT interchanges: INVRPT, what is there, and SLSRPT, what was sold.
// Other messages are refused by name, and the next is read. What parts segments, elements and
// components, releases a character and is the decimal sign is said by UNA, else it is :+.?
// and the apostrophe. Several interchanges may follow each other.
//
// INVRPT: QTY+145, actual stock, and QTY+17, on hand, are physical figures; all other
// quantities are left out (on order, in transit, minimum, …). The moment is DTM+366 (reported),
// else DTM+179 or DTM+137, the message's own; one of them that has a time goes before one
// that is only a day, of which it is the end. Snapshots are never complete.
//
// SLSRPT: QTY+153 less QTY+61, returns, is what was sold over DTM+356, a day, or DTM+90 to
// DTM+91, of the location's own group or else of the message. Where one of them stands several
// times in an item, by price or promotion, they are added up.
//
// An item is LIN's number (EN, SRV, UP, EAN), else PIA's: the retailer's (IN, BP), else the
// supplier's (SA). A location is LOC of the item (14, 18, 162, …), else LOC of its group, else
// NAD with WH, SN, ST, DP, BY or GY. Names, addresses, contacts and prices are not read. Units
// but pieces, kilograms and litres are refused.
//
// UNOA, UNOB, UNOW and UNOY are read as UTF-8, of which ASCII is a part, UNOC as ISO 8859-1; other
// sets are refused. Strict refuses an interchange whose counts (CNT+2, UNT, UNE, UNZ) or
// references do not agree.
func decodeEDIFACT(r io.Reader, o *Options, to Sink) error {
	e := &edifact{s: &ediSegments{in: bufio.NewReaderSize(r, 64<<10), max: o.partBytesMax()}, h: &ediHeap{o: o, to: to}, o: o}
	for first := true; ; first = false {
		err := e.interchange(first)
		if err == io.EOF && !first {
			return nil
		}
		if err == io.EOF {
			return &Refusal{Place: e.s.place(), Field: "UNB", Why: "an interchange"}
		}
		if err != nil {
			return err
		}
	}
}

type edifact struct {
	s *ediSegments
	h *ediHeap
	o *Options

	sender, date, reference, group, message, kind string
	messages, segments                            int // messages: of the interchange
	groups, inGroup, lineItems                    int // inGroup: messages of the group

	begun   bool
	dates   map[string]time.Time // of the message, by DTM's qualifier; those of a location's group go before
	own     map[string]time.Time
	days    map[string]bool // those of both that are days, without a time
	parties map[string]string
	place   string // LOC of the group
	item    edifactItem
}

// edifactItem is one LIN group.
type edifactItem struct {
	open           bool
	sku            string
	at             Place
	segment        int // LIN's place in the message, UNH is 1
	quantity       string
	waits          bool
	location       string
	sold, returned string
}

// interchange reads from UNA or UNB to UNZ.
func (e *edifact) interchange(first bool) error {
	if err := e.una(); err != nil {
		return err
	}
	if err := e.s.next(); err != nil {
		return err
	}
	began := e.s.place()
	if e.s.tag != "UNB" {
		return e.s.refusal("UNB", "the segment with which an interchange begins")
	}
	if bad := e.charset(e.s.part(1, 1)); bad != nil {
		return bad
	}
	e.sender, e.date, e.reference, e.group = e.s.part(2, 1), e.s.part(4, 1), e.s.get(5), ""
	e.messages, e.groups, e.begun = 0, 0, false
	for {
		if err := e.s.next(); err != nil {
			if err == io.EOF {
				err = &Refusal{Place: began, Field: "UNZ", Value: cut(e.reference, 64), Why: "an interchange that ends"}
			}
			if e.o.Strict || e.begun || isReaders(err) { // half of a message has the whole one's name
				e.h.drop()
				return err
			}
			return errors.Join(e.h.give(), err)
		}
		e.segments++
		wrong := e.segment()
		if wrong != nil && e.o.Strict {
			e.h.drop()
			e.h.refuse(wrong)
			if err := e.h.give(); err != nil {
				return err
			}
			return e.skip(began)
		}
		switch {
		case e.h.full():
			return &Refusal{Place: e.s.place(), Field: "UNH", Value: cut(e.message, 64), Why: "at most " + strconv.Itoa(ediLinesMax) + " items before its end"}
		case e.s.tag == "UNZ":
			return e.h.give()
		case !e.o.Strict && !e.begun:
			if err := e.h.give(); err != nil {
				return err
			}
		}
	}
}

func (e *edifact) skip(began Place) error {
	for e.s.tag != "UNZ" {
		if err := e.s.next(); err != nil {
			if err == io.EOF {
				return &Refusal{Place: began, Field: "UNZ", Value: cut(e.reference, 64), Why: "an interchange that ends"}
			}
			return err
		}
	}
	return nil
}

// una finds what parts the next interchange.
func (e *edifact) una() error {
	s := e.s
	s.component, s.element, s.comma, s.release, s.end, s.latin = ':', '+', false, '?', '\'', false
	for {
		b, err := s.in.Peek(1)
		if err != nil {
			return err
		}
		if b[0] != '\r' && b[0] != '\n' && b[0] != ' ' {
			break
		}
		s.in.Discard(1)
	}
	head, err := s.in.Peek(9)
	if err != nil && err != io.EOF {
		return err
	}
	if len(head) < 9 || string(head[:3]) != "UNA" {
		return nil
	}
	s.component, s.element, s.comma, s.release, s.end = head[3], head[4], head[5] == ',', head[6], head[8]
	if s.release == ' ' {
		s.release = 0
	}
	s.in.Discard(9)
	return nil
}

func (e *edifact) charset(name string) *Refusal {
	switch strings.ToUpper(name) {
	case "UNOA", "UNOB", "UNOY", "UNOW":
	case "UNOC":
		e.s.latin = true
	default:
		return e.s.bad("UNB01", name, "UNOA, UNOB, UNOC, UNOW or UNOY")
	}
	return nil
}

// segment takes one. What it gives is wrong with the envelope.
func (e *edifact) segment() *Refusal {
	s := e.s
	differs := func(field, got, want string) *Refusal {
		if strings.TrimLeft(got, "0") == strings.TrimLeft(want, "0") {
			return nil
		}
		return s.bad(field, got, cmp.Or(want, "none"))
	}
	if s.unreadable != nil {
		if e.begun {
			e.endItem() // what follows may not be of the item before it
		}
		e.h.refuse(s.unreadable)
		return nil
	}
	switch s.tag {
	case "UNG":
		e.endMessage()
		e.groups, e.inGroup, e.group = e.groups+1, 0, s.get(5)
	case "UNE":
		e.endMessage()
		if r := differs("UNE01", s.get(1), strconv.Itoa(e.inGroup)); r != nil {
			return r
		}
		return differs("UNE02", s.get(2), e.group)
	case "UNH":
		e.endMessage()
		e.messages, e.inGroup, e.segments, e.lineItems = e.messages+1, e.inGroup+1, 1, 0
		e.message, e.kind = s.get(1), s.part(2, 1)
		e.beginMessage()
	case "UNT":
		segments := e.segments
		e.endMessage()
		if r := differs("UNT01", s.get(1), strconv.Itoa(segments)); r != nil {
			return r
		}
		return differs("UNT02", s.get(2), e.message)
	case "UNZ":
		e.endMessage()
		parts := e.messages
		if e.groups > 0 {
			parts = e.groups
		}
		if r := differs("UNZ01", s.get(1), strconv.Itoa(parts)); r != nil {
			return r
		}
		return differs("UNZ02", s.get(2), e.reference)
	case "CNT":
		if e.begun && s.part(1, 1) == "2" { // of items; others are sums of the partner's own
			return differs("CNT", s.part(1, 2), strconv.Itoa(e.lineItems))
		}
	default:
		if e.begun {
			e.content()
		}
	}
	return nil
}

func (e *edifact) beginMessage() {
	if e.kind != "INVRPT" && e.kind != "SLSRPT" {
		e.h.refuse(e.s.bad("UNH02", e.kind, "INVRPT or SLSRPT"))
		return
	}
	e.begun, e.place = true, ""
	e.dates, e.own, e.days, e.parties = make(map[string]time.Time), make(map[string]time.Time), make(map[string]bool), make(map[string]string)
	e.item = edifactItem{}
	id := e.sender + "/" + e.date + "-" + e.reference
	if e.group != "" {
		id += "/" + e.group
	}
	e.h.begin(id + "/" + e.message)
}

func (e *edifact) endMessage() {
	if e.begun {
		e.endItem()
		e.begun = false
	}
}

func (e *edifact) content() {
	s := e.s
	switch s.tag {
	case "DTM":
		e.dtm()
	case "NAD":
		if id := s.part(2, 1); id != "" && !e.item.open {
			e.parties[s.get(1)] = id
		}
	case "LOC":
		switch id := s.part(2, 1); {
		case id == "":
		case e.item.open && e.kind == "INVRPT":
			e.item.location = id
			e.endQuantity()
		case e.item.open: // the next location of a sales report
			e.endItem()
			fallthrough
		default:
			e.place, e.own = id, make(map[string]time.Time)
		}
	case "LIN":
		e.endItem()
		e.lineItems++
		e.item = edifactItem{open: true, at: s.place(), segment: e.segments}
		switch s.part(3, 2) {
		case "EN", "SRV", "UP", "EAN", "":
			e.item.sku = s.part(3, 1)
		}
	case "PIA":
		e.pia()
	case "QTY":
		e.qty()
	}
}

// pia is an item's number where LIN has none.
func (e *edifact) pia() {
	if !e.item.open || e.item.sku != "" {
		return
	}
	for _, want := range [...]string{"EN", "SRV", "IN", "BP", "SA"} {
		for n := 2; n <= len(e.s.elements); n++ {
			if e.s.part(n, 2) == want && e.s.part(n, 1) != "" {
				e.item.sku = e.s.part(n, 1)
				return
			}
		}
	}
}

func (e *edifact) qty() {
	if !e.item.open {
		return
	}
	e.endQuantity()
	code := e.s.part(1, 1)
	switch e.kind + code {
	case "INVRPT145", "INVRPT17", "SLSRPT153", "SLSRPT61":
	default:
		return
	}
	n, bad := e.s.quantity("QTY02", e.s.part(1, 2), "QTY03", e.s.part(1, 3))
	if bad == nil && e.kind == "INVRPT" && n[0] == '-' {
		bad = e.s.bad("QTY02", e.s.part(1, 2), "0 or more")
	}
	if bad == nil && e.item.sku == "" {
		bad = &Refusal{Place: e.item.at, Field: "LIN", Why: "a number of the item, there or in PIA"}
	}
	if bad != nil {
		e.h.refuse(bad)
		return
	}
	switch code {
	case "153":
		e.item.sold = added(e.item.sold, n)
	case "61":
		e.item.returned = added(e.item.returned, n)
	default:
		e.item.quantity, e.item.waits, e.item.at = n, true, e.s.place()
	}
}

// added is the sum of a number that may not be there yet and one that is.
func added(sum, n string) string {
	if sum == "" {
		return n
	}
	return plus(sum, n)
}

// endQuantity gives the figure of which the location is now known.
func (e *edifact) endQuantity() {
	if !e.item.waits {
		return
	}
	e.item.waits = false
	location := e.location(e.item.location)
	if location == "" {
		return
	}
	moment, bad := e.moment(location)
	if wrong := named(e.item.at, "LIN", e.item.sku, "LOC", location); wrong != nil {
		bad = wrong
	}
	if bad != nil {
		bad.Place = e.item.at
		e.h.refuse(bad)
		return
	}
	e.h.figure(e.item.at, location, "", moment, e.item.sku, e.item.quantity)
	e.item.location = ""
}

// location is the item's, else the group's, else the message's; where there is none the item is refused.
func (e *edifact) location(own string) string {
	if own != "" {
		return own
	}
	if e.place != "" {
		return e.place
	}
	for _, party := range [...]string{"WH", "SN", "ST", "DP", "BY", "GY"} {
		if id := e.parties[party]; id != "" {
			return id
		}
	}
	if e.o.Location == "" {
		e.h.refuse(&Refusal{Place: e.item.at, Field: "LOC", Why: "a location, in LOC or in NAD with WH, SN, ST, DP, BY or GY"})
	}
	return e.o.Location
}

func (e *edifact) endItem() {
	if !e.item.open {
		return
	}
	e.endQuantity()
	e.item.open = false
	if e.item.sold == "" && e.item.returned == "" {
		return
	}
	location := e.location("")
	if location == "" {
		return
	}
	from, to, bad := e.reported(location)
	if wrong := named(e.item.at, "LIN", e.item.sku, "LOC", location); wrong != nil {
		bad = wrong
	}
	if bad != nil {
		bad.Place = e.item.at
		e.h.refuse(bad)
		return
	}
	sold, ok := less(e.item.sold, e.item.returned)
	if !ok {
		e.h.refuse(&Refusal{Place: e.item.at, Field: "QTY02", Value: cut(e.item.sold+" less "+e.item.returned, 64), Why: "numbers of at most 11 digits and 6 decimals"})
		return
	}
	e.h.period(&Period{ID: e.h.id + "/" + strconv.Itoa(e.item.segment), Location: location, SKU: e.item.sku, From: from, To: to, Sold: sold, Place: e.item.at})
}

// dtm keeps a date as it stands on the wall; of which location is known later. So it is read as
// UTC here and moved there.
func (e *edifact) dtm() {
	code, value, form := e.s.part(1, 1), e.s.part(1, 2), e.s.part(1, 3)
	layout, day := "", false
	switch form {
	case "102", "":
		layout, day = "20060102", true
	case "101":
		layout, day = "060102", true
	case "203":
		layout = "200601021504"
	case "204":
		layout = "20060102150405"
	case "718": // from and to
		if len(value) == 16 {
			e.keep("90", value[:8], "20060102", true)
			e.keep("91", value[8:], "20060102", true)
			return
		}
	}
	if layout == "" {
		e.h.refuse(e.s.bad("DTM03", form, "102, 101, 203, 204 or 718"))
		return
	}
	e.keep(code, value, layout, day)
}

func (e *edifact) keep(code, value, layout string, day bool) {
	t, err := time.Parse(layout, value)
	if err != nil {
		e.h.refuse(e.s.bad("DTM02", value, "a date like "+layout))
		return
	}
	if e.place != "" {
		e.own[code] = t
	} else {
		e.dates[code] = t
	}
	e.days[code] = day
}

func (e *edifact) said(code string) (time.Time, bool) {
	if t, ok := e.own[code]; ok {
		return t, true
	}
	t, ok := e.dates[code]
	return t, ok
}

// moment is what the message's figures are of.
func (e *edifact) moment(location string) (time.Time, *Refusal) {
	var day *time.Time
	for _, code := range [...]string{"366", "179", "137"} {
		t, ok := e.said(code)
		switch {
		case !ok:
		case e.days[code]:
			if day == nil {
				day = &t
			}
		case day != nil && t.Format("20060102") != day.Format("20060102"):
			// it is of another day than what was reported
		default:
			const layout = "20060102150405"
			at, err := e.o.localTime(location, layout, t.Format(layout))
			if err != nil {
				return at, &Refusal{Field: "DTM+" + code, Value: t.Format("200601021504"), Why: err.Error()}
			}
			return at, nil
		}
	}
	if day == nil {
		return time.Time{}, &Refusal{Field: "DTM", Why: "a moment: 366, 179 or 137"}
	}
	return e.o.dayEnds(location, *day), nil
}

// reported are the first moment of what was reported and the first after it.
func (e *edifact) reported(location string) (from, to time.Time, bad *Refusal) {
	first, ok := e.said("356")
	last := first
	if !ok {
		if first, ok = e.said("90"); ok {
			if last, ok = e.said("91"); !ok {
				last, ok = first, true
			}
		}
	}
	switch {
	case !ok:
		return from, to, &Refusal{Field: "DTM", Why: "the days that were reported: 356, or 90 and 91"}
	case last.Before(first):
		return from, to, &Refusal{Field: "DTM+91", Value: last.Format("20060102"), Why: "a day that is not before DTM+90"}
	}
	return e.o.dayBegins(location, first), e.o.dayBegins(location, last.AddDate(0, 0, 1)), nil
}
