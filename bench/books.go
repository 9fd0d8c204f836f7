package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// steps reads a quantity in its smallest steps, exactly: 1.25 with 3 decimals is 1250.
func steps(number string, decimals int) (int64, error) {
	digits := strings.TrimPrefix(number, "-")
	whole, part, _ := strings.Cut(digits, ".")
	part = strings.TrimRight(part, "0")
	if len(part) > decimals || whole == "" || len(whole) > 12 {
		return 0, fmt.Errorf("quantity %q is not one with up to %d decimals", number, decimals)
	}
	var n int64
	for _, c := range []byte(whole + part + strings.Repeat("0", decimals-len(part))) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("quantity %q is not a plain number", number)
		}
		n = n*10 + int64(c-'0')
	}
	if digits != number {
		n = -n
	}
	return n, nil
}

// figures are those of a position that a check compares, in smallest steps.
type figures struct{ onHand, held, committed int64 }

// positionFields are the members of a row that figures are read from.
const positionFields = "location,on_hand,held,committed"

type positionRow struct {
	Location  string      `json:"location"`
	OnHand    json.Number `json:"on_hand"`
	Held      json.Number `json:"held"`
	Committed json.Number `json:"committed"`
}

func (p positionRow) figures(decimals int) (f figures, err error) {
	var errs [3]error
	f.onHand, errs[0] = steps(string(p.OnHand), decimals)
	f.held, errs[1] = steps(string(p.Held), decimals)
	f.committed, errs[2] = steps(string(p.Committed), decimals)
	return f, errors.Join(errs[:]...)
}

// books is what the client holds true about the service's positions.
type books struct {
	skus     []string
	decimals func(sku string) int
	// expected gives the figures of every position of a SKU by location. A position
	// that the service has beside them must be all zero. It is called from several
	// goroutines at once.
	expected func(sku string) map[string]figures
}

// differenceLimit is how many differences an error tells in full.
const differenceLimit = 5

// mismatch is the error of books that differ.
type mismatch struct {
	positions, wrong int64
	first            []string
}

func (m *mismatch) Error() string {
	return fmt.Sprintf("%d of %d positions differ, as: %s", m.wrong, m.positions, strings.Join(m.first, "; "))
}

// compare reads all positions of the SKUs from the service and returns how many were
// compared. Books that differ are a *mismatch; other errors are failures to read them.
func (b *books) compare(ctx context.Context, s *service) (int64, error) {
	const batchSKUs, readers = 200, 2
	var (
		mu   sync.Mutex // guards diff and errs
		diff mismatch
		errs []error
		at   atomic.Int64
		all  sync.WaitGroup
	)
	for range readers {
		all.Go(func() {
			err := b.compareBatches(ctx, s, &at, batchSKUs, func(m mismatch) {
				mu.Lock()
				defer mu.Unlock()
				diff.positions += m.positions
				diff.wrong += m.wrong
				diff.first = append(diff.first, m.first...)
				diff.first = diff.first[:min(len(diff.first), differenceLimit)]
			})
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	if len(errs) > 0 {
		return diff.positions, fmt.Errorf("read the service's positions: %w", errors.Join(errs...))
	}
	if diff.wrong > 0 {
		return diff.positions, &diff
	}
	return diff.positions, nil
}

func (b *books) compareBatches(ctx context.Context, s *service, at *atomic.Int64, size int, found func(mismatch)) error {
	c, err := dial(s.addr, time.Now().Add(5*time.Minute))
	if err != nil {
		return err
	}
	defer c.Close()
	for ctx.Err() == nil {
		from := int(at.Add(int64(size))) - size
		if from >= len(b.skus) {
			return nil
		}
		skus := b.skus[from:min(from+size, len(b.skus))]
		body, err := c.expect(200, appendPost(nil, "/v1/availability", availabilityQuery(skus, positionFields)))
		if err != nil {
			return err
		}
		m, err := b.compareAnswer(skus, body)
		if err != nil {
			return err
		}
		found(m)
	}
	return ctx.Err()
}

func (b *books) compareAnswer(skus []string, body []byte) (m mismatch, err error) {
	var answer struct {
		Items []struct {
			SKU       string        `json:"sku"`
			Error     string        `json:"error"`
			Locations []positionRow `json:"locations"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return m, fmt.Errorf("%w in %s", err, clip(body))
	}
	if len(answer.Items) != len(skus) {
		return m, fmt.Errorf("%d items answered of %d asked", len(answer.Items), len(skus))
	}
	for i, item := range answer.Items {
		expected := b.expected(skus[i])
		differ := func(location, format string, args ...any) {
			m.wrong++
			if len(m.first) < differenceLimit {
				m.first = append(m.first, fmt.Sprintf("%s at %s "+format, append([]any{skus[i], location}, args...)...))
			}
		}
		seen := 0
		for _, row := range item.Locations {
			m.positions++
			got, err := row.figures(b.decimals(skus[i]))
			if err != nil {
				return m, fmt.Errorf("%s at %s: %w", skus[i], row.Location, err)
			}
			want, known := expected[row.Location]
			if known {
				seen++
			}
			if got != want {
				differ(row.Location, "is %+v, must be %+v", got, want)
			}
		}
		if item.SKU != skus[i] || seen != len(expected) {
			m.positions++
			differ("its locations", "(answered as %q %s): %d of %d positions are there", item.SKU, item.Error, seen, len(expected))
		}
	}
	return m, nil
}

// availabilityQuery is the body of a POST /v1/availability for all locations of SKUs;
// fields "" asks for all members.
func availabilityQuery(skus []string, fields string) []byte {
	type item struct {
		SKU string `json:"sku"`
	}
	query := struct {
		Items  []item `json:"items"`
		Fields string `json:"fields,omitempty"`
	}{Fields: fields}
	for _, sku := range skus {
		query.Items = append(query.Items, item{sku})
	}
	body, err := json.Marshal(query)
	if err != nil {
		panic(fmt.Sprintf("encode a query: %v", err)) // strings alone
	}
	return body
}

// withMarkers adds the positions of markers.
func (b *books) withMarkers(m *markers) *books {
	skus := append([]string{markerSKU}, b.skus...)
	return &books{skus: skus, decimals: b.decimals, expected: func(sku string) map[string]figures {
		if sku != markerSKU {
			return b.expected(sku)
		}
		all := map[string]figures{}
		for _, pl := range m.places {
			all[pl.location] = figures{onHand: pl.sent}
		}
		return all
	}}
}
