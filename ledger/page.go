package ledger

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errBadPage = errors.New("page does not decode")

const (
	posUnsellable = 1 << iota
	posHeld
	posCommitted
	posLastEvent
	posCounted
	posNet
	posEnd // and above: not known
)

// append writes a SKU's positions as they were after the entry seq. Times and seqs
// are written relative to the position before, which keeps them short.
func (p *page) append(b []byte, seq Seq) []byte {
	start := len(b)
	b = binary.AppendUvarint(b, uint64(seq))
	b = binary.AppendUvarint(b, uint64(len(p.positions)))
	var prev struct {
		loc             Location
		seq             Seq
		last, countedAt Millis
	}
	for i := range p.positions {
		q := &p.positions[i]
		var flags byte
		if q.Unsellable != 0 {
			flags |= posUnsellable
		}
		if q.Held != 0 {
			flags |= posHeld
		}
		if q.Committed != 0 {
			flags |= posCommitted
		}
		if q.lastEvent() != 0 {
			flags |= posLastEvent
		}
		if q.countedAt() != 0 {
			flags |= posCounted
		}
		if q.net() {
			flags |= posNet
		}
		b = append(b, flags)
		b = binary.AppendUvarint(b, uint64(q.loc-prev.loc))
		b = binary.AppendVarint(b, int64(q.OnHand))
		b = binary.AppendVarint(b, int64(q.seq())-int64(prev.seq))
		if flags&posUnsellable != 0 {
			b = binary.AppendVarint(b, int64(q.Unsellable))
		}
		if flags&posHeld != 0 {
			b = binary.AppendVarint(b, int64(q.Held))
		}
		if flags&posCommitted != 0 {
			b = binary.AppendVarint(b, int64(q.Committed))
		}
		if flags&posLastEvent != 0 {
			b = binary.AppendVarint(b, int64(q.lastEvent()-prev.last))
			prev.last = q.lastEvent()
		}
		if flags&posCounted != 0 {
			b = binary.AppendVarint(b, int64(q.countedAt()-prev.countedAt))
			prev.countedAt = q.countedAt()
		}
		prev.loc, prev.seq = q.loc, q.seq()
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

// decodePage reads what append wrote.
func decodePage(v []byte) (p page, seq Seq, err error) {
	if len(v) < 4 || binary.BigEndian.Uint32(v[len(v)-4:]) != crc32.Checksum(v[:len(v)-4], castagnoli) {
		return page{}, 0, errBadPage
	}
	d := decoder{b: v[:len(v)-4]}
	seq = Seq(d.uvarint())
	n := d.count(4)
	p.positions = make([]position, n)
	var prev struct {
		loc                       Location
		seq, lastEvent, countedAt int64
	}
	keep := func(to *six, v, most int64) {
		if v < 0 || v > most {
			d.fail()
			return
		}
		to.set(uint64(v))
	}
	for i := range p.positions {
		q := &p.positions[i]
		flags := d.byte()
		if flags >= posEnd {
			d.fail()
		}
		q.loc = prev.loc + Location(d.uint32())
		q.OnHand = d.qty()
		prev.seq += d.varint()
		keep(&q.head, prev.seq, sixMax)
		if flags&posUnsellable != 0 {
			q.Unsellable = d.qty()
		}
		if flags&posHeld != 0 {
			q.Held = d.qty()
		}
		if flags&posCommitted != 0 {
			q.Committed = d.qty()
		}
		if flags&posLastEvent != 0 {
			prev.lastEvent += d.varint()
			keep(&q.last, prev.lastEvent, millisMax)
		}
		if flags&posCounted != 0 {
			prev.countedAt += d.varint()
			keep(&q.counted, prev.countedAt, millisMax)
		}
		if flags&posNet != 0 {
			q.setCounted(q.countedAt(), true)
		}
		if i > 0 && q.loc <= prev.loc {
			d.fail()
		}
		prev.loc, p.top = q.loc, q.loc
	}
	if d.bad || len(d.b) != 0 {
		return page{}, 0, errBadPage
	}
	return p, seq, nil
}
