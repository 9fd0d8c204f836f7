// Package ingest turns what sources send into commands of the ledger: CloudEvents
// from Kafka partitions and over HTTP, and the master data in them.
//
// It promises: bytes from outside never panic and never hold up what comes after
// them; an event is applied whole or not at all, and once, however often it comes;
// what is refused is kept, with the reason, as a dead letter; a partition whose log
// does not go on where it was left is stopped and says so, and nothing is skipped in silence.
package ingest

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/zeebo/xxh3"

	"onhand/ledger"
)

// Applier turns what sources send into commands of the ledger. All methods may be
// called from many goroutines.
type Applier struct {
	// Systems are whose codes sources use, where that is not what stands before the first
	// slash of their name. It is set before the first event.
	Systems map[string]string

	ledger   *ledger.Ledger
	decoders sync.Pool // *decoder
	letters  letterLocks
}

// NewApplier makes an applier of events to l.
func NewApplier(l *ledger.Ledger) *Applier {
	a := &Applier{ledger: l}
	a.decoders.New = func() any { return a.decoder() }
	return a
}

func (a *Applier) decoder() *decoder { return &decoder{ledger: a.ledger, systems: a.Systems} }

// Submit applies one event and returns before it is durable: ledger.Wait for the
// result's Seq, which for a duplicate is that of the first. value is the event
// (structured mode), or its data where headers say so (binary mode); nothing of
// either is kept. The error is a *ledger.Refused, with a code that the contract has
// for events, when the event is bad; any other error is ours, and the event can be
// given again.
func (a *Applier) Submit(value []byte, headers []ledger.Header) (ledger.Result, error) {
	d := a.decoders.Get().(*decoder)
	r, err := d.submit(value, headers)
	a.decoders.Put(d)
	return r, err
}

func (d *decoder) submit(value []byte, headers []ledger.Header) (ledger.Result, error) {
	r, err := d.tryToSubmit(value, headers)
	return d.tally(r, err, len(value))
}

// tally counts what became of an event.
func (d *decoder) tally(r ledger.Result, err error, bytes int) (ledger.Result, error) {
	switch {
	case err != nil:
		return ledger.Result{}, countRefusal(err)
	case r.Duplicate:
		duplicates.Inc()
		d.ledger.SawDuplicate(d.intern(d.source))
	default:
		accepted.Inc()
	}
	eventBytes.Add(bytes)
	return r, nil
}

// countRefusal gives a refusal a code that the contract has for events. An event
// that met with an error of ours will come again and is counted then.
func countRefusal(err error) error {
	var r *ledger.Refused
	if !errors.As(err, &r) {
		return err
	}
	if r.Code == ledger.InUse {
		r = refuse(ledger.InvalidEvent, "%s", r.Detail)
	}
	refused.Inc()
	if n := refusals[r.Code]; n != nil {
		n.Inc()
	}
	return r
}

// tryToSubmit checks in this order: what can be read of the event alone, whether
// its name is known, age, quantities, then codes.
func (d *decoder) tryToSubmit(value []byte, headers []ledger.Header) (ledger.Result, error) {
	if err := d.read(value, headers); err != nil {
		return ledger.Result{}, err
	}
	name := ledger.EventName{Source: d.intern(d.source), ID: string(d.id), Time: d.time, Content: d.contentHash(), Sequence: d.sequence}
	if done, err := d.recall(&name); done != nil || err != nil {
		return *done, err
	}
	now := d.ledger.Now()
	if keep := d.ledger.Options().EventRetentionMillis; min(d.time, d.moment) < now-keep {
		return ledger.Result{}, refuse(ledger.TooOld, "it happened %s before it came, and names of events are kept for %s",
			days(now-min(d.time, d.moment)), days(keep))
	}
	d.system = d.ledger.System(d.systemName())
	switch d.kind {
	case kindItem:
		return d.commit(ledger.PutSKU{Info: d.item, Now: now, Name: name})
	case kindLocation:
		return d.commit(ledger.PutLocation{Info: d.place, Now: now, Name: name})
	case kindPolicy:
		return d.submitPolicy(name, now)
	case kindCount, kindSnapshot:
		return d.submitCount(name, now)
	case kindSaleVoid, kindStockVoid:
		return d.submitVoid(name, now)
	case kindPeriod:
		return d.submitPeriod(name, now)
	case kindInbound:
		return d.submitInbound(name, now)
	case kindHeartbeat:
		return d.submitHeartbeat(name, now)
	case kindOrderPlaced, kindOrderPaid, kindOrderCancelled, kindPaymentFailed:
		return d.submitOrder(name, now)
	default:
		return d.submitMovement(name, now)
	}
}

// systemName is whose codes the event's source uses.
func (d *decoder) systemName() string {
	source := d.intern(d.source)
	if s, ok := d.systems[source]; ok {
		return s
	}
	system, _, _ := strings.Cut(source, "/")
	return system
}

// commit gives the ledger what the event comes to, unless it is only judged.
func (d *decoder) commit(c ledger.Command) (ledger.Result, error) {
	if d.dry {
		return ledger.Result{}, errWouldApply
	}
	return d.ledger.Submit(c)
}

// recall finds an event that was applied under this name; its pointer is never nil with an error.
func (d *decoder) recall(name *ledger.EventName) (*ledger.Result, error) {
	seq, content, known, err := d.ledger.RecallEvent(name)
	switch {
	case err != nil:
		return &ledger.Result{}, err
	case !known:
		return nil, nil
	case content != name.Content:
		return &ledger.Result{}, refuse(ledger.IdempotencyMismatch,
			"an event with this source and id and other content was accepted as change %d", seq)
	}
	return &ledger.Result{Seq: seq, Duplicate: true}, nil
}

func (d *decoder) contentHash() uint64 {
	d.content = d.appendContent(d.content[:0])
	h := xxh3.Hash(d.content)
	if cap(d.content) > bufferBytesKept {
		d.content = nil
	}
	return h
}

func refuse(code ledger.Code, format string, args ...any) *ledger.Refused {
	return &ledger.Refused{Code: code, Detail: fmt.Sprintf(format, args...)}
}

func days(t ledger.Millis) string { return fmt.Sprintf("%d days", t/(24*60*60*1000)) }
