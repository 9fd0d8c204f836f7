package format

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ediSegments cuts EDI of either syntax into segments. What parts them is said by the
// interchange: ISA, or UNA.
type ediSegments struct {
	in                      *bufio.Reader
	max                     int
	element, component, end byte
	release                 byte // 0: there is none
	comma                   bool // quantities may have a decimal comma
	latin                   bool // ISO 8859-1
	n                       int  // of the segment that was read last, from 1
	raw                     []byte
	tag                     string
	unreadable              *Refusal // the segment is no text; nil where it is
	elements                []string // of the segment, behind its tag; not parted into components
}

// next reads a segment. Its error is io.EOF, a *Refusal or the reader's.
func (s *ediSegments) next() error {
	s.raw, s.unreadable = s.raw[:0], nil
	for released := false; ; {
		b, err := s.in.ReadByte()
		switch {
		case err == io.EOF && len(bytes.TrimSpace(s.raw)) == 0:
			return io.EOF
		case err == io.EOF:
			s.n++
			return s.refusal("", "a segment that ends, as it is the last one of the file")
		case err != nil:
			return err
		}
		if len(s.raw) == 0 && (b == '\r' || b == '\n' || b == ' ' || b == '\t') && b != s.end {
			continue // between segments
		}
		if b == s.end && !released {
			if len(s.raw) == 0 {
				continue
			}
			s.n++
			break
		}
		s.raw = append(s.raw, b)
		released = !released && s.release != 0 && b == s.release
		if len(s.raw) > s.max {
			s.n++
			return s.refusal("", "a segment of at most "+strconv.Itoa(s.max)+" bytes")
		}
	}
	return s.split()
}

func (s *ediSegments) split() error {
	text := string(s.raw)
	if s.latin {
		text = fromLatin1(s.raw)
	} else if !utf8.ValidString(text) {
		s.tag, s.elements = "", nil
		s.unreadable = s.refusal("", "UTF-8, or the character set that the interchange names")
		return nil
	}
	parts := s.cut(strings.TrimRight(text, "\r\n"), s.element)
	s.tag, s.elements = strings.TrimSpace(s.plain(parts[0])), parts[1:]
	return nil
}

