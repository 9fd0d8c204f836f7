package simulate

import (
	"cmp"
	"maps"
	"slices"

	"onhand/ledger"
)

// model is what onhand promises, said as slowly and plainly as can be, in names: it
// keeps every movement and every count, and works each figure out from nothing.
type model struct {
	skus         map[string]bool
	locations    map[string]bool // whether it is active
	safety       map[place]int   // units never promised, by SKU, or by SKU and location; noUnits: nothing is promised
	positions    map[place]*position
	reservations map[string]*reservation
	names        map[string]string    // of events: their content
	effects      map[string]*effect   // of stock events, by name
	documents    map[string]*document // of goods under way; replaced, never changed in place
	voids        map[string]bool      // names that were undone, or will be
	completes    map[string][]count   // snapshots of all of a location: of a position that is new, each says 0
	keys         map[string]*keyUse
	letters      []*letter
}

const noUnits = -1

const (
	skew      = 5 * minute
	retention = 45 * day
	second    = ledger.Millis(1000)
	minute    = 60 * second
	hour      = 60 * minute
	day       = 24 * hour
)

type place struct{ sku, location string }

type position struct {
	moves      []move
	counts     []count
	commits    []commit
	unsellable int
}

type move struct {
	time ledger.Millis
	name string // of its event
	n    int
}

type count struct {
	time       ledger.Millis
	source, id string
	n          int
	net        bool
	seen       int // how many changes of what is committed there were when it came
}

// commit is a change of what is committed. An event's is of its time whenever it comes,
// a call's of when it was made.
type commit struct {
	time  ledger.Millis
	event bool
	n     int
}

// keyUse is the call that an idempotency key belongs to, and its answer.
type keyUse struct {
	call   string
	answer *answer
}

// answer is the bytes that a call was first answered with, and the entry that they are from.
type answer struct {
	text string
	seq  ledger.Seq
}

// letter is a dead letter that waits.
type letter struct {
	id   int
	e    *event
	code ledger.Code
	at   ledger.Millis
}

func newModel() *model {
	return &model{skus: map[string]bool{}, locations: map[string]bool{}, safety: map[place]int{}, positions: map[place]*position{},
		reservations: map[string]*reservation{}, names: map[string]string{}, effects: map[string]*effect{}, documents: map[string]*document{}, voids: map[string]bool{},
		completes: map[string][]count{}, keys: map[string]*keyUse{}}
}

// clone copies what apply changes.
func (m *model) clone() *model {
	c := &model{skus: maps.Clone(m.skus), locations: maps.Clone(m.locations), safety: maps.Clone(m.safety), positions: map[place]*position{},
		reservations: map[string]*reservation{}, names: maps.Clone(m.names), effects: maps.Clone(m.effects), documents: maps.Clone(m.documents), voids: maps.Clone(m.voids),
		completes: maps.Clone(m.completes), keys: maps.Clone(m.keys), letters: slices.Clone(m.letters)}
	for at, p := range m.positions {
		c.positions[at] = &position{slices.Clip(p.moves), slices.Clip(p.counts), slices.Clip(p.commits), p.unsellable}
	}
	for id, r := range m.reservations {
		c.reservations[id] = r.clone()
	}
	return c
}

func (m *model) position(at place) *position {
	p := m.positions[at]
	if p == nil {
		p = &position{}
		for _, c := range m.completes[at.location] {
			c.seen = 0
			p.counts = append(p.counts, c)
		}
		m.positions[at] = p
	}
	return p
}

// latest is the count that holds: the later moment, at the same moment the greater name.
func (p *position) latest() (count, bool) {
	if len(p.counts) == 0 {
		return count{}, false
	}
	return slices.MaxFunc(p.counts, func(a, b count) int {
		return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.source, b.source), cmp.Compare(a.id, b.id))
	}), true
}

func (p *position) onHand() int {
	c, _ := p.latest()
	n := p.physical(c)
	for _, mv := range p.moves {
		if mv.time > c.time {
			n += mv.n
		}
	}
	return n
}

// physical is what was there by a count: what it said and what it had deducted.
func (p *position) physical(c count) int {
	n := c.n
	for i, k := range p.commits {
		if c.net && k.time <= c.time && (i < c.seen || k.event) {
			n += k.n
		}
	}
	return n
}

// committing notes what do changes of what is committed.
func (m *model) committing(event bool, do func() (time ledger.Millis)) {
	sum := func(into map[place]int, sign int) {
		for _, r := range m.reservations {
			for _, ln := range r.lines {
				into[ln.at] += sign * ln.committed
			}
		}
	}
	diff := map[place]int{}
	sum(diff, -1)
	t := do()
	sum(diff, 1)
	for at, n := range diff {
		if n != 0 {
			p := m.position(at)
			p.commits = append(p.commits, commit{t, event, n})
		}
	}
}

func (m *model) figures(at place) (f ledger.Figures) {
	if p := m.positions[at]; p != nil {
		f.OnHand, f.Unsellable = ledger.Qty(p.onHand()), ledger.Qty(p.unsellable)
	}
	for _, r := range m.reservations {
		for _, ln := range r.lines {
			if ln.at == at {
				f.Held += ledger.Qty(ln.held)
				f.Committed += ledger.Qty(ln.committed)
			}
		}
	}
	return f
}

// free is what is promised to nobody, before it is cut off at zero.
func (m *model) free(at place) int {
	f := m.figures(at)
	return int(f.OnHand) - max(0, int(f.Unsellable)) - int(f.Held) - int(f.Committed)
}

// available is what can be promised to someone who has own units there already.
func (m *model) available(at place, own int) int {
	s, ok := m.safety[at]
	if !ok {
		s = m.safety[place{sku: at.sku}]
	}
	if s == noUnits {
		return 0
	}
	return max(0, m.free(at)+own-s)
}

func (m *model) expire(now ledger.Millis) {
	for _, r := range m.reservations {
		if r.state == ledger.Held && r.expiresAt <= now {
			r.state, r.changedAt = ledger.Expired, r.expiresAt
			for i := range r.lines {
				r.lines[i].held = 0
			}
		}
	}
}

// outcome is what a command did.
type outcome struct {
	code    ledger.Code
	entries int     // how many entries it makes in the journal
	answer  *answer // of a call
	replay  bool    // the answer was given before
}

func refused(code ledger.Code) outcome { return outcome{code: code} }

// op is a command, to be applied to a model as often as one is made anew.
type op interface{ apply(m *model) outcome }

// opExpire is what time does.
type opExpire struct{ now ledger.Millis }

func (o opExpire) apply(m *model) outcome {
	m.expire(o.now)
	return outcome{}
}

// opEvent is an event that came, opLetter one that was refused and is kept.
type opEvent struct {
	e         *event
	now       ledger.Millis
	forgotten bool // a void of what the journal no longer holds: it was refused
}

func (o opEvent) apply(m *model) outcome {
	if o.forgotten {
		m.expire(o.now)
		return refused(ledger.TooOld)
	}
	return m.event(o.e, o.now)
}

type opLetter letter

func (o opLetter) apply(m *model) outcome {
	l := letter(o)
	m.letters = append(m.letters, &l)
	return outcome{entries: 1}
}

// opClose takes a letter off the list.
type opClose struct{ id int }

func (o opClose) apply(m *model) outcome {
	m.letters = slices.DeleteFunc(m.letters, func(l *letter) bool { return l.id == o.id })
	return outcome{entries: 1}
}
