package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Resolution is what a person found of an exception. There is one at most of each.
type Resolution struct {
	Exception ExceptionID
	Seq       Seq // the entry that holds it
	At        Millis
	By, Note  string
}

// ErrNoException says that no exception has that id, or none any more.
var ErrNoException = errors.New("no such exception")

// ResolveException closes an exception. One that is closed stays as it is, and the call
// answers with that.
type ResolveException struct {
	ID       ExceptionID
	By, Note string
	Key      CallKey
	Now      Millis
}

// apply waits until the resolution is durable: the next one looks for it on disk.
func (c ResolveException) apply(l *Ledger) (Result, error) {
	l.resolving.Lock()
	defer l.resolving.Unlock()
	_, known, err := l.Exception(c.ID)
	if err != nil {
		return Result{}, err
	}
	old, err := l.resolution(c.ID)
	if err != nil {
		return Result{}, err
	}
	res, first, err := c.enter(l, known, old)
	if err != nil {
		return Result{}, err
	}
	if first != 0 {
		e, err := l.Entry(first)
		if err != nil {
			return Result{}, err
		}
		r, err := e.Resolution()
		return Result{Seq: first, Resolution: &r, Replayed: true}, err
	}
	return res, l.Wait(res.Seq)
}

// enter makes the entry, or tells the entry of the call that was made before with its key.
func (c ResolveException) enter(l *Ledger, known bool, old *Resolution) (res Result, first Seq, err error) {
	slot, first, err := l.beginKey(c.Key, c.Now)
	if first != 0 || err != nil {
		return Result{}, first, err
	}
	defer slot.end()
	switch {
	case !known:
		return Result{}, 0, fmt.Errorf("%v: %w", c.ID, ErrNoException)
	case old != nil && c.Key == (CallKey{}):
		return Result{Seq: old.Seq, Resolution: old}, 0, nil
	}
	e := newEntry(KindExceptionResolved, c.Now)
	defer e.free()
	e.key = c.Key
	r := Resolution{Exception: c.ID, At: c.Now, By: c.By, Note: c.Note}
	if old != nil {
		r = *old // nothing changes, but the key must be remembered
	}
	e.payload = r.append(nil)
	seq := l.journal.append(e)
	slot.taken(seq, c.Now)
	if r.Seq == 0 {
		r.Seq = seq
	}
	return Result{Seq: seq, Resolution: &r}, 0, nil
}

// append writes a resolution; a Seq of 0 is that of the entry it lies in.
func (r *Resolution) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(r.Exception.Seq))
	b = binary.AppendUvarint(b, uint64(r.Exception.Index))
	b = binary.AppendUvarint(b, uint64(r.Seq))
	b = binary.AppendUvarint(b, uint64(r.At))
	return appendString(appendString(b, r.By), r.Note)
}

func decodeResolution(b []byte) (r Resolution, err error) {
	d := decoder{b: b}
	r.Exception = ExceptionID{Seq(d.uvarint()), int(d.uint32())}
	r.Seq, r.At, r.By, r.Note = Seq(d.uvarint()), Millis(d.uvarint()), d.string(), d.string()
	if d.bad || len(d.b) != 0 || r.At < 0 {
		return Resolution{}, errors.New("a resolution does not decode")
	}
	return r, nil
}

// Resolution reads the resolution that an entry holds. Where its Seq is not the entry's,
// the entry only remembers the key of a call that came later.
func (e *Entry) Resolution() (Resolution, error) {
	r, err := decodeResolution(e.Payload)
	if err != nil || e.Kind != KindExceptionResolved {
		return Resolution{}, fmt.Errorf("entry %d: %w", e.Seq, errors.Join(err, errors.New("a resolution does not decode")))
	}
	if r.Seq == 0 {
		r.Seq = e.Seq
	}
	return r, nil
}

// resolutionNote is the record by which the draft's resolution is found.
func (e *entryDraft) resolutionNote(seq Seq) []note {
	r, err := decodeResolution(e.payload)
	if err != nil || r.Seq != 0 {
		return nil // one that was made before
	}
	r.Seq = seq
	return []note{{resolutionKey(r.Exception), r.append(nil)}}
}

func resolutionKey(id ExceptionID) []byte {
	return binary.BigEndian.AppendUint32(seqKey(prefixResolution, id.Seq), uint32(id.Index))
}

// resolution finds what a person found of an exception, nil if nobody did.
func (l *Ledger) resolution(id ExceptionID) (*Resolution, error) {
	v, closer, err := l.db.Get(resolutionKey(id))
	if err == pebble.ErrNotFound {
		return nil, nil
	}
	var r Resolution
	if err == nil {
		r, err = decodeResolution(v)
		err = errors.Join(err, closer.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("resolution of exception %v: %w", id, err)
	}
	return &r, nil
}
