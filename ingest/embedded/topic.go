package embedded

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	retentionBytesDefault = 64 << 20

	// retentionBytesMin is two of the largest batches a producer may send. With
	// less, retention could drop the last batch too, and kfake rebuilds the end
	// of a log from its last batch: the offsets would start again at zero.
	retentionBytesMin = 2 * messageBytesMax
	messageBytesMax   = 1 << 20

	topicTimeout = 10 * time.Second
)

// Topic is what the broker keeps of one topic.
type Topic struct {
	Name       string
	Partitions int // default 1

	// RetentionBytes per partition; default 64 MiB, at least 2 MiB. Disk use is
	// this, plus an eighth of it for the segment being dropped, plus what two
	// seconds bring; each batch also costs 100 bytes of memory, and Start reads
	// all of it once. A consumer further behind than this finds a gap.
	RetentionBytes int64

	// Retention drops records this long after they came in, whatever time the
	// producer wrote on them; 0 keeps them as long as RetentionBytes allow. The
	// last batch stays. Ages are counted anew from each Start.
	Retention time.Duration

	// Compact shows cleanup.policy=compact to clients. The records are still
	// bounded by RetentionBytes and not by key: kfake compacts by deleting a
	// partition's files before writing them again, stops all other requests
	// meanwhile, and a kill in that time loses the partition.
	Compact bool
}

func (t Topic) withDefaults() Topic {
	if t.Partitions == 0 {
		t.Partitions = 1
	}
	if t.RetentionBytes == 0 {
		t.RetentionBytes = retentionBytesDefault
	}
	return t
}

func (t Topic) validate() error {
	var complaints []error
	if t.Name == "" {
		complaints = append(complaints, errors.New("topic without a name"))
	}
	if t.Partitions < 1 {
		complaints = append(complaints, fmt.Errorf("topic %s: %d partitions", t.Name, t.Partitions))
	}
	if t.RetentionBytes < retentionBytesMin {
		complaints = append(complaints, fmt.Errorf("topic %s: retention of %d bytes is less than %d",
			t.Name, t.RetentionBytes, retentionBytesMin))
	}
	if t.Retention < 0 {
		complaints = append(complaints, fmt.Errorf("topic %s: retention of %s", t.Name, t.Retention))
	}
	return errors.Join(complaints...)
}

// configs leave retention.ms out: kfake would apply it to the producer's clock
// and to the last batch. The age rule in retention.go stands in for it.
func (t Topic) configs() map[string]string {
	policy := "delete"
	if t.Compact {
		policy = "compact"
	}
	return map[string]string{
		"cleanup.policy":    policy,
		"retention.bytes":   strconv.FormatInt(t.RetentionBytes, 10),
		"segment.bytes":     strconv.FormatInt(segmentBytes(t.RetentionBytes), 10),
		"max.message.bytes": strconv.Itoa(messageBytesMax),
	}
}

// segmentBytes is how much disk one deleted file gives back.
func segmentBytes(retentionBytes int64) int64 { return max(retentionBytes/8, 256<<10) }

// brokerConfigs hold for topics that clients create on their own.
func brokerConfigs() map[string]string {
	return map[string]string{
		"log.retention.bytes": strconv.Itoa(retentionBytesDefault),
		"log.segment.bytes":   strconv.FormatInt(segmentBytes(retentionBytesDefault), 10),
		"message.max.bytes":   strconv.Itoa(messageBytesMax),
		// By default every topic, also one without settings, drops its last batch
		// after seven days and begins at offset zero after the next start.
		"log.retention.ms": "-1",
		// Ten years between two runs of kfake's own cleaner, which would compact;
		// and it does not run at all on a reopened directory. trimLoop stands in.
		"log.cleaner.backoff.ms": "315360000000",
	}
}

// ensureTopics makes the topics be as asked, new or found in the directory.
func (b *Broker) ensureTopics(topics []Topic) error {
	b.ages = map[string]*aging{}
	var found []Topic
	for _, t := range topics {
		if t.Retention > 0 {
			b.ages[t.Name] = &aging{retention: t.Retention, marks: map[int32][]mark{}}
		}
		err := b.cluster.CreateTopic(t.Name, int32(t.Partitions), t.configs())
		switch {
		case errors.Is(err, kerr.TopicAlreadyExists):
			found = append(found, t)
		case err != nil:
			return fmt.Errorf("create topic %s in the embedded broker: %w", t.Name, err)
		}
	}
	if len(found) == 0 {
		return nil
	}

	// kfake has no call for changing a topic, so we ask it as any client does.
	ctx, cancel := context.WithTimeout(context.Background(), topicTimeout)
	defer cancel()
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(b.addr), Transport: transport}
	for _, t := range found {
		if err := b.updateTopic(ctx, client, t); err != nil {
			return fmt.Errorf("update topic %s in the embedded broker: %w", t.Name, err)
		}
	}
	return nil
}

func (b *Broker) updateTopic(ctx context.Context, client *kafka.Client, t Topic) error {
	if have := len(b.cluster.PartitionInfos(t.Name)); have < t.Partitions {
		res, err := client.CreatePartitions(ctx, &kafka.CreatePartitionsRequest{
			Topics: []kafka.TopicPartitionsConfig{{Name: t.Name, Count: int32(t.Partitions)}},
		})
		if err == nil {
			err = res.Errors[t.Name]
		}
		if err != nil {
			return fmt.Errorf("from %d to %d partitions: %w", have, t.Partitions, err)
		}
	}

	var changes []kafka.IncrementalAlterConfigsRequestConfig
	have := b.cluster.TopicInfo(t.Name).Configs
	for name, value := range t.configs() {
		if old := have[name]; old == nil || *old != value {
			changes = append(changes, kafka.IncrementalAlterConfigsRequestConfig{
				Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet,
			})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	res, err := client.IncrementalAlterConfigs(ctx, &kafka.IncrementalAlterConfigsRequest{
		Resources: []kafka.IncrementalAlterConfigsRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: t.Name, Configs: changes,
		}},
	})
	if err != nil {
		return err
	}
	for _, r := range res.Resources {
		if r.Error != nil {
			return r.Error
		}
	}
	return nil
}
