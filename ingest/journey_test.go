package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// journeys are baskets of a year's sales: the Complete Journey's where its files lie
// beside the project, else ones like them.
const journeys = "../../shared/data/completejourney"

// tale is what stores and the ERP have to say: sales, and counts and snapshots between them.
type tale struct {
	told    []telling
	known   map[string]bool // products that master data has from the beginning
	unknown []string        // and those that it gets at the end
	stores  []string
	lines   int
}

// telling is one event: a basket, or, where counted says so, what was there.
type telling struct {
	kind, store, id    string
	at                 ledger.Millis
	lines              []tellingLine
	complete, counting bool
}

type tellingLine struct {
	product  string
	quantity int
}

// TestJourneyInAnyOrder tells a year's sales of a chain with counts and snapshots at
// random moments between them: in order; late by hours and twice; and in no order at
// all. Each ends in what plain arithmetic gives, with all that named products without
// master data applied when these get some.
func TestJourneyInAnyOrder(t *testing.T) {
	story := readTale(t)
	rnd := rand.New(rand.NewPCG(7, 7))
	story.count(rnd)
	want := story.sums()
	t.Logf("%d events with %d lines of %d stores, %d products unknown at first, %d positions",
		len(story.told), story.lines, len(story.stores), len(story.unknown), len(want))

	inOrder := func() []int32 {
		order := make([]int32, len(story.told))
		for i := range order {
			order[i] = int32(i)
		}
		return order
	}
	t.Run("late and twice", func(t *testing.T) {
		const hour = 60 * 60 * 1000
		due := make([]ledger.Millis, len(story.told))
		order := inOrder()
		for i := range story.told {
			due[i] = story.told[i].at
			if rnd.IntN(50) == 0 {
				due[i] += hour * ledger.Millis(1+rnd.IntN(72))
			}
			if rnd.IntN(20) == 0 {
				order = append(order, int32(i))
			}
		}
		slices.SortStableFunc(order, func(a, b int32) int { return int(due[a] - due[b]) })
		story.tell(t, order, want)
	})
	t.Run("in no order", func(t *testing.T) {
		order := inOrder()
		for i := range story.told {
			if rnd.IntN(20) == 0 {
				order = append(order, int32(i))
			}
		}
		rnd.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		story.tell(t, order, want)
	})
}

// tell gives the story in this order to a new ledger and compares.
func (s *tale) tell(t *testing.T, order []int32, want map[position]int64) {
	const year = 366 * 24 * 60 * 60 * 1000
	end := s.told[len(s.told)-1].at + 60_000
	l, err := ledger.Open(ledger.Options{Dir: "d", FS: vfs.NewMem(), CheckpointEvery: -1,
		EventRetentionMillis: 2 * year, Clock: func() ledger.Millis { return end }})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	must := func(c ledger.Command) {
		t.Helper()
		if _, err := l.Submit(c); err != nil {
			t.Fatal(err)
		}
	}
	for product := range s.known {
		must(ledger.PutSKU{Info: ledger.SKUInfo{SKU: product}, Now: end})
	}
	for _, store := range s.stores {
		must(ledger.PutLocation{Info: ledger.LocationInfo{Location: store, Active: true}, Now: end})
	}
	a := NewApplier(l)
	ctx, cancel := context.WithCancel(context.Background())
	var retrying sync.WaitGroup
	retrying.Go(func() { NewRetrier(l, a).Run(ctx) })
	defer retrying.Wait()
	defer cancel()

	refused := 0
	var body []byte
	for part := range slices.Chunk(order, 500) {
		body = append(body[:0], '[')
		for i, n := range part {
			if i > 0 {
				body = append(body, ',')
			}
			body = s.told[n].appendJSON(body)
		}
		res, err := a.Batch(append(body, ']'))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res.Rejected {
			if r.Code != ledger.UnknownSKU {
				t.Fatalf("%+v", r)
			}
		}
		refused += len(res.Rejected)
	}
	letters := func() int {
		if err := l.Wait(l.Seq()); err != nil {
			t.Fatal(err)
		}
		d, err := l.DeadLetters(0, len(order))
		if err != nil {
			t.Fatal(err)
		}
		return len(d)
	}
	if got := letters(); got != refused || refused == 0 {
		t.Fatalf("%d events were refused for want of master data, %d wait", refused, got)
	}
	for _, product := range s.unknown {
		must(ledger.PutSKU{Info: ledger.SKUInfo{SKU: product}, Now: end})
	}
	eventually(t, "all letters are applied", func() bool { return letters() == 0 })

	for p, sum := range want {
		sku, ok := l.LookupSKU([]byte(p.product))
		loc, ok2 := l.LookupLocation([]byte(p.store))
		if !ok || !ok2 {
			t.Fatalf("%v is not known", p)
		}
		if row, _ := l.Position(sku, loc, end); int64(row.OnHand) != sum {
			t.Fatalf("%v: on hand %d, want %d", p, row.OnHand, sum)
		}
	}
	ledgertest.Balanced(t, l)
}

