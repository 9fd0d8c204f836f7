package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"onhand/kafkaio"
)

// tick is how often the background load publishes what is due: as long as producers of
// such a load linger for a batch to fill. What is timed does not linger.
const tick = 10 * time.Millisecond

// packed is a batch of the background load, made beforehand: making events costs
// processor time that the service would miss.
type packed struct {
	to    *partition
	batch *kafkaio.Batch
	at    time.Duration // since the beginning
}

// measureLatency publishes the stream at a steady rate and times markers among it, from
// the moment one is due to be published until a GET shows it.
func (g *ingestScenario) measureLatency(ctx context.Context, r *report, s *service, p *producer, rate float64, which string) error {
	load, err := g.pack(p, rate)
	if err != nil {
		return err
	}
	probes, err := newProducer(ctx, g.addr, topicPOS, topicWMS)
	if err != nil {
		return err
	}
	defer probes.close()
	g.marks.producer = probes // its batches do not wait behind those of the load
	defer func() { g.marks.producer = p }()
	listener, err := listen(ctx, s, g.marks, g.WholeFeed)
	if err != nil {
		return err
	}
	defer listener.stop()
	marked := make([]int64, len(g.marks.places))
	for i, pl := range g.marks.places {
		marked[i] = pl.sent
	}

	runtime.GC() // the batches are many; not while latency is measured
	clock := startUsage(s)
	begun := time.Now()
	watch := newWatch(g.marks)
	errs := make([]error, 4)
	var late tally
	var all, feed sync.WaitGroup
	feed.Go(func() { errs[3] = watch.follow(g.marks, listener, marked) })
	all.Go(func() { errs[0] = sendPacked(ctx, p, load, begun, &late) })
	all.Go(func() { errs[1] = watch.send(ctx, g.marks, probes, begun, g.Probes, g.Duration) })
	all.Go(func() { errs[2] = watch.look(ctx, s, g.marks) })
	all.Wait()
	busy := clock.stop()
	behind := poll(ctx, 10*time.Second, pollEvery, watch.allTold)
	listener.stop()
	feed.Wait()
	if err := errors.Join(append(errs, p.flush())...); err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	events := int64(0)
	for _, l := range load {
		events += int64(l.batch.Len())
	}
	at := fmt.Sprintf(" at %s events/s", grouped(rate))
	r.add(g.title+"load"+at, "events", 0, events, busy, nil)
	if late.latency != nil {
		r.Measures[len(r.Measures)-1].SentLateP99 = micros(late.latency.ValueAtPercentile(99))
	}
	if busy.wall > g.Duration*11/10 {
		r.note("%s events/s for %s took %.1f s: that rate could not be kept, and latencies contain the backlog", grouped(rate), g.Duration, busy.wall.Seconds())
	}
	r.add(g.title+"event published → visible by GET"+at, "events", 0, watch.seen.count, busy, watch.seen.latency)
	if listener.cut > 0 {
		r.note("%s events/s: the feed's reader was cut %d times for being too slow, and resumed", grouped(rate), listener.cut)
	}
	if behind != nil {
		return fmt.Errorf("the feed: %w", behind)
	}
	r.add(g.title+"event published → on the feed"+at, "events", 0, watch.told.count, busy, watch.told.latency)
	for name, t := range map[string]tally{"visible by GET": watch.seen, "on the feed": watch.told} {
		r.atMost(g.title+"event published → "+name+" at "+which+", p99", "ms", 10, micros(t.latency.ValueAtPercentile(99))/1000)
	}
	return nil
}

// pack makes the whole load.
func (g *ingestScenario) pack(p *producer, rate float64) (all []packed, err error) {
	if err := p.flush(); err != nil {
		return nil, err
	}
	// Producers do not linger in step: each partition's batches have their own moment.
	phase := map[*partition]time.Duration{}
	for i, span := range g.spans {
		phase[p.partitions[span.topic][span.partition]] = tick * time.Duration(i) / time.Duration(len(g.spans))
	}
	n := 0
	for at := time.Duration(0); at < g.Duration; at += tick {
		open := map[*partition]*kafkaio.Batch{}
		for ; float64(n) < (at+tick).Seconds()*rate; n++ {
			record := g.next()
			to := p.partitions[record.Topic][p.place(record.Topic, record.Key)]
			b := open[to]
			if b == nil {
				b = &kafkaio.Batch{}
				open[to] = b
			}
			b.Add(time.Now().UnixMilli(), nil, record.Key, record.Value)
		}
		for to, b := range open {
			all = append(all, packed{to, b, at + phase[to]})
		}
	}
	slices.SortFunc(all, func(a, b packed) int { return cmp.Compare(a.at, b.at) })
	return all, nil
}

