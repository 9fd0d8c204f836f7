package retailer

import (
	"strconv"
	"time"
)

// begin opens the next event of a source: a till of a store, or with till 0 the location's warehouse
// system. Lines follow, then finish.
func (r *Retailer) begin(kind string, at int32, till int, millis int64) {
	ids := &r.stream.sources[at]
	ids[till]++
	r.beginNamed(kind, at, till, ids[till], millis)
}

// beginNamed appends by hand, as all of the stream does: no member needs escaping, since every string
// is one that this package made up.
func (r *Retailer) beginNamed(kind string, at int32, till int, id uint32, millis int64) {
	st := &r.stream
	st.at, st.moves = at, st.moves[:0]
	location := r.ids[at]
	b := append(st.buf[:0], `{"specversion":"1.0","type":"`...)
	b = append(b, kind...)
	if till > 0 {
		b = append(b, `","source":"pos/`...)
		b = append(b, location...)
		b = append(b, `/till-`...)
		b = strconv.AppendInt(b, int64(till), 10)
	} else {
		b = append(b, `","source":"wms/`...)
		b = append(b, location...)
	}
	b = append(b, `","id":"`...)
	b = appendID(b, r.config.Epoch, uint64(id))
	b = append(b, `","time":"`...)
	b = st.clock.append(b, millis)
	b = append(b, `","data":{"location":"`...)
	b = append(b, location...)
	st.buf = append(b, `","lines":[`...)
}

// line opens a line; endLine closes it. Between them, member may add to it.
func (r *Retailer) line(item, steps int32) {
	b := append(r.stream.buf, `{"sku":"`...)
	b = append(b, r.catalogue.skus[item]...)
	b = append(b, `","quantity":`...)
	r.stream.buf = appendQuantity(b, steps, r.catalogue.weighed[item])
}

func (r *Retailer) endLine(place int, steps int32) {
	r.stream.buf = append(r.stream.buf, '}', ',')
	r.stream.moves = append(r.stream.moves, move{int32(place), steps})
}

// member adds to the line that is open, or to data after closeLines.
func (r *Retailer) member(name, value string) {
	b := append(r.stream.buf, `,"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	b = append(b, value...)
	r.stream.buf = append(b, '"')
}

// closeLines ends the lines, for a member of data that comes after them.
func (r *Retailer) closeLines() {
	b := r.stream.buf
	b[len(b)-1] = ']' // the comma after the last line
	r.stream.buf = b
}

// finish copies the event out of the buffer: its one allocation.
func (r *Retailer) finish(topic string) Record {
	st := &r.stream
	if st.buf[len(st.buf)-1] == ',' {
		r.closeLines()
	}
	value := make([]byte, len(st.buf)+2)
	copy(value[copy(value, st.buf):], "}}")
	return Record{Topic: topic, Key: r.keys[st.at], Value: value}
}

func appendID(b []byte, epoch string, id uint64) []byte {
	if epoch != "" {
		b = append(b, epoch...)
		b = append(b, '-')
	}
	return appendPadded(b, id, 6)
}

func appendPadded(b []byte, n uint64, width int) []byte {
	var digits [20]byte
	d := strconv.AppendUint(digits[:0], n, 10)
	for range width - len(d) {
		b = append(b, '0')
	}
	return append(b, d...)
}

// appendQuantity writes steps as a JSON number: whole, or with three decimals.
func appendQuantity(b []byte, steps int32, weighed bool) []byte {
	if !weighed {
		return strconv.AppendInt(b, int64(steps), 10)
	}
	n := int64(steps)
	if n < 0 {
		b = append(b, '-')
		n = -n
	}
	b = strconv.AppendInt(b, n/1000, 10)
	return appendPadded(append(b, '.'), uint64(n%1000), 3)
}

// clock writes times in RFC 3339 in UTC with milliseconds. It keeps the last second written: nearly all
// events of a stream share theirs with the one before.
type clock struct {
	second int64
	text   []byte
}

func (c *clock) append(b []byte, millis int64) []byte {
	if second := millis / 1000; second != c.second || c.text == nil {
		c.second = second
		c.text = time.Unix(second, 0).UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, c.text...)
	b = appendPadded(b, uint64(millis%1000), 3)
	return append(b, 'Z')
}
