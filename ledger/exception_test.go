package ledger

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestExceptionIDs reads each id as it is written, and nothing else.
func TestExceptionIDs(t *testing.T) {
	for _, id := range []ExceptionID{{1, 0}, {7, 3}, {1<<63 - 1, 1<<31 - 1}} {
		if got, ok := ParseExceptionID(id.String()); !ok || got != id {
			t.Errorf("%v is read as %v", id, got)
		}
	}
	for _, s := range []string{"", "0", "07", "7-", "7-0", "7-01", "-1", "7-1-1", "+7", "7 ", "99999999999999999999", "7-4294967296"} {
		if id, ok := ParseExceptionID(s); ok || id != (ExceptionID{}) {
			t.Errorf("%q is read as %v", s, id)
		}
	}
}

// TestFewOfManyExceptions lists with a filter that few match: a call looks at so many, then
// says where to go on, also in the midst of an entry's.
func TestFewOfManyExceptions(t *testing.T) {
	now := testStart
	l, err := Open(small(vfs.NewMem(), &now))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const each, entries = 9000, 5
	for seq := range Seq(entries) {
		r := raisedRecord{time: now, recordedAt: now, exceptions: make([]Exception, each)}
		for i := range r.exceptions {
			r.exceptions[i] = Exception{Code: ReservationMismatch, Location: 1}
		}
		r.exceptions[each/2].Code = CountBelowUnsellable
		if err := l.db.Set(seqKey(prefixException, seq+1), r.append(nil), pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		if err := l.db.Set(raisedAtKey(1, seq+1), nil, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []ExceptionFilter{{Code: CountBelowUnsellable}, {Code: CountBelowUnsellable, Locations: []Location{1}}} {
		var found []string
		calls := 0
		for before := (ExceptionID{}); calls == 0 || before != (ExceptionID{}); calls++ {
			out, next, err := l.Exceptions(f, before, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range out {
				found = append(found, x.ID.String())
			}
			before = next
		}
		if got := fmt.Sprint(found); got != "[5-4500 4-4500 3-4500 2-4500 1-4500]" || calls != each*entries/exceptionsLookedAt+1 {
			t.Errorf("%d calls: %s", calls, got)
		}
	}
}

// TestOldExceptionsAreDropped lets the journal's beginning go: with it go the exceptions
// that it raised, what explains them, and what a person said of them.
func TestOldExceptionsAreDropped(t *testing.T) {
	now := testStart
	fs := vfs.NewMem()
	l, err := Open(small(fs, &now))
	if err != nil {
		t.Fatal(err)
	}
	apply := func(c Command) Seq {
		t.Helper()
		r, err := l.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		return r.Seq
	}
	apply(PutSKU{Info: SKUInfo{SKU: "a"}, Now: now})
	apply(PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now})
	count := func(id string, q Qty) Seq {
		return apply(&Count{Name: EventName{Source: "wms", ID: id, Time: now}, CountedAt: now, Received: now, Location: 1, Lines: []CountLine{{SKU: 1, Quantity: q}}})
	}
	count("1", 5)
	first := count("2", 4)
	apply(receipt("late", 1, 1, now-1, now))
	apply(ResolveException{ID: ExceptionID{Seq: first}, Note: "n", Now: now})
	now += 46 * dayMillis
	last := count("3", 3)
	if err := errors.Join(l.Checkpoint(), l.Prune(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if l, err = Open(small(fs, &now)); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, f := range []ExceptionFilter{{}, {Locations: []Location{1}}} {
		all, _, err := l.Exceptions(f, ExceptionID{}, 10)
		if err != nil || len(all) != 1 || all[0].ID.Seq != last {
			t.Errorf("%+v: %v", all, err)
		}
	}
	if _, ok, err := l.Exception(ExceptionID{Seq: first}); ok || err != nil {
		t.Errorf("the old one is still there: %v", err)
	}
	if _, err := l.Apply(ResolveException{ID: ExceptionID{Seq: first}, Now: now}); !errors.Is(err, ErrNoException) {
		t.Error(err)
	}
	left := map[byte]int{}
	if err := scan(l.db, nil, func(k, _ []byte) error { left[k[0]]++; return nil }); err != nil {
		t.Fatal(err)
	}
	if left[prefixException] != 1 || left[prefixRaisedAt] != 1 || left[prefixMissed] != 0 || left[prefixResolution] != 0 {
		t.Errorf("%d records of exceptions, %d by location, %d movements, %d resolutions", left[prefixException], left[prefixRaisedAt], left[prefixMissed], left[prefixResolution])
	}
}

// TestExplain is which cause is found of a difference of +3, or of a figure of -3.
func TestExplain(t *testing.T) {
	f := func(code ExceptionCode, want Cause, all ...Missed) {
		t.Helper()
		r := Raised{Exception: Exception{Code: code, SKU: 1, Believed: 4, Counted: 7}}
		if code == NegativeOnHand {
			r.Believed, r.Counted = 2, -3
		}
		if got := r.explain(all); got != want {
			t.Errorf("%v %+v: %v, want %v", code, all, got, want)
		}
	}
	m := func(c Cause, moved Qty) Missed { return Missed{Cause: c, Moved: moved} }
	f(CountDifference, NoCause)
	f(CountDifference, CauseLateEvent, m(CauseLateEvent, 3))
	f(CountDifference, NoCause, m(CauseLateEvent, 2))
	f(CountDifference, NoCause, m(CauseLateEvent, -3))
	f(CountDifference, CauseLateEvent, m(CauseLateEvent, 2), m(CauseLateEvent, 1))
	f(CountDifference, CauseLateEvent, m(CauseLateEvent, 3), m(CauseLateEvent, 1)) // one of them is it
	f(CountDifference, NoCause, m(CauseLateEvent, 2), m(CauseVoid, 1))
	f(CountDifference, CauseVoid, m(CauseLateEvent, 2), m(CauseVoid, 3))
	f(CountDifference, CauseDuplicateRefused, m(CauseUnmappedCode, 3), m(CauseDuplicateRefused, 3))
	f(CountDifference, CauseUnmappedCode, m(CauseUnmappedCode, 5), m(CauseUnmappedCode, -2))
	f(NegativeOnHand, CauseUnmappedCode, m(CauseUnmappedCode, 3))
	f(NegativeOnHand, CauseLateEvent, m(CauseLateEvent, 10))
	f(NegativeOnHand, NoCause, m(CauseUnmappedCode, 2))
}
