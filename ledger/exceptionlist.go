package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// ExceptionFilter says which exceptions are listed; members left empty mean any.
type ExceptionFilter struct {
	Locations []Location
	SKU       SKU
	Category  string
	Code      ExceptionCode
	Cause     Cause
	Since     Millis // recorded then or later
	MinSize   int64  // of the difference, in thousandths of a unit
	Open      bool   // only those that nobody has resolved
	Resolved  bool   // only the others
}

func (f *ExceptionFilter) matches(l *Ledger, r *Raised) bool {
	switch {
	case len(f.Locations) > 0 && !slices.Contains(f.Locations, r.Location),
		f.SKU != 0 && r.SKU != f.SKU,
		f.Code != 0 && r.Code != f.Code,
		r.RecordedAt < f.Since,
		f.Category != "" && (r.SKU == 0 || l.catalogue.skus.get(uint32(r.SKU)).info.Category != f.Category):
		return false
	}
	if f.MinSize > 0 {
		size, sized := r.Size()
		for range 3 - l.Decimals(r.SKU) {
			size *= 10
		}
		return sized && max(size, -size) >= f.MinSize
	}
	return true
}

// exceptionsLookedAt bounds the work of one call: few of many may match.
const exceptionsLookedAt = 20_000

// Exceptions lists what matches, newest first, at most limit of them and only those
// before an id; the zero id is after all. Where there may be more, next is the id to go on
// before: then there can be fewer than limit, even none.
func (l *Ledger) Exceptions(f ExceptionFilter, before ExceptionID, limit int) (out []Raised, next ExceptionID, err error) {
	prefix := []byte{prefixException}
	if len(f.Locations) == 1 {
		prefix = binary.BigEndian.AppendUint32([]byte{prefixRaisedAt}, uint32(f.Locations[0]))
	}
	bounds := span(prefix...)
	if before != (ExceptionID{}) {
		bounds.UpperBound = binary.BigEndian.AppendUint64(slices.Clone(prefix), uint64(before.Seq)+1)
	}
	looked := 0
	err = l.scanBack(bounds, func(k, v []byte) error {
		seq := Seq(binary.BigEndian.Uint64(k[len(prefix):]))
		rec, ok, err := l.recordOf(seq, k, v)
		if err != nil || !ok {
			return err
		}
		if rec.recordedAt < f.Since-recordedSlackMillis {
			return errEnough // and so are all before it
		}
		for i := len(rec.exceptions) - 1; i >= 0; i-- {
			r := rec.raised(ExceptionID{seq, i})
			if before != (ExceptionID{}) && !r.ID.before(before) {
				continue
			}
			if len(out) == limit || looked == exceptionsLookedAt {
				next = ExceptionID{seq, i + 1}
				return errEnough
			}
			looked++
			if !f.matches(l, &r) {
				continue
			}
			ok, err := l.lookUp(&f, &r)
			if err != nil {
				return err
			}
			if ok {
				out = append(out, r)
			}
		}
		return nil
	})
	if err != nil && err != errEnough {
		return nil, ExceptionID{}, fmt.Errorf("list exceptions: %w", err)
	}
	return out, next, nil
}

// recordOf is the record of an entry that lies at k, in the one index or the other.
func (l *Ledger) recordOf(seq Seq, k, v []byte) (raisedRecord, bool, error) {
	if k[0] != prefixException {
		return l.raisedBy(seq)
	}
	rec, err := decodeRaised(v)
	return rec, true, err
}

// lookUp fills in what has to be looked up, and says whether that matches too.
func (l *Ledger) lookUp(f *ExceptionFilter, r *Raised) (ok bool, err error) {
	if r.Resolution, err = l.resolution(r.ID); err != nil || f.Open && r.Resolution != nil || f.Resolved && r.Resolution == nil {
		return false, err
	}
	r.Cause, err = l.cause(r)
	return f.Cause == NoCause || r.Cause == f.Cause, err
}

// scanBack calls fn with the keys within bounds and their values, the last first. Keys
// end with a seq.
func (l *Ledger) scanBack(bounds *pebble.IterOptions, fn func(key, value []byte) error) error {
	it, err := l.db.NewIter(bounds)
	if err != nil {
		return err
	}
	for it.Last(); it.Valid(); it.Prev() {
		v, err := it.ValueAndErr()
		if err == nil && len(it.Key()) < len(bounds.LowerBound)+8 {
			err = fmt.Errorf("a key of %d bytes", len(it.Key()))
		}
		if err == nil {
			err = fn(it.Key(), v)
		}
		if err != nil {
			it.Close()
			return err
		}
	}
	return errors.Join(it.Error(), it.Close())
}
