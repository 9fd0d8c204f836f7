package main

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

func TestScheduleDoesNotDrift(t *testing.T) {
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	f := func(rate float64, n int64, want time.Duration) {
		t.Helper()
		if got := (schedule{start, rate}).due(n).Sub(start); got != want {
			t.Errorf("request %d at %g/s is due after %s, want %s", n, rate, got, want)
		}
	}
	f(1000, 0, 0)
	f(1000, 1, time.Millisecond)
	f(3, 3, time.Second) // a third of a second has no end in nanoseconds
	f(3, 3_000_000, 1_000_000*time.Second)
	f(70_000, 70_000*60, time.Minute)
}

// stalling is a server that answers its first request only when the clock has come to
// until, and all others at once.
type stalling struct {
	until time.Time
	calls *atomic.Int64
	fail  int64 // the call that fails; 0: none
}

func (w *stalling) do(int64) (int, int64, error) {
	n := w.calls.Add(1)
	if n == 1 {
		<-time.After(time.Until(w.until))
	}
	if n == w.fail {
		return 0, 0, errors.New("broken")
	}
	return 0, 1, nil
}

func (w *stalling) Close() error { return nil }

func TestOpenLoopCountsFromWhenARequestWasDue(t *testing.T) {
	var calls atomic.Int64
	stall := 100 * time.Millisecond
	l := load{conns: 1, rate: 1000, duration: 200 * time.Millisecond}
	o, err := l.run(t.Context(), nil, 1, func(int) (worker, error) {
		return &stalling{until: time.Now().Add(stall), calls: &calls}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	k := o.kinds[0]
	if k.count+o.backlog != 200 {
		t.Errorf("%d requests were sent and %d not, want 200 due", k.count, o.backlog)
	}
	// Those due during the stall waited for what was left of it: half of all, 50 ms in the mean. A
	// generator that counts from the sending would have found one slow answer.
	if slow := k.count - k.latency.CumulativeDistribution()[0].Count; slow < 1 {
		t.Error("no latencies")
	}
	if p := time.Duration(k.latency.ValueAtPercentile(75)); p < 20*time.Millisecond {
		t.Errorf("p75 is %s: the requests that waited behind the stall were left out", p)
	}
	if late := time.Duration(o.sentLate.latency.Max()); late < stall/2 {
		t.Errorf("requests were sent at most %s late, although one connection stalled for %s", late, stall)
	}
}

func TestClosedLoopStopsAtItsLimit(t *testing.T) {
	var calls atomic.Int64
	o, err := load{conns: 4, duration: time.Minute, limit: 1000}.run(t.Context(), nil, 1, func(int) (worker, error) {
		return &stalling{calls: &calls}, nil
	})
	if err != nil || o.kinds[0].count != 1000 || calls.Load() != 1000 || o.backlog != 0 {
		t.Errorf("%d requests recorded, %d made, %d not sent, %v", o.kinds[0].count, calls.Load(), o.backlog, err)
	}
}

func TestErrorsEndTheLoad(t *testing.T) {
	for _, rate := range []float64{0, 1e6} {
		var calls atomic.Int64
		_, err := load{conns: 1, rate: rate, duration: 50 * time.Millisecond}.run(t.Context(), nil, 1, func(int) (worker, error) {
			return &stalling{calls: &calls, fail: 3}, nil
		})
		if err == nil || calls.Load() != 3 {
			t.Errorf("at rate %g: %d calls, %v", rate, calls.Load(), err)
		}
	}
}