type position struct{ store, product string }

// sums is what must be there in the end: what the last count or snapshot said that
// covers a position, less what was sold after it.
func (s *tale) sums() map[position]int64 {
	sums := make(map[position]int64)
	byStore := make(map[string][]position)
	for i := range s.told {
		e := &s.told[i]
		if e.complete {
			for _, p := range byStore[e.store] {
				sums[p] = 0
			}
		}
		for _, ln := range e.lines {
			p := position{e.store, ln.product}
			if _, ok := sums[p]; !ok {
				byStore[e.store] = append(byStore[e.store], p)
			}
			if e.counting {
				sums[p] = int64(ln.quantity)
			} else {
				sums[p] -= int64(ln.quantity)
			}
		}
	}
	return sums
}

// count puts counts of a few products, and snapshots of a store, between the sales.
func (s *tale) count(rnd *rand.Rand) {
	sold := make(map[string][]string) // products by store
	for i := range s.told {
		e := &s.told[i]
		for _, ln := range e.lines {
			sold[e.store] = append(sold[e.store], ln.product)
		}
	}
	first, last := s.told[0].at, s.told[len(s.told)-1].at
	taken := make(map[ledger.Millis]bool)
	for i := range s.told {
		taken[s.told[i].at] = true
	}
	for i := range len(s.told) / 100 {
		e := telling{kind: "wms.count", store: s.stores[rnd.IntN(len(s.stores))], id: "count-" + strconv.Itoa(i), counting: true}
		products := sold[e.store]
		n := 1 + rnd.IntN(20)
		if rnd.IntN(4) == 0 {
			e.kind, n, e.complete = "erp.snapshot", 1+rnd.IntN(300), rnd.IntN(3) == 0
		}
		for e.at == 0 || taken[e.at] { // moments are told apart, or which was last would be left to names
			e.at = first + ledger.Millis(rnd.Int64N(int64(last-first)))
		}
		taken[e.at] = true
		seen := make(map[string]bool)
		for range n {
			if p := products[rnd.IntN(len(products))]; !seen[p] {
				seen[p] = true
				e.lines = append(e.lines, tellingLine{p, rnd.IntN(200)})
			}
		}
		s.told = append(s.told, e)
	}
	slices.SortStableFunc(s.told, func(a, b telling) int { return int(a.at - b.at) })
}

func (e *telling) appendJSON(b []byte) []byte {
	b = fmt.Appendf(b, `{"specversion":"1.0","type":%q,"source":"shop/%s","id":%q,"time":%q,"data":{"location":%q`,
		e.kind, e.store, e.id, time.UnixMilli(int64(e.at)).UTC().Format("2006-01-02T15:04:05.000Z"), e.store)
	if e.complete {
		b = append(b, `,"complete":true`...)
	}
	b = append(b, `,"lines":[`...)
	for i, ln := range e.lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"sku":"`...), ln.product...)
		b = append(strconv.AppendInt(append(b, `","quantity":`...), int64(ln.quantity), 10), '}')
	}
	return append(b, "]}}"...)
}

