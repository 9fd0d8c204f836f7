// Package format reads what tills, warehouses, ERPs and shops send that is not a
// CloudEvent, and gives it as events of the contract. Each format is a file of its own,
// which says what it takes, what it leaves out and why.
//
// It promises: bytes from outside never panic, memory is bounded by Options, and what
// cannot be read is named by its place, field and value while everything around it is
// read. Of tender, customers, loyalty and operators nothing passes a decoder.
package format

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"onhand/jsonread"
)

// Event is one event of the contract. Its texts are the source's own codes.
type Event struct {
	Type     string
	ID       string // unique within the source, and the same whenever the same is read again
	Time     time.Time
	Location string

	Moment      time.Time // counted_at, as_of; zero: Time
	Basis       string    // of erp.snapshot; "": physical
	Complete    bool      // of erp.snapshot and wms.transfer_receipt
	Voids       string    // the ID of the event that it undoes
	Reservation string
	Inbound     string
	Reason      string
	Transfer    string
	To          string    // the location that a transfer goes to
	ExpectedAt  time.Time // of a transfer
	Lines       []Line

	Data []byte // JSON of the whole data member, in place of the members above: of erp.item and erp.location
	Raw  []byte // the event itself, where it came as a CloudEvent; nothing else is then given but Place

	Place Place
}

// Line is one SKU of an event.
type Line struct {
	SKU        string
	Quantity   string    // a decimal number as JSON writes it
	Condition  string    // "": sellable
	From, To   string    // conditions, of wms.status
	ExpectedAt time.Time // of erp.inbound
	N          int       // where it stands, in the unit of its event's Place; 0: where the event does
}

// Place is where something stands in what was read: a line, a segment, an element, counted from 1.
type Place struct {
	Unit string // "line", "segment", "element", "item"
	N    int
}

func (p Place) String() string { return p.Unit + " " + strconv.Itoa(p.N) }

// Refusal is a part of a file that gives no event: a row, a transaction, a message.
type Refusal struct {
	Place Place
	Field string // as the format names it, "" where the whole is meant
	Value string // as it was found, cut to 64 bytes
	Why   string // what would have been right
	Raw   []byte // the part itself, cut to 4096 bytes; the sink keeps it
}

func (r *Refusal) Error() string {
	switch {
	case r.Field == "" && r.Value == "":
		return fmt.Sprintf("%v: want %s", r.Place, r.Why)
	case r.Field == "":
		return fmt.Sprintf("%v: want %s, got %q", r.Place, r.Why, r.Value)
	}
	return fmt.Sprintf("%v: %s: want %s, got %q", r.Place, r.Field, r.Why, r.Value)
}

// Period is what a source says was sold of one SKU over a time: a sum, which is held
// against the ledger and moves nothing.
type Period struct {
	ID       string // as Event.ID
	Location string
	SKU      string
	From, To time.Time // To is the first moment that is no longer in it
	Sold     string    // net of returns, a decimal number as JSON writes it
	Place    Place
}

// Sink takes what a decoder finds, in the order of the file. What it is given, and slices in
// it, are the decoder's and good until the call returns; texts may be kept. An error of any ends the reading and is what the Decoder returns.
type Sink interface {
	Event(*Event) error
	Period(*Period) error
	Refused(*Refusal) error
}

// Decoder reads all of r. What cannot be gone on from (truncated, not this format at
// all, over a bound) is its error, which is a *Refusal where the file is at fault.
type Decoder func(r io.Reader, o *Options, to Sink) error

