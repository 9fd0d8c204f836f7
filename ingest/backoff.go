package ingest

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	backoffMin = 50 * time.Millisecond
	backoffMax = 5 * time.Second
)

// backoff spaces out tries: twice as long after each one, with jitter, so that many
// partitions do not come back to a broker at once. The zero value is fresh.
type backoff struct{ last time.Duration }

// wait sleeps before the next try; false if ctx ended first.
func (b *backoff) wait(ctx context.Context) bool {
	b.last = min(max(2*b.last, backoffMin), backoffMax)
	return sleep(ctx, b.last/2+rand.N(b.last/2))
}

// reset says that a try went well.
func (b *backoff) reset() { b.last = 0 }

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
