package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// differences gathers what is not as it must be.
type differences struct {
	mu    sync.Mutex // guards the rest
	count int
	first []string
}

func (d *differences) add(what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count++; len(d.first) < differenceLimit {
		d.first = append(d.first, what)
	}
}

func (d *differences) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == 0 {
		return nil
	}
	return fmt.Errorf("%d are wrong, as: %s", d.count, strings.Join(d.first, "; "))
}

// checkBookings reads every reservation that was answered 201.
func (v *reserveScenario) checkBookings(ctx context.Context, r *report, s *service) {
	const lookers = 16
	wrong := &differences{}
	l := load{conns: lookers, duration: 5 * time.Minute, limit: int64(len(v.bookings))}
	o, err := l.run(ctx, s, 1, func(int) (worker, error) {
		c, err := dial(s.addr, time.Now().Add(l.duration+time.Minute))
		return &looker{conn: c, bookings: v.bookings, wrong: wrong}, err
	})
	if seen := o.kinds; err == nil && (len(seen) == 0 || seen[0].count != l.limit) {
		err = fmt.Errorf("not all were read within %s", l.duration)
	}
	if err == nil && l.limit > 0 {
		r.add("GET a reservation", "requests", 0, o.kinds[0].count, o.busy, o.kinds[0].latency)
	}
	r.check(fmt.Sprintf("%d reservations answered 201 are in the state that the client knows", len(v.bookings)),
		errors.Join(err, wrong.err()))
}

// sums are what the client's own reservations add up to, in pieces by position.
func (v *reserveScenario) sums() (held, committed []int64) {
	held, committed = make([]int64, len(v.stock)), make([]int64, len(v.stock))
	for _, b := range v.bookings {
		of := held
		switch b.state {
		case "confirmed":
			of = committed
		case "cancelled":
			continue
		}
		for _, ln := range b.lines {
			of[ln.position] += int64(ln.pieces)
		}
	}
	return held, committed
}

func (v *reserveScenario) oversold() error {
	wrong := &differences{}
	held, committed := v.sums()
	for p, stock := range v.stock {
		if held[p]+committed[p] > int64(stock) {
			sku, location := v.name(int32(p))
			wrong.add(fmt.Sprintf("%s at %s: %d held and %d committed of %d", sku, location, held[p], committed[p], stock))
		}
	}
	return wrong.err()
}

// checkPositions compares on hand with the retailer's books, and held and committed with the
// client's own reservations.
func (v *reserveScenario) checkPositions(ctx context.Context, r *report, s *service, when string) {
	held, committed := v.sums()
	b := &books{
		skus:     v.shop.SKUs(),
		decimals: func(sku string) int { return v.decimals[sku] },
		expected: func(sku string) map[string]figures {
			all := make(map[string]figures, v.Stores)
			unit := v.unit(sku)
			for place, location := range v.shop.StoreIDs() {
				p := v.itemOf[sku]*v.Stores + place
				all[location] = figures{v.shop.Expected(location, sku), held[p] * unit, committed[p] * unit}
			}
			return all
		},
	}
	compared, err := b.compare(ctx, s)
	r.check(fmt.Sprintf("%s, on hand, held and committed of %d positions are the sums of what the client did", when, compared), err)
}