// Options say how one source speaks its format. Zero members stand for what is said there.
type Options struct {
	Zone     *time.Location    // of times without an offset; nil: UTC
	Zones    map[string]string // IANA name by location code, before Zone
	Location string            // of files that name none
	Time     time.Time         // of files and records that say no time
	Strict   bool              // EDI: wrong counts and control numbers refuse the interchange
	Void     string            // POSLog: "flag" (default) or "offset", how a line is taken back
	Columns  map[string]string // CSV: the column of each member, by its name in the contract; nil: the header's own
	Type     string            // CSV: the events' type; "": erp.snapshot
	Comma    rune              // CSV: 0: found out from the header
	Basis    string            // CSV: of erp.snapshot; "": physical
	Complete bool              // CSV: a location's rows, which stand together, are all that it has
	Movement map[string]string // IDoc: movement type to event type, before the built-in table; see CheckMovement

	PartBytesMax int // one transaction, segment or row; default 1 MiB
	LinesMax     int // of one event; default 10,000: longer ones are cut into several where the format allows it. Names of events depend on it
	FiguresMax   int // of one event of absolute figures, which may be said in any parts; default LinesMax
}

// decoders by the word that configuration and the command line use.
var decoders = map[string]Decoder{
	"cloudevents": decodeCloudEvents,
	"csv":         decodeCSV,
	"d365":        decodeD365,
	"edifact":     decodeEDIFACT,
	"epcis":       decodeEPCIS,
	"idoc":        decodeIDoc,
	"poslog":      decodePOSLog,
	"shopify":     decodeShopify,
	"square":      decodeSquare,
	"x12":         decodeX12,
}

// Named is the decoder of a format; nil where there is no such format.
func Named(name string) Decoder { return decoders[name] }

// Names are the formats there are, sorted.
func Names() []string {
	var names []string
	for name := range decoders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// AppendJSON appends the event as a CloudEvent of source, in structured mode.
func (e *Event) AppendJSON(b []byte, source string) []byte {
	if e.Raw != nil {
		return append(b, e.Raw...)
	}
	b = append(b, `{"specversion":"1.0","type":`...)
	b = jsonread.AppendString(b, e.Type)
	b = text(append(b, `,"source":`...), source)
	b = text(append(b, `,"id":`...), e.ID)
	b = moment(append(b, `,"time":`...), e.Time)
	if e.Data != nil {
		return append(append(append(b, `,"data":`...), e.Data...), '}')
	}
	b = text(append(b, `,"data":{"location":`...), e.Location)
	for _, m := range [...]struct{ name, value string }{
		{"basis", e.Basis}, {"voids", e.Voids}, {"reservation", e.Reservation}, {"inbound", e.Inbound},
		{"reason", e.Reason}, {"transfer", e.Transfer}, {"to", e.To},
	} {
		if m.value != "" {
			b = text(append(append(append(b, `,"`...), m.name...), `":`...), m.value)
		}
	}
	if e.Complete {
		b = append(b, `,"complete":true`...)
	}
	if !e.ExpectedAt.IsZero() {
		b = moment(append(b, `,"expected_at":`...), e.ExpectedAt)
	}
	if !e.Moment.IsZero() {
		name := `,"as_of":`
		if e.Type == "wms.count" {
			name = `,"counted_at":`
		}
		b = moment(append(b, name...), e.Moment)
	}
	if e.Lines != nil {
		b = append(b, `,"lines":[`...)
		for i := range e.Lines {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.Lines[i].appendJSON(b)
		}
		b = append(b, ']')
	}
	return append(b, "}}"...)
}

func (ln *Line) appendJSON(b []byte) []byte {
	b = text(append(b, `{"sku":`...), ln.SKU)
	b = append(append(b, `,"quantity":`...), ln.Quantity...)
	for _, m := range [...]struct{ name, value string }{{"condition", ln.Condition}, {"from", ln.From}, {"to", ln.To}} {
		if m.value != "" {
			b = text(append(append(append(b, `,"`...), m.name...), `":`...), m.value)
		}
	}
	if !ln.ExpectedAt.IsZero() {
		b = moment(append(b, `,"expected_at":`...), ln.ExpectedAt)
	}
	return append(b, '}')
}

func text(b []byte, s string) []byte { return jsonread.AppendString(b, s) }

func moment(b []byte, t time.Time) []byte {
	return append(jsonread.AppendTime(append(b, '"'), t.UnixMilli()), '"')
}

// cut keeps what a report can show.
func cut(s string, bytesMax int) string {
	if len(s) > bytesMax {
		return s[:bytesMax]
	}
	return s
}
