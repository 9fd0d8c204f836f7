package ledger

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// Tally is how right the figures of some positions were when they were counted.
type Tally struct {
	Counted uint64 // figures that a count or snapshot settled, but for those that opened their position
	Within  uint64 // of them, those that differed by no more than is tolerated
	Exact   uint64 // of them, those that did not differ
}

// Add adds up two tallies.
func (t *Tally) Add(u Tally) {
	t.Counted += u.Counted
	t.Within += u.Within
	t.Exact += u.Exact
}

// Accuracy is the tally of one source of counts at one location on one day.
type Accuracy struct {
	Location Location
	Source   string
	Day      Millis // when it began, in UTC
	Tally
}

type accuracyKey struct {
	day    uint16
	loc    Location
	source string
}

// accuracyBucket is a tally, and the latest entry that is in it: a replay begins there.
type accuracyBucket struct {
	Tally
	seq   Seq
	fresh bool // not yet written to its own key
}

// accuracyMax bounds the sources that are told apart, as feedsMax does: what others count
// goes to their location without a source.
const accuracyMax = 200_000

// accuracies are the tallies by day. The journal's lock guards them: so one holds every
// entry up to its seq, and none after.
type accuracies struct {
	buckets map[accuracyKey]*accuracyBucket
	fresh   []accuracyKey
}

func (a *accuracies) add(k accuracyKey, seq Seq, t Tally) {
	b := a.buckets[k]
	if b == nil {
		if len(a.buckets) >= accuracyMax {
			k.source = ""
			b = a.buckets[k]
		}
		if b == nil {
			if a.buckets == nil {
				a.buckets = make(map[accuracyKey]*accuracyBucket)
			}
			b = new(accuracyBucket)
			a.buckets[k] = b
		}
	}
	if seq <= b.seq {
		return // a replay, and it was in what the checkpoint wrote
	}
	b.Add(t)
	b.seq = seq
	if !b.fresh {
		b.fresh = true
		a.fresh = append(a.fresh, k)
	}
}

// tally looks over the lines of a count.
func (l *Ledger) tally(lines []EntryLine, exceptions []Exception) (t Tally) {
	for i := range lines {
		if lines[i].Settled && lines[i].Prev != 0 {
			t.Counted++
		}
	}
	t.Exact, t.Within = t.Counted, t.Counted
	for i := range exceptions {
		if x := &exceptions[i]; x.Code == CountDifference && t.Exact > 0 {
			t.Exact--
			if !l.tolerated(x) {
				t.Within--
			}
		}
	}
	return t
}

// tolerated says that a difference is within the units, or the part of what was counted,
// that accuracy lets pass.
func (l *Ledger) tolerated(x *Exception) bool {
	difference := int64(x.Counted) - int64(x.Believed)
	difference = max(difference, -difference)
	units := l.opts.AccuracyUnits
	for range l.Decimals(x.SKU) {
		units *= 10
	}
	return float64(difference) <= units || float64(difference)*100 <= l.opts.AccuracyPercent*float64(x.Counted)
}

// Accuracy lists tallies since a day of those that any of the locations has, none meaning
// all: by location, then source, then day.
func (l *Ledger) Accuracy(since Millis, locations []Location) (out []Accuracy) {
	first := dayOf(since)
	l.journal.mu.Lock()
	for k, b := range l.journal.accuracies.buckets {
		if k.day >= first && (len(locations) == 0 || slices.Contains(locations, k.loc)) {
			out = append(out, Accuracy{k.loc, k.source, Millis(k.day) * dayMillis, b.Tally})
		}
	}
	l.journal.mu.Unlock()
	slices.SortFunc(out, func(a, b Accuracy) int {
		return cmp.Or(strings.Compare(l.LocationName(a.Location), l.LocationName(b.Location)), strings.Compare(a.Source, b.Source), cmp.Compare(a.Day, b.Day))
	})
	return out
}

func (k accuracyKey) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, prefixAccuracy), k.day)
	return append(binary.BigEndian.AppendUint32(b, uint32(k.loc)), k.source...)
}

func (b *accuracyBucket) append(v []byte) []byte {
	for _, n := range []uint64{uint64(b.seq), b.Counted, b.Within, b.Exact} {
		v = binary.AppendUvarint(v, n)
	}
	return v
}

func decodeAccuracy(k, v []byte) (key accuracyKey, b accuracyBucket, err error) {
	d := decoder{b: v}
	b.seq, b.Counted, b.Within, b.Exact = Seq(d.uvarint()), d.uvarint(), d.uvarint(), d.uvarint()
	if d.bad || len(d.b) != 0 || len(k) < 7 || b.Exact > b.Within || b.Within > b.Counted {
		return key, b, errors.New("a record of accuracy does not decode")
	}
	return accuracyKey{binary.BigEndian.Uint16(k[1:]), Location(binary.BigEndian.Uint32(k[3:])), string(k[7:])}, b, nil
}

func (l *Ledger) loadAccuracy() error {
	a := &l.journal.accuracies
	a.buckets = make(map[accuracyKey]*accuracyBucket)
	return scan(l.db, span(prefixAccuracy), func(k, v []byte) error {
		key, b, err := decodeAccuracy(k, v)
		a.buckets[key] = &b
		return err
	})
}

func (w *checkpointWriter) accuracy() error {
	j := &w.l.journal
	j.mu.Lock()
	keys := j.accuracies.fresh
	j.accuracies.fresh = nil
	buckets := make([]accuracyBucket, len(keys))
	for i, k := range keys {
		if b := j.accuracies.buckets[k]; b != nil {
			b.fresh = false
			buckets[i] = *b
		}
	}
	j.mu.Unlock()
	for i, k := range keys {
		if buckets[i].seq == 0 {
			continue // it was dropped meanwhile
		}
		if err := w.set(k.append(nil), buckets[i].append(nil), buckets[i].seq); err != nil {
			return err
		}
	}
	return nil
}

// pruneAccuracy drops the days before one.
func (l *Ledger) pruneAccuracy(oldest uint16) error {
	j := &l.journal
	j.mu.Lock()
	for k := range j.accuracies.buckets {
		if k.day < oldest {
			delete(j.accuracies.buckets, k)
		}
	}
	j.mu.Unlock()
	return l.db.DeleteRange([]byte{prefixAccuracy}, binary.BigEndian.AppendUint16([]byte{prefixAccuracy}, oldest), nil)
}
