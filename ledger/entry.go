package ledger

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/zeebo/xxh3"
)

// Kind says what an entry records.
type Kind uint8

// The kinds. Their numbers are on disk: new ones go at the end.
const (
	NoKind Kind = iota
	KindSale
	KindReturn
	KindReceipt
	KindShipment
	KindAdjustment
	KindCount
	KindHold
	KindConfirm
	KindCancel
	KindFulfil
	KindAmend
	KindExtend
	KindExpire
	KindAnswer // a repeated call changed nothing, but its key must be remembered
	KindSKU
	KindLocation
	KindSKUDeleted
	KindLocationDeleted
	KindSafety
	KindDeadLetter
	KindLetterClosed
	KindStatus
	KindSnapshot
	KindHeartbeat
	KindSaleVoid
	KindStockVoid
	KindTransfer
	KindTransferReceipt
	KindInbound
	KindTransferAsked // a confirmed reservation that a transfer is to ship
	KindExceptionResolved
	KindPeriod
	KindOrderPlaced
	KindOrderPaid
	KindOrderCancelled
	KindPaymentFailed
	KindLetterTried
	kindCount
)

var kindWords = [kindCount]string{
	KindSale: "pos.sale", KindReturn: "pos.return", KindReceipt: "wms.receipt", KindShipment: "wms.shipment",
	KindAdjustment: "wms.adjustment", KindCount: "wms.count", KindHold: "reservation.held",
	KindConfirm: "reservation.confirmed", KindCancel: "reservation.cancelled", KindFulfil: "reservation.fulfilled",
	KindAmend: "reservation.amended", KindExtend: "reservation.extended", KindExpire: "reservation.expired",
	KindAnswer: "reservation.answered", KindSKU: "erp.item", KindLocation: "erp.location",
	KindSKUDeleted: "sku.deleted", KindLocationDeleted: "location.deleted", KindSafety: "erp.policy",
	KindDeadLetter: "dead-letter", KindLetterClosed: "dead-letter.closed",
	KindStatus: "wms.status", KindSnapshot: "erp.snapshot", KindHeartbeat: "feed.heartbeat",
	KindSaleVoid: "pos.void", KindStockVoid: "wms.void",
	KindTransfer: "wms.transfer", KindTransferReceipt: "wms.transfer_receipt", KindInbound: "erp.inbound",
	KindTransferAsked:     "transfer.requested",
	KindExceptionResolved: "exception.resolved",
	KindPeriod:            "erp.period",
	KindOrderPlaced:       "order.placed", KindOrderPaid: "order.paid", KindOrderCancelled: "order.cancelled",
	KindPaymentFailed: "order.payment_failed", KindLetterTried: "dead-letter.tried",
}

func (k Kind) String() string { return kindWords[k] }

// movement says that lines of the kind move on hand by Moved if their time is
// after the position's last count.
func (k Kind) movement() bool {
	return k >= KindSale && k <= KindAdjustment || k == KindFulfil || k.void() || k == KindTransfer || k == KindTransferReceipt
}

func (k Kind) void() bool { return k == KindSaleVoid || k == KindStockVoid }

// absolute says that settled lines of the kind are the figure from their moment on.
func (k Kind) absolute() bool { return k == KindCount || k == KindSnapshot }

// tells says that entries of the kind, if they are of an event, tell how far their
// source has told of their location.
func (k Kind) tells() bool {
	return k.movement() || k.absolute() || k == KindStatus || k == KindHeartbeat
}

// Entry is what an accepted command did: a fact of the journal. It holds effects,
// never requests.
type Entry struct {
	Seq         Seq
	Kind        Kind
	Time        Millis // when it happened at its source
	RecordedAt  Millis // when it was accepted
	SaidTime    Millis // what the event said; Time differs where its clock was far ahead
	Source      string // of an event
	EventID     string
	Content     uint64
	Sequence    uint64 // where the source numbers its events, one more than the number
	ID          uint32 // the SKU or location of a change of master data; an event's location
	Key         CallKey
	Reservation *Reservation // the reservation after the entry, see ChangesReservation
	Lines       []EntryLine  // sorted by SKU, then location; one for a position
	Exceptions  []Exception
	Payload     []byte // master data, rules, or a dead letter
}

