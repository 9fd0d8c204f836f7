package availability

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

const partitions = 3

func startBroker(t testing.TB, o embedded.Options) *embedded.Broker {
	t.Helper()
	o.Topics = []embedded.Topic{{Name: "onhand.availability", Partitions: partitions, Compact: true}, {Name: "onhand.freshness", Partitions: partitions},
		{Name: "onhand.exceptions", Partitions: partitions}, {Name: "onhand.reservations", Partitions: partitions}}
	b, err := embedded.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// consumer reads a topic from its beginning, partition by partition.
type consumer struct {
	t      testing.TB
	client *kafka.Client
	topic  string
	next   [partitions]int64
	all    []record
	latest map[string]*message // by key; nil: forgotten
	count  map[string]int      // by key
	places map[string]int      // by key: its partition
}

// record is a message as it lies in the topic.
type record struct{ key, value string }

// message is one record: a CloudEvent.
type message struct {
	SpecVersion, Type, Source, ID, Subject, Time, DataContentType string
	Data                                                          state
}

func newConsumer(t testing.TB, b *embedded.Broker, topic string) *consumer {
	transport := &kafka.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &consumer{t: t, client: &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport}, topic: topic,
		latest: map[string]*message{}, count: map[string]int{}, places: map[string]int{}}
}

// pollWith hands out the records that there are; of one without a value, "".
func (c *consumer) pollWith(fn func(key, value string)) {
	c.t.Helper()
	for p := range partitions {
		res, err := c.client.Fetch(context.Background(), &kafka.FetchRequest{Topic: c.topic, Partition: p, Offset: c.next[p],
			MinBytes: 1, MaxBytes: 8 << 20, MaxWait: 2 * time.Millisecond})
		if err != nil {
			continue // a connection to a broker that was closed
		}
		if res.Error != nil {
			c.t.Fatal(res.Error)
		}
		for {
			r, err := res.Records.ReadRecord()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				c.t.Fatal(err)
			}
			key, _ := kafka.ReadAll(r.Key)
			k := string(key)
			if at, ok := c.places[k]; ok && at != p {
				c.t.Errorf("%s is in partitions %d and %d", k, at, p)
			}
			c.places[k], c.next[p] = p, r.Offset+1
			value := []byte(nil)
			if r.Value != nil {
				value, _ = kafka.ReadAll(r.Value)
			}
			fn(k, string(value))
		}
	}
}

// poll reads what there is.
func (c *consumer) poll() {
	c.t.Helper()
	c.pollWith(func(k, value string) {
		c.count[k]++
		c.all = append(c.all, record{k, value})
		if value == "" {
			c.latest[k] = nil
			return
		}
		var m message
		if err := json.Unmarshal([]byte(value), &m); err != nil {
			c.t.Fatalf("%v: %s", err, value)
		}
		if m.Data.SKU+"|"+m.Data.Location != k || m.Subject != k || m.SpecVersion != "1.0" || m.Type != c.topic ||
			m.ID != fmt.Sprintf("%d|%s", m.Data.Seq, k) || m.Source != "onhand" {
			c.t.Errorf("%s: %s", k, value)
		}
		if old := c.latest[k]; old != nil && m.Data.Seq < old.Data.Seq {
			c.t.Errorf("%s: seq %d after %d", k, m.Data.Seq, old.Data.Seq)
		}
		c.latest[k] = &m
	})
}

