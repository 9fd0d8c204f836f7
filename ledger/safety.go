package ledger

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// SafetyRule says how many units are never promised. A member left 0 or "" means
// any. The most specific rule wins: SKU+location, SKU, category+location,
// category, location, none of them.
type SafetyRule struct {
	SKU      SKU
	Location Location
	Category string
	Units    int64 // thousandths of a unit, so that one rule serves SKUs of any decimals
	None     bool  // nothing of it is promised there
}

// SetSafety changes the safety stock rules: with Replace they become Set, else
// those in Remove go and those in Set are added or replaced. With IfMatch not 0
// it is refused as PreconditionFailed unless that was the latest change of rules.
type SetSafety struct {
	Set     []SafetyRule
	Remove  []SafetyRule
	Replace bool
	IfMatch Seq
	Now     Millis
	Name    EventName
}

// ruleKey names a rule; at most one of sku and category is set.
type ruleKey struct {
	sku      SKU
	loc      Location
	category uint32
}

// units is what a rule says: thousandths of a unit, or none may be promised.
type units int64

const unitsNone units = -1

// safetyRules is one version of the set. It is never changed in place.
type safetyRules struct {
	rules    map[ruleKey]units
	atSKU    map[SKU]bool    // SKUs with a rule that names SKU and location
	atCat    map[uint32]bool // categories likewise
	atAnyLoc bool            // a rule names a location alone
	seq      Seq             // the change that made this version
}

func newSafetyRules() *safetyRules {
	return &safetyRules{rules: map[ruleKey]units{}, atSKU: map[SKU]bool{}, atCat: map[uint32]bool{}}
}

// with returns the version after the change.
func (r *safetyRules) with(replace bool, set map[ruleKey]units, remove []ruleKey, seq Seq) *safetyRules {
	n := newSafetyRules()
	n.seq = seq
	if !replace {
		n.rules = maps.Clone(r.rules)
		for _, k := range remove {
			delete(n.rules, k)
		}
	}
	maps.Copy(n.rules, set)
	for k := range n.rules {
		switch {
		case k.loc == 0:
		case k.sku != 0:
			n.atSKU[k.sku] = true
		case k.category != 0:
			n.atCat[k.category] = true
		default:
			n.atAnyLoc = true
		}
	}
	return n
}

// skuSafety is the rules as they bear on one SKU: what is common to all its
// positions is looked up once.
type skuSafety struct {
	rules    *safetyRules
	sku      SKU
	category uint32
	decimals int
	at       bool  // some rule of this SKU, its category or any names a location
	base     units // what holds where no location is named
	baseSKU  bool  // base comes from the SKU's own rule, which beats category+location
	baseCat  bool
}

func (l *Ledger) safetyOf(id SKU) skuSafety {
	r := l.safety.Load()
	s := skuSafety{rules: r, sku: id}
	if len(r.rules) == 0 {
		return s
	}
	t := l.catalogue.skus.trait(uint32(id))
	s.category, s.decimals = t.category(), t.decimals()
	u, ok := r.rules[ruleKey{sku: id}]
	s.baseSKU = ok
	if !ok && s.category != 0 {
		u, ok = r.rules[ruleKey{category: s.category}]
		s.baseCat = ok
	}
	if !ok {
		u = r.rules[ruleKey{}]
	}
	s.base = u
	s.at = r.atSKU[id] || r.atAnyLoc || (s.category != 0 && r.atCat[s.category])
	return s
}

// units is the safety stock at a location, in the SKU's smallest steps; promised is
// false where nothing may be promised at all.
func (s *skuSafety) units(loc Location) (q Qty, promised bool) {
	u := s.base
	if s.at {
		u = s.lookup(loc)
	}
	if u == 0 {
		return 0, true
	}
	if u == unitsNone {
		return 0, false
	}
	return scaleUp(u, s.decimals), true
}

func (s *skuSafety) lookup(loc Location) units {
	if u, ok := s.rules.rules[ruleKey{sku: s.sku, loc: loc}]; ok {
		return u
	}
	if s.baseSKU {
		return s.base
	}
	if s.category != 0 {
		if u, ok := s.rules.rules[ruleKey{category: s.category, loc: loc}]; ok {
			return u
		}
	}
	if s.baseCat {
		return s.base
	}
	if u, ok := s.rules.rules[ruleKey{loc: loc}]; ok {
		return u
	}
	return s.base
}

