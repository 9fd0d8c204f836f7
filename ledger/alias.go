package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// ByCall is the owner of what was set over HTTP, not by an event of a source.
const ByCall = "http"

// Systems whose codes are anyone's.
const (
	systemGTIN = "gtin"
	systemGLN  = "gln"
)

// alias is a code of a system, and whose it is.
type alias struct {
	id uint32 // the SKU's or location's number
}

// System are the codes that one system of the retailer has for SKUs and locations. Who
// looks up takes no lock; the holder of catalogue.put changes it.
type System struct {
	name      string
	skus      registry[alias]
	locations registry[alias]
}

// systems are those that any SKU or location has a code of, by name. A map here is never
// changed: one with more takes its place.
type systems struct {
	by    atomic.Pointer[map[string]*System]
	gtins *System // its SKUs are found by their GTIN in 14 digits
}

func newSystem(name string) *System {
	s := &System{name: name}
	none := func(*alias) traits { return 0 }
	s.skus.init(none)
	s.locations.init(none)
	return s
}

func (t *systems) init() {
	t.gtins = newSystem(systemGTIN)
	t.by.Store(&map[string]*System{systemGTIN: t.gtins})
}

func (t *systems) get(name string) *System { return (*t.by.Load())[name] }

func (t *systems) open(name string) *System {
	if s := t.get(name); s != nil {
		return s
	}
	grown := make(map[string]*System)
	for n, s := range *t.by.Load() {
		grown[n] = s
	}
	s := newSystem(name)
	grown[name] = s
	t.by.Store(&grown)
	return s
}

// find gives the number of the object that has the code now.
func (g *registry[T]) live(code []byte) *record[T] {
	n, ok := g.lookup(code)
	if !ok || !g.trait(n).known() {
		return nil
	}
	return g.get(n)
}

func setAlias(g *registry[alias], code string, id uint32) {
	n, ok := g.lookup([]byte(code))
	if !ok {
		n = g.size()
	}
	g.put(n, &record[alias]{info: alias{id}, name: code})
	g.dirty = g.dirty[:0] // what is written is the objects' own
}

// dropAlias takes a code away if it is this object's.
func dropAlias(g *registry[alias], code string, id uint32) {
	if r := g.live([]byte(code)); r != nil && r.info.id == id {
		n, _ := g.lookup([]byte(code))
		g.put(n, &record[alias]{info: r.info, name: code, deleted: true})
		g.dirty = g.dirty[:0]
	}
}

// System finds a system by name; nil where nothing has a code of it.
func (l *Ledger) System(name string) *System { return l.catalogue.systems.get(name) }

// FindSKU finds what a system means by a code: the SKU that has it as an alias there, else
// the SKU of that name, else the one whose GTIN it is, however many zeroes are in front.
// The system's own word goes first, for its 42 may be another's name. s may be nil.
func (l *Ledger) FindSKU(s *System, code []byte) (SKU, bool) {
	if s != nil {
		if r := s.skus.live(code); r != nil {
			return SKU(r.info.id), true
		}
	}
	if id, ok := l.LookupSKU(code); ok {
		return id, true
	}
	var digits [14]byte
	if gtin, ok := gtin14(digits[:0], code); ok {
		if r := l.catalogue.systems.gtins.skus.live(gtin); r != nil {
			return SKU(r.info.id), true
		}
	}
	return 0, false
}

// FindLocation is FindSKU for locations: an alias of the system, a name, a GLN.
func (l *Ledger) FindLocation(s *System, code []byte) (Location, bool) {
	if s != nil {
		if r := s.locations.live(code); r != nil {
			return Location(r.info.id), true
		}
	}
	if id, ok := l.LookupLocation(code); ok {
		return id, true
	}
	if s := l.System(systemGLN); s != nil {
		if r := s.locations.live(code); r != nil {
			return Location(r.info.id), true
		}
	}
	return 0, false
}

// owned are aliases with who may change them: owner, or for some another.
type owned struct {
	aliases map[string][]string
	owner   string
	others  map[string]map[string]string // by system and code
}

func (o *owned) has(system, code string) bool { return slices.Contains(o.aliases[system], code) }

func (o *owned) ownerOf(system, code string) string {
	if by, ok := o.others[system][code]; ok {
		return by
	}
	return o.owner
}

// whose is ownerOf for callers: what was set before owners were kept was set by a call.
func (o *owned) whose(system, code string) string { return cmp.Or(o.ownerOf(system, code), ByCall) }