// ChangesReservation says that the entry made its reservation what it is. Others only keep
// one: an answer for a key, or what an order's event met that could not be done.
func (e *Entry) ChangesReservation() bool { return e.Reservation != nil && e.Reservation.Seq == e.Seq }

// EntryLine is what an entry did to one position.
type EntryLine struct {
	SKU      SKU
	Location Location
	Prev     Seq // the position's entry before this one, 0 if none
	// Moved is what the event says moved, or what a count found. It moves on hand
	// only if no later count had settled the figure.
	Moved Qty
	Delta Figures // what changed
	After Figures // what it came to
	// Settled says that this count is the figure from its moment on. One that a
	// later count had overtaken is in the journal for the record.
	Settled bool
	// Recounted says that not this entry but a count of the moment CountedAt holds from
	// here on; 0: none does. So it is where a count was undone, and where a position is
	// new in the place of which a complete snapshot has said that nothing is there.
	Recounted bool
	CountedAt Millis
	// Net says that the count which is meant by Settled or Recounted had deducted what
	// was committed at its moment: on hand is so much more.
	Net bool
}

// ExceptionCode says what about an entry wants a person's eye.
type ExceptionCode uint8

const (
	NegativeOnHand ExceptionCode = iota + 1
	CountDifference
	CountBelowUnsellable
	ReservationMismatch
	ClockSkew
	LateMovement
	Unmapped
	NegativeUnsellable
	TransferShort
	TransferOver
	SalesDifference
	exceptionCodeCount
)

var exceptionWords = [exceptionCodeCount]string{
	NegativeOnHand: "negative-on-hand", CountDifference: "count-difference",
	CountBelowUnsellable: "count-below-unsellable", ReservationMismatch: "reservation-mismatch",
	ClockSkew: "clock", LateMovement: "late-movement", Unmapped: "unmapped", NegativeUnsellable: "negative-unsellable",
	TransferShort: "transfer-short", TransferOver: "transfer-over", SalesDifference: "sales-difference",
}

func (c ExceptionCode) String() string { return exceptionWords[c] }

// ParseExceptionCode finds the code of that word.
func ParseExceptionCode(word string) (ExceptionCode, bool) {
	i := slices.Index(exceptionWords[1:], word)
	return ExceptionCode(i + 1), i >= 0
}

// Exception is one reason for a second look, with what was believed and what was said.
type Exception struct {
	Code     ExceptionCode
	SKU      SKU
	Location Location
	Believed Qty
	Counted  Qty
	Since    Millis // of a count that differed: the moment of the one before it, 0 if none
	Cause    Cause  // what could be told when it was raised
}

// entryDraft is an entry being written: its effects are gathered, checked, then
// appended. A draft is used by one goroutine, under the locks of what it changes.
type entryDraft struct {
	kind        Kind
	time        Millis
	recordedAt  Millis
	event       EventName
	id          uint32
	key         CallKey
	reservation *Reservation
	lines       []EntryLine
	exceptions  []Exception
	payload     []byte
	letter      Seq      // with KindLetterClosed and KindLetterTried: the dead letter
	missed      []missed // with KindDeadLetter: what it would have moved
	tally       Tally    // of a count
	late        bool     // a line tells of a movement that a count had in it already
	encoded     []byte
	warmed      int // keeps the reads of warm
}

// drafts are used again: an event would otherwise cost five allocations.
var drafts = sync.Pool{New: func() any { return new(entryDraft) }}

// draftLinesMax is the longest draft that is kept for use again.
const draftLinesMax = 1024

// newEntry begins an entry. Who begins one lets go of it with free when it is in the
// journal, or refused.
func newEntry(k Kind, now Millis) *entryDraft {
	e := drafts.Get().(*entryDraft)
	*e = entryDraft{kind: k, time: now, recordedAt: now, lines: e.lines[:0], exceptions: e.exceptions[:0], encoded: e.encoded[:0]}
	return e
}

func (e *entryDraft) free() {
	if cap(e.lines) <= draftLinesMax {
		drafts.Put(e)
	}
}

// place is the location that the draft's event tells of, 0 if none.
func (e *entryDraft) place() Location {
	if !e.kind.tells() {
		return 0
	}
	return Location(e.id)
}

func (e *entryDraft) name(n EventName) {
	if !n.isZero() {
		e.event, e.time = n, n.Time
	}
}

const (
	hasEvent = 1 << iota
	hasKey
	hasReservation
	hasExceptions
	hasPayload
	hasID
	hasSequence
	hasEnd // and above: not known
)

