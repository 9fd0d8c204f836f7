package ingest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"time"

	"onhand/ingest/format"
	"onhand/jsonread"
	"onhand/ledger"
)

// translator gives the ledger what a source says in its own format. What is refused
// becomes a dead letter, and takes as little with it as can be: in absolute figures that
// are not complete a line says nothing of another.
type translator struct {
	decoder *decoder
	source  *Source
	from    ledger.DeadLetter        // where it came from
	take    func(func() error) error // tries until it is taken or refused
	refused func(*RefusedPart) error // is told of each refusal; nil: nobody asks
	keepRaw bool                     // parts that are no event become dead letters too: they are nowhere else

	json []byte
	done Translated
}

// Translated is what became of what a source said.
type Translated struct {
	Seq        ledger.Seq // the latest change that was made or, of duplicates, repeated
	Events     int        // as the source tells them; sums over a time among them
	Lines      int        // of events that have none: one
	Accepted   int        // more than Events where some were taken in parts
	Duplicates int
	Refused    int
}

// RefusedPart is a part of what a source said that had no effect.
type RefusedPart struct {
	Place  format.Place
	Field  string
	Value  string
	Code   ledger.Code
	Detail string
	Letter bool // it waits as a dead letter
}

// Translate applies what a source says in its own format, and returns when it is durable.
// What is refused of it becomes dead letters. at is the time of what says none.
func (a *Applier) Translate(s *Source, body []byte, at time.Time) (Translated, error) {
	d := a.decoders.Get().(*decoder)
	defer a.decoders.Put(d)
	t := translator{decoder: d, source: s.at(at), keepRaw: true, take: untilTaken(context.Background(), a.ledger)}
	err := t.read(body)
	return t.done, errors.Join(err, a.ledger.Wait(t.done.Seq))
}

// untilTaken tries again for as long as the ledger's queue is full, or until ctx ends.
func untilTaken(ctx context.Context, l *ledger.Ledger) func(func() error) error {
	return func(submit func() error) error {
		for {
			err := submit()
			if !errors.Is(err, ledger.ErrOverloaded) {
				return err
			}
			if err := errors.Join(ctx.Err(), l.WaitRoom()); err != nil {
				return err
			}
		}
	}
}

// read gives the ledger what a record says. Where it could not be read to its end, what
// stands before that place is taken, and the record becomes a dead letter.
func (t *translator) read(record []byte) error {
	err := format.Named(t.source.Format)(bytes.NewReader(record), &t.source.Options, t)
	var bad *format.Refusal
	if errors.As(err, &bad) {
		whole := *bad
		whole.Raw = record
		return t.Refused(&whole)
	}
	return err
}

// Event is called by the format's decoder.
func (t *translator) Event(e *format.Event) error {
	t.done.Events++
	t.done.Lines += max(1, len(e.Lines))
	return t.apply(e)
}

// Period is called by the format's decoder.
func (t *translator) Period(p *format.Period) error {
	data := jsonread.AppendString([]byte(`{"location":`), p.Location)
	data = append(jsonread.AppendTime(append(data, `,"from":"`...), p.From.UnixMilli()), '"')
	data = append(jsonread.AppendTime(append(data, `,"until":"`...), p.To.UnixMilli()), '"')
	data = jsonread.AppendString(append(data, `,"lines":[{"sku":`...), p.SKU)
	data = append(append(append(data, `,"quantity":`...), p.Sold...), "}]}"...)
	return t.Event(&format.Event{Type: "erp.period", ID: p.ID, Time: p.To, Data: data, Place: p.Place})
}

// Refused is called by the format's decoder.
func (t *translator) Refused(r *format.Refusal) error {
	countRefusal(refuse(ledger.InvalidEvent, "%s", r))
	var letter *ledger.DeadLetter
	if t.keepRaw {
		letter = t.letter(ledger.InvalidEvent.String(), r.Error(), append([]byte(nil), r.Raw...))
	}
	return t.keep(letter, &RefusedPart{Place: r.Place, Field: r.Field, Value: r.Value, Code: ledger.InvalidEvent, Detail: r.Error()})
}

