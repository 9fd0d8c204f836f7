package availability

import (
	"encoding/json"

	"onhand/ledger"
)

// scope is what changes of master data and rules concern, beside the positions
// that moved. It may name more than that, never less.
type scope struct {
	first, last ledger.Seq // the entries that made it so; 0: none
	all         bool
	skus        map[ledger.SKU]bool
	locations   map[ledger.Location]bool
	categories  map[string]bool
}

func (s *scope) add(seq ledger.Seq) {
	if s.first == 0 {
		s.first = seq
	}
	s.last = seq
}

// clamp keeps a seq below what the scope still holds.
func (s *scope) clamp(seq ledger.Seq) ledger.Seq {
	if s.first != 0 {
		return min(seq, s.first-1)
	}
	return seq
}

func mark[K comparable](m *map[K]bool, k K) {
	if *m == nil {
		*m = make(map[K]bool)
	}
	(*m)[k] = true
}

// master is what a reader of the journal knew of master data and rules before the
// entry that it reads, so that a change of a name is no news about 100,000 positions.
type master struct {
	ledger *ledger.Ledger
	asOf   ledger.Seq               // entries up to here are in what follows; of those before, it is not known what they changed
	active map[ledger.Location]bool // of those not deleted
	known  ledger.Location          // the greatest number of one that is or was known
	rules  map[rule]ruleValue
}

// rule names a rule of safety stock.
type rule struct {
	sku      ledger.SKU
	loc      ledger.Location
	category string
}

type ruleValue struct {
	units int64
	none  bool
}

func newMaster(l *ledger.Ledger) master {
	m := master{ledger: l, active: make(map[ledger.Location]bool)}
	// What is accepted while this reads may be in it or not, and is treated as if it were.
	l.Locations(0, func(id ledger.Location, info ledger.LocationInfo) bool {
		m.active[id], m.known = info.Active, id
		return true
	})
	m.rules = ruleSet(l)
	m.asOf = l.Seq()
	return m
}

func ruleSet(l *ledger.Ledger) map[rule]ruleValue {
	rules, _ := l.SafetyRules()
	set := make(map[rule]ruleValue, len(rules))
	for _, r := range rules {
		set[rule{r.SKU, r.Location, r.Category}] = ruleValue{r.Units, r.None}
	}
	return set
}

// note adds what the entry concerns to s.
func (m *master) note(e *ledger.Entry, s *scope) {
	switch e.Kind {
	case ledger.KindSKU, ledger.KindSKUDeleted:
		s.add(e.Seq)
		mark(&s.skus, ledger.SKU(e.ID))
	case ledger.KindLocation, ledger.KindLocationDeleted:
		m.noteLocation(e, s)
	case ledger.KindSafety:
		m.noteRules(e, s)
	}
}

func (m *master) noteLocation(e *ledger.Entry, s *scope) {
	id := ledger.Location(e.ID)
	was, there := m.active[id]
	isNew := id > m.known
	m.known = max(m.known, id)
	delete(m.active, id)
	var info ledger.LocationInfo
	if e.Kind == ledger.KindLocation && json.Unmarshal(e.Payload, &info) == nil {
		m.active[id] = info.Active
		// A new location has no positions; one that comes back after it was deleted has.
		if e.Seq > m.asOf && (isNew || there && was == info.Active) {
			return
		}
	}
	s.add(e.Seq)
	mark(&s.locations, id)
}

func (m *master) noteRules(e *ledger.Entry, s *scope) {
	s.add(e.Seq)
	if e.Seq <= m.asOf {
		s.all = true
		return
	}
	// The rules may be those of a later entry already: what that one changes is
	// then told of here, and again when it is read.
	now := ruleSet(m.ledger)
	differ := func(k rule) {
		switch {
		case k.sku != 0:
			mark(&s.skus, k.sku)
		case k.category != "":
			mark(&s.categories, k.category)
		case k.loc != 0:
			mark(&s.locations, k.loc)
		default:
			s.all = true
		}
	}
	for k, v := range now {
		if old, ok := m.rules[k]; !ok || old != v {
			differ(k)
		}
	}
	for k := range m.rules {
		if _, ok := now[k]; !ok {
			differ(k)
		}
	}
	m.rules = now
}

// sweep yields a signal for each position that the scope concerns. It holds no
// lock for longer than one SKU takes.
func (w *window) sweep(yield func(*Signal) bool) error {
	if w.scope.first == 0 {
		return nil
	}
	l, more := w.stock.ledger, true
	var err error
	one := func(id ledger.SKU, category string) bool {
		if w.scope.all || w.scope.skus[id] || category != "" && w.scope.categories[category] {
			more, err = w.sweepSKU(id, yield)
			return more
		}
		for loc := range w.scope.locations {
			row, _ := l.Position(id, loc, l.Now())
			if more, err = w.found(id, row, yield); !more {
				return false
			}
		}
		return true
	}
	if w.scope.all || len(w.scope.locations) > 0 || len(w.scope.categories) > 0 {
		l.SKUs(0, func(id ledger.SKU, info ledger.SKUInfo) bool { return one(id, info.Category) })
	}
	for id := range w.scope.skus {
		// Deleted ones are not among those listed above; others may come twice.
		if more {
			more, err = w.sweepSKU(id, yield)
		}
	}
	w.swept = l.Seq()
	if more {
		_, err = w.emit(yield)
	}
	return err
}

func (w *window) sweepSKU(id ledger.SKU, yield func(*Signal) bool) (more bool, err error) {
	l := w.stock.ledger
	var rows []ledger.Row
	l.View([]ledger.SKU{id}, nil, l.Now(), func(v *ledger.View) { rows = v.Rows(id, nil) })
	for i := range rows {
		if more, err := w.found(id, rows[i], yield); !more {
			return false, err
		}
	}
	return true, nil
}

// found takes one row of a sweep. A row without an entry is no position.
func (w *window) found(id ledger.SKU, row ledger.Row, yield func(*Signal) bool) (more bool, err error) {
	if row.Seq == 0 || !w.only.admit(row.Location) {
		return true, nil
	}
	w.signals = append(w.signals, Signal{SKU: id, Row: row, Seq: w.scope.last, Safe: w.scope.first - 1, Changed: true})
	if len(w.signals) < signalsAtOnce {
		return true, nil
	}
	return w.emit(yield)
}
