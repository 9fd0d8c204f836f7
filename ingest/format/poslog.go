package format

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// decodePOSLog reads the retail standard's POSLog, XML 2.x and 6 with any prefixes, and its
// JSON form, see posJSON. A Transaction becomes pos.sale and pos.return events, one of
// each, and one more for each customer order whose goods it hands over. One bad line refuses
// the whole transaction, for its parts would say what never happened.
//
// Taken: the lines Sale, PreviousCustomerOrder and CustomerOrderPickup as goods that leave,
// Return as goods that come; see posLine. The store is BusinessUnit/UnitID, else
// RetailStoreID, else Options.Location. The time is EndDateTime, else BeginDateTime: with an
// offset as it is, without one in the store's zone, where an hour that autumn's change shows
// twice is the first and one that spring's passes over is refused. BusinessDayDate is part of the
// id and never the time. OfflineFlag changes nothing: what is sold is sold.
//
// An event's id is store/till/business day/sequence number, and with /2, /3 where one
// transaction gives more. A transaction with TransactionStatus PostVoided, or with a
// TransactionLink whose ReasonCode begins with Void, or a VoidTransaction, undoes the one that
// it names, whatever its lines say; a till or day that the link leaves out is its own. As many
// events are voided as its own lines would give, for they mirror those undone; two where it has
// none: a void of an event that never was waits and moves nothing.
//
// Ignored: transactions cancelled, suspended, retrieved anew under another number, of
// training, and of control, tender and orders to be placed; lines of services, deposits, gift
// cards and the like; goods that are to leave later (SaleForPickup, Layaway, …), and
// PreviousLayaway, which may be a payment alone. Tender, customers, loyalty and operators are
// not among the elements read.
func decodePOSLog(r io.Reader, o *Options, to Sink) error {
	in, err := utf8Begin(r)
	if err != nil {
		return err
	}
	p := &posLog{o: o, to: to}
	json, err := isJSON(in)
	if err != nil {
		return err
	}
	if json {
		return p.decodeJSON(in)
	}
	x := newXMLReader(in, o, "transaction", posKept)
	root := ""
	for {
		name, err := x.next()
		if err != nil {
			return err
		}
		if root == "" {
			root = name
			if name != "POSLog" && name != "Transaction" {
				return &Refusal{Place: x.line(), Field: "root element", Value: cut(name, 64), Why: "POSLog"}
			}
		}
		switch name {
		case "":
			return nil
		case "Transaction":
			x.n++
			top, bad, err := x.part()
			if err != nil {
				return err
			}
			if err := p.part(top, bad, x.place()); err != nil {
				return err
			}
		}
	}
}

// isJSON looks at the first byte that is not white space and leaves it unread. What begins
// with more white space than a reader's buffer holds is not taken for JSON.
func isJSON(in *bufio.Reader) (bool, error) {
	for n := 1; n <= in.Size(); n++ {
		b, err := in.Peek(n)
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("read POSLog: %w", err)
		}
		if c := b[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c == '{' || c == '[', nil
		}
	}
	return false, nil
}

// posKept are the elements and attributes that are read.
var posKept = set("Transaction", "CancelFlag", "TrainingModeFlag", "VoidFlag", "BusinessUnit", "UnitID", "RetailStoreID",
	"WorkstationID", "SequenceNumber", "BusinessDayDate", "BeginDateTime", "EndDateTime", "RetailTransaction",
	"ControlTransaction", "VoidTransaction", "PostVoidTransaction", "TransactionStatus", "TransactionLink", "ReasonCode",
	"LineItem", "Sale", "Return", "PreviousCustomerOrder", "CustomerOrderPickup", "ItemType", "ItemID",
	"POSIdentity", "POSItemID", "AlternativeItem", "Quantity", "Units", "UnitOfMeasureCode", "Disposal", "Method",
	"ItemCondition", "Condition", "ItemStatus", "InventoryReservationID", "CustomerOrder", "CustomerOrderID",
	"CustomerOrderNumber", "OrderID")

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, name := range names {
		m[name] = true
	}
	return m
}

type posLog struct {
	o  *Options
	to Sink
}