func (t *translator) apply(e *format.Event) error {
	t.json = e.AppendJSON(t.json[:0], t.source.Name)
	var result ledger.Result
	err := t.take(func() (err error) {
		result, err = t.decoder.tryToSubmit(t.json, nil)
		return err
	})
	var refused *ledger.Refused
	if errors.As(err, &refused) && divisible(e, refused.Code) {
		return t.applyParts(e, refused.Code)
	}
	result, err = t.decoder.tally(result, err, len(t.json))
	switch {
	case errors.As(err, &refused):
		return t.refuseEvent(e, refused)
	case err != nil:
		return err
	case result.Duplicate:
		t.done.Duplicates++
	default:
		t.done.Accepted++
	}
	t.done.Seq = max(t.done.Seq, result.Seq)
	return nil
}

// divisible says whether an event that was refused can be told in smaller ones.
func divisible(e *format.Event, code ledger.Code) bool {
	absolute := e.Type == "erp.snapshot" || e.Type == "wms.count"
	return absolute && !e.Complete && len(e.Lines) > 1 &&
		(code == ledger.UnknownSKU || code == ledger.InvalidQuantity || code == ledger.DuplicateLine)
}

// applyParts tells halves, so that of n lines with one bad one all others are taken in
// some 2 log n tries. Their names are made of the whole one's: told again they are the same.
func (t *translator) applyParts(e *format.Event, code ledger.Code) error {
	if code == ledger.DuplicateLine {
		if kept, repeats := partRepeats(e.Lines); len(repeats) > 0 {
			return t.applyRepeated(e, kept, repeats)
		}
	}
	half := len(e.Lines) / 2
	for i, lines := range [...][]format.Line{e.Lines[:half], e.Lines[half:]} {
		if err := t.apply(partOf(e, "/"+strconv.Itoa(i), lines)); err != nil {
			return err
		}
	}
	return nil
}

// applyRepeated takes what is said first of a SKU, and refuses the rest.
func (t *translator) applyRepeated(e *format.Event, kept, repeats []format.Line) error {
	if err := t.apply(partOf(e, "", kept)); err != nil {
		return err
	}
	for i := range repeats {
		refused := refuse(ledger.DuplicateLine, "sku: %s is among these figures already", quote([]byte(repeats[i].SKU)))
		countRefusal(refused)
		if err := t.refuseEvent(partOf(e, "/again/"+strconv.Itoa(i), repeats[i:i+1]), refused); err != nil {
			return err
		}
	}
	return nil
}

func partOf(e *format.Event, suffix string, lines []format.Line) *format.Event {
	part := *e
	part.ID += suffix
	part.Lines = lines
	if lines[0].N != 0 {
		part.Place.N = lines[0].N
	}
	return &part
}

// partRepeats parts the lines whose SKU a line before them names from the others.
func partRepeats(lines []format.Line) (kept, repeats []format.Line) {
	seen := make(map[string]bool, len(lines))
	for _, ln := range lines {
		if seen[ln.SKU] {
			repeats = append(repeats, ln)
			continue
		}
		seen[ln.SKU] = true
		kept = append(kept, ln)
	}
	return kept, repeats
}

// refuseEvent keeps an event that was refused.
func (t *translator) refuseEvent(e *format.Event, refused *ledger.Refused) error {
	letter := t.letter(refused.Code.String(), refused.Detail, e.AppendJSON(nil, t.source.Name))
	if refused.Code != ledger.DuplicateLine { // of that the decoder holds another part
		t.decoder.explain(letter, refused)
	}
	return t.keep(letter, &RefusedPart{Place: e.Place, Code: refused.Code, Detail: refused.Detail, Letter: true})
}

func (t *translator) letter(code, detail string, value []byte) *ledger.DeadLetter {
	letter := t.from
	letter.ReceivedAt = t.decoder.ledger.Now()
	letter.Code, letter.Detail, letter.Value = code, detail, value
	return &letter
}

// keep tells of a refusal, and submits its letter if there is one.
func (t *translator) keep(letter *ledger.DeadLetter, part *RefusedPart) error {
	t.done.Refused++
	if t.refused != nil {
		if err := t.refused(part); err != nil {
			return err
		}
	}
	if letter == nil {
		return nil
	}
	return t.take(func() error {
		r, err := t.decoder.ledger.Submit(letter)
		t.done.Seq = max(t.done.Seq, r.Seq)
		return err
	})
}
