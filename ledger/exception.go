package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// ExceptionID names one exception: the entry that raised it, and which of its exceptions.
type ExceptionID struct {
	Seq   Seq
	Index int
}

// String is the id as callers see it: the first of entry 7 is 7, the next 7-1.
func (x ExceptionID) String() string {
	s := strconv.FormatUint(uint64(x.Seq), 10)
	if x.Index > 0 {
		s += "-" + strconv.Itoa(x.Index)
	}
	return s
}

// ParseExceptionID reads what String wrote, and nothing else.
func ParseExceptionID(s string) (x ExceptionID, ok bool) {
	seq, index, found := strings.Cut(s, "-")
	n, err := strconv.ParseUint(seq, 10, 63)
	i := uint64(0)
	if err == nil && found {
		i, err = strconv.ParseUint(index, 10, 31)
	}
	x = ExceptionID{Seq(n), int(i)}
	if err != nil || n == 0 || x.String() != s {
		return ExceptionID{}, false
	}
	return x, true
}

func (x ExceptionID) before(y ExceptionID) bool {
	return x.Seq < y.Seq || x.Seq == y.Seq && x.Index < y.Index
}

// Raised is an exception with all that is known of it.
type Raised struct {
	ID         ExceptionID
	Time       Millis // of the entry that raised it
	RecordedAt Millis
	Source     string // of its event, "" if it is of none
	EventID    string
	Exception
	Resolution *Resolution // nil while it is open
}

// Size is by how much what was said differs from what was believed. sized is false where
// the exception is not about a quantity.
func (r *Raised) Size() (difference int64, sized bool) {
	if r.SKU == 0 || r.Code == Unmapped || r.Code == ClockSkew {
		return 0, false
	}
	return int64(r.Counted) - int64(r.Believed), true
}

// raisedRecord is what is kept of an entry with exceptions where they are listed: all
// that a list tells, so that it need not read the journal.
type raisedRecord struct {
	time, recordedAt Millis
	source, eventID  string
	exceptions       []Exception
}

func (r *raisedRecord) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(r.recordedAt))
	b = binary.AppendVarint(b, int64(r.recordedAt-r.time))
	b = appendString(b, r.source)
	b = appendString(b, r.eventID)
	b = binary.AppendUvarint(b, uint64(len(r.exceptions)))
	for i := range r.exceptions {
		b = r.exceptions[i].append(b)
	}
	return b
}

func decodeRaised(b []byte) (r raisedRecord, err error) {
	d := decoder{b: b}
	r.recordedAt = Millis(d.uvarint())
	r.time = r.recordedAt - Millis(d.varint())
	r.source, r.eventID = d.string(), d.string()
	n := d.count(exceptionBytesMin)
	r.exceptions = make([]Exception, 0, n)
	for range n {
		r.exceptions = append(r.exceptions, d.exception())
	}
	if d.bad || len(d.b) != 0 || n == 0 {
		return raisedRecord{}, errors.New("a record of exceptions does not decode")
	}
	return r, nil
}

// exceptionBytesMin is the least that an encoded exception takes.
const exceptionBytesMin = 7

func (x *Exception) append(b []byte) []byte {
	b = append(b, byte(x.Code))
	b = binary.AppendUvarint(b, uint64(x.SKU))
	b = binary.AppendUvarint(b, uint64(x.Location))
	b = binary.AppendVarint(b, int64(x.Believed))
	b = binary.AppendVarint(b, int64(x.Counted))
	b = binary.AppendUvarint(b, uint64(x.Since))
	return append(b, byte(x.Cause))
}

func (d *decoder) exception() Exception {
	x := Exception{Code: ExceptionCode(d.byte()), SKU: SKU(d.uint32()), Location: Location(d.uint32()), Believed: d.qty(), Counted: d.qty(),
		Since: Millis(d.uvarint()), Cause: Cause(d.byte())}
	if x.Code == 0 || x.Code >= exceptionCodeCount || x.Since < 0 || x.Since > sixMax || x.Cause >= causeCount {
		d.fail()
	}
	return x
}