func (p *posLog) part(top *element, bad *Refusal, at Place) error {
	if bad != nil {
		return p.to.Refused(bad)
	}
	events, bad := p.transaction(top)
	if bad != nil {
		bad.Place, bad.Raw = at, top.raw()
		return p.to.Refused(bad)
	}
	for i := range events {
		events[i].Place = at
		if err := p.to.Event(&events[i]); err != nil {
			return err
		}
	}
	return nil
}

// posStatus says of each TransactionStatus whether the transaction came to its end.
var posStatus = map[string]bool{
	"": true, "totaled": true, "totalled": true, "tendered": true, "finished": true, "completed": true, "delivered": true,
	"suspended": false, "suspendeddeleted": false, "suspendedretrieved": false, "suspendedcancelled": false,
	"suspendedcanceled": false, "voided": false, "cancelled": false, "canceled": false, "failed": false, "inprocess": false,
}

func (p *posLog) transaction(top *element) ([]Event, *Refusal) {
	if top.flag("CancelFlag") || top.flag("TrainingModeFlag") {
		return nil, nil
	}
	sold := top.first("RetailTransaction")
	status := sold.value("TransactionStatus")
	if status == "" {
		status = top.value("TransactionStatus")
	}
	void := strings.EqualFold(status, "PostVoided")
	link := posVoided(top, void)
	if link == nil && !void {
		ended, known := posStatus[strings.ToLower(status)]
		if !known {
			return nil, &Refusal{Field: "TransactionStatus", Value: cut(status, 64), Why: "a status of the standard"}
		}
		if !ended || sold == nil {
			return nil, nil
		}
	}
	if void && link == nil {
		return nil, &Refusal{Field: "TransactionLink", Why: "the transaction that is undone"}
	}

	n, bad := p.named(top, nil)
	if bad != nil {
		return nil, bad
	}
	at, bad := p.time(top, n.store)
	if bad != nil {
		return nil, bad
	}
	if link != nil {
		return p.voids(n, at, link, sold)
	}
	lines, bad := p.lines(sold)
	if bad != nil {
		return nil, bad
	}
	events := tillEvents(lines, p.o)
	for i := range events {
		events[i].ID, events[i].Time, events[i].Location = n.id(i), at, n.store
	}
	return events, nil
}

// posVoided is what names the transaction that this one undoes; nil where it undoes none.
// known says that the status has told so already.
func posVoided(top *element, known bool) *element {
	for _, in := range []*element{top, top.first("RetailTransaction"), top.first("ControlTransaction")} {
		if in == nil {
			continue
		}
		for _, c := range in.children {
			reason := strings.ToLower(c.value("ReasonCode"))
			switch {
			case c.name == "TransactionLink" && (strings.HasPrefix(reason, "void") || strings.HasPrefix(reason, "postvoid") || known && reason == ""):
				return c
			case c.name == "VoidTransaction" || c.name == "PostVoidTransaction":
				if link := c.first("TransactionLink"); link != nil {
					return link
				}
				return c
			}
		}
	}
	return nil
}

func (p *posLog) voids(n posName, at time.Time, link, sold *element) ([]Event, *Refusal) {
	undone, bad := p.named(link, &n)
	if bad != nil {
		bad.Field = link.name + "/" + bad.Field
		return nil, bad
	}
	if undone == n {
		return nil, &Refusal{Field: link.name + "/SequenceNumber", Value: n.sequence, Why: "another transaction than itself"}
	}
	count := 2
	if lines, bad := p.lines(sold); bad == nil && len(lines) > 0 {
		count = len(tillEvents(lines, p.o))
	}
	events := make([]Event, count)
	for i := range events {
		events[i] = Event{Type: "pos.void", ID: n.id(i), Time: at, Location: n.store, Voids: undone.id(i)}
	}
	return events, nil
}

func (p *posLog) time(top *element, store string) (time.Time, *Refusal) {
	field := "EndDateTime"
	if top.value(field) == "" && top.value("BeginDateTime") != "" {
		field = "BeginDateTime"
	}
	value := top.value(field)
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at, nil
	}
	at, err := p.o.localTime(store, "2006-01-02T15:04:05", value)
	if err != nil {
		return at, &Refusal{Field: field, Value: cut(value, 64), Why: err.Error()}
	}
	return at, nil
}
