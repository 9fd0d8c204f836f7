package main

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sales is a file of sale lines, in the order of the file.
type sales struct {
	stores, skus   []string
	storeOf, skuOf map[string]int32
	baskets        []basket
	lines          int
	first          time.Time // of the earliest line
}

// basket is what one customer paid for at one store; at is the time of its first line.
type basket struct {
	id    string
	store int32
	at    time.Time
	lines []soldLine
}

// soldLine is negative where goods were brought back, and may be zero.
type soldLine struct{ sku, quantity int32 }

// salesColumns are the columns that are read, wherever they stand.
var salesColumns = []string{"transaction_timestamp", "store_id", "basket_id", "product_id", "quantity"}

// openText opens a file, unpacking one whose name ends in .gz.
func openText(file string) (io.ReadCloser, error) {
	f, err := os.Open(file)
	if err != nil || !strings.HasSuffix(file, ".gz") {
		return f, err
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<18))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", file, err), f.Close())
	}
	return struct {
		io.Reader
		io.Closer
	}{z, f}, nil
}

// readColumns calls each for every row after the first, which names the columns, with
// the values of those wanted; they die with the call.
func readColumns(in io.Reader, wanted []string, each func(values []string) error) error {
	rows := csv.NewReader(in)
	rows.ReuseRecord = true
	names, err := rows.Read()
	if err != nil {
		return fmt.Errorf("names of columns: %w", err)
	}
	at := make([]int, len(wanted))
	for i, name := range wanted {
		if at[i] = slices.Index(names, name); at[i] < 0 {
			return fmt.Errorf("there is no column %s among %s", name, strings.Join(names, ", "))
		}
	}
	values := make([]string, len(wanted))
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, column := range at {
			values[i] = row[column]
		}
		if err := each(values); err != nil {
			line, _ := rows.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// readSales reads lines and groups them by basket and store, in the order in which each
// first appears. Times without an offset are of zone.
func readSales(in io.Reader, zone *time.Location) (*sales, error) {
	s := &sales{storeOf: map[string]int32{}, skuOf: map[string]int32{}}
	type key struct {
		store int32
		id    string
	}
	basketOf := map[key]int32{}
	err := readColumns(in, salesColumns, func(v []string) error {
		at, err := time.ParseInLocation("2006-01-02T15:04:05", v[0], zone)
		if err != nil {
			return err
		}
		quantity, err := strconv.ParseInt(v[4], 10, 32)
		if err != nil || quantity == math.MinInt32 {
			return fmt.Errorf("quantity %q is not a whole number of 32 bits", v[4])
		}
		store := intern(&s.stores, s.storeOf, v[1])
		k := key{store, v[2]}
		i, known := basketOf[k]
		if !known {
			k.id = strings.Clone(k.id) // the row is reused
			i = int32(len(s.baskets))
			basketOf[k] = i
			s.baskets = append(s.baskets, basket{id: k.id, store: store, at: at})
		}
		b := &s.baskets[i]
		b.lines = append(b.lines, soldLine{intern(&s.skus, s.skuOf, v[3]), int32(quantity)})
		s.lines++
		if s.first.IsZero() || at.Before(s.first) {
			s.first = at
		}
		return nil
	})
	return s, err
}

func intern(names *[]string, of map[string]int32, name string) int32 {
	i, known := of[name]
	if !known {
		name = strings.Clone(name)
		i = int32(len(*names))
		of[name] = i
		*names = append(*names, name)
	}
	return i
}

// balance is what arithmetic says of one position.
type balance struct {
	sku, store int32
	sold       int64 // less what came back
	drawdown   int64 // the most that was sold and not brought back at any moment
}

// balances are those of all positions in the sales, by SKU and then by store, with the
// baskets in the order of the file and of each what was sold before what was returned.
func (s *sales) balances() []balance {
	type key struct{ sku, store int32 }
	at := map[key]int32{}
	var all []balance
	enter := func(store int32, ln soldLine) {
		k := key{ln.sku, store}
		n, known := at[k]
		if !known {
			n = int32(len(all))
			at[k] = n
			all = append(all, balance{sku: ln.sku, store: store})
		}
		bal := &all[n]
		bal.sold += int64(ln.quantity)
		bal.drawdown = max(bal.drawdown, bal.sold)
	}
	for i := range s.baskets {
		b := &s.baskets[i]
		for _, returned := range []bool{false, true} {
			for _, ln := range b.lines {
				if (ln.quantity < 0) == returned {
					enter(b.store, ln)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b balance) int {
		if a.sku != b.sku {
			return int(a.sku - b.sku)
		}
		return int(a.store - b.store)
	})
	return all
}

// events writes a basket as a sale, and what was brought back as a return.
func (s *sales) events(b *basket, each func(value []byte)) {
	store := s.stores[b.store]
	sale := newEvent("pos.sale", "pos/"+store, b.id, b.at, store)
	back := newEvent("pos.return", "pos/"+store, b.id+"-return", b.at, store)
	for _, ln := range b.lines {
		if ln.quantity < 0 {
			back.line(s.skus[ln.sku], -int64(ln.quantity))
		} else {
			sale.line(s.skus[ln.sku], int64(ln.quantity))
		}
	}
	for _, e := range []*event{sale, back} {
		if e.lines > 0 {
			each(e.bytes())
		}
	}
}
