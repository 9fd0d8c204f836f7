package ingest

import (
	"errors"
	"strconv"
	"strings"

	"onhand/jsonread"
	"onhand/ledger"
)

// Memory beyond this is not kept from one event to the next.
const (
	linesKept       = 4096
	bufferBytesKept = 64 << 10
	sourcesKept     = 1 << 16
)

// decoder reads one event after the other and submits them. Texts are slices of the
// event's bytes, or of a reader's, and good until the next one. It is for one goroutine.
type decoder struct {
	ledger *ledger.Ledger
	json   jsonread.Reader
	inner  jsonread.Reader // of data that is read apart from its envelope

	specVersion, eventType, source, id, said []byte // nil: not given
	hasData                                  bool
	sequence                                 uint64 // one more than the number that the source gives it, 0: none
	kind                                     kind
	time                                     ledger.Millis

	// Of movements, counts, heartbeats, voids and goods under way.
	location, reservation, inbound, reason []byte        // inbound: the id of a purchase or a transfer
	to                                     []byte        // where a transfer goes
	expectedAt                             ledger.Millis // there
	complete                               bool          // nothing more of the transfer comes; a snapshot is of all its location has
	net                                    bool          // of a snapshot: what is committed is deducted
	voids                                  []byte        // the id of the event to be undone
	moment                                 ledger.Millis // that it speaks of: time where it says nothing else
	from                                   ledger.Millis // of a period, which ends at moment
	hasMoment                              bool
	lines                                  []line

	// Of orders, beside location, reason and lines.
	orderID, channel []byte
	ttl              ledger.Millis // of its hold

	// Of master data.
	item   ledger.SKUInfo
	place  ledger.LocationInfo
	policy policy

	// Made anew for each event in memory that is kept. The ledger keeps none of it.
	content    []byte
	order      []int32
	movement   ledger.Movement
	moved      []ledger.MovementLine
	count      ledger.Count
	counted    []ledger.CountLine
	exceptions []ledger.Exception
	change     ledger.InboundChange
	sources    map[string]string

	dry     bool              // the event is judged alone
	systems map[string]string // of sources, where it is not what their name begins with
	system  *ledger.System    // whose codes the event has; nil: nobody has any of it
}

func (d *decoder) reset() {
	d.sequence = 0
	d.specVersion, d.eventType, d.source, d.id, d.said = nil, nil, nil, nil, nil
	d.location, d.reservation, d.inbound, d.reason, d.voids = nil, nil, nil, nil, nil
	d.to, d.expectedAt, d.complete, d.net = nil, 0, false, false
	d.orderID, d.channel, d.ttl = nil, nil, orderTTLDefault
	d.kind, d.time, d.moment, d.from, d.hasData, d.hasMoment = kindUnknown, 0, 0, 0, false, false
	d.item, d.place, d.policy = ledger.SKUInfo{}, ledger.LocationInfo{}, policy{}
	d.lines, d.exceptions = d.lines[:0], d.exceptions[:0]
	if cap(d.lines) > linesKept {
		d.lines, d.order, d.moved, d.counted, d.exceptions, d.change.Lines = nil, nil, nil, nil, nil, nil
	}
}

// intern gives one string for equal sources: there are few, and each event has one.
func (d *decoder) intern(b []byte) string {
	if s, ok := d.sources[string(b)]; ok {
		return s
	}
	if d.sources == nil || len(d.sources) >= sourcesKept {
		d.sources = make(map[string]string)
	}
	s := string(b)
	d.sources[s] = s
	return s
}

// read decodes the event and checks all that needs no look at the ledger but for quantities.
func (d *decoder) read(value []byte, headers []ledger.Header) error {
	d.reset()
	err := error(nil)
	if binaryMode(headers) {
		err = d.readBinary(value, headers)
	} else {
		err = d.readStructured(value)
	}
	if err == nil {
		err = d.checkAttributes()
	}
	if err == nil {
		return nil
	}
	var refused *ledger.Refused
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, ErrKits):
		return refuse(ledger.NotSupported, "%s", err)
	}
	return refuse(ledger.InvalidEvent, "%s", err)
}

// binaryMode says whether the event's attributes are in the record's headers.
func binaryMode(headers []ledger.Header) bool {
	attributes := false
	for i := range headers {
		switch h := &headers[i]; {
		case strings.EqualFold(h.Key, "content-type"):
			if strings.HasPrefix(strings.ToLower(string(h.Value)), "application/cloudevents") {
				return false
			}
		case strings.HasPrefix(h.Key, "ce_"):
			attributes = true
		}
	}
	return attributes
}

