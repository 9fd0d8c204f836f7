// Command kafka runs Apache Kafka on loopback until Ctrl-C, to try onhand
// against it:
//
//	go run ./bench/apache/cmd/kafka -topics pos.events:4,wms.events:4
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"onhand/bench/apache"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kafka:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("kafka", flag.ContinueOnError)
	dir := flags.String("dir", "", "keep data and log here (default: a temporary directory, removed at the end)")
	port := flags.Int("port", 0, "listen on this port of 127.0.0.1 (default: a free one)")
	heap := flags.String("heap", "512m", "Java heap")
	topics := flags.String("topics", "", "create these, as name:partitions,… (none is created by itself)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	wanted, err := parseTopics(*topics)
	if err != nil {
		return err
	}
	if *dir == "" {
		made, err := os.MkdirTemp("", "onhand-kafka-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		*dir = made
	}

	fmt.Println("starting Apache Kafka; the first time fetches 44 MB from Maven Central")
	b, err := apache.Start(ctx, apache.Options{Dir: *dir, Port: *port, Heap: *heap})
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := b.Stop(); err == nil {
			err = stopErr
		}
	}()
	for _, t := range wanted {
		if err := b.CreateTopic(ctx, t.name, t.partitions, nil); err != nil {
			return err
		}
	}
	fmt.Printf("Apache Kafka answers at %s, its log is %s\n\n  onhand serve --kafka %s\n\nCtrl-C ends it\n", b.Addr(), b.Log(), b.Addr())
	select {
	case <-ctx.Done():
		return nil
	case <-b.Exited():
		return fmt.Errorf("run Apache Kafka: it ended by itself, see %s", b.Log())
	}
}

type topic struct {
	name       string
	partitions int
}

func parseTopics(list string) (topics []topic, err error) {
	if list == "" {
		return nil, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		name, count, found := strings.Cut(item, ":")
		t := topic{name, 1}
		if found {
			if t.partitions, err = strconv.Atoi(count); err != nil || t.partitions < 1 {
				return nil, fmt.Errorf("topic %q: the part after the colon is the number of partitions", item)
			}
		}
		topics = append(topics, t)
	}
	return topics, nil
}
