package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// schedule is when requests are due: evenly spread, whatever became of the ones before.
type schedule struct {
	start time.Time
	rate  float64 // requests a second
}

// due is when the nth request, from 0, should be sent. It is computed from n, so that
// neither rounding nor a late wake-up shifts what follows.
func (s schedule) due(n int64) time.Time {
	return s.start.Add(time.Duration(float64(n) / s.rate * 1e9))
}

// load says how requests are offered.
type load struct {
	conns int
	// rate in requests a second; 0 is a closed loop: each connection sends when its
	// last answer is there, and latency counts from the sending.
	rate     float64
	duration time.Duration // no request is begun after it
	limit    int64         // nor more than these; 0: no limit
}

// worker makes the requests of one connection. do makes the nth of all, and says what
// kind it was and how many units (lines, positions) it carried; an error ends the
// worker and is reported.
type worker interface {
	do(n int64) (kind int, units int64, err error)
	Close() error
}

// tally is what became of the requests of one kind. One worker writes it at a time.
type tally struct {
	count   int64
	units   int64
	latency *hdrhistogram.Histogram // nanoseconds since due, made when first needed
}

func (t *tally) record(units int64, d time.Duration) {
	if t.latency == nil {
		t.latency = newHistogram()
	}
	t.count++
	t.units += units
	t.latency.RecordValue(min(max(int64(d), 1), latencyMax))
}

func (t *tally) merge(o tally) {
	t.count += o.count
	t.units += o.units
	if o.latency == nil {
		return
	}
	if t.latency == nil {
		t.latency = newHistogram()
	}
	t.latency.Merge(o.latency)
}

const latencyMax = int64(100 * time.Second)

// newHistogram keeps three digits from a microsecond on.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1000, latencyMax, 3) }

// outcome is what a run of load gave.
type outcome struct {
	busy     usage
	kinds    []tally // by kind
	sentLate tally   // how long after it was due a request was sent; empty in a closed loop
	backlog  int64   // requests due and never sent, in an open loop
	err      error   // of all workers
}

// run offers load to service until it is over. newWorker makes the worker of each
// connection; kinds is how many kinds do returns.
func (l load) run(ctx context.Context, s *service, kinds int, newWorker func(i int) (worker, error)) (outcome, error) {
	workers := make([]worker, l.conns)
	defer func() {
		for _, w := range workers {
			if w != nil {
				w.Close()
			}
		}
	}()
	for i := range workers {
		w, err := newWorker(i)
		if err != nil {
			return outcome{}, err
		}
		workers[i] = w
	}

	out := outcome{kinds: make([]tally, kinds)}
	var mu sync.Mutex // guards out
	var errs []error
	clock := startUsage(s)
	src := l.source(ctx)
	var all sync.WaitGroup
	for _, w := range workers {
		all.Go(func() {
			mine := outcome{kinds: make([]tally, kinds)}
			err := l.work(w, src, &mine)
			mu.Lock()
			defer mu.Unlock()
			for k := range mine.kinds {
				out.kinds[k].merge(mine.kinds[k])
			}
			out.sentLate.merge(mine.sentLate)
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	src.stop()
	out.busy = clock.stop()
	out.backlog = src.unsent()
	out.err = errors.Join(errs[:min(len(errs), 3)]...)
	return out, errors.Join(ctx.Err(), out.err)
}

func (l load) work(w worker, src *source, out *outcome) error {
	for {
		n, due, more := src.next()
		if !more {
			return nil
		}
		if l.rate > 0 {
			out.sentLate.record(1, time.Since(due))
		}
		kind, units, err := w.do(n)
		if err != nil {
			return err
		}
		out.kinds[kind].record(units, time.Since(due))
	}
}

// source hands out requests to workers.
type source struct {
	load
	ctx     context.Context
	begun   time.Time
	taken   atomic.Int64
	pending chan request // open loop only
	stopped chan struct{}
	last    int64 // of an open loop, how many were due; read after stop
	ended   sync.WaitGroup
}

type request struct {
	n   int64
	due time.Time
}

// pendingMax requests wait for a connection. When more are due the pacer waits, but
// their due times stay what they are, so nothing is left out of the latencies.
const pendingMax = 1 << 14

func (l load) source(ctx context.Context) *source {
	s := &source{load: l, ctx: ctx, begun: time.Now(), stopped: make(chan struct{})}
	if l.rate > 0 {
		s.pending = make(chan request, pendingMax)
		s.ended.Go(s.pace)
	}
	return s
}

func (s *source) next() (n int64, due time.Time, more bool) {
	if s.rate > 0 {
		r, open := <-s.pending
		if open {
			s.taken.Add(1)
		}
		return r.n, r.due, open
	}
	due = time.Now()
	if due.Sub(s.begun) >= s.duration || s.ctx.Err() != nil {
		return 0, due, false
	}
	n = s.taken.Add(1) - 1
	return n, due, s.limit == 0 || n < s.limit
}

// pace puts each request in the queue when it is due. What the workers have not taken
// at the end of the duration is dropped and counted: they could not keep up.
func (s *source) pace() {
	plan := schedule{start: s.begun, rate: s.rate}
	end := s.begun.Add(s.duration)
	timeout := time.NewTimer(s.duration)
	defer timeout.Stop()
	defer func() {
		for {
			select {
			case <-s.pending: // drop what nobody took, so that workers end soon
			default:
				close(s.pending)
				return
			}
		}
	}()
	for n := int64(0); s.limit == 0 || n < s.limit; n++ {
		due := plan.due(n)
		if !due.Before(end) || s.ctx.Err() != nil {
			s.last = n
			return
		}
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			pause(min(wait, 10*time.Millisecond))
		}
		select {
		case s.pending <- request{n, due}:
		case <-timeout.C:
			s.last = n + 1
			for plan.due(s.last).Before(end) {
				s.last++
			}
			return
		case <-s.stopped: // every worker ended with an error
			s.last = n
			return
		}
		s.last = n + 1
	}
}

// stop ends the pacer, once no worker takes any more.
func (s *source) stop() {
	close(s.stopped)
	s.ended.Wait()
}

// unsent is how many were due and not taken; only after stop.
func (s *source) unsent() int64 {
	if s.rate == 0 {
		return 0
	}
	return s.last - s.taken.Load()
}
