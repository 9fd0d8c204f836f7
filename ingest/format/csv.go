package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/zeebo/xxh3"
)

// CSV is RFC 4180 with a header: quotes, doubled quotes and line ends in them, LF or CRLF,
// a byte order mark. Commas, semicolons, tabs and bars part columns; with semicolons a
// decimal comma is read. Times have an offset, or are the location's.
//
// A column is what the contract's member is called (location, sku, quantity, time, as_of,
// counted_at, condition, from, to, reason, inbound, expected_at, transfer, reservation,
// and id), or what Options.Columns says; all others are left out. Rows of absolute
// figures that stand together and are of one location and moment become one event. Of
// movements rows with one id that stand together do, of erp.inbound those with one
// inbound, of wms.transfer, which ships once, those with one transfer, else each row is one.
//
// erp.item takes sku, gtin, category, decimals and aliases.SYSTEM; erp.location takes
// location, name, kind, lat, lon, time_zone and aliases.SYSTEM.
//
// A file names no events, so their names are made of what they say: the same rows give
// the same events, wherever they stand. Two equal rows of movements without an id are two
// movements; for that, up to rowsToldApart of them are remembered.
type csvReader struct {
	o    *Options
	to   Sink
	in   *bufio.Reader
	line int // the last one read

	comma    byte
	decimals bool // a comma is a decimal sign
	columns  []string
	where    [members]int // a member's column, -1: none
	aliases  []csvAlias

	lost   *Refusal // where a quote is open to the end, or for too long
	record []byte   // of a row that is longer than the reader's buffer, or has line ends in quotes
	fields [][]byte

	kind     string
	absolute bool
	linesMax int

	open  bool // an event is being gathered
	event Event
	text  []byte // what its lines are made of
	spans []csvLine
	group []byte // what the rows of it have in common
	seen  map[uint64]uint32
	key   []byte
	data  []byte
	valid bool // all of the row is UTF-8

	// Of a complete file: a location of which a row was refused is not complete.
	done      map[string]bool // locations that were given
	refusedOf map[string]bool // locations of rows that were refused
	torn      int             // how many events a row may belong to that could not be split
}

// csvLine is where each text of a line ends in csvReader.text, and where the line stands.
type csvLine struct{ sku, quantity, condition, from, to, expectedAt, n int }

type csvAlias struct {
	system string
	column int
}

const (
	rowsToldApart  = 4 << 20
	csvColumnsMax  = 256
	csvBufferBytes = 1 << 20
	rowsMax        = 100_000 // of an event that cannot be cut
)

// The members that rows may have.
const (
	csvLocation = iota
	csvSKU
	csvQuantity
	csvTime
	csvMoment
	csvCondition
	csvFrom
	csvTo
	csvReason
	csvInbound
	csvExpectedAt
	csvTransfer
	csvReservation
	csvID
	csvGTIN
	csvCategory
	csvDecimals
	csvName
	csvKind
	csvLat
	csvLon
	csvZone
	members
)

var csvMembers = [members]string{"location", "sku", "quantity", "time", "as_of", "condition", "from", "to", "reason", "inbound",
	"expected_at", "transfer", "reservation", "id", "gtin", "category", "decimals", "name", "kind", "lat", "lon", "time_zone"}

func decodeCSV(r io.Reader, o *Options, to Sink) error {
	c := &csvReader{o: o, to: to, in: bufio.NewReaderSize(r, csvBufferBytes), kind: o.Type, linesMax: rowsMax}
	if c.kind == "" {
		c.kind = "erp.snapshot"
	}
	c.absolute = c.kind == "erp.snapshot" || c.kind == "wms.count"
	if c.absolute && !o.Complete {
		c.linesMax = o.figuresMax()
	}
	if err := c.header(); err != nil {
		return err
	}
	for {
		err := c.next()
		if err == io.EOF {
			return c.flush()
		}
		var bad *Refusal
		if errors.As(err, &bad) && bad.Why != "" && c.goesOn(bad) {
			c.torn = 2 // the one that is gathered, or the next
			err = to.Refused(bad)
		} else if err == nil {
			err = c.row()
		}
		if bad != nil && bad == c.lost {
			return errors.Join(c.flush(), err)
		}
		if err != nil {
			return err
		}
	}
}

// goesOn says whether what follows a row that cannot be split is sure to be rows again.
func (c *csvReader) goesOn(bad *Refusal) bool { return bad != c.lost }

func (o *Options) linesMax() int {
	if o.LinesMax > 0 {
		return o.LinesMax
	}
	return 10_000
}

func (o *Options) figuresMax() int {
	if o.FiguresMax > 0 {
		return o.FiguresMax
	}
	return o.linesMax()
}

func (o *Options) partBytesMax() int {
	if o.PartBytesMax > 0 {
		return o.PartBytesMax
	}
	return 1 << 20
}

