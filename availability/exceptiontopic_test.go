package availability

import (
	"fmt"
	"testing"
	"time"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// told are the exceptions' records in the topic: key and value.
func (c *consumer) told() (all []record) {
	c.t.Helper()
	c.pollWith(func(key, value string) { all = append(all, record{key, value}) })
	return all
}

func TestExceptionPublisher(t *testing.T) {
	s := newShop(t)
	b := startBroker(t, embedded.Options{})
	start := func() *ExceptionPublisher {
		p, err := StartExceptionPublisher(s.ledger, TopicOptions{Brokers: []string{b.Addr()}, RetryMax: 50 * time.Millisecond, DoneEvery: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	topic := newConsumer(t, b, "onhand.exceptions")
	var all []record
	until := func(n int) {
		t.Helper()
		deadline := time.Now().Add(patience)
		for all = append(all, topic.told()...); len(all) < n; all = append(all, topic.told()...) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain for %d records: %v", n, all)
			}
		}
		if len(all) > n {
			t.Fatalf("%d records, want %d: %v", len(all), n, all)
		}
	}
	p := start()
	s.move("kg", "l1", 1500)
	seq := s.move("kg", "l1", -2000)
	until(1)
	envelope := func(kind, id string) string {
		return `{"specversion":"1.0","type":"` + kind + `","source":"onhand","id":"` + id + `","subject":"kg|l1","time":"2026-11-23T10:00:00.000Z","datacontenttype":"application/json","data":`
	}
	raised := fmt.Sprintf(`{"id":"%d","seq":%d,"time":"2026-11-23T10:00:00.000Z","recorded_at":"2026-11-23T10:00:00.000Z","code":"negative-on-hand","sku":"kg","location":"l1",`+
		`"believed":1.5,"counted":-0.5,"difference":-2,"cause":null,"event":{"source":"pos","id":"2"},"state":`, seq, seq)
	first := envelope("onhand.exception", fmt.Sprint(seq)) + raised + `"open","resolved_seq":null,"resolved_at":null,"note":null,"by":null}}`
	s.is(all[0].key+" "+all[0].value, "%s", "kg|l1 "+first)

	resolve := ledger.ResolveException{ID: ledger.ExceptionID{Seq: seq}, Note: "found", Now: s.clock.Now(), Key: ledger.CallKey{Key: ledger.Hash{Lo: 1}}}
	at := s.apply(resolve).Seq
	resolve.Key.Key.Lo = 2
	s.apply(resolve) // changes nothing, and is not told
	second := s.move("a", "l2", -1)
	until(3)
	want := envelope("onhand.exception.resolved", fmt.Sprint(seq, "/resolved")) + raised + fmt.Sprintf(`"resolved","resolved_seq":%d,"resolved_at":"2026-11-23T10:00:00.000Z","note":"found","by":null}}`, at)
	for _, r := range all[1:] {
		if r.key == "kg|l1" && r.value != want {
			t.Errorf("got  %s\nwant %s", r.value, want)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}

	// It goes on where it was, and after a loss of that place tells all of it again.
	s.move("b", "l1", -1)
	p = start()
	until(4)
	p.Close()
	f, err := s.ledger.Follow(exceptionFollowerName, 0)
	if err == nil {
		if f.Cursor() < second {
			t.Errorf("its place is %d, though %d was told", f.Cursor(), second)
		}
		err = f.Done(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	p = start()
	until(8)
	p.Close()
}

// An exception that is of no SKU has a key all the same, and one whose broker is away waits.
func TestExceptionPublisherOutlastsTheBroker(t *testing.T) {
	s := newShop(t)
	dir := t.TempDir()
	b := startBroker(t, embedded.Options{Dir: dir})
	addr := b.Addr()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	failures := publishFailures.Get()
	p, err := StartExceptionPublisher(s.ledger, TopicOptions{Brokers: []string{addr}, RetryMax: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s.apply(&ledger.Movement{Kind: ledger.KindSale, Name: s.name(), Received: s.clock.Now(), Location: s.loc("l1"), Reservation: "nobody's",
		Lines: []ledger.MovementLine{{SKU: s.sku("a"), Quantity: -1}}})
	tick, deadline := time.NewTicker(time.Millisecond), time.After(patience)
	defer tick.Stop()
	for publishFailures.Get() < failures+2 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nobody noticed that the broker is away")
		}
	}
	b = startBroker(t, embedded.Options{Dir: dir, Listen: addr})
	topic := newConsumer(t, b, "onhand.exceptions")
	keys := map[string]int{}
	for len(keys) < 2 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("told of %v", keys)
		}
		for _, r := range topic.told() {
			keys[r.key]++
		}
	}
	if keys["|l1"] != 1 || keys["a|l1"] != 1 {
		t.Errorf("told of %v", keys)
	}
}
