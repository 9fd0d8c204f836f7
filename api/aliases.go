package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"onhand/jsonread"
	"onhand/ledger"
)

// aliasCodeBytesMax is how long a code of another system may be.
const aliasCodeBytesMax = 256

// listAliases answers GET /v1/aliases: codes of systems, of one system, SKU or location or
// of all. A page holds all codes of an object or none, so it may be longer than its limit.
func (r *request) listAliases() {
	err := r.onlyParams("system", "sku", "location", "cursor", "limit", "min_seq")
	p, system := page{}, ""
	if err == nil {
		p, err = r.page()
	}
	if err == nil {
		system, _, err = r.param("system")
	}
	if err != nil {
		r.invalid(err)
		return
	}
	sku, loc, ok := r.aliasTarget()
	if !ok || !r.waitForSeq() {
		return
	}
	kind, after, err := aliasCursor(p.cursor)
	if err != nil {
		r.invalid(err)
		return
	}
	l := r.s.Ledger
	out, next := newList(r.out), ""
	// show says whether there is room for more.
	show := func(place string, aliases []ledger.Alias) bool {
		if out.n >= p.limit {
			return false
		}
		for i := range aliases {
			if system == "" || aliases[i].System == system {
				out.item()
				out.b = r.appendAlias(out.b, &aliases[i])
			}
		}
		next = place
		return true
	}
	more := false
	switch {
	case sku != 0:
		show("", l.AliasesOfSKU(sku))
	case loc != 0:
		show("", l.AliasesOfLocation(loc))
	default:
		if kind == 's' {
			l.SKUs(ledger.SKU(after)+1, func(id ledger.SKU, _ ledger.SKUInfo) bool {
				more = !show("s"+strconv.FormatUint(uint64(id), 10), l.AliasesOfSKU(id))
				return !more
			})
			after = 0
		}
		if !more {
			l.Locations(ledger.Location(after)+1, func(id ledger.Location, _ ledger.LocationInfo) bool {
				more = !show("l"+strconv.FormatUint(uint64(id), 10), l.AliasesOfLocation(id))
				return !more
			})
		}
	}
	if !more {
		next = ""
	}
	r.out = out.end(next)
	r.answerLarge(r.out)
}

func aliasCursor(cursor string) (kind byte, after uint32, err error) {
	if cursor == "" {
		return 's', 0, nil
	}
	n, err := strconv.ParseUint(cursor[1:], 10, 31)
	if err != nil || !strings.Contains("sl", cursor[:1]) {
		return 0, 0, errors.New("cursor: want one that a list has given")
	}
	return cursor[0], uint32(n), nil
}

// aliasTarget is the SKU or location that the query names, 0 for none. Where ok is false it has answered.
func (r *request) aliasTarget() (sku ledger.SKU, loc ledger.Location, ok bool) {
	name, given, err := r.param("sku")
	place, givenPlace, err2 := r.param("location")
	switch {
	case errors.Join(err, err2) != nil:
		r.invalid(errors.Join(err, err2))
		return 0, 0, false
	case given && givenPlace:
		r.problem("invalid-request", "sku and location: want one of them")
		return 0, 0, false
	case given:
		return r.aliasObject(name, "")
	case givenPlace:
		return r.aliasObject("", place)
	}
	return 0, 0, true
}

// aliasObject finds the SKU or location, one of which is named, or answers that nobody knows it.
func (r *request) aliasObject(sku, location string) (ledger.SKU, ledger.Location, bool) {
	if sku != "" {
		id, ok := r.s.Ledger.LookupSKU([]byte(sku))
		if !ok {
			r.problem("unknown-sku", string(jsonread.AppendString(nil, sku)))
		}
		return id, 0, ok
	}
	id, ok := r.s.Ledger.LookupLocation([]byte(location))
	if !ok {
		r.problem("unknown-location", string(jsonread.AppendString(nil, location)))
	}
	return 0, id, ok
}

func (r *request) appendAlias(b []byte, a *ledger.Alias) []byte {
	b = jsonread.AppendString(append(b, `{"system":`...), a.System)
	b = jsonread.AppendString(append(b, `,"code":`...), a.Code)
	if a.SKU != 0 {
		b = jsonread.AppendString(append(b, `,"sku":`...), r.s.Ledger.SKUName(a.SKU))
	} else {
		b = jsonread.AppendString(append(b, `,"location":`...), r.s.Ledger.LocationName(a.Location))
	}
	return append(jsonread.AppendString(append(b, `,"owner":`...), a.Owner), '}')
}

// aliasPath is the system and the code in the path. Where ok is false it has answered.
func (r *request) aliasPath() (system, code string, ok bool) {
	system, code = string(r.segments[2]), string(r.segments[3])
	return system, code, r.aliasWords(system, code)
}