// note is an index record of an entry, written in one batch with its block.
type note struct{ key, value []byte }

// noted appends the index records that the draft brings once it has its seq: those of
// its exceptions, by location too, and of what did not move on hand.
func (e *entryDraft) noted(notes []note, seq Seq) []note {
	if len(e.exceptions) > 0 {
		r := raisedRecord{e.time, e.recordedAt, e.event.Source, e.event.ID, e.exceptions}
		notes = append(notes, note{seqKey(prefixException, seq), r.append(nil)})
		last := Location(0)
		for i := range e.exceptions {
			if loc := e.exceptions[i].Location; loc != last {
				notes = append(notes, note{raisedAtKey(loc, seq), nil})
				last = loc
			}
		}
	}
	if e.late {
		e.missed = e.tooLate()
	}
	for i := range e.missed {
		notes = append(notes, e.missed[i].note(seq))
	}
	if e.kind == KindExceptionResolved {
		notes = append(notes, e.resolutionNote(seq)...)
	}
	return notes
}

// raisedAtKey lies with those of its location, in the order of the journal.
func raisedAtKey(loc Location, seq Seq) []byte {
	k := binary.BigEndian.AppendUint32([]byte{prefixRaisedAt}, uint32(loc))
	return binary.BigEndian.AppendUint64(k, uint64(seq))
}

// raisedBy reads the exceptions of an entry; ok is false where it has none that are kept.
func (l *Ledger) raisedBy(seq Seq) (r raisedRecord, ok bool, err error) {
	v, closer, err := l.db.Get(seqKey(prefixException, seq))
	if err == pebble.ErrNotFound {
		return raisedRecord{}, false, nil
	}
	if err == nil {
		r, err = decodeRaised(v)
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		return raisedRecord{}, false, fmt.Errorf("exceptions of entry %d: %w", seq, err)
	}
	return r, true, nil
}

// Exception finds one exception with its cause and what became of it, once it is durable.
func (l *Ledger) Exception(id ExceptionID) (r Raised, ok bool, err error) {
	rec, ok, err := l.raisedBy(id.Seq)
	if err != nil || !ok || id.Index < 0 || id.Index >= len(rec.exceptions) {
		return Raised{}, false, err
	}
	r = rec.raised(id)
	err = l.Explain(&r)
	return r, err == nil, err
}

// Explain fills in an exception's cause, as it can be told now, and what became of it.
func (l *Ledger) Explain(r *Raised) (err error) {
	if r.Resolution, err = l.resolution(r.ID); err == nil {
		r.Cause, err = l.cause(r)
	}
	return err
}

// Raised is one of the entry's exceptions, without what Explain fills in.
func (e *Entry) Raised(index int) Raised {
	return Raised{ID: ExceptionID{e.Seq, index}, Time: e.Time, RecordedAt: e.RecordedAt, Source: e.Source, EventID: e.EventID, Exception: e.Exceptions[index]}
}

func (r *raisedRecord) raised(id ExceptionID) Raised {
	return Raised{ID: id, Time: r.time, RecordedAt: r.recordedAt, Source: r.source, EventID: r.eventID, Exception: r.exceptions[id.Index]}
}

// Between lists the entries of an exception's position from its own back to the count
// before it, newest first, at most limit of them. whole says that these are all.
func (l *Ledger) Between(r *Raised, limit int) (out []PositionEntry, whole bool, err error) {
	if r.SKU == 0 || r.Location == 0 {
		return nil, true, nil
	}
	first, err := l.Entry(r.ID.Seq)
	if errors.Is(err, ErrNoEntry) || err == nil && first.line(r.SKU, r.Location) == nil {
		return nil, err == nil, nil
	}
	if err != nil {
		return nil, false, err
	}
	more := false
	kept, err := l.walk(r.SKU, r.Location, r.ID.Seq, func(e *Entry, ln *EntryLine) bool {
		if more = len(out) == limit; more {
			return false
		}
		out = append(out, PositionEntry{*e, *ln})
		return e.Seq == r.ID.Seq || !ln.Settled
	})
	return out, kept && !more, err
}
