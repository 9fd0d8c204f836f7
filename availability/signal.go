package availability

import (
	"context"
	"errors"
	"slices"
	"time"

	"onhand/ledger"
)

const (
	// positionsMax is after how many positions the window of the broadcast is closed
	// before its time; the rest waits in the journal.
	positionsMax = 1 << 16
	// busyPositions is how many positions make a window a busy one.
	busyPositions = 4096
	// signalsAtOnce is how many rows are read, and waited for, at a time.
	signalsAtOnce = 1024
)

// Signal is the news about one position.
type Signal struct {
	SKU ledger.SKU
	Row ledger.Row // as the entry Seq left it, or as it is now and includes that entry
	// Seq is the latest entry of the window that concerns the position.
	Seq ledger.Seq
	// Safe is an entry up to which everything has been told once this signal and
	// those before it were: where to go on after it without a loss.
	Safe ledger.Seq
	// Changed says that what is available may differ from before the window.
	Changed bool
}

// window gathers entries and tells of each position once, however often it moved.
type window struct {
	stock    *Stock
	follower *ledger.Follower
	master   master
	most     int  // positions after which it is closed; it bounds the memory taken
	live     bool // tells of rows as they are now. That waits for the disk again: they may include what is not durable

	from, to ledger.Seq       // the window holds the entries after from, up to to
	gap      bool             // the journal is no longer kept back to from
	index    map[uint64]int32 // by SKU and location: the place in touched
	touched  []touch          // by the entry that touched each last; those touched again since have no seq
	scope    scope
	signals  []Signal
	only     places     // whose signals are wanted
	swept    ledger.Seq // no row that was told as it is now includes a later entry
}

// touch is what the entries of a window did to a position.
type touch struct {
	sku           ledger.SKU
	loc           ledger.Location
	before, after ledger.Figures // at the window's beginning and its end
	seq           ledger.Seq     // of the latest of them
}

func (s *Stock) window(f *ledger.Follower, positionsMax int) *window {
	f.Bare()
	return &window{stock: s, follower: f, most: positionsMax, master: newMaster(s.ledger), index: make(map[uint64]int32)}
}

// gatherBusy is gather, but a window with many positions stays open up to longest:
// under load fewer signals leave more of the machine to what they tell of.
func (w *window) gatherBusy(ctx context.Context, length, longest time.Duration) error {
	if err := w.gather(ctx, length); err != nil || len(w.index) < busyPositions || longest <= length {
		return err
	}
	return w.take(ctx, longest-length)
}

// gather waits for an entry, then takes what comes within length of time. It
// ends with ctx's error or ledger.ErrClosed, or early where the journal is read
// faster than that.
func (w *window) gather(ctx context.Context, length time.Duration) error {
	clear(w.index)
	w.touched = w.touched[:0]
	w.scope = scope{}
	w.gap, w.signals = false, w.signals[:0]
	w.from = w.follower.Cursor()
	if err := w.next(ctx); err != nil {
		return err
	}
	return w.take(ctx, length)
}

func (w *window) take(ctx context.Context, length time.Duration) error {
	within, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	for len(w.index) < w.most {
		if err := w.next(within); err != nil {
			if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		}
	}
	return nil
}

func (w *window) next(ctx context.Context) error {
	entries, gap, err := w.follower.Next(ctx)
	if err != nil {
		return err
	}
	if gap {
		w.gap = true
		w.scope.add(entries[0].Seq)
		w.scope.all = true
	}
	for i := range entries {
		w.add(&entries[i])
	}
	w.to = w.follower.Cursor()
	return nil
}

func (w *window) add(e *ledger.Entry) {
	for i := range e.Lines {
		ln := &e.Lines[i]
		t := touch{sku: ln.SKU, loc: ln.Location, after: ln.After, seq: e.Seq}
		if at, again := w.index[t.key()]; again {
			t.before = w.touched[at].before
			w.touched[at].seq = 0
		} else {
			t.before = before(ln)
		}
		w.index[t.key()] = int32(len(w.touched))
		w.touched = append(w.touched, t)
	}
	if len(w.touched) > 2*len(w.index)+busyPositions {
		w.forgetTouchedAgain()
		for i := range w.touched {
			w.index[w.touched[i].key()] = int32(i)
		}
	}
	w.master.note(e, &w.scope)
}

func (t *touch) key() uint64 { return uint64(t.sku)<<32 | uint64(t.loc) }

func (w *window) forgetTouchedAgain() {
	w.touched = slices.DeleteFunc(w.touched, func(t touch) bool { return t.seq == 0 })
}

// before is a position's figures before a line. They were quantities, so the
// differences are.
func before(ln *ledger.EntryLine) ledger.Figures {
	return ledger.Figures{
		OnHand: ln.After.OnHand - ln.Delta.OnHand, Unsellable: ln.After.Unsellable - ln.Delta.Unsellable,
		Held: ln.After.Held - ln.Delta.Held, Committed: ln.After.Committed - ln.Delta.Committed,
	}
}

// each yields the window's signals at locations that only admits: first the positions
// that moved, by the seq of their latest entry, then those that changes of master data
// or rules concern. It ends early when yield returns false, and then with an error if
// the ledger stopped.
func (w *window) each(only places, yield func(*Signal) bool) error {
	w.only = only
	w.forgetTouchedAgain()
	if only != nil {
		w.touched = slices.DeleteFunc(w.touched, func(t touch) bool { return !only.admit(t.loc) })
	}
	for i := range w.touched {
		t := &w.touched[i]
		// A position that moved again later in the window is told of there, so
		// everything up to this seq has been told, but for others of the same
		// entry and what the scope still holds.
		safe := t.seq
		if i+1 < len(w.touched) && w.touched[i+1].seq == t.seq {
			safe--
		}
		s := Signal{SKU: t.sku, Row: w.row(t), Seq: t.seq, Safe: w.scope.clamp(safe)}
		was := s.Row
		was.Figures = t.before
		s.Changed = was.Available() != s.Row.Available()
		w.signals = append(w.signals, s)
		if len(w.signals) == signalsAtOnce {
			if more, err := w.emit(yield); !more {
				return err
			}
		}
	}
	if more, err := w.emit(yield); !more {
		return err
	}
	return w.sweep(yield)
}

// row is the row to tell of. Nobody is told of an older one than of the same position before.
func (w *window) row(t *touch) ledger.Row {
	if w.live || t.seq <= w.swept {
		row, _ := w.stock.ledger.Position(t.sku, t.loc, w.stock.ledger.Now())
		return row
	}
	return w.stock.ledger.RowAfter(t.sku, t.loc, t.after, t.seq)
}

// emit yields the rows that were read. Those that were read as they are now may include
// entries that are not durable, which nobody outside may hear of before they are.
func (w *window) emit(yield func(*Signal) bool) (more bool, err error) {
	last := ledger.Seq(0)
	for i := range w.signals {
		last = max(last, w.signals[i].Row.Seq)
	}
	if err := w.stock.ledger.Wait(last); err != nil {
		return false, err
	}
	for i := range w.signals {
		if !yield(&w.signals[i]) {
			w.signals = w.signals[:0]
			return false, nil
		}
	}
	w.signals = w.signals[:0]
	return true, nil
}
