package main

import (
	"context"
	"fmt"
)

// compareKafka lets onhand apply what Apache Kafka holds, in turn with clients that read
// the same records and throw them away. The one-line events are the target's; baskets
// have four or five lines each.
func (c *compareScenario) compareKafka(ctx context.Context, r *report, b *bed) error {
	for _, partitions := range []int{1, 4} {
		for _, sale := range []struct {
			name   string
			basket int
			events int
		}{{"one-line events", 1, c.Events}, {"baskets", 12, c.Events / 2}} {
			g := &ingestScenario{common: c.common, kafkaFlags: kafkaFlags{Broker: "apache", Partitions: partitions},
				Stores: 300, SKUs: 20000, Coverage: 0.166, Basket: sale.basket, Events: sale.events, Rounds: c.Rounds, Probes: 500,
				title: fmt.Sprintf("Kafka, partitions %d, %s: ", partitions, sale.name), franz: true}
			g.Onhand = b.program
			g.skipLatency = !c.wants("visible") || sale.basket > 1
			if err := g.run(ctx, r); err != nil {
				return fmt.Errorf("%s%w", g.title, err)
			}
			if c.wants("kafka") {
				r.atLeast(g.title+"onhand ÷ Client.Fetch", "×", 0.4, g.ratios...)
			}
		}
	}
	return nil
}
