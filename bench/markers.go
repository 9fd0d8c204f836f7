package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// markers tell how far the service has come in each partition: a marker raises on hand
// of a position of the partition's own by one, behind everything sent there before.
type markers struct {
	producer *producer
	places   []markerPlace
	byID     map[string]int
}

type markerPlace struct {
	topic     string
	partition int
	location  string
	sent      int64
}

// markerSKU is a SKU that nobody sells.
const markerSKU = "bench-marker"

const (
	topicPOS = "pos.events"
	topicWMS = "wms.events"
	topicERP = "erp.events"
)

// newMarkers announces the markers' SKU and locations, among the other master data.
func newMarkers(p *producer) *markers {
	m := &markers{producer: p, byID: map[string]int{}}
	p.send(topicERP, []byte(markerSKU), masterEvent("erp.item", "sku", markerSKU, ""))
	for _, topic := range []string{topicPOS, topicWMS} {
		for i := range p.partitions[topic] {
			id := fmt.Sprintf("bench-%s-%d", topic, i)
			m.byID[id] = len(m.places)
			m.places = append(m.places, markerPlace{topic: topic, partition: i, location: id})
			p.send(topicERP, []byte(id), masterEvent("erp.location", "location", id, ""))
		}
	}
	return m
}

// mark puts the next marker into a partition.
func (m *markers) mark(i int) {
	pl := &m.places[i]
	pl.sent++
	kind := "pos.return"
	if pl.topic == topicWMS {
		kind = "wms.receipt"
	}
	e := newEvent(kind, "bench/"+pl.location, fmt.Sprint(pl.sent), time.Now(), pl.location)
	e.line(markerSKU, 1)
	m.producer.sendTo(pl.topic, pl.partition, []byte(pl.location), e.bytes())
}

func (m *markers) markAll() {
	for i := range m.places {
		m.mark(i)
	}
}

// locations is the markers' locations as a query asks for them.
func (m *markers) locations() string {
	names := make([]string, len(m.places))
	for i := range m.places {
		names[i] = url.QueryEscape(m.places[i].location)
	}
	return "location=" + strings.Join(names, ",")
}

// markerQuery asks how far all partitions have come.
func markerQuery() []byte { return get("/v1/availability/" + markerSKU + "?fields=location,on_hand") }

// seen says how many markers of each place the service has applied.
func (m *markers) seen(c *conn, request []byte, into []int64) error {
	body, err := c.expect(200, request)
	if err != nil {
		return err
	}
	var answer struct{ Locations []positionRow }
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	for _, row := range answer.Locations {
		i, ours := m.byID[row.Location]
		if !ours {
			continue
		}
		if into[i], err = steps(string(row.OnHand), 0); err != nil {
			return err
		}
	}
	return nil
}

// await waits until all but behind of the markers of each place are applied.
func (m *markers) await(ctx context.Context, s *service, limit time.Duration, behind int64) error {
	c, err := dial(s.addr, time.Now().Add(limit+time.Minute))
	if err != nil {
		return err
	}
	defer c.Close()
	seen := make([]int64, len(m.places))
	return poll(ctx, limit, pollEvery, func() error {
		if err := m.producer.err(); err != nil {
			return err
		}
		if err := m.seen(c, markerQuery(), seen); err != nil {
			return err
		}
		for i, pl := range m.places {
			if seen[i] < pl.sent-behind {
				return fmt.Errorf("%s partition %d: %d of %d markers were applied", pl.topic, pl.partition, seen[i], pl.sent)
			}
		}
		return nil
	})
}

// awaitMasterData puts a location at the end of each partition with master data and
// waits until the service knows all of them: what comes after needs what came before.
func awaitMasterData(ctx context.Context, p *producer, s *service, round string) error {
	var ends []string
	for i := range p.partitions[topicERP] {
		id := fmt.Sprintf("bench-%s-%s-%d", topicERP, round, i)
		ends = append(ends, id)
		p.sendTo(topicERP, i, []byte(id), masterEvent("erp.location", "location", id, ""))
	}
	if err := p.flush(); err != nil {
		return err
	}
	c, err := dial(s.addr, time.Now().Add(10*time.Minute))
	if err != nil {
		return err
	}
	defer c.Close()
	err = poll(ctx, 5*time.Minute, pollEvery, func() error {
		for len(ends) > 0 {
			if _, err := c.expect(200, get("/v1/locations/"+url.PathEscape(ends[0]))); err != nil {
				return err
			}
			ends = ends[1:]
		}
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("master data was not applied, up to %s: %w", strings.Join(ends, ", "), err))
	}
	return nil
}
