package availability

import (
	"errors"
	"slices"
	"strings"

	"onhand/jsonread"
	"onhand/ledger"
)

// ErrTooManyRows says that an answer would have more rows than its caller allows.
var ErrTooManyRows = errors.New("the answer has too many rows")

// queryRowsKept is how much memory for rows a query keeps for the next one.
const queryRowsKept = 1 << 16

// Query is one question: some SKUs, each at some or all of its locations. All rows
// of its answer are of one moment. It belongs to one goroutine, from Stock.Query
// until Release; reusing it is what makes a small question free of allocations.
type Query struct {
	Exclude []string // reservations whose units count as available in this answer; reordered by Run
	Fields  Fields

	stock     *Stock
	read      func(*ledger.View)
	items     []item
	locations []ledger.Location // of all items, one after the other
	skus      []ledger.SKU
	rows      []ledger.Row
	rowsMax   int
	now       ledger.Millis
	seq       ledger.Seq
}

// item is one SKU of a query.
type item struct {
	name     string // what was asked for; the SKU's own where it is known
	sku      ledger.SKU
	refused  ledger.Code // OK, or why it has no rows
	named    bool        // only the locations named
	from, to int         // its locations
	first    int         // its rows begin here; they end where the next item's begin
}

// Query begins a question without any SKU.
func (s *Stock) Query() *Query { return s.queries.Get().(*Query) }

// Release ends the use of q and of all that it answered.
func (q *Query) Release() {
	if cap(q.rows) > queryRowsKept {
		q.rows = nil
	}
	clear(q.items)
	q.Exclude, q.Fields = q.Exclude[:0], 0
	q.items, q.locations, q.skus, q.rows = q.items[:0], q.locations[:0], q.skus[:0], q.rows[:0]
	q.stock.queries.Put(q)
}

// Add asks for a SKU, at all its locations unless At names some. False: nobody knows it.
func (q *Query) Add(name []byte) bool {
	it := item{from: len(q.locations), to: len(q.locations)}
	id, known := q.stock.ledger.LookupSKU(name)
	if known {
		it.sku, it.name = id, q.stock.ledger.SKUName(id)
	} else {
		it.refused, it.name = ledger.UnknownSKU, string(name)
	}
	q.items = append(q.items, it)
	return known
}

// Only limits the SKU added last to the locations that At names, be they none.
func (q *Query) Only() { q.items[len(q.items)-1].named = true }

// At names a location of the SKU added last. False: nobody knows it.
func (q *Query) At(name []byte) bool {
	it := &q.items[len(q.items)-1]
	it.named = true
	id, known := q.stock.ledger.LookupLocation(name)
	switch {
	case known:
		q.locations = append(q.locations, id)
		it.to = len(q.locations)
	case it.refused == ledger.OK:
		it.refused = ledger.UnknownLocation
	}
	return known
}

// Run reads the answer as it is now. ErrTooManyRows says that it has more than rowsMax.
func (q *Query) Run(rowsMax int) error {
	l := q.stock.ledger
	q.rowsMax, q.now = rowsMax, l.Now()
	for i := range q.items {
		if it := &q.items[i]; it.refused == ledger.OK {
			q.sortLocations(it)
			q.skus = append(q.skus, it.sku)
		}
	}
	if len(q.items) == 1 && len(q.skus) == 1 && len(q.Exclude) == 0 && q.items[0].to-q.items[0].from == 1 {
		var r ledger.Row // the commonest question: no view, so nothing that escapes
		r, q.seq = l.Position(q.skus[0], q.locations[0], q.now)
		q.rows = append(q.rows, shown(r))
		return nil
	}
	l.View(q.skus, q.Exclude, q.now, q.read)
	if q.rowsMax < 0 || len(q.rows) > rowsMax {
		return ErrTooManyRows
	}
	return nil
}

// sortLocations brings an item's locations into the order of its rows, each once.
func (q *Query) sortLocations(it *item) {
	if it.to-it.from < 2 {
		return
	}
	l := q.stock.ledger
	locs := q.locations[it.from:it.to]
	slices.SortFunc(locs, func(a, b ledger.Location) int {
		return strings.Compare(l.LocationName(a), l.LocationName(b))
	})
	it.to = it.from + len(slices.Compact(locs))
}

// collect copies the rows. It runs under the ledger's locks, so it does no more than that.
func (q *Query) collect(v *ledger.View) {
	q.seq = v.Seq()
	for i := range q.items {
		it := &q.items[i]
		it.first = len(q.rows)
		switch {
		case it.refused != ledger.OK:
		case !it.named:
			q.rows = v.Rows(it.sku, q.rows)
		case len(q.rows)+it.to-it.from > q.rowsMax:
			q.rowsMax = -1 // tells Run, and ends the loop
		default:
			for _, loc := range q.locations[it.from:it.to] {
				q.rows = append(q.rows, shown(v.Row(it.sku, loc)))
			}
		}
		if len(q.rows) > q.rowsMax {
			return
		}
	}
}

// shown is the row of a location asked for by name: one that never held the SKU
// shows zeroes, whatever the rules would keep back there.
func shown(r ledger.Row) ledger.Row {
	if !r.Opened {
		r.Figures, r.Safety = ledger.Figures{}, 0
	}
	return r
}

// Seq is the moment that the answer is of.
func (q *Query) Seq() ledger.Seq { return q.seq }

// Len is how many SKUs were asked for.
func (q *Query) Len() int { return len(q.items) }

// AppendItem appends the answer for the i-th SKU:
// {"sku","seq","total":{"available","locations_in_stock"},"locations":[…]}, or
// {"sku","error"} where it or one of its locations is not known.
func (q *Query) AppendItem(dst []byte, i int) []byte {
	it := &q.items[i]
	dst = append(dst, `{"sku":`...)
	dst = jsonread.AppendString(dst, it.name)
	if it.refused != ledger.OK {
		dst = append(dst, `,"error":"`...)
		dst = append(dst, it.refused.String()...)
		return append(dst, `"}`...)
	}
	end := len(q.rows)
	if i+1 < len(q.items) {
		end = q.items[i+1].first
	}
	rows := q.rows[it.first:end]
	total, inStock := int64(0), 0
	for j := range rows {
		if a := rows[j].Available(); a > 0 {
			total += int64(a)
			inStock++
		}
	}
	decimals := q.stock.ledger.Decimals(it.sku)
	dst = append(dst, `,"seq":`...)
	dst = appendInt(dst, int64(q.seq))
	dst = append(dst, `,"total":{"available":`...)
	dst = jsonread.AppendScaled(dst, total, decimals)
	dst = append(dst, `,"locations_in_stock":`...)
	dst = appendInt(dst, int64(inStock))
	dst = append(dst, `},"locations":[`...)
	for j := range rows {
		if j > 0 {
			dst = append(dst, ',')
		}
		dst = q.stock.appendRow(dst, &rows[j], decimals, q.now, q.Fields)
	}
	return append(dst, "]}"...)
}

// Rows is how many rows the answer has.
func (q *Query) Rows() int { return len(q.rows) }
