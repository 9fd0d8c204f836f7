package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// ordersIn sends an order's events by Kafka, and hears what came of each by Kafka and HTTP:
// one that takes its way, one that is paid before it is placed, and one that cannot be had.
func ordersIn(t *testing.T, b testBroker) {
	p := start(t, t.TempDir(), b.args(t)...)
	p.stock([]string{"milk"}, []string{"0042"}, 10)
	at, n := time.Now().UTC().Format(time.RFC3339Nano), 0
	send := func(typ, order, lines string) {
		n++
		publish(t, p.kafka, "order.events", kafka.Message{Key: []byte(order), Value: fmt.Appendf(nil,
			`{"specversion":"1.0","type":"order.%s","source":"shop","id":"%d","time":%q,"data":{"order":%q,"channel":"web"%s}}`, typ, n, at, order, lines)})
	}
	told := func(order, change, what string) {
		t.Helper()
		m := topicHolds(t, p.kafka, "onhand.reservations", order+" "+change, func(m kafka.Message) bool {
			return string(m.Key) == order && strings.Contains(string(m.Value), `"change":"`+change+`"`)
		})
		if !json.Valid(m.Value) || !strings.Contains(string(m.Value), what) {
			t.Errorf("%s: %s", order, m.Value)
		}
	}
	is := func(order, state string, available int) {
		t.Helper()
		if r := p.must(200, "GET", "/v1/reservations/"+order, ""); r["state"] != state || r["reference"] != order {
			t.Errorf("%s: %v", order, r)
		}
		if r, err := p.row("milk", "0042"); err != nil || r.Available != available {
			t.Errorf("%+v %v, want %d available", r, err, available)
		}
	}
	lines := func(quantity int) string {
		return fmt.Sprintf(`,"lines":[{"sku":"milk","location":"0042","quantity":%d}]`, quantity)
	}
	send("placed", "o-1", lines(3))
	told("o-1", "held", `"held":3`)
	is("o-1", "held", 7)
	send("paid", "o-1", "")
	told("o-1", "confirmed", `"committed":3`)
	is("o-1", "confirmed", 7)
	send("paid", "o-2", "")
	told("o-2", "paid", `"lines":[]`)
	send("placed", "o-2", lines(2))
	told("o-2", "confirmed", `"committed":2`)
	is("o-2", "confirmed", 5)
	send("placed", "o-3", lines(6))
	told("o-3", "refused", `"short":[{"sku":"milk","location":"0042","requested":6,"available":5}]`)
	is("o-3", "refused", 5)
	send("cancelled", "o-1", lines(1))
	told("o-1", "cancelled", `"committed":2`)
	is("o-1", "confirmed", 6)

	// After its deadline it is too late to pay.
	send("placed", "o-4", `,"ttl_seconds":1`+lines(6))
	told("o-4", "expired", `"held":0`)
	send("paid", "o-4", "")
	told("o-4", "refused", `"reason":"reservation-expired"`)
	is("o-4", "expired", 6)
	if v := p.must(200, "GET", "/v1/dead-letters", ""); len(v["items"].([]any)) != 0 {
		t.Errorf("dead letters: %v", v)
	}
	p.stop()
}
