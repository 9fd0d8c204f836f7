// Package availability answers how many units can be promised, and how old that
// knowledge is, and tells readers outside what changed.
//
// It promises: all rows of one answer are of one moment of the journal; a signal
// follows every change of what is available, at least once, and never tells of
// what a crash could still undo.
package availability

import (
	"sync"
	"time"

	"onhand/jsonread"
	"onhand/ledger"
)

// StaleAfterDefault is how long a location may be silent before its figures count as stale.
const StaleAfterDefault = 15 * time.Minute

// Stock answers questions about what is available. It may be used by many goroutines.
type Stock struct {
	ledger  *ledger.Ledger
	stale   ledger.Millis
	queries sync.Pool // *Query
}

// NewStock answers from l. Figures of a location whose sources have told of nothing
// for longer than staleAfter are stale; 0 means 15 minutes. A shorter time flags
// quiet shops by night, a longer one notices a broken feed later.
func NewStock(l *ledger.Ledger, staleAfter time.Duration) *Stock {
	if staleAfter == 0 {
		staleAfter = StaleAfterDefault
	}
	s := &Stock{ledger: l, stale: ledger.Millis(staleAfter.Milliseconds())}
	s.queries.New = func() any {
		q := &Query{stock: s}
		q.read = q.collect // made once: a method value made for each query would be an allocation
		return q
	}
	return s
}

// age is how long ago asOf was, never negative: a source's clock may be ahead of ours.
func (s *Stock) age(asOf, now ledger.Millis) (age ledger.Millis, stale bool) {
	age = max(0, now-asOf)
	return age, age > s.stale
}

// AppendSource appends how fresh one source of one location is:
// {"location","source","last_event_at","as_of","lag_ms","stale","expected_unseen_sales"}.
func (s *Stock) AppendSource(dst []byte, f *ledger.Feed, now ledger.Millis) []byte {
	age, stale := s.age(f.LastEventAt, now)
	dst = append(dst, `{"location":`...)
	dst = jsonread.AppendString(dst, s.ledger.LocationName(f.Location))
	dst = append(dst, `,"source":`...)
	dst = jsonread.AppendString(dst, f.Source)
	dst = append(dst, `,"last_event_at":"`...)
	dst = jsonread.AppendTime(dst, int64(f.LastEventAt))
	dst = append(dst, `","as_of":"`...)
	dst = jsonread.AppendTime(dst, int64(f.LastEventAt))
	dst = append(dst, `","lag_ms":`...)
	dst = appendInt(dst, int64(age))
	dst = append(dst, `,"stale":`...)
	dst = appendBool(dst, stale)
	// Nobody measures rates of sale, so what was sold unseen is not known.
	return append(dst, `,"expected_unseen_sales":null}`...)
}