func (r *request) aliasWords(system, code string) bool {
	if !isName([]byte(system), locationBytesMax) || !isName([]byte(code), aliasCodeBytesMax) {
		r.problem("invalid-request", fmt.Sprintf("want a system of 1 to %d and a code of 1 to %d bytes of UTF-8 without control characters",
			locationBytesMax, aliasCodeBytesMax))
		return false
	}
	return true
}

// getAlias answers what a system means by a code, as an alias of its own or otherwise.
func (r *request) getAlias() {
	system, code, ok := r.aliasPath()
	if !ok || !r.reading() {
		return
	}
	l := r.s.Ledger
	sku, isSKU := l.FindSKU(l.System(system), []byte(code))
	loc, isLocation := l.FindLocation(l.System(system), []byte(code))
	if !isSKU && !isLocation {
		r.problem("not-found", "that system calls nothing by this code")
		return
	}
	b := jsonread.AppendString(append(r.out[:0], `{"system":`...), system)
	b = jsonread.AppendString(append(b, `,"code":`...), code)
	b = appendTextOrNull(append(b, `,"sku":`...), l.SKUName(sku))
	b = append(appendTextOrNull(append(b, `,"location":`...), l.LocationName(loc)), '}')
	r.out = b
	r.answer(200, b)
}

// putAlias answers PUT /v1/aliases/{system}/{code} {"sku":"…"} or {"location":"…"}.
func (r *request) putAlias() {
	if system, code, ok := r.aliasPath(); ok && r.readObject() {
		r.mapCode(system, code, false)
	}
}

// postAlias is putAlias for codes that cannot stand in a path: {"system":"…","code":"…","sku":"…"}.
func (r *request) postAlias() {
	if r.readObject() {
		r.mapCode("", "", true)
	}
}

func (r *request) mapCode(system, code string, inBody bool) {
	sku, location := "", ""
	j := &r.json
	for j.BeginObject(); j.NextKey(); {
		switch key := string(j.Key()); {
		case key == "sku":
			sku = string(j.Text())
		case key == "location":
			location = string(j.Text())
		case key == "system" && inBody:
			system = string(j.Text())
		case key == "code" && inBody:
			code = string(j.Text())
		default:
			j.Unknown()
		}
	}
	if err := j.End(); err != nil {
		r.malformed(err)
		return
	}
	if (sku == "") == (location == "") {
		r.problem("invalid-request", "sku, location: want one of them")
		return
	}
	if !r.aliasWords(system, code) {
		return
	}
	id, loc, ok := r.aliasObject(sku, location)
	if !ok {
		return
	}
	res, err := r.s.Ledger.Apply(ledger.PutAlias{System: system, Code: code, SKU: id, Location: loc, Now: r.s.Ledger.Now()})
	if err != nil {
		r.fail(err)
		return
	}
	b := r.appendAlias(r.out[:0], &ledger.Alias{System: system, Code: code, SKU: id, Location: loc, Owner: ledger.ByCall})
	b = strconv.AppendUint(append(b[:len(b)-1], `,"seq":`...), uint64(res.Seq), 10)
	r.out = append(b, '}')
	r.answer(200, r.out)
}

// deleteAlias takes a code away, whoever set it. Where a SKU and a location have it, of= says which loses it.
func (r *request) deleteAlias() {
	system, code, ok := r.aliasPath()
	if !ok {
		return
	}
	err := r.onlyParams("of")
	of := ""
	if err == nil {
		of, _, err = r.param("of")
	}
	if err == nil && of != "" && of != "sku" && of != "location" {
		err = errors.New("of: want sku or location")
	}
	sku, loc := r.s.Ledger.AliasOf(system, code)
	if err == nil && of == "" && sku != 0 && loc != 0 {
		err = errors.New("of: a SKU and a location have this code: want sku or location")
	}
	if err != nil {
		r.invalid(err)
		return
	}
	c := ledger.PutAlias{System: system, Code: code, Remove: true, Now: r.s.Ledger.Now()}
	if c.SKU, c.Location = sku, loc; of == "location" {
		c.SKU = 0
	} else if sku != 0 || of == "sku" {
		c.Location = 0
	}
	has := func(a ledger.Alias) bool { return a.System == system && a.Code == code }
	if !slices.ContainsFunc(r.s.Ledger.AliasesOfSKU(c.SKU), has) && !slices.ContainsFunc(r.s.Ledger.AliasesOfLocation(c.Location), has) {
		r.problem("not-found", "that system has no alias of this code; what else it means by it is said by master data")
		return
	}
	r.deleted(c)
}
