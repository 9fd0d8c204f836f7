package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestKafka is one suite, played against each broker.
func TestKafka(t *testing.T) {
	for _, b := range brokers(t) {
		t.Run(b.name, func(t *testing.T) {
			t.Run("from event to answer", func(t *testing.T) { fromEventToAnswer(t, b) })
			t.Run("exceptions", func(t *testing.T) { exceptionsOut(t, b) })
			t.Run("orders", func(t *testing.T) { ordersIn(t, b) })
			t.Run("poison", func(t *testing.T) { poison(t, b) })
			t.Run("outage under load", func(t *testing.T) { outageUnderLoad(t, b) })
			t.Run("broker comes later", func(t *testing.T) { brokerComesLater(t, b) })
		})
	}
}

func publish(t testing.TB, addr, topic string, messages ...kafka.Message) {
	t.Helper()
	w := producer(addr, topic)
	defer w.Close()
	eventually(t, "the broker takes the records", func() error {
		err := w.WriteMessages(context.Background(), messages...)
		var each kafka.WriteErrors
		if errors.As(err, &each) && each.Count() < len(each) {
			t.Fatalf("part of the records was written: %v", err)
		}
		return err
	})
}

// topicHolds reads a topic from its beginning until a record is the one that is looked for.
func topicHolds(t testing.TB, addr, topic, what string, is func(kafka.Message) bool) kafka.Message {
	t.Helper()
	conn, err := kafka.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	partitions, err := conn.ReadPartitions(topic)
	conn.Close()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	found := make(chan kafka.Message, len(partitions))
	var wg sync.WaitGroup
	for _, p := range partitions {
		wg.Go(func() {
			r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{addr}, Topic: topic, Partition: p.ID, MaxBytes: 4 << 20, MaxWait: 100 * time.Millisecond})
			defer r.Close()
			for {
				m, err := r.ReadMessage(ctx)
				if err != nil {
					return
				}
				if is(m) {
					found <- m
					cancel()
				}
			}
		})
	}
	wg.Wait()
	select {
	case m := <-found:
		return m
	default:
		t.Fatalf("topic %s never held %s", topic, what)
		return kafka.Message{}
	}
}

func fromEventToAnswer(t *testing.T, b testBroker) {
	p := start(t, t.TempDir(), b.args(t)...)
	// Master data, opening stock and sales, each by its own topic, as they come in practice.
	at := time.Now().UTC().Add(-time.Minute).Format(time.RFC3339)
	event := func(typ, source, id, data string) kafka.Message {
		return kafka.Message{Key: []byte("0042"), Value: fmt.Appendf(nil,
			`{"specversion":"1.0","type":%q,"source":%q,"id":%q,"time":%q,"data":%s}`, typ, source, id, at, data)}
	}
	publish(t, p.kafka, "erp.events", event("erp.location", "erp", "1", `{"location":"0042","name":"Dam"}`),
		event("erp.item", "erp", "2", `{"sku":"milk","category":"dairy"}`), event("erp.item", "erp", "3", `{"sku":"ham","decimals":3}`),
		event("erp.policy", "erp", "4", `{"policy":"safety-stock","rules":[{"category":"dairy","units":1}]}`))
	eventually(t, "master data is known", func() error {
		for _, path := range []string{"/v1/skus/milk", "/v1/skus/ham", "/v1/locations/0042"} {
			if code, b := p.get(path); code != 200 {
				return fmt.Errorf("%s: %d %s", path, code, b)
			}
		}
		return nil
	})
	publish(t, p.kafka, "wms.events", event("wms.count", "wms", "1", `{"location":"0042","lines":[{"sku":"milk","quantity":10},{"sku":"ham","quantity":2.5}]}`))
	// Binary mode: the event's attributes are headers, the value is its data.
	headers := []kafka.Header{{Key: "content-type", Value: []byte("application/json")}}
	for k, v := range map[string]string{"specversion": "1.0", "type": "pos.sale", "source": "pos/0042/till-1", "id": "1", "time": time.Now().UTC().Format(time.RFC3339Nano)} {
		headers = append(headers, kafka.Header{Key: "ce_" + k, Value: []byte(v)})
	}
	publish(t, p.kafka, "pos.events",
		kafka.Message{Key: []byte("0042"), Value: saleEvent("pos/0042/till-2", "1", "0042", "milk", 2)},
		kafka.Message{Key: []byte("0042"), Headers: headers, Value: []byte(`{"location":"0042","lines":[{"sku":"milk","quantity":1},{"sku":"ham","quantity":0.125}]}`)})
	eventually(t, "the sales are in the figures", func() error {
		code, body := p.get("/v1/availability/ham?location=0042&fields=available")
		r, err := p.row("milk", "0042")
		if err != nil || r.OnHand != 7 || r.Available != 6 || !strings.Contains(string(body), `"available":2.375`) {
			return fmt.Errorf("milk %+v %v, ham %d %s", r, err, code, body)
		}
		return nil
	})
	// Goods under way are told of by two topics, and are one list.
	p.must(200, "PUT", "/v1/locations/dc1", `{"kind":"warehouse"}`)
	publish(t, p.kafka, "wms.events", event("wms.transfer", "wms", "2", `{"location":"dc1","to":"0042","transfer":"t-1","lines":[{"sku":"milk","quantity":9}]}`))
	publish(t, p.kafka, "erp.events", event("erp.inbound", "erp", "5", `{"location":"dc1","inbound":"po-1","lines":[{"sku":"milk","quantity":40,"expected_at":"2030-01-01T00:00:00Z"}]}`))
	eventually(t, "goods are under way", func() error {
		_, b := p.get("/v1/inbound?sku=milk")
		if !strings.Contains(string(b), `"id":"t-1"`) || !strings.Contains(string(b), `"id":"po-1"`) {
			return fmt.Errorf("under way: %s", b)
		}
		return nil
	})
	for topic, available := range map[string]string{"onhand.availability": `"available":6`, "onhand.freshness": `"available":6`} {
		m := topicHolds(t, p.kafka, topic, "milk with 6 available", func(m kafka.Message) bool {
			return string(m.Key) == "milk|0042" && strings.Contains(string(m.Value), available)
		})
		if !json.Valid(m.Value) || !strings.Contains(string(m.Value), `"seq":`) {
			t.Errorf("%s: %s", topic, m.Value)
		}
	}
	p.stop()
}

