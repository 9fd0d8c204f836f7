package ingest

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"

	"onhand/ledger"
)

// linear is up to how many lines each is compared with each.
const linear = 16

// checkQuantities drops lines of 0 where those do nothing, and refuses numbers that
// are no quantity whatever the SKU's decimals are.
func (d *decoder) checkQuantities() error {
	kept := d.lines[:0]
	for _, ln := range d.lines {
		n := ln.quantity
		if d.kind != kindAdjustment && d.kind != kindPeriod && n.Coef < 0 {
			return d.badQuantity(&ln, "want 0 or more")
		}
		if n.Overflow || n.Scale > 3 {
			return d.badQuantity(&ln, "it has more than 3 decimals or is out of range")
		}
		if n.Coef == 0 && d.kind.skipsZero() {
			continue
		}
		if n.Coef == 0 && (d.kind == kindStatus || d.kind.transfer() || d.kind.order()) {
			return d.badQuantity(&ln, "want more than 0")
		}
		kept = append(kept, ln)
	}
	d.lines = kept
	return nil
}

func (d *decoder) badQuantity(ln *line, why string) error {
	return invalidQuantity(ln.path()+".quantity", ln.quantity, why)
}

func (ln *line) path() string { return "lines[" + strconv.Itoa(int(ln.index)) + "]" }

// findFirsts points each line at the first of its SKU.
func (d *decoder) findFirsts() {
	if len(d.lines) <= linear {
		for i := range d.lines {
			j := 0
			for !bytes.Equal(d.lines[j].sku, d.lines[i].sku) {
				j++
			}
			d.lines[i].first = int32(j)
		}
		return
	}
	d.order = d.order[:0]
	for i := range d.lines {
		d.order = append(d.order, int32(i))
	}
	slices.SortFunc(d.order, func(a, b int32) int {
		return cmp.Or(bytes.Compare(d.lines[a].sku, d.lines[b].sku), cmp.Compare(a, b))
	})
	first := d.order[0]
	for _, i := range d.order {
		if !bytes.Equal(d.lines[i].sku, d.lines[first].sku) {
			first = i
		}
		d.lines[i].first = first
	}
}

// resolve finds the numbers of location and SKUs and scales the quantities. What an
// open catalogue does not know is added only once nothing else can refuse the event.
func (d *decoder) resolve(now ledger.Millis) (ledger.Location, error) {
	if err := d.lookUp(); err != nil {
		return 0, err
	}
	loc, added, err := d.resolveLocation(d.location, now)
	if err != nil {
		return 0, at("location", err)
	}
	if added {
		d.exceptions = append(d.exceptions, ledger.Exception{Code: ledger.Unmapped, Location: loc})
	}
	return loc, d.addSKUs(now, loc)
}

// resolveLocation finds a location's number; a location that would be added has none while
// the event is only judged.
func (d *decoder) resolveLocation(name []byte, now ledger.Millis) (loc ledger.Location, added bool, err error) {
	if d.dry && d.ledger.Options().OpenCatalogue {
		loc, _ = d.ledger.FindLocation(d.system, name)
		return loc, false, nil
	}
	return d.ledger.ResolveLocation(d.system, name, now)
}

// lookUp finds the SKUs that are known, and scales and adds up the quantities.
func (d *decoder) lookUp() error {
	renamed := false
	for i := range d.lines {
		ln := &d.lines[i]
		if ln.first == int32(i) {
			var byAlias bool
			ln.id, byAlias, ln.known = d.ledger.FindSKU(d.system, ln.sku)
			renamed = renamed || byAlias
		} else {
			ln.id, ln.known = d.lines[ln.first].id, d.lines[ln.first].known
		}
		if !ln.known && !d.ledger.Options().OpenCatalogue {
			unknown := refuse(ledger.UnknownSKU, "%s.sku: %s", ln.path(), quote(ln.sku))
			unknown.Name = string(ln.sku)
			return unknown
		}
		if err := d.scale(ln); err != nil {
			return err
		}
	}
	if renamed {
		d.joinFirsts()
	}
	return d.checkSums()
}

// joinFirsts points lines at the first one of their SKU where that has another code.
func (d *decoder) joinFirsts() {
	firsts := make(map[ledger.SKU]int32, len(d.lines))
	for i := range d.lines {
		ln := &d.lines[i]
		if !ln.known {
			continue
		}
		first, ok := firsts[ln.id]
		if !ok {
			first = ln.first
			firsts[ln.id] = first
		}
		ln.first = first
	}
}

// addSKUs makes known what lookUp did not find; loc goes into its exceptions.
func (d *decoder) addSKUs(now ledger.Millis, loc ledger.Location) error {
	for i := range d.lines {
		ln := &d.lines[i]
		if ln.known || d.dry {
			continue
		}
		id, added, err := d.ledger.ResolveSKU(d.system, ln.sku, now)
		if err != nil {
			return at(ln.path()+".sku", err)
		}
		if ln.id = id; added {
			d.exceptions = append(d.exceptions, ledger.Exception{Code: ledger.Unmapped, SKU: ln.id, Location: loc})
		}
	}
	return nil
}

// scale turns a line's number into steps of its SKU; one added on sight counts pieces.
func (d *decoder) scale(ln *line) error {
	decimals := 0
	if ln.known {
		decimals = d.ledger.Decimals(ln.id)
	}
	if int(ln.quantity.Scale) > decimals {
		return d.badQuantity(ln, "SKU "+quote(ln.sku)+" has "+strconv.Itoa(decimals)+" decimals")
	}
	v, ok := ln.quantity.Scaled(decimals)
	if !ok || !isQuantity(v) {
		return d.badQuantity(ln, "it is out of range")
	}
	ln.steps = ledger.Qty(v)
	return nil
}

// checkSums adds up the lines of one SKU on the first of them, and refuses what is
// more than a quantity holds. Of at most 100,000 terms of 32 bits the sum cannot wrap.
func (d *decoder) checkSums() error {
	for i := range d.lines {
		ln := &d.lines[i]
		first := &d.lines[ln.first]
		first.sum += int64(ln.steps)
		first.unsellable += d.kind.unsellable(ln)
		if !isQuantity(first.sum) || !isQuantity(first.unsellable) {
			return d.badQuantity(ln, "with the lines of this SKU before it the sum is out of range")
		}
	}
	return nil
}

// unsellable is by how many steps the line moves what is unsellable.
func (k kind) unsellable(ln *line) (n int64) {
	if ln.condition != sellable {
		n = int64(ln.steps)
	}
	if k == kindStatus { // out of from, into to
		n = -n
		if ln.to != sellable {
			n += int64(ln.steps)
		}
	}
	return n
}

func isQuantity(v int64) bool { return v >= math.MinInt32 && v <= math.MaxInt32 }
