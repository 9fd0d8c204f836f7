package format

import (
	"io"
	"strings"
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
		if d.x.n == 0 { // no IDoc's: a file without any is refused at its end
			return nil
		}
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
