package ledger

import (
	"encoding/binary"
	"errors"
	"math"
)

// numbers and moments are what a source's record holds, in order, behind its entry.
func (s *source) numbers() [11]*uint64 {
	return [...]*uint64{&s.Events, &s.Today, &s.Heartbeats, &s.Ahead, &s.OutOfOrder, &s.next, &s.Filled, &s.Repeated, &s.Restarts, &s.GivenUp, &s.counted}
}

func (s *source) moments() [4]*Millis {
	return [...]*Millis{&s.LastEventAt, &s.LastArrivalAt, &s.LastHeartbeatAt, &s.AheadMax}
}

func (s *source) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(s.seq))
	for _, n := range s.numbers() {
		b = binary.AppendUvarint(b, *n)
	}
	for _, t := range s.moments() {
		b = binary.AppendUvarint(b, uint64(*t))
	}
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(s.first)), uint64(s.minute))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(s.lately))
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(s.week))
	b = binary.AppendUvarint(b, uint64(len(s.gaps)))
	for _, g := range s.gaps {
		b = binary.AppendUvarint(binary.AppendUvarint(b, g.From), g.To)
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(g.At)), uint64(g.loc))
	}
	return b
}

var errBadSource = errors.New("the record of a source does not decode")

func decodeSource(v []byte) (*source, error) {
	d := decoder{b: v}
	s := &source{seq: Seq(d.uvarint())}
	for _, n := range s.numbers() {
		*n = d.uvarint()
	}
	for _, t := range s.moments() {
		if *t = Millis(d.uvarint()); *t < 0 {
			d.fail()
		}
	}
	s.first, s.minute = int64(d.uvarint()), int64(d.uvarint())
	s.lately, s.week = math.Float64frombits(d.fixed64()), math.Float64frombits(d.fixed64())
	n := d.count(4)
	for range n {
		g := Gap{d.uvarint(), d.uvarint(), Millis(d.uvarint()), Location(d.uint32())}
		if g.To < g.From || g.To-g.From == math.MaxUint64 || g.At < 0 {
			d.fail()
		}
		s.gaps = append(s.gaps, g)
		s.Missing += g.To - g.From + 1
	}
	// Averages must stay numbers: with others in them they would be none for ever.
	if d.bad || len(d.b) != 0 || n > gapsMax || s.first < 0 || s.minute < s.first || !(s.lately >= 0 && s.lately < 1e18) || !(s.week >= 0 && s.week < 1e18) {
		return nil, errBadSource
	}
	return s, nil
}

func (l *Ledger) loadSources() error {
	t := &l.journal.sources
	t.byName = make(map[string]*source)
	return scan(l.db, span(prefixSource), func(k, v []byte) error {
		s, err := decodeSource(v)
		if err != nil {
			return err
		}
		s.Source = string(k[1:])
		t.byName[s.Source] = s
		for _, g := range s.gaps {
			t.gap(s, g.loc)
		}
		return nil
	})
}

// sourcesAtOnce is how many are written down between two times that the journal is held up.
const sourcesAtOnce = 64

func (w *checkpointWriter) sources() error {
	j := &w.l.journal
	j.mu.Lock()
	fresh := j.sources.fresh
	j.sources.fresh = nil
	j.mu.Unlock()
	type record struct {
		name  string
		value []byte
		seq   Seq
	}
	for len(fresh) > 0 {
		some := fresh[:min(sourcesAtOnce, len(fresh))]
		fresh = fresh[len(some):]
		var records []record
		j.mu.Lock()
		for _, s := range some {
			if s.fresh = false; !s.gone {
				records = append(records, record{s.Source, s.append(nil), s.seq})
			}
		}
		j.mu.Unlock()
		for _, r := range records {
			if err := w.set(idKey(prefixSource, r.name), r.value, r.seq); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneSources drops those that have told of nothing since a moment.
func (l *Ledger) pruneSources(since Millis) error {
	t := &l.journal.sources
	var old []string
	l.journal.mu.Lock()
	for name, s := range t.byName {
		if s.LastArrivalAt < since {
			s.gone = true
			delete(t.byName, name)
			gaps := s.gaps
			s.gaps = nil
			for _, g := range gaps {
				t.noGap(s, g.loc)
			}
			old = append(old, name)
		}
	}
	l.journal.mu.Unlock()
	d := deleter{l: l, batch: l.db.NewBatch()}
	var err error
	for i := 0; i < len(old) && err == nil; i++ {
		err = d.delete(idKey(prefixSource, old[i]))
	}
	return d.end(err)
}