// append encodes the draft. Its seq is where it stands in its block.
func (e *entryDraft) append(b []byte) []byte {
	var flags byte
	flag := func(f byte, on bool) {
		if on {
			flags |= f
		}
	}
	flag(hasEvent, !e.event.isZero())
	flag(hasKey, e.key != CallKey{})
	flag(hasReservation, e.reservation != nil)
	flag(hasExceptions, len(e.exceptions) > 0)
	flag(hasPayload, e.payload != nil)
	flag(hasID, e.id != 0)
	flag(hasSequence, e.event.Sequence != 0)
	b = append(b, byte(e.kind), flags)
	b = binary.AppendUvarint(b, uint64(e.recordedAt))
	b = binary.AppendVarint(b, int64(e.recordedAt-e.time))
	if flags&hasEvent != 0 {
		b = appendString(b, e.event.Source)
		b = appendString(b, e.event.ID)
		b = binary.BigEndian.AppendUint64(b, e.event.Content)
		b = binary.AppendVarint(b, int64(e.time-e.event.Time)) // not 0 where the event's clock was ahead
	}
	if flags&hasSequence != 0 {
		b = binary.AppendUvarint(b, e.event.Sequence)
	}
	if flags&hasID != 0 {
		b = binary.AppendUvarint(b, uint64(e.id))
	}
	if flags&hasKey != 0 {
		b = e.key.Call.append(e.key.Key.append(b))
	}
	if flags&hasReservation != 0 {
		b = e.reservation.append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(e.lines)))
	for i := range e.lines {
		b = e.lines[i].append(b)
	}
	if flags&hasExceptions != 0 {
		b = binary.AppendUvarint(b, uint64(len(e.exceptions)))
		for i := range e.exceptions {
			b = e.exceptions[i].append(b)
		}
	}
	if flags&hasPayload != 0 {
		b = binary.AppendUvarint(b, uint64(len(e.payload)))
		b = append(b, e.payload...)
	}
	return b
}

const (
	movedOnHand = 1 << iota // delta of on hand = moved
	deltaOnHand
	deltaUnsellable
	deltaHeld
	deltaCommitted
	afterUnsellable
	afterHeld
	afterCommitted
	settledCount
	recounted
	netCount
	lineFlagsEnd // and above: not known
)

func (ln *EntryLine) append(b []byte) []byte {
	var flags uint16
	set := func(f uint16, q Qty) {
		if q != 0 {
			flags |= f
		}
	}
	if ln.Settled {
		flags = settledCount
	}
	if ln.Recounted {
		flags |= recounted
	}
	if ln.Net {
		flags |= netCount
	}
	if ln.Delta.OnHand == ln.Moved {
		flags |= movedOnHand
	} else {
		set(deltaOnHand, ln.Delta.OnHand)
	}
	set(deltaUnsellable, ln.Delta.Unsellable)
	set(deltaHeld, ln.Delta.Held)
	set(deltaCommitted, ln.Delta.Committed)
	set(afterUnsellable, ln.After.Unsellable)
	set(afterHeld, ln.After.Held)
	set(afterCommitted, ln.After.Committed)
	b = binary.AppendUvarint(b, uint64(ln.SKU))
	b = binary.AppendUvarint(b, uint64(ln.Location))
	b = binary.AppendUvarint(b, uint64(ln.Prev))
	b = binary.AppendUvarint(b, uint64(flags))
	b = binary.AppendVarint(b, int64(ln.Moved))
	b = binary.AppendVarint(b, int64(ln.After.OnHand))
	for _, f := range ln.flagged() {
		if flags&f.flag != 0 {
			b = binary.AppendVarint(b, int64(*f.q))
		}
	}
	if ln.Recounted {
		b = binary.AppendUvarint(b, uint64(ln.CountedAt))
	}
	return b
}

type flaggedQty struct {
	flag uint16
	q    *Qty
}

// flagged are the quantities that are written only when they are not 0, in order.
func (ln *EntryLine) flagged() [7]flaggedQty {
	return [7]flaggedQty{{deltaOnHand, &ln.Delta.OnHand}, {deltaUnsellable, &ln.Delta.Unsellable},
		{deltaHeld, &ln.Delta.Held}, {deltaCommitted, &ln.Delta.Committed}, {afterUnsellable, &ln.After.Unsellable},
		{afterHeld, &ln.After.Held}, {afterCommitted, &ln.After.Committed}}
}