// exceptionsOut lets a till leave out a sale: the count that finds it, what a person says
// of it, and the sale when it comes are told outside and inside.
func exceptionsOut(t *testing.T, b testBroker) {
	p := start(t, t.TempDir(), b.args(t)...)
	p.must(200, "PUT", "/v1/skus/milk", `{}`)
	p.must(200, "PUT", "/v1/locations/0042", `{}`)
	now := time.Now().UTC()
	event := func(topic, typ, id string, ago time.Duration, quantity int, attributes string) {
		publish(t, p.kafka, topic, kafka.Message{Key: []byte("0042"), Value: fmt.Appendf(nil,
			`{"specversion":"1.0","type":%q,"source":"till-1","id":%q,"time":%q%s,"data":{"location":"0042","lines":[{"sku":"milk","quantity":%d}]}}`,
			typ, id, now.Add(-ago).Format(time.RFC3339Nano), attributes, quantity)})
	}
	told := func(what, state string) kafka.Message {
		return topicHolds(t, p.kafka, "onhand.exceptions", what, func(m kafka.Message) bool {
			return string(m.Key) == "milk|0042" && strings.Contains(string(m.Value), `"id":"c2"`) && strings.Contains(string(m.Value), state)
		})
	}
	onHand := func(want int) {
		eventually(t, "it is applied", func() error {
			if r, err := p.row("milk", "0042"); err != nil || r.OnHand != want {
				return fmt.Errorf("%+v %v, want %d on hand", r, err, want)
			}
			return nil
		})
	}
	event("pos.events", "pos.sale", "1", 9*time.Minute, 1, `,"sequence":"1"`)
	onHand(-1)
	event("wms.events", "wms.count", "c1", 8*time.Minute, 10, "")
	event("pos.events", "pos.sale", "3", 6*time.Minute, 1, `,"sequence":"3"`)
	onHand(9)
	event("wms.events", "wms.count", "c2", 5*time.Minute, 7, "")
	m := told("the difference", `"state":"open"`)
	var raised struct{ Data struct{ ID, Cause string } }
	if err := json.Unmarshal(m.Value, &raised); err != nil || raised.Data.Cause != "sequence-gap" {
		t.Fatalf("%v: %s", err, m.Value)
	}
	event("pos.events", "pos.sale", "2", 7*time.Minute, 2, `,"sequence":"2"`)
	eventually(t, "the late sale explains it", func() error {
		if x := p.must(200, "GET", "/v1/exceptions/"+raised.Data.ID, ""); x["cause"] != "late-event" {
			return fmt.Errorf("%v", x)
		}
		return nil
	})
	p.must(200, "POST", "/v1/exceptions/"+raised.Data.ID+"/resolve", `{"note":"till was offline"}`)
	told("what became of it", `"note":"till was offline"`)
	if x := p.must(200, "GET", "/v1/positions/milk/0042?at="+now.Add(-6*time.Minute-30*time.Second).Format(time.RFC3339), ""); x["as_now_known"].(map[string]any)["on_hand"] != 8.0 {
		t.Errorf("%v", x)
	}
	if x := p.must(200, "GET", "/v1/accuracy", ""); x["total"].(map[string]any)["counted"] != 2.0 {
		t.Errorf("%v", x)
	}
	if x := p.must(200, "GET", "/v1/sources", ""); x["items"].([]any)[0].(map[string]any)["sequence"].(map[string]any)["filled"] != 1.0 {
		t.Errorf("%v", x)
	}
	p.stop()
}