func (o *owned) add(system, code, by string) {
	if o.has(system, code) {
		return
	}
	if o.aliases == nil {
		o.aliases = make(map[string][]string)
	}
	o.aliases[system] = append(o.aliases[system], code)
	if by == o.owner {
		return
	}
	if o.others == nil {
		o.others = make(map[string]map[string]string)
	}
	if o.others[system] == nil {
		o.others[system] = make(map[string]string)
	}
	o.others[system][code] = by
}

// replacedBy is what comes of aliases when by says that they are want: what others own
// stays, and is still theirs.
func (o owned) replacedBy(by string, want map[string][]string) owned {
	next := owned{owner: by}
	for _, system := range sortedKeys(want) {
		if next.aliases == nil {
			next.aliases = make(map[string][]string)
		}
		next.aliases[system] = []string{}
		for _, code := range want[system] {
			owner := by
			if o.has(system, code) {
				owner = o.ownerOf(system, code)
			}
			next.add(system, code, owner)
		}
	}
	for _, system := range sortedKeys(o.aliases) {
		for _, code := range o.aliases[system] {
			if owner := o.ownerOf(system, code); owner != by {
				next.add(system, code, owner)
			}
		}
	}
	return next
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (i *SKUInfo) owned() owned      { return owned{i.Aliases, i.Owner, i.Others} }
func (i *LocationInfo) owned() owned { return owned{i.Aliases, i.Owner, i.Others} }

// gtins are the GTINs by which a SKU is known beside its aliases: what master data says,
// and its name where that is one.
func (i *SKUInfo) gtins() (out []string) {
	for _, code := range []string{i.GTIN, i.SKU} {
		if g, ok := gtin14(nil, []byte(code)); ok && !slices.Contains(out, string(g)) {
			out = append(out, string(g))
		}
	}
	return out
}

// Codes are all spellings by which any system may mean the SKU.
func (i *SKUInfo) Codes() []string {
	out := []string{i.SKU}
	i.eachCode(func(system, code string) error {
		out = append(out, code)
		if system == systemGTIN {
			for _, zeroes := range [...]int{1, 2, 6} { // a GTIN-13, -12 or -8
				if strings.Trim(code[:zeroes], "0") == "" {
					out = append(out, code[zeroes:])
				}
			}
		}
		return nil
	})
	return out
}

// Codes are all spellings by which any system may mean the location.
func (i *LocationInfo) Codes() []string {
	out := []string{i.Location}
	i.eachCode(func(_, code string) error {
		out = append(out, code)
		return nil
	})
	return out
}

// eachCode calls fn with every code by which a SKU is to be found, in the form in which
// its system keeps it.
func (i *SKUInfo) eachCode(fn func(system, code string) error) error {
	for _, g := range i.gtins() {
		if err := fn(systemGTIN, g); err != nil {
			return err
		}
	}
	for _, system := range sortedKeys(i.Aliases) {
		for _, code := range i.Aliases[system] {
			if g, ok := gtin14(nil, []byte(code)); ok && system == systemGTIN {
				code = string(g)
			}
			if err := fn(system, code); err != nil {
				return err
			}
		}
	}
	return nil
}

func (i *LocationInfo) eachCode(fn func(system, code string) error) error {
	for _, system := range sortedKeys(i.Aliases) {
		for _, code := range i.Aliases[system] {
			if err := fn(system, code); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkSKUCodes refuses codes that another SKU has.
func (c *catalogue) checkSKUCodes(id uint32, next *SKUInfo) error {
	return next.eachCode(func(system, code string) error {
		s := c.systems.get(system)
		if s == nil {
			return nil
		}
		if r := s.skus.live([]byte(code)); r != nil && r.info.id != id {
			other := &c.skus.get(r.info.id).info
			o := other.owned()
			return inUseBy(system, code, "SKU "+other.SKU, o.whose(system, code))
		}
		return nil
	})
}

// checkLocationCodes refuses codes that another location has.
func (c *catalogue) checkLocationCodes(id uint32, next *LocationInfo) error {
	return next.eachCode(func(system, code string) error {
		s := c.systems.get(system)
		if s == nil {
			return nil
		}
		if r := s.locations.live([]byte(code)); r != nil && r.info.id != id {
			other := &c.locations.get(r.info.id).info
			o := other.owned()
			return inUseBy(system, code, "location "+other.Location, o.whose(system, code))
		}
		return nil
	})
}

func inUseBy(system, code, whose, owner string) error {
	return refuse(InUse, fmt.Sprintf("aliases.%s: %s is that of %s, as %s says", system, quoted([]byte(code)), whose, owner))
}

// putSKU makes r the record of a SKU, with its codes. The holder of put calls it.
func (c *catalogue) putSKU(id uint32, r *record[SKUInfo]) {
	if old := c.skus.get(id); old != nil && !old.deleted {
		old.info.eachCode(func(system, code string) error {
			dropAlias(&c.systems.open(system).skus, code, id)
			return nil
		})
	}
	c.skus.put(id, r)
	if !r.deleted {
		r.info.eachCode(func(system, code string) error {
			setAlias(&c.systems.open(system).skus, code, id)
			return nil
		})
	}
}

// putLocation is putSKU for locations.
func (c *catalogue) putLocation(id uint32, r *record[LocationInfo]) {
	if old := c.locations.get(id); old != nil && !old.deleted {
		old.info.eachCode(func(system, code string) error {
			dropAlias(&c.systems.open(system).locations, code, id)
			return nil
		})
	}
	c.locations.put(id, r)
	if !r.deleted {
		r.info.eachCode(func(system, code string) error {
			setAlias(&c.systems.open(system).locations, code, id)
			return nil
		})
	}
}

// indexCodes makes all codes findable, of records that were loaded.
func (c *catalogue) indexCodes() {
	for id := uint32(1); id < c.skus.size(); id++ {
		if r := c.skus.get(id); r != nil && !r.deleted {
			r.info.eachCode(func(system, code string) error {
				setAlias(&c.systems.open(system).skus, code, id)
				return nil
			})
		}
	}
	for id := uint32(1); id < c.locations.size(); id++ {
		if r := c.locations.get(id); r != nil && !r.deleted {
			r.info.eachCode(func(system, code string) error {
				setAlias(&c.systems.open(system).locations, code, id)
				return nil
			})
		}
	}
}

// PutAlias maps a code of a system to a SKU or to a location, one of which is given, or
// takes it away. Whoever calls may do so whoever owns it, and owns what was set. Refused
// with InUse where another object has the code.
type PutAlias struct {
	System, Code string
	SKU          SKU
	Location     Location
	Remove       bool
	Now          Millis
}

func (c PutAlias) apply(l *Ledger) (Result, error) {
	if c.SKU != 0 {
		r := l.catalogue.skus.get(uint32(c.SKU))
		if r == nil || r.deleted {
			return Result{}, refuse(UnknownSKU, "")
		}
		return PutSKU{Info: r.info, Now: c.Now, alias: &c}.apply(l)
	}
	r := l.catalogue.locations.get(uint32(c.Location))
	if r == nil || r.deleted {
		return Result{}, refuse(UnknownLocation, "")
	}
	return PutLocation{Info: r.info, Now: c.Now, alias: &c}.apply(l)
}

// change is what comes of aliases by the call.
func (c *PutAlias) change(had owned) owned {
	next := owned{owner: had.owner}
	for _, system := range sortedKeys(had.aliases) {
		for _, code := range had.aliases[system] {
			if system != c.System || code != c.Code {
				next.add(system, code, had.ownerOf(system, code))
			}
		}
	}
	if !c.Remove {
		next.add(c.System, c.Code, ByCall)
	}
	return next
}

// Alias is one code of a system, and what it means.
type Alias struct {
	System, Code string
	SKU          SKU // or
	Location     Location
	Owner        string
}

// AliasOf finds what a system calls a SKU and a location by a code, as aliases alone; 0 for none.
func (l *Ledger) AliasOf(system, code string) (sku SKU, loc Location) {
	s := l.System(system)
	if s == nil {
		return 0, 0
	}
	key := []byte(code)
	if r := s.locations.live(key); r != nil {
		loc = Location(r.info.id)
	}
	if g, ok := gtin14(nil, key); ok && system == systemGTIN {
		key = g
	}
	if r := s.skus.live(key); r != nil {
		sku = SKU(r.info.id)
	}
	return sku, loc
}

// AliasesOfSKU are the codes by which systems call a SKU, sorted.
func (l *Ledger) AliasesOfSKU(id SKU) (out []Alias) {
	r := l.catalogue.skus.get(uint32(id))
	if r == nil || r.deleted {
		return nil
	}
	o := r.info.owned()
	for _, system := range sortedKeys(o.aliases) {
		for _, code := range o.aliases[system] {
			out = append(out, Alias{System: system, Code: code, SKU: id, Owner: o.whose(system, code)})
		}
	}
	return out
}

// AliasesOfLocation are the codes by which systems call a location, sorted by system.
func (l *Ledger) AliasesOfLocation(id Location) (out []Alias) {
	r := l.catalogue.locations.get(uint32(id))
	if r == nil || r.deleted {
		return nil
	}
	o := r.info.owned()
	for _, system := range sortedKeys(o.aliases) {
		for _, code := range o.aliases[system] {
			out = append(out, Alias{System: system, Code: code, Location: id, Owner: o.whose(system, code)})
		}
	}
	return out
}
