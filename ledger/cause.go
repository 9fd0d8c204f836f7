package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Cause is why an exception came about, where that can be told.
type Cause uint8

// The causes. Their numbers are on disk: new ones go at the end.
const (
	NoCause                  Cause = iota
	CauseLateEvent                 // what moved before a count was told after it
	CauseDuplicateRefused          // a second event of a name, with other content, was refused
	CauseVoid                      // what was undone had been counted, or was undone after it
	CauseCountCorrection           // it contradicts the count before it: nothing had moved in between
	CauseOversoldHold              // units left that were promised
	CauseUnmappedCode              // an event waits as a dead letter for a code that nobody knows
	CauseTransferDiscrepancy       // what came is not what was sent
	CauseSequenceGap               // a source numbers its events, and some had not come
	causeCount
)

var causeWords = [causeCount]string{
	CauseLateEvent: "late-event", CauseDuplicateRefused: "duplicate-refused", CauseVoid: "void", CauseCountCorrection: "count-correction",
	CauseOversoldHold: "oversold-hold", CauseUnmappedCode: "unmapped-code", CauseTransferDiscrepancy: "transfer-discrepancy",
	CauseSequenceGap: "sequence-gap",
}

func (c Cause) String() string { return causeWords[c] }

// ParseCause finds the cause of that word.
func ParseCause(word string) (Cause, bool) {
	i := slices.Index(causeWords[1:], word)
	return Cause(i + 1), i >= 0
}

// because says what can be told at once of the exception that was raised last.
func (e *entryDraft) because(since Millis, c Cause) {
	x := &e.exceptions[len(e.exceptions)-1]
	x.Since, x.Cause = since, c
}

// contradiction tells a count of moment t from one that finds what moved since the last.
func (p *position) contradiction(t Millis) Cause {
	if p.countedAt() != 0 && (p.countedAt() == t || p.lastEvent() <= p.countedAt()) {
		return CauseCountCorrection
	}
	return NoCause
}

// belowZero is why an entry of the kind takes on hand below zero.
func (k Kind) belowZero(before Figures) Cause {
	switch {
	case k.void():
		return CauseVoid
	case k.movement() && before.Held+before.Committed > 0:
		return CauseOversoldHold
	}
	return NoCause
}

// missed is a movement that on hand did not take: it came after a count that had it, or
// it was refused. Kept by position, it is what differences are explained from.
type missed struct {
	sku   SKU
	loc   Location
	cause Cause // that it would be of a difference
	time  Millis
	moved Qty
}

func (m *missed) note(seq Seq) note {
	v := binary.AppendVarint(binary.AppendUvarint([]byte{byte(m.cause)}, uint64(m.time)), int64(m.moved))
	return note{binary.BigEndian.AppendUint64(missedPrefix(m.sku, m.loc), uint64(seq)), v}
}

// tooLate are the draft's lines that on hand did not take.
func (e *entryDraft) tooLate() (out []missed) {
	cause := CauseLateEvent
	if e.kind.void() {
		cause = CauseVoid
	}
	for i := range e.lines {
		if ln := &e.lines[i]; ln.Moved != 0 && ln.Delta.OnHand != ln.Moved {
			out = append(out, missed{ln.SKU, ln.Location, cause, e.time, ln.Moved})
		}
	}
	return out
}

func missedPrefix(sku SKU, loc Location) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{prefixMissed}, uint32(sku)), uint32(loc))
}

// Missed is a movement that on hand did not take, which may explain a difference.
type Missed struct {
	Seq   Seq   // of its entry, or dead letter
	Cause Cause // CauseLateEvent, CauseVoid, CauseDuplicateRefused or CauseUnmappedCode
	Time  Millis
	Moved Qty
}

func decodeMissed(key, value []byte) (m Missed, err error) {
	d := decoder{b: value}
	m.Cause, m.Time, m.Moved = Cause(d.byte()), Millis(d.uvarint()), d.qty()
	if d.bad || len(d.b) != 0 || len(key) != 17 || m.Cause == NoCause || m.Cause >= causeCount || m.Time < 0 {
		return Missed{}, errors.New("the record of a movement that on hand did not take does not decode")
	}
	m.Seq = Seq(binary.BigEndian.Uint64(key[9:]))
	return m, nil
}

// missedMax is how many movements are looked at for one exception.
const missedMax = 1000

// Missed lists what happened before an exception, after the count before it, and was not
// in what was believed: what came later, and what waits as a dead letter.
func (l *Ledger) Missed(r *Raised) (out []Missed, err error) {
	n := 0
	err = scan(l.db, span(missedPrefix(r.SKU, r.Location)...), func(k, v []byte) error {
		if n++; n > missedMax {
			return errEnough
		}
		m, err := decodeMissed(k, v)
		if err != nil || m.Time > r.Time || m.Time <= r.Since {
			return err
		}
		refused := m.Cause == CauseDuplicateRefused || m.Cause == CauseUnmappedCode
		if refused {
			if waits, err := l.letterWaits(m.Seq); err != nil || !waits {
				return err
			}
		} else if m.Seq < r.ID.Seq {
			return nil // it came before the count, and another count had it
		}
		out = append(out, m)
		return nil
	})
	if err != nil && err != errEnough {
		return nil, fmt.Errorf("movements that SKU %d at location %d did not take: %w", r.SKU, r.Location, err)
	}
	return out, nil
}

// cause is what can be told now of why an exception was raised.
func (l *Ledger) cause(r *Raised) (Cause, error) {
	switch {
	case r.Code == CountDifference || r.Code == NegativeOnHand:
		all, err := l.Missed(r)
		if err != nil {
			return NoCause, err
		}
		if c := r.explain(all); c != NoCause {
			return c, nil
		}
		if r.Cause == NoCause && l.gapBefore(r.Location, r.Since, r.Time) {
			return CauseSequenceGap, nil
		}
	case strings.HasPrefix(r.Code.String(), "transfer-"):
		return CauseTransferDiscrepancy, nil
	}
	return r.Cause, nil
}

// explain finds the cause whose movements, all of them or one, are the difference; of a
// figure below zero, those that would have kept it from that.
func (r *Raised) explain(all []Missed) Cause {
	difference := int64(r.Counted) - int64(r.Believed)
	fits := func(moved int64) bool {
		if r.Code == NegativeOnHand {
			return moved >= -int64(r.Counted)
		}
		return moved == difference
	}
	for _, c := range []Cause{CauseLateEvent, CauseVoid, CauseDuplicateRefused, CauseUnmappedCode} {
		sum, one := int64(0), false
		for _, m := range all {
			if m.Cause == c {
				sum += int64(m.Moved)
				one = one || fits(int64(m.Moved))
			}
		}
		if sum != 0 && (one || fits(sum)) {
			return c
		}
	}
	return NoCause
}
