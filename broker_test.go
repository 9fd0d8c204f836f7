package main

import (
	"context"
	"net"
	"testing"
	"time"

	"onhand/bench/apache"
	"onhand/ingest/embedded"
)

// testBroker is a broker that the service is tested against.
type testBroker struct {
	name string
	// args starts the broker, if the service does not do it itself, and says with
	// which flags the service finds it.
	args func(t testing.TB) []string
	// apart starts the broker as something of its own, that can go away and come back.
	apart func(t testing.TB) brokerApart
}

// brokerApart is a running broker with an address that outlives its restarts.
type brokerApart struct {
	addr        string
	stop, start func()
	outages     []outage
	lands       bool // in one of the outages records are taken whose producer has given up
}

// outage is a way in which a broker goes away and comes back.
type outage struct {
	name        string
	begin, over func()
}

// brokers are the embedded one and, where Java and Maven are there, Apache Kafka.
func brokers(testing.TB) []testBroker {
	return []testBroker{
		{"embedded", func(testing.TB) []string { return nil }, embeddedApart},
		{"apache", func(t testing.TB) []string { return []string{"--kafka", apacheApart(t).addr} }, apacheApart},
	}
}

// startApache starts Apache Kafka for one test. Without Java or Maven the test is
// skipped and says so; in CI that is a failure.
func startApache(t testing.TB) *apache.Broker {
	t.Helper()
	apache.Need(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	b, err := apache.Start(ctx, apache.Options{Dir: t.TempDir(), Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill() })
	return b
}

func apacheApart(t testing.TB) brokerApart {
	t.Helper()
	b := startApache(t)
	must := func(do func() error) func() {
		return func() {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop, start := must(b.Stop), must(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		return b.Restart(ctx)
	})
	return brokerApart{b.Addr(), stop, start,
		[]outage{{"stopped", stop, start}, {"killed", must(b.Kill), start}, {"killed again", must(b.Kill), start}, {"halted", must(b.Pause), must(b.Resume)}}, true}
}

func embeddedApart(t testing.TB) brokerApart {
	t.Helper()
	dir, addr := t.TempDir(), freeAddress(t)
	var b *embedded.Broker
	stop := func() {
		if b == nil {
			return
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		b = nil
	}
	start := func() {
		var err error
		if b, err = embedded.Start(embedded.Options{Dir: dir, Listen: addr}); err != nil {
			t.Fatal(err)
		}
	}
	start()
	t.Cleanup(stop)
	return brokerApart{addr, stop, start, []outage{{"stopped", stop, start}, {"stopped again", stop, start}}, false}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
