package main

import (
	"context"
	"testing"
	"time"

	"onhand/bench/apache"
)

// testBroker is a broker that the service is tested against.
type testBroker struct {
	name string
	// args starts the broker, if the service does not do it itself, and says with
	// which flags the service finds it.
	args func(t testing.TB) []string
}

// brokers are the embedded one and, where Java and Maven are there, Apache Kafka.
func brokers(testing.TB) []testBroker {
	return []testBroker{
		{"embedded", func(testing.TB) []string { return nil }},
		{"apache", func(t testing.TB) []string { return []string{"--kafka", startApache(t).Addr()} }},
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