func sendPacked(ctx context.Context, p *producer, load []packed, begun time.Time, late *tally) error {
	for _, l := range load {
		for wait := time.Until(begun.Add(l.at)); wait > 0; wait = time.Until(begun.Add(l.at)) {
			pause(wait)
		}
		if err := errors.Join(ctx.Err(), p.err()); err != nil {
			return err
		}
		late.record(1, time.Since(begun.Add(l.at)))
		p.unsent.Add(1)
		// A copy, so that counting what was sent does not meet the reset after sending.
		sent := *l.batch
		l.to.queue <- &sent
	}
	return nil
}

// watch times markers.
type watch struct {
	mu      sync.Mutex // guards the next three
	due     [][]time.Time
	waiting int
	sent    bool // all there will be

	wake chan struct{} // something waits
	seen tally
	told tally // by the feed; guarded by mu
}

func newWatch(m *markers) *watch {
	return &watch{due: make([][]time.Time, len(m.places)), wake: make(chan struct{}, 1)}
}

// send publishes a marker whenever one is due, to each partition in turn.
func (w *watch) send(ctx context.Context, m *markers, p *producer, begun time.Time, rate float64, d time.Duration) error {
	defer func() {
		w.mu.Lock()
		w.sent = true
		w.mu.Unlock()
		w.awaken()
	}()
	plan := schedule{start: begun, rate: rate}
	for n := int64(0); ; n++ {
		due := plan.due(n)
		if due.Sub(begun) >= d {
			return p.flush()
		}
		for wait := time.Until(due); wait > 0; wait = time.Until(due) {
			pause(wait)
		}
		if err := errors.Join(ctx.Err(), p.err()); err != nil {
			return err
		}
		i := int(n) % len(m.places)
		w.mu.Lock()
		w.due[i] = append(w.due[i], due)
		w.waiting++
		w.mu.Unlock()
		m.mark(i)
		p.push()
		w.awaken()
	}
}

// allTold complains while the feed has not told of all that a GET has shown.
func (w *watch) allTold() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told.count < w.seen.count {
		return fmt.Errorf("it told of %d of %d markers", w.told.count, w.seen.count)
	}
	return nil
}

func (w *watch) awaken() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// lookEvery bounds what asking costs the service, and how exact the latency is.
const lookEvery = 200 * time.Microsecond

// look asks the service while markers are under way, until all have been seen.
func (w *watch) look(ctx context.Context, s *service, m *markers) error {
	c, err := dial(s.addr, time.Now().Add(10*time.Minute))
	if err != nil {
		return err
	}
	defer c.Close()
	begun := make([]int64, len(m.places)) // markers before these
	if err := m.seen(c, markerQuery(), begun); err != nil {
		return err
	}
	request, applied, counted := markerQuery(), make([]int64, len(m.places)), make([]int64, len(m.places))
	for lastSeen := time.Now(); ; {
		w.mu.Lock()
		waiting, sent := w.waiting, w.sent
		w.mu.Unlock()
		switch {
		case waiting == 0 && sent:
			return nil
		case waiting == 0:
			select {
			case <-w.wake:
			case <-ctx.Done():
				return ctx.Err()
			}
			lastSeen = time.Now()
			continue
		case time.Since(lastSeen) > 30*time.Second || ctx.Err() != nil:
			return errors.Join(ctx.Err(), fmt.Errorf("%d markers were not seen within 30 s", waiting))
		}
		if err := m.seen(c, request, applied); err != nil {
			return err
		}
		now := time.Now()
		w.mu.Lock()
		for i := range applied {
			for ; counted[i] < applied[i]-begun[i] && counted[i] < int64(len(w.due[i])); counted[i]++ {
				w.seen.record(1, now.Sub(w.due[i][counted[i]]))
				w.waiting--
				lastSeen = now
			}
		}
		w.mu.Unlock()
		pause(lookEvery)
	}
}
