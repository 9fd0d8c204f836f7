package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestApacheLosesRecords takes from Apache Kafka what the service has not read, or has:
// records that retention drops, a topic made again with fewer records, and one with other
// ones. Those partitions stop and say exactly what is amiss, at every start anew; all
// others are read, and the API answers.
func TestApacheLosesRecords(t *testing.T) {
	b := startApache(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	transport := &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: transport}
	sold := 0
	sell := func(topic string, partition, n int) {
		t.Helper()
		var records []kafka.Record
		for range n {
			sold++
			records = append(records, kafka.Record{Value: kafka.NewBytes(saleEvent("pos/0042/till-1", fmt.Sprint(sold), "0042", "milk", 1))})
		}
		eventually(t, "the broker takes records for "+topic, func() error {
			res, err := client.Produce(ctx, &kafka.ProduceRequest{Topic: topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(records...)})
			if err == nil {
				err = res.Error
			}
			return err
		})
	}
	dir := t.TempDir()
	p := start(t, dir, "--kafka", b.Addr(), "--partitions", "2")
	p.stock([]string{"milk"}, []string{"0042"}, 1000)
	onHand := func(p *process, want int) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d are on hand", want), func() error {
			r, err := p.row("milk", "0042")
			if err == nil && r.OnHand != want {
				err = fmt.Errorf("%d on hand", r.OnHand)
			}
			return err
		})
	}
	for _, topic := range []string{"pos.events", "wms.events", "erp.events"} {
		sell(topic, 0, 4)
	}
	onHand(p, 1000-12)
	p.stop()

	sell("pos.events", 0, 5)
	deleteRecords(t, b.Addr(), "pos.events", 0, 7)
	for topic, n := range map[string]int{"wms.events": 2, "erp.events": 6} {
		if err := b.DeleteTopic(ctx, topic); err != nil {
			t.Fatal(err)
		}
		if err := b.CreateTopic(ctx, topic, 2, nil); err != nil {
			t.Fatal(err)
		}
		sell(topic, 0, n)
	}
	complaints := map[string]string{
		"pos.events": "gap: the next record to read is at offset 4, but the log begins at 7: 3 records are gone",
		"wms.events": "the log was truncated: it was read up to offset 3, but ends before offset 2",
		"erp.events": "the log was rewritten: the record at offset 3 is not the one that was read there",
	}
	left := 1000 - 12
	for range 2 {
		p = start(t, dir, "--kafka", b.Addr())
		for topic, complaint := range complaints {
			eventually(t, topic+" is stopped and says why", func() error {
				log, err := os.ReadFile(p.log.Name())
				if err != nil {
					return err
				}
				for line := range strings.Lines(string(log)) {
					if strings.Contains(line, "partition stopped") && strings.Contains(line, `"topic":"`+topic+`","partition":0`) && strings.Contains(line, complaint) {
						return nil
					}
				}
				return fmt.Errorf("the log has no %q", complaint)
			})
		}
		if _, metrics := p.get("/metrics"); !strings.Contains(string(metrics), "onhand_ingest_partitions_stopped_total 3\n") {
			t.Error("three partitions are stopped, and the metric does not say so")
		}
		for topic := range complaints {
			sell(topic, 1, 1)
			left--
		}
		onHand(p, left)
		p.must(201, "POST", "/v1/reservations", `{"ttl_seconds":1,"lines":[{"sku":"milk","location":"0042","quantity":1}]}`)
		p.stop()
	}
}

// deleteRecords lets a partition's log begin at an offset, as retention does.
func deleteRecords(t testing.TB, addr, topic string, partition int32, first int64) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	part := kmsg.NewDeleteRecordsRequestTopicPartition()
	part.Partition, part.Offset = partition, first
	of := kmsg.NewDeleteRecordsRequestTopic()
	of.Topic, of.Partitions = topic, append(of.Partitions, part)
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = append(req.Topics, of)
	res, err := req.RequestWith(t.Context(), client)
	if err == nil {
		err = kerr.ErrorForCode(res.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}
