package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"time"

	"onhand/retailer"
)

const (
	eventsPerRequest = 1000
	eventBytesMax    = 4 << 20 // a quarter of the longest body that the service takes
)

// loadEvents posts events as POST /v1/events takes them, in order. All must be accepted.
func loadEvents(ctx context.Context, s *service, events iter.Seq[retailer.Record]) error {
	c, err := dial(s.addr, time.Now().Add(10*time.Minute))
	if err != nil {
		return err
	}
	defer c.Close()
	var body []byte
	var request []byte
	n := int64(0)
	post := func() error {
		request = appendPost(request[:0], "/v1/events", append(body, ']'))
		body = body[:0]
		sent := n
		n = 0
		return postEvents(c, request, sent)
	}
	for record := range events {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		body = appendElement(body, record.Value)
		if n++; n == eventsPerRequest || len(body) > eventBytesMax {
			if err := post(); err != nil {
				return err
			}
		}
	}
	if n == 0 {
		return nil
	}
	return post()
}

// appendElement appends to a JSON array that lacks its closing bracket.
func appendElement(array, element []byte) []byte {
	if len(array) == 0 {
		array = append(array, '[')
	} else {
		array = append(array, ',')
	}
	return append(array, element...)
}

// postEvents sends a batch of n events; none may be rejected.
func postEvents(c *conn, request []byte, n int64) error {
	body, err := c.expect(200, request)
	if err != nil {
		return fmt.Errorf("POST /v1/events: %w", err)
	}
	var answer struct {
		Accepted, Duplicates int64
		Rejected             []json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("POST /v1/events: %w", err)
	}
	if answer.Accepted+answer.Duplicates != n || len(answer.Rejected) > 0 {
		return fmt.Errorf("POST /v1/events: of %d events %d were accepted, %d duplicates; rejected: %s",
			n, answer.Accepted, answer.Duplicates, clip(bytes.Join(rawBytes(answer.Rejected), []byte{','})))
	}
	return nil
}

func rawBytes(raw []json.RawMessage) (all [][]byte) {
	for _, m := range raw {
		all = append(all, m)
	}
	return all
}

// noDeadLetters is an error if the service refused an event.
func noDeadLetters(s *service) error {
	c, err := dial(s.addr, time.Now().Add(10*time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	body, err := c.expect(200, get("/v1/dead-letters?limit=1"))
	if err != nil {
		return err
	}
	var answer struct{ Items []json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if len(answer.Items) > 0 {
		return fmt.Errorf("as %s", clip(answer.Items[0]))
	}
	return nil
}

// metric sums the samples of a metric over its labels.
func metric(c *conn, name string) (sum float64, err error) {
	body, err := c.expect(200, get("/metrics"))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(body) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if !ok || len(rest) == 0 || (rest[0] != '{' && rest[0] != ' ') {
			continue
		}
		value := bytes.TrimSpace(rest[bytes.LastIndexByte(rest, ' ')+1:])
		v, err := strconv.ParseFloat(string(value), 64)
		if err != nil {
			return 0, fmt.Errorf("metric %q: %w", line, err)
		}
		sum += v
	}
	return sum, nil
}

// decimalsOf tells the decimals of every SKU of a retailer.
func decimalsOf(r *retailer.Retailer) map[string]int {
	of := make(map[string]int, len(r.SKUs()))
	for i, sku := range r.SKUs() {
		of[sku] = r.Item(i).Decimals
	}
	return of
}

// retailerBooks are books in which nothing is reserved and on hand is what the
// retailer expects.
func retailerBooks(r *retailer.Retailer) *books {
	type place struct {
		location string
		steps    int64
	}
	of := make(map[string][]place, len(r.SKUs()))
	for _, location := range r.LocationIDs() {
		for sku, onHand := range r.Carried(location) {
			of[sku] = append(of[sku], place{location, onHand})
		}
	}
	decimals := decimalsOf(r)
	return &books{
		skus:     r.SKUs(),
		decimals: func(sku string) int { return decimals[sku] },
		expected: func(sku string) map[string]figures {
			all := make(map[string]figures, len(of[sku]))
			for _, p := range of[sku] {
				all[p.location] = figures{onHand: p.steps}
			}
			return all
		},
	}
}

// behindMetric is how many entries the service has not told the outgoing topics yet.
const behindMetric = "onhand_availability_publisher_behind_entries"

// awaitPublished waits until the service has published what it applied: else the
// signals of one phase would be paid for in the next.
func awaitPublished(ctx context.Context, s *service) error {
	c, err := dial(s.addr, time.Now().Add(10*time.Minute))
	if err != nil {
		return err
	}
	defer c.Close()
	return poll(ctx, 5*time.Minute, pollEvery, func() error {
		behind, err := metric(c, behindMetric)
		if err == nil && behind > 0 {
			err = fmt.Errorf("%.0f entries are not published yet", behind)
		}
		return err
	})
}