func (c *csvReader) field(member int) []byte {
	if i := c.where[member]; i >= 0 && i < len(c.fields) {
		return c.fields[i]
	}
	if member == csvLocation {
		return []byte(c.o.Location)
	}
	return nil
}

// row takes one row into the event that is gathered, or begins another.
func (c *csvReader) row() error {
	if !c.valid {
		for m, f := range c.where {
			if f >= 0 && !utf8.Valid(c.fields[f]) {
				return c.refused(m, "UTF-8")
			}
		}
	}
	if c.kind == "erp.item" || c.kind == "erp.location" {
		return c.master()
	}
	same := c.open && c.sameGroup()
	if same && !c.absolute && c.where[csvID] < 0 && c.kind != "erp.inbound" && c.kind != "wms.transfer" {
		same = false
	}
	if same && len(c.spans) == c.linesMax {
		switch {
		case c.o.Complete:
			return c.refused(csvLocation, fmt.Sprintf("at most %d rows of a location in a complete file", rowsMax))
		case !c.absolute:
			return c.refused(csvID, fmt.Sprintf("at most %d rows of one event", rowsMax))
		}
		same = false
	}
	quantity := c.field(csvQuantity)
	if !plain(quantity) {
		if _, ok := number(string(quantity), c.decimals); !ok {
			return c.refused(csvQuantity, "a number")
		}
	}
	if c.absolute && quantity[0] == '-' && string(bytes.Trim(quantity, "-0.,")) != "" {
		return c.refused(csvQuantity, "0 or more")
	}
	if len(c.field(csvSKU)) == 0 {
		return c.refused(csvSKU, "a SKU")
	}
	if len(c.field(csvLocation)) == 0 {
		return c.refused(csvLocation, "a location")
	}
	if !same {
		if err := c.flush(); err != nil {
			return err
		}
		if ok, err := c.begin(); !ok {
			return err
		}
	}
	c.take()
	return nil
}

// plain numbers need no closer look.
func plain(b []byte) bool {
	for _, d := range b {
		if d < '0' || d > '9' {
			return false
		}
	}
	return len(b) > 0 && len(b) < digitsMax
}

// shared are the members by which rows belong together; those that may differ between
// the lines of one event are not among them.
var shared = [...]int{csvLocation, csvTime, csvMoment, csvReason, csvInbound, csvTransfer, csvReservation, csvID}

func (c *csvReader) appendGroup(b []byte) []byte {
	for _, m := range shared {
		if c.where[m] >= 0 || m == csvLocation {
			b = append(append(b, c.field(m)...), 0)
		}
	}
	if c.kind == "wms.transfer" {
		b = append(append(b, c.field(csvTo)...), 0)
	}
	return b
}

func (c *csvReader) sameGroup() bool {
	c.key = c.appendGroup(c.key[:0])
	return bytes.Equal(c.key, c.group)
}

// begin starts an event with what its rows have in common. Not ok: the row was refused.
func (c *csvReader) begin() (ok bool, err error) {
	c.group = c.appendGroup(c.group[:0])
	loc := string(c.field(csvLocation))
	c.event = Event{Type: c.kind, Location: loc, Time: c.o.Time, Complete: c.o.Complete && c.kind == "erp.snapshot",
		Reason: string(c.field(csvReason)), Inbound: string(c.field(csvInbound)), Transfer: string(c.field(csvTransfer)),
		Reservation: string(c.field(csvReservation)), ID: string(c.field(csvID)), Place: Place{"line", c.line}, Lines: c.event.Lines[:0]}
	if c.kind == "erp.snapshot" {
		c.event.Basis = c.o.Basis
	}
	if c.kind == "wms.transfer" {
		c.event.To = string(c.field(csvTo))
		if c.event.ExpectedAt, ok, err = c.timeIn(csvExpectedAt, loc); !ok {
			return false, err
		}
	}
	var at time.Time
	if at, ok, err = c.timeIn(csvTime, loc); !ok {
		return false, err
	}
	timed := !at.IsZero()
	if timed {
		c.event.Time = at
	}
	if c.absolute {
		if at, ok, err = c.timeIn(csvMoment, loc); !ok {
			return false, err
		}
		if c.event.Moment = at; !at.IsZero() && !timed {
			c.event.Time = at // not that of the file, or the same rows would be others tomorrow
		}
	}
	if c.event.Time.IsZero() {
		return false, c.refused(csvTime, "a time")
	}
	if c.o.Complete {
		if c.done[loc] {
			return false, c.refused(csvLocation, "all rows of a location together in a complete file")
		}
		if c.done == nil {
			c.done = make(map[string]bool)
		}
		c.done[loc] = true
	}
	c.open = true
	c.text, c.spans = c.text[:0], c.spans[:0]
	return true, nil
}

