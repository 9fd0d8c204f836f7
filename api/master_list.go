package api

import (
	"strconv"

	"onhand/ledger"
)

// Lists of master data are in the order in which the ids became known: that order
// never changes, so a page stays where it was while others are added.

// listLocations answers GET /v1/locations.
func (r *request) listLocations() {
	r.listMaster(func(from uint32, l *list, add func(uint32) bool) {
		r.s.Ledger.Locations(ledger.Location(from), func(id ledger.Location, info ledger.LocationInfo) bool {
			if !add(uint32(id)) {
				return false
			}
			_, seq := r.s.Ledger.LocationInfo(id)
			l.b = appendLocation(l.b, &info, seq)
			return true
		})
	})
}

// listSKUs answers GET /v1/skus.
func (r *request) listSKUs() {
	r.listMaster(func(from uint32, l *list, add func(uint32) bool) {
		r.s.Ledger.SKUs(ledger.SKU(from), func(id ledger.SKU, info ledger.SKUInfo) bool {
			if !add(uint32(id)) {
				return false
			}
			_, seq := r.s.Ledger.SKUInfo(id)
			l.b = appendSKU(l.b, &info, seq)
			return true
		})
	})
}

// listMaster lists objects by number. each calls add before it appends one, and
// stops when add says that the page is full.
func (r *request) listMaster(each func(from uint32, l *list, add func(uint32) bool)) {
	if err := r.onlyParams("cursor", "limit", "min_seq"); err != nil {
		r.invalid(err)
		return
	}
	p, err := r.page()
	if err != nil {
		r.invalid(err)
		return
	}
	after, err := p.number(32)
	if err != nil {
		r.invalid(err)
		return
	}
	if !r.waitForSeq() {
		return
	}
	items, last, next := newList(r.out), uint32(0), ""
	if after < 1<<32-1 {
		each(uint32(after)+1, &items, func(id uint32) bool {
			if items.n == p.limit {
				next = strconv.FormatUint(uint64(last), 10)
				return false
			}
			items.item()
			last = id
			return true
		})
	}
	r.out = items.end(next)
	r.answerLarge(r.out)
}