func poison(t *testing.T, b testBroker) {
	p := start(t, t.TempDir(), b.args(t)...)
	p.stock([]string{"milk"}, []string{"0042"}, 100)
	sale := func(id string, from, to string) []byte {
		return []byte(strings.Replace(string(saleEvent("pos/0042/till-1", id, "0042", "milk", 1)), from, to, 1))
	}
	letters := map[string][]byte{ // by code
		"invalid-event":        []byte(`not JSON`),
		"unknown-sku":          sale("2", `"milk"`, `"beer"`),
		"unknown-location":     sale("3", `"location":"0042"`, `"location":"mars"`),
		"invalid-quantity":     sale("4", `"quantity":1`, `"quantity":99999999999999999999`),
		"too-old":              sale("5", `"time":"20`, `"time":"19`),
		"idempotency-mismatch": sale("1", `"quantity":1`, `"quantity":2`),
		"not-supported":        []byte(`{"specversion":"1.0","type":"erp.policy","source":"erp","id":"6","time":"2026-11-23T10:00:00Z","data":{"policy":"quotas","rules":[]}}`),
	}
	var messages []kafka.Message
	add := func(v []byte) { messages = append(messages, kafka.Message{Key: []byte("0042"), Value: v}) }
	add(saleEvent("pos/0042/till-1", "1", "0042", "milk", 1))
	want := 1
	codes := []string{}
	for code, v := range letters {
		codes = append(codes, code)
		add(v)
		add(saleEvent("pos/0042/till-1", "good-"+code, "0042", "milk", 1))
		want++
	}
	publish(t, p.kafka, "pos.events", messages...)
	eventually(t, "every good event is applied", func() error {
		r, err := p.row("milk", "0042")
		if err == nil && r.OnHand != 100-want {
			err = fmt.Errorf("%d on hand", r.OnHand)
		}
		return err
	})
	slices.Sort(codes)
	for _, code := range codes {
		m := topicHolds(t, p.kafka, "onhand.dead-letters", code, func(m kafka.Message) bool { return header(m, "code") == code })
		if string(m.Value) != string(letters[code]) || header(m, "source topic") != "pos.events" || header(m, "detail") == "" || header(m, "offset") == "" {
			t.Errorf("%s: %q with headers %v", code, m.Value, m.Headers)
		}
	}
	if v := p.must(200, "GET", "/v1/dead-letters", ""); len(v["items"].([]any)) != len(letters) {
		t.Errorf("dead letters: %v", v)
	}
	p.stop()
}

