package availability

import (
	"context"

	"onhand/ledger"
)

// places are locations; nil stands for all.
type places map[ledger.Location]bool

func placesOf(locations []ledger.Location) places {
	if len(locations) == 0 {
		return nil
	}
	p := make(places, len(locations))
	for _, loc := range locations {
		p[loc] = true
	}
	return p
}

func (p places) admit(loc ledger.Location) bool { return p == nil || p[loc] }

// audience is who takes part in a broadcast. Those who read all share their frames; who
// reads of some locations has its own, and a position that nobody reads of is not read.
type audience struct {
	feed    *Feed
	ctx     context.Context // of the broadcast
	all     *listeners      // nil: nobody reads all
	some    []*listeners
	at      map[ledger.Location][]*listeners // of some
	only    places
	to      ledger.Seq // of the window being told
	stopped bool       // the broadcast is at its end
}

// listeners get the same frames.
type listeners struct {
	subs []*Subscription
	out  framer
}

// newAudience is of those who have joined. The caller holds mu.
func (f *Feed) newAudience(ctx context.Context) *audience {
	a := &audience{feed: f, ctx: ctx, at: map[ledger.Location][]*listeners{}, only: places{}}
	for sub := range f.joined {
		if sub.only == nil {
			if a.all == nil {
				a.all = a.newListeners()
			}
			a.all.subs = append(a.all.subs, sub)
			continue
		}
		l := a.newListeners()
		l.subs = append(l.subs, sub)
		a.some = append(a.some, l)
		for loc := range sub.only {
			a.at[loc] = append(a.at[loc], l)
			a.only[loc] = true
		}
	}
	if a.all != nil {
		a.only = nil
	}
	return a
}

func (a *audience) newListeners() *listeners {
	l := &listeners{out: framer{stock: a.feed.stock}}
	l.out.yield = func(b []byte) bool {
		a.stopped = a.stopped || !a.feed.send(a.ctx, l.subs, b, a.to)
		return !a.stopped
	}
	return l
}

// tell sends a window's signals to whom they concern.
func (a *audience) tell(w *window) error {
	a.to = w.to
	for l := range a.each() {
		l.out.begin(w)
	}
	err := w.each(a.only, func(s *Signal) bool {
		if a.all != nil {
			a.all.out.add(s)
		}
		for _, l := range a.at[s.Row.Location] {
			l.out.add(s)
		}
		return !a.stopped
	})
	if err != nil || a.stopped {
		return err
	}
	for l := range a.each() {
		l.out.end(w)
		for _, sub := range l.subs {
			sub.passed(w.to)
		}
	}
	return nil
}

func (a *audience) each() func(yield func(*listeners) bool) {
	return func(yield func(*listeners) bool) {
		if a.all != nil && !yield(a.all) {
			return
		}
		for _, l := range a.some {
			if !yield(l) {
				return
			}
		}
	}
}
