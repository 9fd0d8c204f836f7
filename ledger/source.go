package ledger

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// SourceHealth is how a source of events does. All of it is made of the journal's entries,
// and so survives a crash, but for Duplicates, which leave none.
type SourceHealth struct {
	Source          string
	Events          uint64 // accepted
	Today           uint64 // of them, on the day of LastArrivalAt, in UTC
	LastEventAt     Millis // the latest time of its events, that of their arrival where their clock was ahead
	LastArrivalAt   Millis
	Heartbeats      uint64
	LastHeartbeatAt Millis
	Ahead           uint64 // events whose time was later than their arrival
	AheadMax        Millis // by how much at most
	OutOfOrder      uint64 // events with a time before that of one that had come
	Duplicates      uint64 // events that had been applied before, since the ledger was opened
	Numbering
	rates
}

// source is one source of events. The journal's lock guards it, but for its name.
type source struct {
	SourceHealth
	seq   Seq  // the latest entry that is in it: a replay begins there
	fresh bool // not yet written to its own key
	gone  bool // pruned
}

// sourcesMax bounds the sources that are told apart: names come from outside. Of more
// than that nothing is known.
const sourcesMax = 50_000

// sources are how all sources of events do. The journal's lock guards them: so each has
// every entry up to its seq, and none after.
type sources struct {
	byName map[string]*source
	fresh  []*source
	gapsAt map[Location]map[*source]struct{} // who has a gap whose end was seen there
}

// oddity is what is unusual about an event; most have none.
type oddity uint8

const (
	aheadOfClock oddity = 1 << iota
	outOfOrder
	foundGap
)

// saw notes an event: its own time, and the entry's, and tells what is unusual about it. It
// is called for every event, under the journal's lock: it must stay cheap.
func (t *sources) saw(n *EventName, seq Seq, k Kind, loc Location, recordedAt Millis) (odd oddity) {
	s := t.byName[n.Source]
	if s == nil {
		if len(t.byName) >= sourcesMax {
			return 0
		}
		if t.byName == nil {
			t.byName = make(map[string]*source)
		}
		s = &source{SourceHealth: SourceHealth{Source: strings.Clone(n.Source)}}
		t.byName[s.Source] = s
	}
	if seq <= s.seq {
		return 0 // a replay, and it was in what the checkpoint wrote
	}
	s.seq = seq
	if !s.fresh {
		s.fresh = true
		t.fresh = append(t.fresh, s)
	}
	if dayOf(recordedAt) != dayOf(s.LastArrivalAt) {
		s.Today = 0
	}
	s.Events++
	s.Today++
	s.LastArrivalAt = max(s.LastArrivalAt, recordedAt)
	s.rates.count(recordedAt)
	if ahead := n.Time - recordedAt; ahead > 0 {
		odd |= aheadOfClock
		s.Ahead++
		s.AheadMax = max(s.AheadMax, ahead)
	}
	at := min(n.Time, recordedAt)
	if k == KindHeartbeat {
		s.Heartbeats++
		s.LastHeartbeatAt = max(s.LastHeartbeatAt, recordedAt)
	}
	inOrder := at >= s.LastEventAt
	if inOrder {
		s.LastEventAt = at
	} else {
		odd |= outOfOrder
		s.OutOfOrder++
	}
	if n.Sequence != 0 {
		found, gone := s.Numbering.saw(n.Sequence, at, loc, inOrder)
		if found != nil {
			odd |= foundGap
			t.gap(s, loc)
		}
		if gone != nil {
			t.noGap(s, gone.loc)
		}
	}
	return odd
}

// gap notes that a gap's end was seen at a location.
func (t *sources) gap(s *source, loc Location) {
	at := t.gapsAt[loc]
	if at == nil {
		if t.gapsAt == nil {
			t.gapsAt = make(map[Location]map[*source]struct{})
		}
		at = make(map[*source]struct{})
		t.gapsAt[loc] = at
	}
	at[s] = struct{}{}
}

// noGap takes that back, unless the source has another gap there.
func (t *sources) noGap(s *source, loc Location) {
	if slices.ContainsFunc(s.gaps, func(g Gap) bool { return g.loc == loc }) {
		return
	}
	delete(t.gapsAt[loc], s)
	if len(t.gapsAt[loc]) == 0 {
		delete(t.gapsAt, loc)
	}
}

// gapBefore says whether a source of a location is waited for that numbers its events: of
// some up to a moment, and after another, the numbers have not come.
func (l *Ledger) gapBefore(loc Location, since, until Millis) bool {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	for s := range l.journal.sources.gapsAt[loc] {
		if slices.ContainsFunc(s.gaps, func(g Gap) bool { return g.loc == loc && g.At > since && g.At <= until }) {
			return true
		}
	}
	return false
}

// SawDuplicate counts an event that came again.
func (l *Ledger) SawDuplicate(source string) {
	l.journal.mu.Lock()
	if s := l.journal.sources.byName[source]; s != nil {
		s.Duplicates++
	}
	l.journal.mu.Unlock()
}

// Sources lists the sources after a name, in order, at most limit of them.
func (l *Ledger) Sources(after string, limit int) (out []SourceHealth) {
	j := &l.journal
	j.mu.Lock()
	all := make([]*source, 0, len(j.sources.byName))
	for _, s := range j.sources.byName {
		all = append(all, s)
	}
	j.mu.Unlock()
	// A name never changes, so they are sorted without the lock.
	all = slices.DeleteFunc(all, func(s *source) bool { return s.Source <= after })
	slices.SortFunc(all, func(a, b *source) int { return cmp.Compare(a.Source, b.Source) })
	all = all[:min(limit, len(all))]
	j.mu.Lock()
	for _, s := range all {
		h := s.SourceHealth
		h.gaps = slices.Clone(h.gaps)
		out = append(out, h)
	}
	j.mu.Unlock()
	return out
}

// rates are averages that forget: of events a minute over the last minutes, and over a week.
type rates struct {
	first, minute int64 // since 1970: when it began, and the one that is counted
	counted       uint64
	lately, week  float64 // without the minute that is counted
}

const minuteMillis = 60_000

var (
	latelyKept = math.Exp(-1.0 / 5)
	weekKept   = math.Exp(-1.0 / (7 * 24 * 60))
)

func (r *rates) count(at Millis) {
	if m := int64(at / minuteMillis); m > r.minute {
		r.roll(m)
	}
	r.counted++
}

// roll goes on to a minute: what was counted becomes part of the averages.
func (r *rates) roll(m int64) {
	if r.minute == 0 {
		r.first, r.minute = m, m
		return
	}
	n, passed := float64(r.counted), float64(m-r.minute-1)
	r.lately = (r.lately*latelyKept + n*(1-latelyKept)) * math.Pow(latelyKept, passed)
	r.week = (r.week*weekKept + n*(1-weekKept)) * math.Pow(weekKept, passed)
	r.counted, r.minute = 0, m
}

// Rates are how many events a minute came in the last minutes, and come usually: over
// the last week, or so much of it as is known. ok is false within the first minute.
func (r rates) Rates(now Millis) (lately, usual float64, ok bool) {
	if m := int64(now / minuteMillis); m > r.minute {
		r.roll(m)
	}
	known := float64(r.minute - r.first)
	if known <= 0 {
		return 0, 0, false
	}
	// So soon after the beginning, what was before it is not nothing but unknown.
	return r.lately / (1 - math.Pow(latelyKept, known)), r.week / (1 - math.Pow(weekKept, known)), true
}