func header(m kafka.Message, key string) string {
	for _, h := range m.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// outageUnderLoad takes the broker away while tills send, and brings it back: the API
// answers meanwhile, and in the end every sale that was acknowledged counts once.
func outageUnderLoad(t *testing.T, b testBroker) {
	broker := b.apart(t)
	p := start(t, t.TempDir(), "--kafka", broker.addr)
	p.stock([]string{"milk"}, []string{"0001", "0002"}, 1_000_000)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var mu sync.Mutex
	sold := map[string]int{}
	var unheard atomic.Int64 // times that a till did not hear whether a sale arrived
	var wg sync.WaitGroup
	for i := range 4 {
		location := fmt.Sprintf("000%d", 1+i%2)
		wg.Go(func() {
			w := producer(broker.addr, "pos.events")
			defer w.Close()
			w.WriteTimeout, w.ReadTimeout = time.Second, time.Second
			for id := 0; ctx.Err() == nil; id++ {
				m := kafka.Message{Key: []byte(location), Value: saleEvent(fmt.Sprintf("pos/%s/till-%d", location, i), fmt.Sprint(id), location, "milk", 1)}
				for w.WriteMessages(context.Background(), m) != nil { // the same event until it is acknowledged
					unheard.Add(1)
					<-time.After(20 * time.Millisecond) // tills that try as fast as they can would slow the broker's start
				}
				mu.Lock()
				sold[location]++
				mu.Unlock()
			}
		})
	}
	total := func() int {
		mu.Lock()
		defer mu.Unlock()
		return sold["0001"] + sold["0002"]
	}
	more := func(n int) {
		before := total()
		eventually(t, fmt.Sprintf("%d more sales", n), func() error {
			if d := total() - before; d < n {
				return fmt.Errorf("%d so far", d)
			}
			return nil
		})
	}
	for _, o := range broker.outages {
		more(200)
		o.begin()
		before, began := unheard.Load(), time.Now()
		eventually(t, "tills hear nothing of their sales", func() error {
			if n := unheard.Load() - before; n < 4 {
				return fmt.Errorf("%d times", n)
			}
			return nil
		})
		silent := time.Since(began).Milliseconds()
		if r, err := p.row("milk", "0001"); err != nil || *r.AgeMillis < silent-500 {
			t.Errorf("while the broker is %s for %d ms: %+v, %v", o.name, silent, r, err)
		}
		for range 20 {
			if code, body := p.get("/v1/availability/milk"); code != 200 {
				t.Errorf("while the broker is %s: %d %s", o.name, code, body)
			}
			p.must(201, "POST", "/v1/reservations", `{"ttl_seconds":1,"lines":[{"sku":"milk","location":"0001","quantity":1}]}`)
		}
		o.over()
		more(200)
	}
	cancel()
	wg.Wait()
	for location, n := range sold {
		eventually(t, "every sale at "+location+" is applied once", func() error {
			r, err := p.row("milk", location)
			if err == nil && r.OnHand != 1_000_000-n {
				err = fmt.Errorf("%d on hand, %d were sold", r.OnHand, n)
			}
			return err
		})
	}
	records := recordsIn(t, broker.addr, "pos.events")
	t.Logf("%d sales, %d records, %d times a till heard nothing", total(), records, unheard.Load())
	if broker.lands && records <= int64(total()) {
		t.Error("no sale arrived that its till did not hear of, so none was there twice")
	}
	p.stop()
}

// recordsIn is how many records were ever written to a topic.
func recordsIn(t testing.TB, addr, topic string) (n int64) {
	t.Helper()
	conn, err := kafka.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	partitions, err := conn.ReadPartitions(topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range partitions {
		leader, err := kafka.DialLeader(context.Background(), "tcp", addr, topic, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		last, err := leader.ReadLastOffset()
		leader.Close()
		if err != nil {
			t.Fatal(err)
		}
		n += last
	}
	return n
}

// brokerComesLater starts the service without its broker.
func brokerComesLater(t *testing.T, b testBroker) {
	broker := b.apart(t)
	broker.stop()
	p := launch(t, t.TempDir(), "--kafka", broker.addr)
	if code, body := p.get("/healthz"); code != 200 {
		t.Errorf("healthz: %d %s", code, body)
	}
	if code, body := p.get("/readyz"); code != 503 {
		t.Errorf("readyz without a broker: %d %s", code, body)
	}
	p.stock([]string{"milk"}, []string{"0042"}, 10)
	p.must(201, "POST", "/v1/reservations", `{"id":"a","lines":[{"sku":"milk","location":"0042","quantity":3}]}`)
	broker.start()
	publish(t, broker.addr, "pos.events", kafka.Message{Key: []byte("0042"), Value: saleEvent("pos/0042/till-1", "1", "0042", "milk", 2)})
	eventually(t, "the sale is applied", func() error {
		r, err := p.row("milk", "0042")
		if err == nil && (r.OnHand != 8 || r.Held != 3) {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	p.waitReady()
	p.stop()
}
