package simulate

import (
	"strings"
	"sync/atomic"
	"syscall"

	"onhand/ingest"
	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// stopsMax bounds how often a process is stopped by its disk: what it leaves behind in
// this one, goroutines that wait for ever and their memory, cannot be taken back.
const stopsMax = 400

// fault lets the disk fail during one command: one operation, or all of a kind from then
// on. The command is then answered rightly, or refused as something that is our fault, or
// the ledger stops the process; in no case is anything lost that was acknowledged.
func (h *history) fault() {
	if h.tally.stops.Load() > stopsMax {
		return
	}
	h.tally.faults.Add(1)
	h.trap.disarm()
	op := ledgertest.Op(h.rng.IntN(4))
	why := []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS}[h.rng.IntN(3)]
	on, once := aim(h.rng.IntN(3)), h.rng.IntN(2) == 0
	var left, hits atomic.Int64
	left.Store(int64(1 + h.rng.IntN(4)))
	h.log("fault: %v %v, at %d, once: %v", op, why, on, once)
	disk := h.disk
	disk.Hook(func(o ledgertest.Op, path string) error {
		log := strings.HasSuffix(path, ".log")
		if o != op || on != atAnything && (on == atLog) != log {
			return nil
		}
		if n := left.Add(-1); n == 0 || n < 0 && !once {
			hits.Add(1)
			return why
		}
		return nil
	})
	switch h.rng.IntN(4) {
	case 0:
		h.faultyCheckpoint()
	case 1:
		h.faultyBatch()
	default:
		h.faultyCall()
	}
	disk.Hook(nil)
	// What nobody waited for may have failed as well.
	if err, stopped := attempt(h, func() error { return h.l.Wait(h.l.Seq()) }); err != nil || stopped != nil {
		h.die(stopped != nil)
	}
}

// attempt runs do, which may never return where the process is stopped meanwhile.
func attempt[T any](h *history, do func() T) (res T, stopped error) {
	done := make(chan T, 1)
	go func() { done <- do() }()
	select {
	case res = <-done:
		select {
		case stopped = <-h.stopped: // before that was answered
		default:
		}
	case stopped = <-h.stopped:
	}
	if stopped != nil {
		h.log("stopped: %v", stopped)
		h.tally.stops.Add(1)
	}
	return res, stopped
}

func (h *history) faultyCheckpoint() {
	err, stopped := attempt(h, h.l.Checkpoint)
	if err != nil || stopped != nil {
		h.die(stopped != nil)
		return
	}
	h.wait()
}

func (h *history) faultyCall() {
	c := h.gen.reserve(&h.clients)
	if h.rng.IntN(2) == 0 {
		c = h.gen.change(h.now_, &h.clients)
	}
	type answered struct {
		res ledger.Result
		err error
	}
	h.tally.calls.Add(1)
	before, promises, now := h.l.Seq(), h.promises, h.clock.Now()
	a, stopped := attempt(h, func() answered {
		res, err := c.do(promises, now)
		return answered{res, err}
	})
	switch {
	case stopped == nil && (a.err == nil || refusal(a.err) != ledger.OK):
		h.heard(c, a.res, a.err)
	case h.l.Seq() != before:
		h.did(c.op(), h.l.Seq())
		h.die(stopped != nil)
	default:
		h.die(stopped != nil)
	}
}

func (h *history) faultyBatch() {
	events := h.gen.events(h.now_, 1+h.rng.IntN(3), false)
	var texts []string
	for _, e := range events {
		texts = append(texts, string(e.text))
	}
	type answered struct {
		res ingest.BatchResult
		err error
	}
	applier, before := h.applier, h.l.Seq()
	a, stopped := attempt(h, func() answered {
		res, err := applier.Batch([]byte("[" + strings.Join(texts, ",") + "]"))
		return answered{res, err}
	})
	if stopped == nil && a.err == nil {
		h.batch(events, &a.res)
		h.ack(a.res.Seq)
		return
	}
	// None was answered. Where it failed, those before that were submitted.
	m, seq, submitted := h.now_.clone(), before, h.l.Seq()
	for _, e := range events {
		o := opEvent{e: e, now: h.clock.Now()}
		out := o.apply(m)
		if seq += ledger.Seq(out.entries); seq > submitted {
			break
		}
		h.did(o, seq)
		if out.code == ledger.OK {
			continue
		}
		if seq++; seq > submitted {
			break
		}
		h.letter(e, out.code, seq)
	}
	h.die(stopped != nil)
}

// die ends the process: what was written may be on the disk or, if the power goes
// with it, not.
func (h *history) die(stuck bool) {
	percent := []int{0, 100, 100, h.rng.IntN(101)}[h.rng.IntN(4)]
	h.disk.Hook(nil)
	// What it calls durable could have been acknowledged at any moment before it died.
	acked := max(ledger.Seq(h.acked.Load()), h.l.Durable())
	left := h.disk.Cut(percent, h.rng.Uint64())
	if !stuck {
		h.abandon()
	}
	h.disk, h.trap.disk = left, left
	h.tally.cuts.Add(1)
	h.reopen(acked)
}
