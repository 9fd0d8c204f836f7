package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// compareScenario puts onhand beside what a team would use instead, on the same work, in
// one run and in turn. While one is measured the others are halted, so that nobody's
// housekeeping is paid by somebody else.
type compareScenario struct {
	common
	Only   []string `placeholder:"PART" help:"Some of the parts only: get, reserve, batch, post, kafka, visible."`
	Rounds int      `default:"3" help:"Rounds of each side (${default})."`

	Stores int     `default:"50" help:"Stores of get, reserve and batch; each carries every SKU (${default})."`
	SKUs   int     `name:"skus" default:"20000" help:"SKUs of get, reserve and batch (${default})."`
	Skew   float64 `default:"1" help:"Exponent of the Zipf curve by which SKUs are chosen; negative: all alike (${default})."`
	Conns  []int   `default:"64,256" help:"Connections of reserve; each number is measured (${default})."`

	PostSKUs int `name:"post-skus" default:"1000" help:"SKUs of post, at each of 300 stores (${default})."`
	Events   int `default:"2000000" help:"Events of one line of a round of kafka; half as many baskets (${default})."`
}

var compareParts = []string{"reserve", "get", "batch", "post", "kafka", "visible"}

func (c *compareScenario) wants(part string) bool {
	return len(c.Only) == 0 || slices.Contains(c.Only, part)
}

func (c *compareScenario) run(ctx context.Context, r *report) (err error) {
	for _, part := range c.Only {
		if !slices.Contains(compareParts, part) {
			return fmt.Errorf("--only %s: there are %s", part, strings.Join(compareParts, ", "))
		}
	}
	if c.Target != "" || c.Rounds < 1 {
		return errors.New("compare starts everything itself, and needs a round at least")
	}
	b, err := newBed(ctx, &c.common)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if c.wants("reserve") || c.wants("get") || c.wants("batch") {
		err = c.compareStores(ctx, r, b)
	}
	if err == nil && c.wants("post") {
		err = c.comparePosts(ctx, r, b)
	}
	if err == nil && (c.wants("kafka") || c.wants("visible")) {
		err = c.compareKafka(ctx, r, b)
	}
	return err
}

// inTurn halts all but one of the services while f runs.
func inTurn(one *service, all []*service, f func() error) error {
	halt := func(yes bool) (errs error) {
		for _, s := range all {
			if s != one {
				errs = errors.Join(errs, s.child.halt(yes))
			}
		}
		return errs
	}
	return errors.Join(halt(true), f(), halt(false))
}
