package ledger

import (
	"encoding/binary"
	"errors"
	"math"
)

// InboundOp is what an event says of goods that are under way.
type InboundOp uint8

// The operations. Their numbers are on disk: new ones go at the end.
const (
	InboundAnnounced       InboundOp = iota + 1 // erp.inbound: so much is open as of its time
	InboundReceived                             // wms.receipt with inbound
	InboundShipped                              // wms.transfer
	InboundTransferReceipt                      // wms.transfer_receipt
	inboundOpCount
)

// InboundChange is what an entry did to one document. It lies in the entry's payload, in
// that of a void behind the name of what is undone.
type InboundChange struct {
	Op       InboundOp
	ID       string
	From, To Location // of a shipment; an announcement has To alone
	Complete bool     // nothing more comes
	Voided   bool     // a shipment that was undone before it came
	Undo     bool     // a void takes it back
	Lines    []InboundLine

	ExpectedAt Millis // of a shipment, which writes it into each line
}

func (c *InboundChange) key() inboundKey {
	if c.Op == InboundShipped || c.Op == InboundTransferReceipt {
		return inboundKey{InboundTransfer, c.ID}
	}
	return inboundKey{InboundPurchase, c.ID}
}

const (
	changeComplete = 1 << iota
	changeVoided
	changeUndo
	changeFlagsEnd // and above: not known
)

func (c *InboundChange) append(b []byte) []byte {
	var flags byte
	if c.Complete {
		flags |= changeComplete
	}
	if c.Voided {
		flags |= changeVoided
	}
	if c.Undo {
		flags |= changeUndo
	}
	b = append(b, byte(c.Op), flags)
	b = appendString(b, c.ID)
	b = binary.AppendUvarint(b, uint64(c.From))
	b = binary.AppendUvarint(b, uint64(c.To))
	return appendInboundLines(b, c.Lines)
}

func appendInboundLines(b []byte, lines []InboundLine) []byte {
	b = binary.AppendUvarint(b, uint64(len(lines)))
	for _, ln := range lines {
		b = binary.AppendUvarint(b, uint64(ln.SKU))
		b = binary.AppendUvarint(b, uint64(ln.Quantity))
		b = binary.AppendUvarint(b, uint64(ln.ExpectedAt))
	}
	return b
}

func (d *decoder) inboundLines() (lines []InboundLine) {
	for range d.count(3) {
		ln := InboundLine{SKU: SKU(d.uint32())}
		q := d.uvarint()
		if q > math.MaxInt32 {
			d.fail()
			return nil
		}
		ln.Quantity, ln.ExpectedAt = Qty(q), d.six()
		lines = append(lines, ln)
	}
	return lines
}

// six reads a time that fits into six bytes.
func (d *decoder) six() Millis {
	v := d.uvarint()
	if v > sixMax {
		d.fail()
		return 0
	}
	return Millis(v)
}

var errInboundChange = errors.New("what it says of goods under way does not decode")

func decodeInboundChange(b []byte) (*InboundChange, error) {
	d := decoder{b: b}
	c := &InboundChange{Op: InboundOp(d.byte())}
	flags := d.byte()
	c.Complete, c.Voided, c.Undo = flags&changeComplete != 0, flags&changeVoided != 0, flags&changeUndo != 0
	c.ID = d.string()
	c.From, c.To = Location(d.uint32()), Location(d.uint32())
	c.Lines = d.inboundLines()
	if d.bad || len(d.b) != 0 || c.Op == 0 || c.Op >= inboundOpCount || flags >= changeFlagsEnd || c.ID == "" {
		return nil, errInboundChange
	}
	return c, nil
}

// inboundChange is what the entry did to a document; nil where it is about none.
func (e *Entry) inboundChange() (*InboundChange, error) {
	b := e.Payload
	switch {
	case e.Kind.void() && len(b) > voidTargetBytes:
		b = b[voidTargetBytes:]
	case len(b) > 0 && (e.Kind == KindReceipt || e.Kind == KindTransfer || e.Kind == KindTransferReceipt || e.Kind == KindInbound):
	default:
		return nil, nil
	}
	return decodeInboundChange(b)
}