// kindOf tells an encoded entry's kind without decoding it.
func kindOf(b []byte) Kind {
	if len(b) == 0 {
		return NoKind
	}
	return Kind(b[0])
}

// decodeEntry reads one entry. What it returns shares no memory with b.
func decodeEntry(seq Seq, b []byte) (Entry, error) { return decodeEntryBare(seq, b, nil) }

// decodeEntryBare is decodeEntry, but where lines is given it leaves out the event's
// name and appends the entry's lines there.
func decodeEntryBare(seq Seq, b []byte, lines *[]EntryLine) (Entry, error) {
	d := decoder{b: b}
	e := Entry{Seq: seq, Kind: Kind(d.byte())}
	flags := d.byte()
	if flags >= hasEnd {
		d.fail() // more than this reads: half an entry would be taken for the whole
	}
	e.RecordedAt = Millis(d.uvarint())
	e.Time = e.RecordedAt - Millis(d.varint())
	if flags&hasEvent != 0 {
		source, id := d.bytes(), d.bytes()
		if len(source)+len(id) == 0 {
			d.fail()
		}
		if lines == nil {
			e.Source, e.EventID = string(source), string(id)
		}
		e.Content = d.fixed64()
		e.SaidTime = e.Time - Millis(d.varint())
	}
	if flags&hasSequence != 0 {
		if e.Sequence = d.uvarint(); e.Sequence == 0 || flags&hasEvent == 0 {
			d.fail()
		}
	}
	if flags&hasID != 0 {
		e.ID = d.uint32()
	}
	if flags&hasKey != 0 {
		e.Key = CallKey{Hash{d.fixed64(), d.fixed64()}, Hash{d.fixed64(), d.fixed64()}}
	}
	if flags&hasReservation != 0 {
		e.Reservation = d.reservation(seq)
	}
	if n := d.count(6); n > 0 {
		if lines == nil {
			e.Lines = make([]EntryLine, n)
		} else {
			start := len(*lines)
			*lines = slices.Grow(*lines, n)[:start+n]
			e.Lines = (*lines)[start:]
			clear(e.Lines)
		}
		for i := range e.Lines {
			d.line(&e.Lines[i])
		}
	}
	if flags&hasExceptions != 0 {
		for range d.count(exceptionBytesMin) {
			e.Exceptions = append(e.Exceptions, d.exception())
		}
	}
	if flags&hasPayload != 0 {
		e.Payload = append([]byte{}, d.bytes()...)
	}
	if len(e.Lines) > 0 && uint64(e.Time) > millisMax {
		d.fail() // a position keeps it
	}
	if d.bad || len(d.b) != 0 || e.Kind == NoKind || e.Kind >= kindCount {
		return Entry{}, fmt.Errorf("entry %d does not decode", seq)
	}
	return e, nil
}

func (d *decoder) line(ln *EntryLine) {
	ln.SKU, ln.Location, ln.Prev = SKU(d.uint32()), Location(d.uint32()), Seq(d.uvarint())
	flags := d.uint32()
	if flags >= lineFlagsEnd {
		d.fail()
	}
	ln.Settled, ln.Net = flags&settledCount != 0, flags&netCount != 0
	ln.Moved, ln.After.OnHand = d.qty(), d.qty()
	if flags&movedOnHand != 0 {
		ln.Delta.OnHand = ln.Moved
	}
	for _, f := range ln.flagged() {
		if flags&uint32(f.flag) != 0 {
			*f.q = d.qty()
		}
	}
	if ln.Recounted = flags&recounted != 0; ln.Recounted {
		ln.CountedAt = Millis(d.uvarint())
		if ln.CountedAt < 0 || ln.CountedAt > millisMax {
			d.fail()
		}
	}
}

func hashString(s string) uint64 { return xxh3.HashString(s) }

// Available tells what the line's position had available before and after the
// entry, were its safety stock units.
func (ln *EntryLine) Available(units Qty) (before, after Qty) {
	f := ln.After
	f.OnHand -= ln.Delta.OnHand
	f.Unsellable -= ln.Delta.Unsellable
	f.Held -= ln.Delta.Held
	f.Committed -= ln.Delta.Committed
	return f.Available(units), ln.After.Available(units)
}