// readTale reads the baskets of all stores, under -short of an eighth of them.
func readTale(t *testing.T) *tale {
	s := &tale{known: make(map[string]bool)}
	products, err := openGzip(filepath.Join(journeys, "products.csv.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("%s is not there: with baskets that are made here", journeys)
		s.invent(rand.New(rand.NewPCG(1, 2)))
		return s
	}
	if err != nil {
		t.Fatal(err)
	}
	rows(t, products, func(row []string) { s.known[row[0]] = true })
	sales, err := openGzip(filepath.Join(journeys, "transactions.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	sold, stores, unknown := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	rows(t, sales, func(row []string) {
		store, basket, product := row[1], row[2], row[4]
		if n, _ := strconv.Atoi(store); testing.Short() && n%8 != 0 {
			return
		}
		at, err := time.Parse("2006-01-02T15:04:05", row[0])
		quantity, err2 := strconv.Atoi(row[5])
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		sold[product], stores[store] = true, true
		if !s.known[product] {
			unknown[product] = true
		}
		if n := len(s.told); n == 0 || s.told[n-1].id != basket {
			s.told = append(s.told, telling{kind: "pos.sale", store: store, id: basket, at: ledger.Millis(at.UnixMilli())})
		}
		e := &s.told[len(s.told)-1]
		e.lines = append(e.lines, tellingLine{product, quantity})
		s.lines++
	})
	for product := range s.known {
		if !sold[product] {
			delete(s.known, product)
		}
	}
	for product := range unknown {
		s.unknown = append(s.unknown, product)
	}
	for store := range stores {
		s.stores = append(s.stores, store)
	}
	slices.Sort(s.unknown)
	slices.Sort(s.stores)
	slices.SortStableFunc(s.told, func(a, b telling) int { return int(a.at - b.at) })
	return s
}

// invent makes baskets of a chain: few products sell often, some are petrol, in
// thousandths, and a few have no master data.
func (s *tale) invent(rnd *rand.Rand) {
	for i := range 40 {
		s.stores = append(s.stores, strconv.Itoa(300+i))
	}
	zipf := rand.NewZipf(rnd, 1.2, 8, 4999)
	for i := range 5000 {
		s.known[strconv.Itoa(820_000+i)] = true
	}
	for i := range 17 {
		p := strconv.Itoa(820_000 + 40*i)
		delete(s.known, p)
		s.unknown = append(s.unknown, p)
	}
	start := time.Date(2017, 1, 1, 8, 0, 0, 0, time.UTC).UnixMilli()
	for i := range 20_000 {
		e := telling{kind: "pos.sale", store: s.stores[rnd.IntN(len(s.stores))], id: strconv.Itoa(31_000_000 + i), at: ledger.Millis(start + int64(i)*1_500_000)}
		for range 1 + rnd.IntN(15) {
			quantity := 1 + rnd.IntN(3)
			if rnd.IntN(200) == 0 {
				quantity = 5000 + rnd.IntN(85_000)
			}
			e.lines = append(e.lines, tellingLine{strconv.Itoa(820_000 + int(zipf.Uint64())), quantity})
			s.lines++
		}
		s.told = append(s.told, e)
	}
}

func openGzip(path string) (io.Reader, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return gzip.NewReader(bytes.NewReader(b))
}

// rows gives the rows below the header.
func rows(t *testing.T, r io.Reader, row func([]string)) {
	t.Helper()
	c := csv.NewReader(r)
	c.ReuseRecord = true
	for first := true; ; first = false {
		fields, err := c.Read()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if first {
			continue
		}
		kept := make([]string, len(fields))
		copy(kept, fields)
		row(kept)
	}
}