// cut parts text at a separator that is not released.
func (s *ediSegments) cut(text string, at byte) (parts []string) {
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case s.release:
			if s.release != 0 {
				i++
				continue
			}
			fallthrough
		default:
			if text[i] == at {
				parts = append(parts, text[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, text[from:])
}

// plain takes the release characters out.
func (s *ediSegments) plain(text string) string {
	if s.release == 0 || strings.IndexByte(text, s.release) < 0 {
		return text
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == s.release && i+1 < len(text) {
			i++
		}
		b = append(b, text[i])
	}
	return string(b)
}

// get is element n, counted from 1 as the standards do, whole; "" where there is none.
func (s *ediSegments) get(n int) string {
	if n > len(s.elements) {
		return ""
	}
	return strings.TrimSpace(s.plain(s.elements[n-1]))
}

// part is component c of element n, both from 1.
func (s *ediSegments) part(n, c int) string {
	if n > len(s.elements) {
		return ""
	}
	parts := s.cut(s.elements[n-1], s.component)
	if c > len(parts) {
		return ""
	}
	return strings.TrimSpace(s.plain(parts[c-1]))
}

func (s *ediSegments) place() Place { return Place{"segment", max(s.n, 1)} }

// refusal is of the segment that was read last. field is like "QTY02".
func (s *ediSegments) refusal(field, why string) *Refusal {
	return &Refusal{Place: s.place(), Field: field, Value: cut(string(s.raw), 64), Why: why, Raw: bytes.Clone(s.raw[:min(len(s.raw), 4096)])}
}

// bad is a refusal of one value.
func (s *ediSegments) bad(field, value, why string) *Refusal {
	r := s.refusal(field, why)
	r.Value = cut(value, 64)
	return r
}

// named says what is wrong with the names of a figure; nil where nothing is. One name that
// cannot be would cost all figures of its event.
func named(at Place, skuField, sku, locationField, location string) *Refusal {
	switch {
	case !plainName(sku, nameBytesMax):
		return &Refusal{Place: at, Field: skuField, Value: cut(sku, 64), Why: wantName}
	case !plainName(location, placeBytesMax):
		return &Refusal{Place: at, Field: locationField, Value: cut(location, 64), Why: wantPlace}
	}
	return nil
}

func fromLatin1(b []byte) string {
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = rune(c)
	}
	return string(out)
}

// quantity reads a number of pieces, kilograms or litres.
func (s *ediSegments) quantity(field, value, unitField, unit string) (string, *Refusal) {
	n, ok := number(value, s.comma)
	if !ok {
		return "", s.bad(field, value, "a number")
	}
	switch strings.ToUpper(unit) {
	case "", "EA", "PCE", "PC", "C62", "UN", "KG", "KGM", "LTR":
		return n, nil
	}
	return "", s.bad(unitField, unit, "pieces, kilograms or litres: how many of those are in it, a file does not say")
}

// dateTime reads a date of 8 or 6 digits and a time of 4 to 8, where there is one.
func (o *Options) dateTime(location, date, clock string) (t time.Time, hasTime bool, err error) {
	layout := "20060102"
	if len(date) == 6 {
		layout = "060102"
	}
	switch {
	case clock == "":
		if t, err = time.Parse(layout, date); err != nil {
			return t, false, errors.New("a date like " + layout)
		}
		return o.dayBegins(location, t), false, nil
	case len(clock) == 4:
		layout, date, hasTime = layout+"1504", date+clock, true
	case len(clock) >= 6 && digits(clock):
		layout, date, hasTime = layout+"150405", date+clock[:6], true
	default:
		return t, false, errors.New("a time like 1015 or 101530")
	}
	t, err = o.localTime(location, layout, date)
	return t, hasTime, err
}

// ediHeap gathers what messages come to: figures that are of one location, moment and
// basis are one event. What is gathered is given when its part of the file was found good.
type ediHeap struct {
	o      *Options
	to     Sink
	id     string // of the message
	events []*Event
	by     map[ediKey]*Event
	found  []any // *Event, *Period, *Refusal in the order of the file
	lines  int
}

type ediKey struct {
	location, basis string
	moment          int64
}

// ediLinesMax bounds what is gathered before it is given.
const ediLinesMax = 200_000

func (h *ediHeap) begin(id string) {
	h.id, h.events = id, nil
	h.by = make(map[ediKey]*Event)
}

// figure adds what was there of a SKU.
func (h *ediHeap) figure(at Place, location, basis string, moment time.Time, sku, quantity string) {
	k := ediKey{location, basis, moment.UnixMilli()}
	e := h.by[k]
	if e == nil || len(e.Lines) >= h.o.figuresMax() {
		e = &Event{Type: "erp.snapshot", Location: location, Basis: basis, Time: moment, Moment: moment, Place: at}
		h.by[k] = e
		h.events = append(h.events, e)
		e.ID = h.id
		if len(h.events) > 1 {
			e.ID += "/" + strconv.Itoa(len(h.events))
		}
		h.found = append(h.found, e)
	}
	e.Lines = append(e.Lines, Line{SKU: sku, Quantity: quantity, N: at.N})
	h.lines++
}

func (h *ediHeap) period(p *Period) {
	h.found = append(h.found, p)
	h.lines++
}

func (h *ediHeap) refuse(r *Refusal) {
	h.found = append(h.found, r)
	h.lines++
}

// full says that no more can be gathered.
func (h *ediHeap) full() bool { return h.lines > ediLinesMax }

// give hands over all that was gathered.
func (h *ediHeap) give() error {
	for _, f := range h.found {
		var err error
		switch f := f.(type) {
		case *Event:
			err = h.to.Event(f)
		case *Period:
			err = h.to.Period(f)
		case *Refusal:
			err = h.to.Refused(f)
		}
		if err != nil {
			return err
		}
	}
	h.drop()
	return nil
}

// drop forgets what was gathered.
func (h *ediHeap) drop() { h.found, h.lines = nil, 0 }

// isReaders says that an error is not the file's. What was read of a message then may have
// been less than it says, and under its name the whole would be refused when it comes.
func isReaders(err error) bool {
	var bad *Refusal
	return !errors.As(err, &bad)
}