// until polls until ok.
func (c *consumer) until(what string, ok func() bool) {
	c.t.Helper()
	deadline := time.Now().Add(patience)
	for c.poll(); !ok(); c.poll() {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (c *consumer) untilAvailable(key string, available float64) {
	c.t.Helper()
	c.until(fmt.Sprintf("%s has %v", key, available), func() bool {
		m := c.latest[key]
		return m != nil && m.Data.Available == available
	})
}

func (s *shop) publish(addr string) *Publisher {
	s.t.Helper()
	p, err := StartPublisher(s.Stock, PublisherOptions{Brokers: []string{addr}, Window: 10 * time.Millisecond, RetryMax: 50 * time.Millisecond})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func TestPublisher(t *testing.T) {
	s := newShop(t)
	b := startBroker(t, embedded.Options{})
	states, signals := newConsumer(t, b, "onhand.availability"), newConsumer(t, b, "onhand.freshness")
	s.move("a", "l1", 5)
	seq := s.move("kg", "l1", -500)
	p := s.publish(b.Addr())
	states.until("kg is told", func() bool { return states.latest["kg|l1"] != nil })
	var got string
	for _, r := range states.all {
		if r.key == "kg|l1" {
			got = r.value
		}
	}
	want := fmt.Sprintf(`{"specversion":"1.0","type":"onhand.availability","source":"onhand","id":"%d|kg|l1","subject":"kg|l1",`+
		`"time":"2026-11-23T10:00:00.000Z","datacontenttype":"application/json","data":{"sku":"kg","seq":%d,"location":"l1","available":0,`+
		`"on_hand":-0.5,"unsellable":0,"held":0,"committed":0,"safety_stock":0,"shortage":0.5,"as_of":"2026-11-23T10:00:00.000Z","age_ms":0,"stale":false}}`, seq, seq)
	s.is(got, "%s", want)
	states.untilAvailable("a|l1", 5)
	signals.untilAvailable("a|l1", 5)
	told := signals.count["kg|l1"]
	s.move("kg", "l1", -1)
	s.hold("r", s.line("a", "l1", 2))
	signals.untilAvailable("a|l1", 3)
	if signals.count["kg|l1"] != told {
		t.Error("a signal though what is available did not change")
	}
	s.clock.Advance(60_000)
	s.ledger.Position(s.sku("a"), s.loc("l1"), s.clock.Now()) // expires it
	states.untilAvailable("a|l1", 5)
	s.apply(ledger.SetSafety{Set: []ledger.SafetyRule{{Units: 1000}}, Now: s.clock.Now()})
	states.untilAvailable("a|l1", 4)
	s.location("l1", false)
	states.untilAvailable("a|l1", 0)
	s.move("a", "l1", -5)
	s.move("kg", "l1", 501)
	s.apply(ledger.DeleteLocation{Location: s.loc("l1"), Now: s.clock.Now()})
	states.until("the topic may forget it", func() bool { m, was := states.latest["a|l1"]; return was && m == nil })
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestPublisherTellsAgain stops the publisher, loses its cursor's last step with
// the ledger, and starts it again.
func TestPublisherTellsAgain(t *testing.T) {
	s := newShop(t)
	b := startBroker(t, embedded.Options{})
	states := newConsumer(t, b, "onhand.availability")
	p := s.publish(b.Addr())
	s.move("a", "l1", 1)
	states.untilAvailable("a|l1", 1)
	p.Close()
	s.move("a", "l1", 1)
	s.move("b", "l2", 1)
	if err := s.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	s.open()
	states.poll()
	if states.latest["a|l1"].Data.Available != 1 || states.count["b|l2"] != 0 {
		t.Fatal("published while no publisher ran")
	}
	p = s.publish(b.Addr())
	states.untilAvailable("a|l1", 2)
	states.untilAvailable("b|l2", 1)
	p.Close()

	// A crash between the broker's answer and the cursor: all of it again, and no seq goes back.
	f, err := s.ledger.Follow(followerName, 0)
	if err == nil {
		err = f.Done(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	before := states.count["a|l1"]
	p = s.publish(b.Addr())
	states.until("it is told again", func() bool { return states.count["a|l1"] > before })
	p.Close()
}

// TestPublisherOutlastsTheBroker takes the broker away while stock moves.
func TestPublisherOutlastsTheBroker(t *testing.T) {
	s := newShop(t)
	dir := t.TempDir()
	b := startBroker(t, embedded.Options{Dir: dir})
	addr := b.Addr()
	states := newConsumer(t, b, "onhand.availability")
	p := s.publish(addr)
	defer p.Close()
	s.move("a", "l1", 1)
	states.untilAvailable("a|l1", 1)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	failures := publishFailures.Get()
	for range 100 {
		s.move("a", "l1", 1) // waits for nobody
		s.move("b", "l3", 1)
	}
	tick, deadline := time.NewTicker(time.Millisecond), time.After(patience)
	defer tick.Stop()
	for publishFailures.Get() < failures+2 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nobody noticed that the broker is away")
		}
	}
	host, port, _ := net.SplitHostPort(addr)
	startBroker(t, embedded.Options{Dir: dir, Listen: net.JoinHostPort(host, port)})
	states.untilAvailable("a|l1", 101)
	states.untilAvailable("b|l3", 100)
}
