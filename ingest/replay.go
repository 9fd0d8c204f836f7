package ingest

import (
	"errors"
	"sync"

	"onhand/ledger"
)

// errWouldApply ends a dry run that has met with no refusal.
var errWouldApply = errors.New("it would be applied")

// Replayed is what came of trying a dead letter again.
type Replayed struct {
	Letter    ledger.Seq
	Applied   bool // or, of a dry run, it would be
	Duplicate bool // its event was applied before: the letter is closed all the same
	Code      ledger.Code
	Detail    string     // why not
	Missing   string     // with UnknownSKU and UnknownLocation: the code that nobody knows
	Seq       ledger.Seq // the latest change that was made
}

// letterLocks see to it that one letter is tried once at a time, and never again when it
// was closed. mu guards both; nothing waits while holding it.
type letterLocks struct {
	mu     sync.Mutex
	busy   map[ledger.Seq]chan struct{}
	closed map[ledger.Seq]ledger.Seq // letters, and the changes that close them, while those are not durable
}

// lock waits until nobody tries the letter. Not ok: it is closed.
func (k *letterLocks) lock(letter ledger.Seq) (ok bool) {
	for {
		k.mu.Lock()
		if _, gone := k.closed[letter]; gone {
			k.mu.Unlock()
			return false
		}
		other := k.busy[letter]
		if other == nil {
			if k.busy == nil {
				k.busy = make(map[ledger.Seq]chan struct{})
			}
			k.busy[letter] = make(chan struct{})
			k.mu.Unlock()
			return true
		}
		k.mu.Unlock()
		<-other
	}
}

func (k *letterLocks) unlock(letter ledger.Seq) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.busy[letter])
	delete(k.busy, letter)
}

// shut remembers that a change closes the letter, until the disk does.
func (k *letterLocks) shut(letter, by, durable ledger.Seq) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed == nil {
		k.closed = make(map[ledger.Seq]ledger.Seq)
	}
	k.closed[letter] = by
	if len(k.closed) < 1024 {
		return
	}
	for l, seq := range k.closed {
		if seq <= durable {
			delete(k.closed, l)
		}
	}
}

// Replay tries a dead letter again, or an event that takes its place. What is applied is
// durable when it returns, and closes the letter; a refusal is kept with the letter, which
// waits on. Events are known by their names, so none is applied twice. A dry run changes
// nothing, and does not meet what only the applying can tell: voids of what is voided,
// transfers shipped, codes of another. The error is ledger.ErrNoLetter or ours.
func (a *Applier) Replay(letter ledger.Seq, instead []byte, dry bool) (Replayed, error) {
	if !a.letters.lock(letter) {
		return Replayed{}, ledger.ErrNoLetter
	}
	defer a.letters.unlock(letter)
	l, err := a.ledger.WaitingLetter(letter)
	if err != nil {
		return Replayed{}, err
	}
	out, err := a.replay(&l, instead, dry)
	if err != nil || dry {
		return out, err
	}
	if !out.Applied && !out.Duplicate {
		try := ledger.TryDeadLetter{Letter: letter, Attempts: l.Attempts + 1, Code: out.Code.String(), Detail: out.Detail, Now: a.ledger.Now()}
		if instead != nil { // what the letter holds still waits for what it waited for
			try.Code, try.Detail = l.Code, l.Detail
		}
		r, err := a.ledger.Submit(try)
		if err != nil {
			return out, err
		}
		out.Seq = r.Seq
	}
	return out, a.ledger.Wait(out.Seq)
}

// replay tries a letter whose lock is held, and closes it if it was applied.
func (a *Applier) replay(l *ledger.DeadLetter, instead []byte, dry bool) (Replayed, error) {
	out := Replayed{Letter: l.Seq}
	d := a.decoders.Get().(*decoder)
	defer a.decoders.Put(d)
	value, headers := l.Value, l.Headers
	if instead != nil {
		value, headers = instead, nil
	}
	d.dry = dry
	r, err := d.tryToSubmit(value, headers)
	d.dry = false
	var refused *ledger.Refused
	switch {
	case errors.Is(err, errWouldApply):
		out.Applied = true
		return out, nil
	case errors.As(err, &refused):
		if refused.Code == ledger.InUse {
			refused = refuse(ledger.InvalidEvent, "%s", refused.Detail)
		}
		out.Code, out.Detail, out.Missing = refused.Code, refused.Detail, refused.Name
		return out, nil
	case err != nil:
		return out, err
	}
	out.Applied, out.Duplicate, out.Seq = !r.Duplicate, r.Duplicate, r.Seq
	if dry {
		return out, nil
	}
	closing, err := a.ledger.Submit(ledger.CloseDeadLetter{Letter: l.Seq, Now: a.ledger.Now()})
	if err != nil {
		return out, err // the event is known by its name when the letter is tried again
	}
	lettersApplied.Inc()
	a.letters.shut(l.Seq, closing.Seq, a.ledger.Durable())
	out.Seq = max(out.Seq, closing.Seq)
	return out, nil
}

// LetterEnvelope is what a dead letter says of its event, "" where it cannot be read.
type LetterEnvelope struct{ Source, ID, Type, Location string }

// ReadLetter reads as much of a dead letter as a list is filtered by.
func ReadLetter(l *ledger.DeadLetter) (e LetterEnvelope) {
	var d decoder
	d.read(l.Value, l.Headers) // as far as it comes
	e = LetterEnvelope{string(d.source), string(d.id), string(d.eventType), string(d.location)}
	if e.Location == "" {
		e.Location = d.place.Location
	}
	return e
}