// scaleUp turns thousandths into steps of a SKU, rounded up: a rule of 0.5 keeps one piece.
func scaleUp(u units, decimals int) Qty {
	step := int64(1)
	for range 3 - decimals {
		step *= 10
	}
	return clampQty((int64(u) + step - 1) / step)
}

func (c SetSafety) apply(l *Ledger) (Result, error) {
	l.catalogue.put.Lock()
	defer l.catalogue.put.Unlock()
	slot, done, err := l.beginEvent(c.Name)
	if done != nil || err != nil {
		return deref(done), err
	}
	defer slot.end()
	old := l.safety.Load()
	if c.IfMatch != 0 && c.IfMatch != old.seq {
		return Result{}, refuse(PreconditionFailed, fmt.Sprintf("the rules in force are of change %d", old.seq))
	}
	set := make(map[ruleKey]units, len(c.Set))
	for _, r := range c.Set {
		u := units(r.Units)
		if r.None {
			u = unitsNone
		}
		set[l.ruleKey(r)] = u
	}
	remove := make([]ruleKey, len(c.Remove))
	for i, r := range c.Remove {
		remove[i] = l.ruleKey(r)
	}
	next := old.with(c.Replace, set, remove, 0)

	l.lockShards(allShards)
	defer l.unlockShards(allShards)
	e := newEntry(KindSafety, c.Now)
	defer e.free()
	e.name(c.Name)
	e.payload = l.encodeRules(c.Replace, set, remove)
	l.journal.appendThen(e, func(seq Seq) {
		next.seq = seq
		l.safety.Store(next)
	})
	slot.taken(next.seq)
	return Result{Seq: next.seq}, nil
}

func (l *Ledger) ruleKey(r SafetyRule) ruleKey {
	k := ruleKey{sku: r.SKU, loc: r.Location}
	if r.Category != "" {
		k.category = l.catalogue.category(r.Category)
	}
	return k
}

// SafetyRules lists the rules in force, in no order, and the change that made them so.
func (l *Ledger) SafetyRules() ([]SafetyRule, Seq) {
	r := l.safety.Load()
	out := make([]SafetyRule, 0, len(r.rules))
	for k, u := range r.rules {
		out = append(out, SafetyRule{SKU: k.sku, Location: k.loc, Category: l.catalogue.categoryName(k.category),
			Units: max(int64(u), 0), None: u == unitsNone})
	}
	return out, r.seq
}

// encodeRules writes a change of rules. Categories go by name: their numbers are
// given anew at each start.
func (l *Ledger) encodeRules(replace bool, set map[ruleKey]units, remove []ruleKey) []byte {
	b := []byte{0}
	if replace {
		b[0] = 1
	}
	key := func(k ruleKey) {
		b = binary.AppendUvarint(b, uint64(k.sku))
		b = binary.AppendUvarint(b, uint64(k.loc))
		b = appendString(b, l.catalogue.categoryName(k.category))
	}
	b = binary.AppendUvarint(b, uint64(len(set)))
	for _, k := range l.catalogue.sortedRules(set) {
		key(k)
		b = binary.AppendVarint(b, int64(set[k]))
	}
	b = binary.AppendUvarint(b, uint64(len(remove)))
	for _, k := range remove {
		key(k)
	}
	return b
}

var errBadRules = errors.New("rules do not decode")

func (l *Ledger) decodeRules(b []byte) (replace bool, set map[ruleKey]units, remove []ruleKey, err error) {
	d := decoder{b: b}
	how := d.byte()
	if how > 1 {
		d.fail()
	}
	replace = how == 1
	key := func() ruleKey {
		k := ruleKey{sku: SKU(d.uint32()), loc: Location(d.uint32())}
		if c := d.string(); c != "" {
			k.category = l.catalogue.category(c)
		}
		return k
	}
	n := d.count(3)
	set = make(map[ruleKey]units, n)
	for range n {
		k := key()
		if set[k] = units(d.varint()); set[k] < unitsNone {
			d.fail()
		}
	}
	for range d.count(3) {
		remove = append(remove, key())
	}
	if d.bad || len(d.b) != 0 {
		return false, nil, nil, errBadRules
	}
	return replace, set, remove, nil
}

// sortedRules orders a set by name, not by map or category number: the same
// command gives the same bytes.
func (c *catalogue) sortedRules(set map[ruleKey]units) []ruleKey {
	return slices.SortedFunc(maps.Keys(set), func(a, b ruleKey) int {
		return cmp.Or(cmp.Compare(a.sku, b.sku), cmp.Compare(a.loc, b.loc),
			cmp.Compare(c.categoryName(a.category), c.categoryName(b.category)))
	})
}
