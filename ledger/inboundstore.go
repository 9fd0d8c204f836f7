package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

const (
	inboundAnnounced = 1 << iota
	inboundVoided
	inboundFlagsEnd // and above: not known
)

// append writes the document's record; its key says its kind and id.
func (d *inbound) append(b []byte) []byte {
	var flags byte
	if d.announced {
		flags |= inboundAnnounced
	}
	if d.voided {
		flags |= inboundVoided
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(d.began))
	b = binary.AppendUvarint(b, uint64(d.seq))
	b = binary.AppendUvarint(b, uint64(d.touched))
	if d.announced {
		b = binary.AppendUvarint(b, uint64(d.time))
		b = appendString(b, d.source)
		b = appendString(b, d.id)
		b = binary.AppendUvarint(b, uint64(d.from))
		b = binary.AppendUvarint(b, uint64(d.to))
		b = appendInboundLines(b, d.lines)
	}
	b = binary.AppendVarint(b, d.closed)
	b = binary.AppendUvarint(b, uint64(len(d.receipts)))
	for _, r := range d.receipts {
		b = binary.AppendUvarint(b, uint64(r.sku))
		b = binary.AppendUvarint(b, uint64(r.time))
		b = binary.AppendVarint(b, r.quantity)
	}
	return b
}

func decodeInbound(k, v []byte) (*inbound, error) {
	if len(k) < 3 || k[1] == 0 || InboundKind(k[1]) >= inboundKindCount {
		return nil, fmt.Errorf("%x is no key of goods under way", k)
	}
	d := decoder{b: v}
	in := &inbound{key: inboundKey{InboundKind(k[1]), string(k[2:])}}
	flags := d.byte()
	in.announced, in.voided = flags&inboundAnnounced != 0, flags&inboundVoided != 0
	in.began, in.seq, in.touched = Seq(d.six()), Seq(d.six()), d.six()
	if in.announced {
		in.time = d.six()
		in.source, in.id = d.string(), d.string()
		in.from, in.to = Location(d.uint32()), Location(d.uint32())
		in.lines = d.inboundLines()
	}
	in.closed = d.varint()
	for range d.count(3) {
		r := inboundReceipt{sku: SKU(d.uint32()), time: d.six(), quantity: d.varint()}
		if n := len(in.receipts); n > 0 && in.receipts[n-1].compare(r) >= 0 {
			d.fail() // they are looked up by halving
			break
		}
		in.receipts = append(in.receipts, r)
	}
	if d.bad || len(d.b) != 0 || flags >= inboundFlagsEnd || in.began == 0 || in.seq < in.began {
		return nil, fmt.Errorf("the record of %v %q does not decode", in.key.kind, in.key.id)
	}
	return in, nil
}

func (k inboundKey) key() []byte {
	return append([]byte{prefixInbound, byte(k.kind)}, k.id...)
}

func (l *Ledger) loadInbound() error {
	return scan(l.db, span(prefixInbound), func(k, v []byte) error {
		d, err := decodeInbound(k, v)
		if err != nil {
			return err
		}
		l.inbound.by[d.key] = d
		l.inbound.index(d, true)
		l.inbound.some.Store(true)
		return nil
	})
}

func (w *checkpointWriter) inbound() error {
	t := &w.l.inbound
	t.mu.Lock()
	dirty, gone := t.dirty, t.gone
	t.dirty, t.gone = make(map[inboundKey]struct{}), nil
	t.mu.Unlock()
	for _, k := range gone {
		if err := w.batch.Delete(k.key(), nil); err != nil {
			return err
		}
	}
	for k := range dirty {
		t.mu.RLock()
		d := t.by[k]
		if d == nil { // pruned meanwhile
			t.mu.RUnlock()
			continue
		}
		seq := d.seq
		w.scratch = d.append(w.scratch[:0])
		t.mu.RUnlock()
		if err := w.set(k.key(), w.scratch, seq); err != nil {
			return err
		}
	}
	return nil
}

// prune forgets documents that are past. The next checkpoint takes them from the disk.
func (t *inbounds) prune(now Millis) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, d := range t.by {
		if d.past(now - t.keep) {
			delete(t.by, k)
			delete(t.dirty, k)
			t.gone = append(t.gone, k)
		}
	}
}

// compareInbound compares each document with what the journal makes of it, where that
// is kept from its first entry on.
func (c *checker) compareInbound(l *Ledger) {
	for k, d := range l.inbound.by {
		if d.began < c.from {
			continue
		}
		q := c.replica.inbound.by[k]
		switch {
		case q == nil:
			c.find("%v %q is under way, of which the journal knows nothing", k.kind, k.id)
		case (q.began == d.began || c.from <= 1) && !bytes.Equal(d.append(nil), q.append(nil)):
			c.find("what is under way of %v %q is not what the journal says", k.kind, k.id)
		}
	}
	for k, q := range c.replica.inbound.by {
		if l.inbound.by[k] == nil && c.from <= 1 && !q.empty() {
			c.find("%v %q is missing, of which the journal says that it is under way", k.kind, k.id)
		}
	}
}

// inbound holds the documents that no checkpoint has to write any more against what is
// on disk of them.
func (i *inspector) inbound() error {
	n, err := i.inboundRecords()
	if err != nil {
		return err
	}
	return i.rest(n)
}

func (i *inspector) inboundRecords() (n int, err error) {
	i.l.checkpointMu.Lock() // what is not dirty is on disk, and stays there
	defer i.l.checkpointMu.Unlock()
	t := &i.l.inbound
	written := make(map[inboundKey][]byte)
	t.mu.RLock()
	for k, d := range t.by {
		if _, dirty := t.dirty[k]; !dirty {
			written[k] = d.append(nil)
		}
	}
	t.mu.RUnlock()
	for k, want := range written {
		v, closer, err := i.l.db.Get(k.key())
		if errors.Is(err, pebble.ErrNotFound) {
			i.find("%v %q, which is under way, has no record on disk", k.kind, k.id)
			continue
		}
		if err != nil {
			return n, err
		}
		n += len(v)
		if !bytes.Equal(v, want) {
			i.find("what is under way of %v %q is not what its record on disk says", k.kind, k.id)
		}
		if err := closer.Close(); err != nil {
			return n, err
		}
	}
	return n, nil
}