func (d *decoder) readStructured(value []byte) error {
	r := &d.json
	r.Reset(value)
	var late []byte
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "specversion":
			d.specVersion = r.Text()
		case "type":
			d.eventType = r.Text()
			d.kind = kindOf(d.eventType)
		case "source":
			d.source = r.Text()
		case "id":
			d.id = r.Text()
		case "time":
			d.said = r.Text()
		case "sequence":
			if r.Kind() == jsonread.String {
				d.sequence = parseSequence(r.Text())
			}
		case "data":
			d.hasData = true
			if d.eventType == nil {
				late = r.RawValue() // what it means, its type will say
			} else {
				d.readData(r)
			}
		}
	}
	if err := r.End(); err != nil || late == nil {
		return err
	}
	return d.readInner(late)
}

func (d *decoder) readBinary(value []byte, headers []ledger.Header) error {
	for i := range headers {
		h := &headers[i]
		var to *[]byte
		switch h.Key {
		case "ce_specversion":
			to = &d.specVersion
		case "ce_type":
			to = &d.eventType
		case "ce_source":
			to = &d.source
		case "ce_id":
			to = &d.id
		case "ce_time":
			to = &d.said
		case "ce_sequence":
			d.sequence = parseSequence(h.Value)
			continue
		default:
			continue
		}
		if *to != nil {
			return errors.New("header " + h.Key + " is there twice")
		}
		*to = append([]byte{}, h.Value...)
	}
	d.kind = kindOf(d.eventType)
	d.hasData = true
	return d.readInner(value)
}

// parseSequence reads the number that a source gives its event, and adds one. What is no
// number of up to 18 digits says nothing, like any attribute that is not known.
func parseSequence(text []byte) uint64 {
	if len(text) == 0 || len(text) > 18 {
		return 0
	}
	n := uint64(0)
	for _, c := range text {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + uint64(c-'0')
	}
	return n + 1
}

func (d *decoder) readInner(data []byte) error {
	d.inner.Reset(data)
	d.readData(&d.inner)
	return d.inner.End()
}

// readData reads the data that is next, as the type says; what cannot be applied anyway is skipped.
func (d *decoder) readData(r *jsonread.Reader) {
	switch d.kind {
	case kindUnknown:
		r.Skip()
	case kindOrderPlaced, kindOrderPaid, kindOrderCancelled, kindPaymentFailed:
		d.readOrder(r)
	case kindItem:
		d.item, _ = DecodeSKU(r, "", false)
	case kindLocation:
		d.place, _ = DecodeLocation(r, "", false)
	case kindPolicy:
		d.readPolicy(r)
	default:
		d.readStock(r)
	}
}

func (d *decoder) checkAttributes() error {
	for _, a := range [...]struct {
		name  string
		value []byte
	}{{"specversion", d.specVersion}, {"type", d.eventType}, {"source", d.source}, {"id", d.id}, {"time", d.said}} {
		switch {
		case a.value == nil:
			return errors.New(a.name + ": missing member")
		case len(a.value) == 0 || !plainText(a.value, nameBytesMax):
			return errors.New(a.name + ": want " + wantText(1, nameBytesMax))
		}
	}
	if string(d.specVersion) != "1.0" {
		return errors.New("specversion: want 1.0, got " + quote(d.specVersion))
	}
	millis, ok := jsonread.ParseTime(d.said)
	if !ok {
		return errors.New("time: want a time of RFC 3339 with an offset, got " + quote(d.said))
	}
	d.time = ledger.Millis(millis)
	if !d.hasMoment {
		d.moment = d.time
	}
	switch {
	case d.kind == kindUnknown:
		return errors.New("type: unknown: " + quote(d.eventType))
	case !d.hasData:
		return errors.New("data: missing member")
	}
	return nil
}

func quote(b []byte) string {
	if len(b) > 64 {
		b = append(append([]byte{}, b[:64]...), "…"...)
	}
	return strconv.Quote(string(b))
}

// eventID finds the id of an event that could not be applied, for the answer about it.
func (d *decoder) eventID(value []byte) (id string, ok bool) {
	r := &d.json
	r.Reset(value)
	if r.Kind() != jsonread.Object {
		return "", false
	}
	for r.BeginObject(); r.NextKey(); {
		if string(r.Key()) == "id" && r.Kind() == jsonread.String {
			id, ok = string(r.Text()), true
		}
	}
	return id, ok && r.End() == nil
}
