package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const salesHeader = "transaction_timestamp,store_id,basket_id,household_id,product_id,quantity,sales_value\n"

func TestReadSalesGroupsByBasketAndStore(t *testing.T) {
	s, err := readSales(strings.NewReader(salesHeader+
		"2017-01-01T11:53:26,330,b1,900,milk,1,0.5\n"+
		"2017-01-01T11:53:26,330,b1,900,milk,2,0.5\n"+ // the same product twice
		"2017-01-01T11:53:30,406,b1,900,bread,1,1\n"+ // the same number at another store
		"2017-01-01T11:53:31,330,b2,901,petrol,89638,1\n"+
		"2017-01-01T11:53:26,330,b1,900,bread,0,0\n"), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range s.baskets {
		s.events(&s.baskets[i], func(value []byte) { got = append(got, string(value)) })
	}
	want := []string{
		sold("330", "b1", "11:53:26", `{"sku":"milk","quantity":1},{"sku":"milk","quantity":2},{"sku":"bread","quantity":0}`),
		sold("406", "b1", "11:53:30", `{"sku":"bread","quantity":1}`),
		sold("330", "b2", "11:53:31", `{"sku":"petrol","quantity":89638}`),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if s.lines != 5 || !s.first.Equal(time.Date(2017, 1, 1, 11, 53, 26, 0, time.UTC)) {
		t.Errorf("%d lines from %s", s.lines, s.first)
	}
}

func sold(store, basket, at, lines string) string {
	return fmt.Sprintf(`{"specversion":"1.0","type":"pos.sale","source":"pos/%s","id":"%s","time":"2017-01-01T%s.000Z","data":{"location":"%s","lines":[%s]}}`,
		store, basket, at, store, lines)
}

func TestReadSalesRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := readSales(strings.NewReader(text), time.UTC)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want a complaint about %s", err, want)
		}
	}
	f("", "names of columns")
	f("store_id,quantity\n", "no column transaction_timestamp")
	f(salesHeader+"yesterday,1,b,h,milk,1,1\n", "line 2")
	f(salesHeader+"2017-01-01T11:53:26,1,b,h,milk,half,1\n", "line 2: quantity")
	f(salesHeader+"2017-01-01T11:53:26,1,b,h,milk,2147483648,1\n", "32 bits")
}

func TestBalances(t *testing.T) {
	f := func(quantities []int, drawdown, end int64) {
		t.Helper()
		text := salesHeader
		for i, q := range quantities {
			text += fmt.Sprintf("2017-01-01T10:00:%02d,7,b%d,h,milk,%d,0\n", i, i, q)
		}
		s, err := readSales(strings.NewReader(text), time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		got := s.balances()[0]
		if got.drawdown != drawdown || got.drawdown-got.sold != end {
			t.Errorf("drawdown %d and end %d, want %d and %d", got.drawdown, got.drawdown-got.sold, drawdown, end)
		}
	}
	f([]int{1, 2, 3}, 6, 0)
	f([]int{0}, 0, 0)             // a position that only a line of 0 names is still one
	f([]int{5, -5, 3}, 5, 2)      // brought back before the rest was sold
	f([]int{-4, 1}, 0, 3)         // never below where it began
	f([]int{89_638, 1}, 89639, 0) // petrol by the millilitre
}

func TestBalancesTakeABasketsSaleBeforeItsReturn(t *testing.T) {
	s, err := readSales(strings.NewReader(salesHeader+
		"2017-01-01T10:00:00,7,b,h,milk,-3,0\n2017-01-01T10:00:00,7,b,h,milk,5,0\n"), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.balances()[0]; got.drawdown != 5 || got.sold != 2 {
		t.Errorf("got %+v, want a drawdown of 5 and 2 sold: the sale is an event before the return", got)
	}
	var kinds []string
	s.events(&s.baskets[0], func(value []byte) {
		var e struct{ Type, ID string }
		if err := json.Unmarshal(value, &e); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, e.Type+" "+e.ID)
	})
	if want := []string{"pos.sale b", "pos.return b-return"}; !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
}

func TestOpenTextUnpacks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sales.csv.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(salesHeader + "2017-01-01T10:00:00,7,b,h,milk,5,0\n"))
	z.Close()
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := openText(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s, err := readSales(in, time.UTC)
	if err != nil || s.lines != 1 {
		t.Errorf("read %+v, %v", s, err)
	}
}

// TestCompleteJourney reads the published data set where it lies beside the repository.
func TestCompleteJourney(t *testing.T) {
	file := filepath.Join("..", "..", "shared", "data", "completejourney", "transactions.csv.gz")
	if _, err := os.Stat(file); err != nil {
		t.Skipf("the data set is not here: %v", err)
	}
	in, err := openText(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	s, err := readSales(in, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if s.lines != 1_469_307 || len(s.stores) != 457 || len(s.skus) != 68_509 || len(s.baskets) != 155_848 {
		t.Errorf("%d lines, %d stores, %d SKUs, %d baskets", s.lines, len(s.stores), len(s.skus), len(s.baskets))
	}
	for _, b := range s.balances() {
		if b.drawdown != b.sold {
			t.Fatalf("%+v: without returns the largest drawdown is all that was sold", b)
		}
	}
}
