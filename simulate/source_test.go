package simulate

import (
	"context"
	"encoding/binary"
	"runtime"
	"strings"
	"sync"

	"onhand/ingest"
	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// source is a topic of one partition: what its till or warehouse told, late, doubled
// and out of order, and how far it was read.
type source struct {
	topic   string
	records []record
	late    []*event
	next    int
}

// record is one event in the topic, and the entry that holds its effect.
type record struct {
	e   *event
	seq ledger.Seq
}

// produce appends n records.
func (s *source) produce(g *generator, m *model, n int) {
	for _, e := range g.events(m, n, true) {
		switch {
		case g.n(6) == 0:
			s.late = append(s.late, e)
			continue
		case g.n(6) == 0 && len(s.late) > 0:
			i := g.n(len(s.late))
			s.records = append(s.records, record{e: s.late[i]})
			s.late = append(s.late[:i], s.late[i+1:]...)
		}
		s.records = append(s.records, record{e: e})
		if g.n(8) == 0 {
			s.records = append(s.records, record{e: e}) // the producer tried again
		}
	}
}

// consume reads some records as the consumer's loop does: events, dead letters for those
// that are refused, then the offset.
func (h *history) consume(s *source) {
	s.produce(&h.gen, h.now_, 1+h.rng.IntN(5))
	records := s.records[s.next:]
	records = records[:min(len(records), 1+h.rng.IntN(8))]
	var checkpoint chan error
	begin := func() { h.l.SetOffset("other", 0, ledger.Offset{Next: int64(s.next)}) }
	h.trap.holdLog(begin, func() {
		for i := range records {
			h.record(s, &records[i], s.next+i)
		}
		s.next += len(records)
		h.l.SetOffset(s.topic, 0, ledger.Offset{Next: int64(s.next)})
		if h.rng.IntN(4) == 0 {
			// A checkpoint that meets changes of which the disk knows nothing yet.
			h.log("checkpoint meanwhile")
			checkpoint = make(chan error, 1)
			go func() { checkpoint <- h.l.Checkpoint() }()
		}
	})
	h.wait()
	if checkpoint != nil {
		if err := <-checkpoint; err != nil {
			h.failf("%v", err)
		}
	}
	for { // the offset may be in a block of its own
		if o, _, err := h.l.Offset(s.topic, 0); err != nil {
			h.failf("%v", err)
		} else if int(o.Next) == s.next {
			break
		} else if int(o.Next) > s.next {
			h.failf("the offset of %s is %d, it was read up to %d", s.topic, o.Next, s.next)
		}
		runtime.Gosched()
	}
}

func (h *history) record(s *source, r *record, offset int) {
	h.tally.events.Add(1)
	now := h.clock.Now()
	res, err := h.applier.Submit(r.e.text, r.e.headers)
	r.seq = res.Seq
	if code := h.event(r.e, res.Duplicate, err); code != ledger.OK {
		letter := ledger.DeadLetter{ReceivedAt: now, Code: code.String(), Topic: s.topic, Offset: int64(offset), Value: r.e.text, Headers: r.e.headers}
		if res, err = h.l.Submit(&letter); err != nil {
			h.failf("submit a dead letter: %v", err)
		}
		r.seq = res.Seq
		h.letter(r.e, code, h.l.Seq())
		h.l.SetOffset(s.topic, 0, ledger.Offset{Next: int64(offset) + 1})
	}
}

// event notes an event that the ledger has judged.
func (h *history) event(e *event, duplicate bool, err error) ledger.Code {
	code := h.code(err)
	out := h.did(opEvent{e, h.clock.Now(), h.forgotten(e, code)}, h.l.Seq())
	h.log("event %s: %v", e.text, code)
	if code != out.code {
		h.failf("event %s: %v, the model says %v", e.text, err, out.code)
	}
	if code == ledger.OK && duplicate != (out.entries == 0) {
		h.failf("event %s: a duplicate: %v, the model says %v", e.text, duplicate, out.entries == 0)
	}
	return code
}

// forgotten says that a void may be refused because the journal is no longer kept back to
// what it undoes, or to what a count would leave without it. The model forgets nothing.
func (h *history) forgotten(e *event, code ledger.Code) bool {
	return e.kind.void() && code == ledger.TooOld && h.clock.Now() > ledgertest.Start+8*day
}

func (h *history) letter(e *event, code ledger.Code, seq ledger.Seq) {
	h.letters++
	h.did(opLetter{h.letters, e, code, h.clock.Now()}, seq)
}

// http sends events as one request, in the one order in which they are applied.
func (h *history) http(events []*event) {
	h.tally.events.Add(int64(len(events)))
	var texts []string
	for _, e := range events {
		if e.headers != nil {
			h.failf("binary mode over HTTP")
		}
		texts = append(texts, string(e.text))
	}
	res, err := h.applier.Batch([]byte("[" + strings.Join(texts, ",") + "]"))
	if err != nil {
		h.failf("batch: %v", err)
	}
	h.batch(events, &res)
	h.ack(res.Seq)
}

// batch notes what a request of events did. The entry of each follows from how many
// entries those after it made.
func (h *history) batch(events []*event, res *ingest.BatchResult) {
	type part struct {
		o       op
		entries int
	}
	var parts []part
	rejected := res.Rejected
	m := h.now_.clone()
	for _, e := range events {
		o := opEvent{e, h.clock.Now(), len(rejected) > 0 && rejected[0].ID == e.id && h.forgotten(e, rejected[0].Code)}
		out := o.apply(m)
		parts = append(parts, part{o, out.entries})
		if out.code == ledger.OK {
			continue
		}
		if len(rejected) == 0 || rejected[0].Code != out.code {
			h.failf("batch: %+v, the model says of %s %v", res.Rejected, e.text, out.code)
		}
		rejected = rejected[1:]
		h.letters++
		parts = append(parts, part{opLetter{h.letters, e, out.code, h.clock.Now()}, 1})
	}
	if len(rejected) > 0 {
		h.failf("batch: %+v, the model refuses fewer", res.Rejected)
	}
	seq := h.l.Seq()
	for _, p := range parts {
		seq -= ledger.Seq(p.entries)
	}
	for _, p := range parts {
		seq += ledger.Seq(p.entries)
		h.did(p.o, seq)
	}
	h.log("batch of %d: %+v", len(events), *res)
}

// masterArrives makes a code known that was not, and with it what waited for it.
func (h *history) masterArrives() {
	g := &h.gen
	var e *event
	if sku := pick(g, lateSKUs); !h.now_.skus[sku] {
		e = g.item(sku)
	} else if loc := lateLocations[0]; !h.now_.hasLocation(loc) {
		e = g.place(loc, true)
	} else {
		return
	}
	if h.rng.IntN(2) == 0 {
		h.http([]*event{e}) // and the retrier is started some time after
		return
	}
	h.retrying(e)
}

func (m *model) hasLocation(name string) bool { _, known := m.locations[name]; return known }

func (h *history) retry() { h.retrying(nil) }

// retrying lets the retrier work until it has closed the letters that the model says can
// be closed; meanwhile master data arrives, if it is given.
func (h *history) retrying(master *event) {
	now := h.clock.Now()
	expected := h.now_.clone()
	if master != nil {
		expected.event(master, now)
	}
	closings, want := 0, h.l.Seq()
	waiting := map[ledger.Seq]*letter{}
	for _, l := range h.now_.letters {
		if l.code != ledger.UnknownSKU && l.code != ledger.UnknownLocation {
			continue
		}
		waiting[h.letterSeq(l)] = l
		if out := expected.event(l.e, now); out.code == ledger.OK {
			closings++
			want += ledger.Seq(out.entries) + 1
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	follower := h.l.Read(h.l.Seq())
	run := func() { running.Go(func() { ingest.NewRetrier(h.l, h.applier).Run(ctx) }) }
	if master == nil && closings > 0 {
		h.trap.holdLog(func() { h.l.SetOffset("other", 0, ledger.Offset{}) }, func() {
			run()
			for h.l.Seq() < want && ctx.Err() == nil {
				runtime.Gosched()
			}
		})
	} else {
		run()
	}
	if master != nil {
		h.tally.events.Add(1)
		if res, err := h.applier.Batch(master.text); err != nil || res.Accepted != 1 {
			h.failf("master data %s: %+v %v", master.text, res, err)
		}
	}
	for closings > 0 || master != nil {
		entries, _, err := follower.Next(ctx)
		if err != nil {
			h.failf("wait for %d more letters to be closed: %v", closings, err)
		}
		for i := range entries {
			e := &entries[i]
			switch {
			case e.Kind == ledger.KindLetterClosed:
				seq, _ := binary.Uvarint(e.Payload)
				l := waiting[ledger.Seq(seq)]
				if l == nil {
					h.failf("letter %d was closed, which did not wait", seq)
				}
				delete(waiting, ledger.Seq(seq))
				h.did(opClose{l.id}, e.Seq)
				h.tally.retried.Add(1)
				closings--
			case master != nil && e.Source == master.source && e.EventID == master.id:
				h.did(opEvent{e: master, now: now}, e.Seq)
				master = nil
			default:
				h.retried(waiting, e, now)
			}
		}
	}
	cancel()
	running.Wait()
	h.wait()
}

// retried notes an entry that a letter made.
func (h *history) retried(waiting map[ledger.Seq]*letter, e *ledger.Entry, now ledger.Millis) {
	var first ledger.Seq
	for seq, l := range waiting {
		if l.e.source == e.Source && l.e.id == e.EventID && (first == 0 || seq < first) {
			first = seq
		}
	}
	if first == 0 {
		h.failf("entry %d, a %v, is of no letter", e.Seq, e.Kind)
	}
	l := waiting[first]
	defer h.log("letter %d is applied as %d: %s", first, e.Seq, l.e.text)
	if out := h.did(opEvent{e: l.e, now: now}, e.Seq); out.code != ledger.OK || out.entries != 1 {
		h.failf("letter %s was applied, the model says %v", l.e.text, out.code)
	}
}
