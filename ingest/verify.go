package ingest

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"onhand/ledger"
)

// brokenLog says that a partition's log does not go on where it was left. Reading
// on would skip events, or apply others than those that are meant.
type brokenLog struct {
	what    string
	mayHeal bool
}

func (e *brokenLog) Error() string { return e.what }

// verify makes sure that the log holds what comes after at, and before at what was read there.
func (p *partition) verify(ctx context.Context, at cursor) error {
	first, end, err := p.bounds(ctx)
	if err != nil {
		return err
	}
	switch {
	case at.Next < first:
		return &brokenLog{what: fmt.Sprintf("gap: the next record to read is at offset %d, but the log begins at %d: %d records are gone",
			at.Next, first, first-at.Next)}
	case at.Next > end:
		return &brokenLog{mayHeal: true, what: fmt.Sprintf(
			"the log was truncated: it was read up to offset %d, but ends before offset %d", at.Next-1, end)}
	case at.Next == first || at.Last == (ledger.Hash{}):
		return nil // what came before is not kept, or not known
	}
	return p.verifyLast(ctx, at)
}

// verifyLast reads the record before at again.
func (p *partition) verifyLast(ctx context.Context, at cursor) error {
	var f fetched
	if err := p.fetch(ctx, cursor{Next: at.Next - 1}, &f, 1); err != nil { // a broker gives one batch, however small the limit
		return err
	}
	if len(f.records) == 0 || f.records[0].offset != at.Next-1 {
		return nil
	}
	r := &f.records[0]
	if hashRecord(f.key(r), f.value(r)) != at.Last {
		return &brokenLog{what: fmt.Sprintf("the log was rewritten: the record at offset %d is not the one that was read there", r.offset)}
	}
	return nil
}

// bounds are the log's first offset, and the one after its last.
func (p *partition) bounds(ctx context.Context) (first, end int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := p.c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		p.topic: {kafka.FirstOffsetOf(p.partition), kafka.LastOffsetOf(p.partition)}}})
	if err != nil {
		return 0, 0, fmt.Errorf("ask where the log begins and ends: %w", err)
	}
	for _, o := range res.Topics[p.topic] {
		switch {
		case o.Partition != p.partition:
		case o.Error != nil:
			return 0, 0, fmt.Errorf("ask where the log begins and ends: %w", o.Error)
		case o.FirstOffset < 0 || o.LastOffset < o.FirstOffset:
			return 0, 0, fmt.Errorf("ask where the log begins and ends: the broker said from %d to %d", o.FirstOffset, o.LastOffset)
		default:
			return o.FirstOffset, o.LastOffset, nil
		}
	}
	return 0, 0, fmt.Errorf("ask where the log begins and ends: the broker's answer is of another partition")
}