// timeIn is a time that the row says, zero where it says none. Not ok: it was refused.
func (c *csvReader) timeIn(member int, location string) (t time.Time, ok bool, err error) {
	s := string(c.field(member))
	if s == "" {
		return t, true, nil
	}
	if t, err = c.o.timeOf(location, s); err != nil {
		return t, false, c.refused(member, err.Error())
	}
	return t, true, nil
}

// timeOf reads a time with an offset, or one of the location: with or without a T, with
// or without seconds, or a date, which stands for its first moment.
func (o *Options) timeOf(location, s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	why := errors.New("a time like 2006-01-02T15:04:05+01:00, 2006-01-02 15:04:05 or 2006-01-02")
	for _, layout := range [...]string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		t, err := o.localTime(location, layout, s)
		if err == nil {
			return t, nil
		}
		if _, wrong := time.Parse(layout, s); wrong == nil {
			why = err // its form is right: the clocks never showed it
		}
	}
	return time.Time{}, why
}

// take adds the row as a line.
func (c *csvReader) take() {
	var ln csvLine
	add := func(member int) int {
		c.text = append(c.text, c.field(member)...)
		return len(c.text)
	}
	ln.sku = add(csvSKU)
	ln.quantity = add(csvQuantity)
	ln.condition = add(csvCondition)
	ln.from = add(csvFrom)
	ln.to = ln.from
	if c.kind == "wms.status" {
		ln.to = add(csvTo)
	}
	ln.expectedAt = ln.to
	if c.kind == "erp.inbound" {
		ln.expectedAt = add(csvExpectedAt)
	}
	ln.n = c.line
	c.spans = append(c.spans, ln)
}

// flush gives the event that was gathered.
func (c *csvReader) flush() error {
	if !c.open {
		return nil
	}
	c.open = false
	text, from := string(c.text), 0
	for _, s := range c.spans {
		ln := Line{N: s.n, SKU: text[from:s.sku], Condition: text[s.quantity:s.condition], From: text[s.condition:s.from], To: text[s.from:s.to]}
		ln.Quantity, _ = number(text[s.sku:s.quantity], c.decimals)
		if s.expectedAt > s.to {
			t, err := c.o.timeOf(c.event.Location, text[s.to:s.expectedAt])
			if err != nil {
				bad := c.refusal("expected_at", text[s.to:s.expectedAt], err.Error())
				bad.Place.N = s.n
				if err := c.to.Refused(bad); err != nil {
					return err
				}
				from = s.expectedAt
				continue
			}
			ln.ExpectedAt = t
		}
		c.event.Lines = append(c.event.Lines, ln)
		from = s.expectedAt
	}
	if len(c.event.Lines) == 0 {
		return nil
	}
	if c.event.Complete && (c.torn > 0 || c.refusedOf[c.event.Location]) {
		c.event.Complete = false
		bad := &Refusal{Place: c.event.Place, Field: "location", Value: cut(c.event.Location, 64),
			Why: "no rows refused: what is not listed here is not taken for 0"}
		if err := c.to.Refused(bad); err != nil {
			return err
		}
	}
	c.torn = max(0, c.torn-1)
	if c.event.ID == "" {
		id, err := c.name(c.text)
		if err != nil {
			return err
		}
		c.event.ID = id
	} else if c.absolute && len(c.spans) == c.linesMax {
		c.event.ID += "/" + strconv.Itoa(c.event.Place.N)
	}
	return c.to.Event(&c.event)
}

// name is made of what the event says. Absolute figures are the same when they are said
// again; a movement said twice has happened twice.
func (c *csvReader) name(said []byte) (string, error) {
	c.key = append(append(c.key[:0], c.kind...), 0)
	c.key = append(c.key, c.group...)
	c.key = append(c.key, c.o.Basis...)
	c.key = c.event.Time.UTC().AppendFormat(c.key, time.RFC3339Nano)
	c.key = append(c.key, said...)
	if c.o.Complete && c.kind == "erp.snapshot" && !c.event.Complete {
		c.key = append(c.key, " in part"...) // the mended file says more by the same rows
	}
	for _, s := range c.spans {
		c.key = append(strconv.AppendInt(append(c.key, ' '), int64(s.sku), 36), byte(s.quantity-s.sku), byte(s.condition-s.quantity), byte(s.from-s.condition), byte(s.to-s.from))
	}
	h := xxh3.Hash128(c.key)
	id := fmt.Sprintf("%016x%016x", h.Hi, h.Lo)
	if c.absolute {
		return id, nil
	}
	if c.seen == nil {
		c.seen = make(map[uint64]uint32)
	}
	n := c.seen[h.Lo]
	if n == 0 && len(c.seen) >= rowsToldApart {
		return "", c.refusal("id", "", fmt.Sprintf("a column for it in a file of more than %d movements", rowsToldApart))
	}
	c.seen[h.Lo] = n + 1
	if n > 0 {
		id += "-" + strconv.Itoa(int(n))
	}
	return id, nil
}
