package format

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// decodeIDoc reads SAP IDocs as XML, one or many in a file: WPUBON, tills' receipts, and
// MBGMCR, goods movements. Another kind is refused by name and the next IDoc is read.
//
// WPUBON: each receipt E1WPB01 becomes a pos.sale of its lines E1WPB02 with the sign - (goods
// go out) and a pos.return of those with +. The store is POSKREIS, else the control record's
// SNDPRN, else Options.Location; the id is store/till/date/receipt number, or the IDoc's number
// and the receipt's place in it where it has none. The type has no mark for a receipt that was
// cancelled: that comes as one more receipt with the other signs, and is read as such.
// VORGANGART is each retailer's own word and is not read.
//
// MBGMCR: see goodsMovement. An IDoc whose control record says TEST is left out. Times have no
// offset and are those of the location's zone, the first of two in autumn. Cashiers, customers
// (KASSIERER, KDNR), tender and users are not among the elements read.
func decodeIDoc(r io.Reader, o *Options, to Sink) error {
	in, err := utf8Begin(r)
	if err != nil {
		return err
	}
	d := &idocs{o: o, to: to, x: newXMLReader(in, o, "idoc", idocKept)}
	for {
		name, err := d.x.next()
		if err != nil {
			return err
		}
		if name == "" && d.x.n == 0 {
			return &Refusal{Place: d.x.line(), Field: "IDOC", Why: "at least one"}
		}
		if name == "" {
			return nil
		}
		if err := d.element(name); err != nil {
			return err
		}
	}
}

// idocKept are the elements that are read.
var idocKept = set("EDI_DC40", "DOCNUM", "IDOCTYP", "MESTYP", "SNDPRN", "CREDAT", "CRETIM", "TEST",
	"E1WPB01", "POSKREIS", "KASSID", "VORGDATUM", "VORGZEIT", "BONNUMMER", "E1WPB02", "ARTNR", "VORZEICHEN", "MENGE",
	"E1MBGMCR", "E1BP2017_GM_HEAD_01", "PSTNG_DATE", "REF_DOC_NO", "E1BP2017_GM_ITEM_CREATE", "E1BP2017_GM_ITEM_CREATE1",
	"MATERIAL", "MATERIAL_LONG", "PLANT", "MOVE_TYPE", "STCK_TYPE", "ENTRY_QNT", "ENTRY_UOM", "ENTRY_UOM_ISO",
	"PO_NUMBER", "MOVE_MAT", "MOVE_MAT_LONG", "MOVE_PLANT", "XSTOB")

type idocs struct {
	o  *Options
	to Sink
	x  *xmlReader

	// Of the IDoc that is being read.
	control   *element // nil before its control record
	leftOut   bool     // the control record says that nothing is taken of it
	receipts  int
	movements int
}

func (d *idocs) element(name string) error {
	switch name {
	case "IDOC":
		d.x.n++
		d.control, d.leftOut, d.receipts, d.movements = nil, false, 0, 0
	case "EDI_DC40", "E1WPB01", "E1MBGMCR":
		switch name {
		case "E1WPB01":
			d.receipts++
		case "E1MBGMCR":
			d.movements++
		}
		top, bad, err := d.x.part()
		if err != nil {
			return err
		}
		return d.part(top, bad)
	}
	return nil
}

func (d *idocs) part(top *element, bad *Refusal) error {
	var events []Event
	switch {
	case bad != nil:
		return d.to.Refused(bad)
	case d.leftOut:
		return nil
	case top.name == "EDI_DC40":
		d.control = top
		d.leftOut = top.value("TEST") != ""
		bad = d.kind()
	case top.name == "E1WPB01":
		if events, bad = d.receipt(top); bad != nil {
			bad.Field = indexed("E1WPB01", d.receipts) + "/" + bad.Field
		}
	default:
		events, bad = d.goodsMovement(top)
	}
	if bad != nil {
		bad.Place, bad.Raw = d.x.place(), top.raw()
		return d.to.Refused(bad)
	}
	for i := range events {
		events[i].Place = d.x.place()
		if err := d.to.Event(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// kind refuses an IDoc that is of neither type, once for all that is in it.
func (d *idocs) kind() *Refusal {
	kind := firstOf(d.control.value("IDOCTYP"), d.control.value("MESTYP"))
	if strings.HasPrefix(kind, "WPUBON") || strings.HasPrefix(kind, "MBGMCR") {
		return nil
	}
	d.leftOut = true
	return &Refusal{Field: "EDI_DC40/IDOCTYP", Value: cut(kind, 64), Why: "WPUBON01 or MBGMCR03"}
}

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
	if ln.sku = material(e.value("ARTNR")); !plain(ln.sku, nameBytesMax) {
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
