package availability

import (
	"github.com/segmentio/kafka-go"

	"onhand/jsonread"
	"onhand/kafkaio"
	"onhand/ledger"
)

var eventHeaders = kafkaio.EncodeHeaders(kafka.Header{Key: "content-type", Value: []byte("application/cloudevents+json")})

// appendKey appends sku|location.
func (p *Publisher) appendKey(dst []byte, s *Signal) []byte {
	dst = append(dst, p.stock.ledger.SKUName(s.SKU)...)
	dst = append(dst, '|')
	return append(dst, p.stock.ledger.LocationName(s.Row.Location)...)
}

// gone says that master data has no such SKU or location any more.
func (p *Publisher) gone(s *Signal) bool {
	_, known := p.stock.ledger.LookupSKU([]byte(p.stock.ledger.SKUName(s.SKU)))
	return !known || !s.Row.Opened
}

// stateSeq is the latest entry that the state is known to include.
func stateSeq(s *Signal) ledger.Seq { return max(s.Seq, s.Row.Seq) }

// Each event begins with its type; the rest is the same in both topics.
var (
	stateBegin  = []byte(`{"specversion":"1.0","type":"onhand.availability`)
	signalBegin = []byte(`{"specversion":"1.0","type":"onhand.freshness`)
)

// appendEvent appends what follows the type of a CloudEvent in structured mode whose
// data is the position's state. Its id is made of seq and position: a repeat has the
// same, so that source and id tell it, as does seq.
func (p *Publisher) appendEvent(dst []byte, s *Signal, key []byte, now ledger.Millis) []byte {
	seq := stateSeq(s)
	dst = append(dst, `","source":`...)
	dst = jsonread.AppendString(dst, p.opts.Source)
	dst = append(dst, `,"id":`...)
	var id [320]byte // a seq, a SKU and a location
	dst = jsonread.AppendBytes(dst, append(append(appendInt(id[:0], int64(seq)), '|'), key...))
	dst = append(dst, `,"subject":`...)
	dst = jsonread.AppendBytes(dst, key)
	dst = append(dst, `,"time":"`...)
	dst = jsonread.AppendTime(dst, int64(now))
	dst = append(dst, `","datacontenttype":"application/json","data":`...)
	dst = p.stock.appendState(dst, s.SKU, &s.Row, seq, now)
	return append(dst, '}')
}
