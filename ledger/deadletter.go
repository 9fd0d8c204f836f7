package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// DeadLetter is a record that could not be applied: kept as it came, with the
// reason, and published for those who can mend it.
type DeadLetter struct {
	Seq        Seq // set by the ledger; it names the letter
	ReceivedAt Millis
	Code       string
	Detail     string
	Topic      string // "" over HTTP
	Partition  int
	Offset     int64
	Key        []byte
	Value      []byte
	Headers    []Header
	Attempts   int // how often it was tried: when it came, and since; Code and Detail are of the last

	// Of a movement that was refused: what it would have moved, and when. It can explain
	// a difference there, and is not part of what the journal keeps of the letter.
	HappenedAt Millis
	Moves      []LetterMove
}

// Header is one header of a Kafka record.
type Header struct {
	Key   string
	Value []byte
}

// LetterMove is by how much a refused movement would have moved on hand of a position.
type LetterMove struct {
	SKU      SKU
	Location Location
	Moved    Qty
}

// missed are the movements that on hand did not take for the letter, if they can be told.
func (d *DeadLetter) missed() (out []missed) {
	cause := NoCause
	switch d.Code {
	case UnknownSKU.String():
		cause = CauseUnmappedCode
	case IdempotencyMismatch.String():
		cause = CauseDuplicateRefused
	}
	if cause == NoCause || d.HappenedAt < 0 {
		return nil
	}
	for _, m := range d.Moves {
		out = append(out, missed{m.SKU, m.Location, cause, d.HappenedAt, m.Moved})
	}
	return out
}

func (d *DeadLetter) apply(l *Ledger) (Result, error) {
	e := newEntry(KindDeadLetter, d.ReceivedAt)
	defer e.free()
	e.payload = d.encode()
	if d.Code == TooOld.String() {
		e.except(ClockSkew, 0, 0, 0, 0)
	}
	e.missed = d.missed()
	return Result{Seq: l.journal.append(e)}, nil
}

// CloseDeadLetter takes a letter off the list of those that wait: what it holds was
// applied after all.
type CloseDeadLetter struct {
	Letter Seq
	Now    Millis
}

func (c CloseDeadLetter) apply(l *Ledger) (Result, error) {
	e := newEntry(KindLetterClosed, c.Now)
	defer e.free()
	e.letter = c.Letter
	e.payload = binary.AppendUvarint(nil, uint64(c.Letter))
	return Result{Seq: l.journal.append(e)}, nil
}

// TryDeadLetter says that a letter was tried again, in vain. Who calls sees to it that it waits.
type TryDeadLetter struct {
	Letter       Seq
	Attempts     int // all of them
	Code, Detail string
	Now          Millis
}

func (c TryDeadLetter) apply(l *Ledger) (Result, error) {
	e := newEntry(KindLetterTried, c.Now)
	defer e.free()
	e.letter = c.Letter
	e.payload = binary.AppendUvarint(nil, uint64(c.Letter))
	e.payload = binary.AppendUvarint(e.payload, uint64(c.Attempts))
	e.payload = appendString(e.payload, c.Code)
	e.payload = appendString(e.payload, c.Detail)
	return Result{Seq: l.journal.append(e)}, nil
}

// tried adds to a letter what later attempts made of it; mark is what TryDeadLetter wrote last.
func (d *DeadLetter) tried(mark []byte) error {
	d.Attempts = 1
	if len(mark) == 0 {
		return nil
	}
	in := decoder{b: mark}
	letter, attempts, code, detail := in.uvarint(), in.uvarint(), in.string(), in.string()
	if in.bad || len(in.b) != 0 || Seq(letter) != d.Seq || attempts > 1<<31 {
		return fmt.Errorf("dead letter %d: what became of it does not decode", d.Seq)
	}
	d.Attempts, d.Code, d.Detail = int(attempts), code, detail
	return nil
}

func (d *DeadLetter) encode() []byte {
	b := make([]byte, 0, len(d.Value)+len(d.Detail)+len(d.Key)+64)
	b = appendString(b, d.Code)
	b = appendString(b, d.Detail)
	b = appendString(b, d.Topic)
	b = binary.AppendVarint(b, int64(d.Partition))
	b = binary.AppendVarint(b, d.Offset)
	b = appendString(b, string(d.Key))
	b = appendString(b, string(d.Value))
	b = binary.AppendUvarint(b, uint64(len(d.Headers)))
	for _, h := range d.Headers {
		b = appendString(b, h.Key)
		b = appendString(b, string(h.Value))
	}
	return b
}

// DeadLetter reads the letter that an entry holds.
func (e *Entry) DeadLetter() (DeadLetter, error) {
	d := decoder{b: e.Payload}
	dl := DeadLetter{Seq: e.Seq, ReceivedAt: e.RecordedAt, Code: d.string(), Detail: d.string(), Topic: d.string(),
		Partition: int(d.varint()), Offset: d.varint()}
	dl.Key, dl.Value = []byte(d.string()), []byte(d.string())
	for range d.count(2) {
		dl.Headers = append(dl.Headers, Header{d.string(), []byte(d.string())})
	}
	if d.bad || len(d.b) != 0 || e.Kind != KindDeadLetter {
		return DeadLetter{}, errors.New("dead letter does not decode")
	}
	return dl, nil
}

// DeadLetters lists letters in the order in which they came, after the one named after.
func (l *Ledger) DeadLetters(after Seq, limit int) (out []DeadLetter, err error) {
	err = l.marked(prefixDeadLetter, after, limit, func(seq Seq, mark []byte) error {
		e, err := l.Entry(seq)
		if errors.Is(err, ErrNoEntry) {
			return nil
		}
		if err != nil {
			return err
		}
		d, err := e.DeadLetter()
		if err == nil {
			err = d.tried(mark)
		}
		out = append(out, d)
		return err
	})
	return out, err
}

// ErrNoLetter says that no dead letter of a number waits: it never was, was applied, or is
// past its time.
var ErrNoLetter = errors.New("no dead letter of this number waits")

// WaitingLetter reads a dead letter that is neither closed nor past its time. It knows what is durable.
func (l *Ledger) WaitingLetter(seq Seq) (DeadLetter, error) {
	mark, closer, err := l.db.Get(seqKey(prefixDeadLetter, seq))
	if err == pebble.ErrNotFound {
		return DeadLetter{}, ErrNoLetter
	}
	if err != nil {
		return DeadLetter{}, err
	}
	defer closer.Close()
	e, err := l.Entry(seq)
	if errors.Is(err, ErrNoEntry) {
		return DeadLetter{}, ErrNoLetter
	}
	if err != nil {
		return DeadLetter{}, err
	}
	d, err := e.DeadLetter()
	if err == nil {
		err = d.tried(mark)
	}
	return d, err
}

// letterWaits says that a dead letter is neither closed nor past its time.
func (l *Ledger) letterWaits(seq Seq) (bool, error) {
	_, closer, err := l.db.Get(seqKey(prefixDeadLetter, seq))
	if err == pebble.ErrNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, closer.Close()
}
