package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"onhand/ledger"
)

// lettersPage is how many dead letters are read at a time at the start.
const lettersPage = 500

// Retrier applies dead letters that named an unknown SKU or location once master data
// knows it: it follows the journal, so it does not matter which way the master data came.
type Retrier struct {
	ledger   *ledger.Ledger
	applier  *Applier
	follower *ledger.Follower
	waiting  map[missing][]ledger.Seq // letters by the code that they wait for
}

// missing is a code that nobody knows yet.
type missing struct {
	code ledger.Code // UnknownSKU or UnknownLocation
	name string
}

// NewRetrier makes a retrier; Run lets it work.
func NewRetrier(l *ledger.Ledger, a *Applier) *Retrier {
	return &Retrier{ledger: l, applier: a, waiting: make(map[missing][]ledger.Seq)}
}

// Run retries until ctx ends or the ledger is closed. It is called once.
func (t *Retrier) Run(ctx context.Context) {
	var tries backoff
	for ctx.Err() == nil {
		err := t.run(ctx)
		if errors.Is(err, ledger.ErrClosed) || ctx.Err() != nil {
			return
		}
		slog.Error("dead letters: retry", "error", err)
		clear(t.waiting)
		tries.wait(ctx)
	}
}

// run tries every letter that waits, then goes by the journal from where it stood before.
func (t *Retrier) run(ctx context.Context) error {
	t.follower = t.ledger.Read(t.ledger.Durable())
	t.follower.Only(ledger.KindDeadLetter, ledger.KindSKU, ledger.KindLocation)
	for after := ledger.Seq(0); ; {
		letters, err := t.ledger.DeadLetters(after, lettersPage)
		if err != nil {
			return err
		}
		for i := range letters {
			if err := t.try(ctx, &letters[i]); err != nil {
				return err
			}
			after = letters[i].Seq
		}
		if len(letters) < lettersPage {
			break
		}
	}
	for {
		entries, _, err := t.follower.Next(ctx)
		if err != nil {
			return err
		}
		for i := range entries {
			if err := t.heed(ctx, &entries[i]); err != nil {
				return err
			}
		}
	}
}

// heed looks at an entry for what is waited for, or for another letter that waits.
func (t *Retrier) heed(ctx context.Context, e *ledger.Entry) error {
	switch e.Kind {
	case ledger.KindDeadLetter:
		d, err := e.DeadLetter()
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		return t.try(ctx, &d)
	case ledger.KindSKU:
		var info ledger.SKUInfo
		if err := json.Unmarshal(e.Payload, &info); err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		for _, code := range info.Codes() {
			if err := t.arrived(ctx, missing{ledger.UnknownSKU, code}); err != nil {
				return err
			}
		}
	case ledger.KindLocation:
		var info ledger.LocationInfo
		if err := json.Unmarshal(e.Payload, &info); err != nil {
			return fmt.Errorf("entry %d: %w", e.Seq, err)
		}
		for _, code := range info.Codes() {
			if err := t.arrived(ctx, missing{ledger.UnknownLocation, code}); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrived tries the letters that waited for a code.
func (t *Retrier) arrived(ctx context.Context, m missing) error {
	letters := t.waiting[m]
	delete(t.waiting, m)
	for _, seq := range letters {
		e, err := t.ledger.Entry(seq)
		if errors.Is(err, ledger.ErrNoEntry) {
			continue // no longer kept
		}
		if err != nil {
			return err
		}
		d, err := e.DeadLetter()
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		if err := t.try(ctx, &d); err != nil {
			return err
		}
	}
	return nil
}

// try applies a letter that named an unknown code. If it now is applied, or was
// before, the letter is closed; if a code is still missing, it waits for that one.
func (t *Retrier) try(ctx context.Context, d *ledger.DeadLetter) error {
	if d.Code != ledger.UnknownSKU.String() && d.Code != ledger.UnknownLocation.String() {
		return nil
	}
	var out Replayed
	err := t.insist(ctx, func() (err error) {
		out, err = t.applier.retry(d)
		return err
	})
	if err == nil && out.Missing != "" {
		m := missing{out.Code, out.Missing}
		t.waiting[m] = append(t.waiting[m], d.Seq)
	}
	return err // refused for another reason, it stays on the list for a person
}

// insist does what a full queue or disk may be in the way of, until it is done or ctx ends.
func (t *Retrier) insist(ctx context.Context, do func() error) error {
	var tries backoff
	for {
		err := do()
		if !errors.Is(err, ledger.ErrOverloaded) && !errors.Is(err, ledger.ErrDiskFull) && !errors.Is(err, ledger.ErrStalled) {
			return err
		}
		if !tries.wait(ctx) {
			return ctx.Err()
		}
	}
}

// retry tries a letter again, which counts as no attempt.
func (a *Applier) retry(d *ledger.DeadLetter) (Replayed, error) {
	if !a.letters.lock(d.Seq) {
		return Replayed{}, nil // closed meanwhile
	}
	defer a.letters.unlock(d.Seq)
	if _, err := a.ledger.WaitingLetter(d.Seq); errors.Is(err, ledger.ErrNoLetter) {
		return Replayed{}, nil // closed long since, perhaps by an event in its place
	} else if err != nil {
		return Replayed{}, err
	}
	return a.replay(d, nil, false)
}
