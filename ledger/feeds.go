package ledger

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Feed is how far one source has told us about one location.
type Feed struct {
	Location    Location
	Source      string
	LastEventAt Millis // the latest time of its events
}

type feedKey struct {
	loc    Location
	source string
}

// feedsMax bounds the sources that are told apart: names come from outside, and one
// that changes with every event must not fill the memory. A source beyond it still
// counts for its location.
const feedsMax = 200_000

// feeds are what readers know of how fresh a location's figures are. They follow
// from the journal: the latest event time of each source at each location.
type feeds struct {
	mu   sync.Mutex
	last map[feedKey]Millis
	asOf atomic.Pointer[[]atomic.Int64] // by location: the latest of any source, 0: none
}

func (f *feeds) init() {
	f.last = make(map[feedKey]Millis)
	f.asOf.Store(&[]atomic.Int64{})
}

// grow makes room for locations below size.
func (f *feeds) grow(size uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := *f.asOf.Load()
	if int(size) <= len(old) {
		return
	}
	grown := make([]atomic.Int64, int(size)+len(old)/2)
	for i := range old {
		grown[i].Store(old[i].Load())
	}
	f.asOf.Store(&grown)
}

// saw notes an event's time.
func (f *feeds) saw(loc Location, source string, t Millis) {
	f.mu.Lock()
	k := feedKey{loc, source}
	if last, ok := f.last[k]; (!ok && len(f.last) < feedsMax) || ok && t > last {
		f.last[k] = t
	}
	if asOf := *f.asOf.Load(); int(loc) < len(asOf) && int64(t) > asOf[loc].Load() {
		asOf[loc].Store(int64(t))
	}
	f.mu.Unlock()
}

// AsOf is the latest moment that any source of the location has told of, 0 if none has.
func (l *Ledger) AsOf(loc Location) Millis {
	if asOf := *l.feeds.asOf.Load(); int(loc) < len(asOf) {
		return Millis(asOf[loc].Load())
	}
	return 0
}

// Feeds lists the sources of every location, by location name and source.
func (l *Ledger) Feeds() []Feed {
	l.feeds.mu.Lock()
	out := make([]Feed, 0, len(l.feeds.last))
	for k, t := range l.feeds.last {
		out = append(out, Feed{k.loc, k.source, t})
	}
	l.feeds.mu.Unlock()
	slices.SortFunc(out, func(a, b Feed) int {
		return cmp.Or(strings.Compare(l.LocationName(a.Location), l.LocationName(b.Location)), strings.Compare(a.Source, b.Source))
	})
	return out
}
