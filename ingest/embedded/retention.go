package embedded

import "time"

// trimInterval is how long a topic may grow past its retention.
const trimInterval = 2 * time.Second

// marksPerRetention is how finely ages are told apart: records go at most a
// 32nd of the retention late.
const marksPerRetention = 32

// aging drops records by when they came in. It remembers, per partition, where
// the log ended at some moments: all before such an end is at least as old.
type aging struct {
	retention time.Duration
	marks     map[int32][]mark // oldest first
}

type mark struct {
	at  time.Time
	end int64 // the offset the next record was to get
}

func (b *Broker) trimLoop() {
	tick := time.NewTicker(trimInterval)
	defer tick.Stop()
	for {
		select {
		case <-b.stop:
			return
		case now := <-tick.C:
			b.trim(now)
		}
	}
}

// trim drops what is beyond RetentionBytes or older than Retention at now.
func (b *Broker) trim(now time.Time) {
	b.cluster.ApplyRetention()
	for topic, age := range b.ages {
		for _, p := range b.cluster.PartitionInfos(topic) {
			// The last record's batch has to stay: kfake takes the end of the log
			// from it when it opens the directory again.
			upTo := min(age.pass(p.Partition, now, p.HighWatermark), p.HighWatermark-1)
			if upTo <= p.LogStartOffset {
				continue
			}
			if err := b.cluster.DeleteRecords(topic, p.Partition, upTo); err != nil {
				b.log.Warn("drop old records of the embedded broker", "topic", topic, "partition", p.Partition, "error", err)
			}
		}
	}
}

// pass notes that partition's log ends at end now, and returns the offset below
// which everything is older than the retention, or 0.
func (a *aging) pass(partition int32, now time.Time, end int64) (upTo int64) {
	marks := a.marks[partition]
	if n := len(marks); n == 0 || now.Sub(marks[n-1].at) >= a.retention/marksPerRetention {
		marks = append(marks, mark{now, end})
	}
	for len(marks) > 0 && now.Sub(marks[0].at) >= a.retention {
		upTo = marks[0].end
		marks = marks[1:]
	}
	a.marks[partition] = marks
	return upTo
}
