package availability

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"onhand/ledger"
)

const (
	// feedWindow is over how long signals of one position become one. It is what a
	// reader waits at most, beside the disk.
	feedWindow = 5 * time.Millisecond
	// feedQueueBytes is what may wait for a subscriber before it is cut. Who reads all
	// shares it with the others who do.
	feedQueueBytes = 32 << 20
	// feedPlacesQueueBytes is the same for a subscriber to some locations, who shares it
	// with nobody.
	feedPlacesQueueBytes = 4 << 20
	// subscribersDefault is how many there may be at once.
	subscribersDefault = 1000
)

// Feed tells subscribers what changed, as server-sent events. One goroutine reads
// the journal for all who are at the present, and runs while there are any;
// who resumes in the past reads for itself until it has caught up.
type Feed struct {
	stock       *Stock
	subscribers int // at once
	queueBytes  int
	placesBytes int // as queueBytes, for who reads of some locations

	mu     sync.Mutex // guards what follows; nobody waits for a reader under it
	open   int        // subscriptions
	joined map[*Subscription]bool
	heard  *audience  // of joined; nil: to be made
	at     ledger.Seq // what joins must know already: the broadcast does not tell it again
	stop   context.CancelFunc
	done   chan struct{} // closed when the latest broadcast has ended
	closed bool
}

// NewFeed makes a feed of s's signals for so many subscribers at once; 0 means 1,000.
func NewFeed(s *Stock, subscribers int) *Feed {
	if subscribers == 0 {
		subscribers = subscribersDefault
	}
	return &Feed{stock: s, subscribers: subscribers, queueBytes: feedQueueBytes, placesBytes: feedPlacesQueueBytes, joined: make(map[*Subscription]bool)}
}

// Close ends the subscriptions and returns when the broadcast has ended.
func (f *Feed) Close() {
	f.mu.Lock()
	f.closed = true
	f.endAll()
	done := f.done
	f.mu.Unlock()
	if done != nil {
		<-done
	}
}

// join makes sub take part in the broadcast if what it has read reaches that far.
func (f *Feed) join(sub *Subscription, read ledger.Seq) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.closed:
		sub.end(nil)
		return true
	case f.stop == nil:
		f.start(f.stock.ledger.Durable())
	}
	if read < f.at {
		return false
	}
	// Who has read further than the broadcast may hear some signals twice.
	sub.read = read
	f.joined[sub], f.heard = true, nil
	return true
}

// start begins a broadcast after an entry. The caller holds mu.
func (f *Feed) start(after ledger.Seq) {
	ctx, cancel := context.WithCancel(context.Background())
	before, done := f.done, make(chan struct{})
	f.at, f.stop, f.done, f.heard = after, cancel, done, nil
	go func() {
		defer close(done)
		if before != nil {
			<-before
		}
		if err := f.broadcast(ctx, after); ctx.Err() == nil {
			if !errors.Is(err, ledger.ErrClosed) {
				slog.Error("feed", "error", err)
			}
			f.mu.Lock()
			f.endAll()
			f.mu.Unlock()
		}
	}()
}

// halt ends the broadcast; its goroutine may still be at work for a moment, but
// sends nothing any more. The caller holds mu.
func (f *Feed) halt() {
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
}

func (f *Feed) endAll() {
	for sub := range f.joined {
		sub.end(nil)
	}
	clear(f.joined)
	f.heard = nil
	f.halt()
}

// broadcast runs until ctx ends or the ledger closes.
func (f *Feed) broadcast(ctx context.Context, after ledger.Seq) error {
	w := f.stock.window(f.stock.ledger.Read(after), positionsMax)
	for {
		if err := w.gather(ctx, feedWindow); err != nil {
			return err
		}
		// Who joins from here on has missed the first signals of this window.
		f.mu.Lock()
		if err := ctx.Err(); err != nil {
			f.mu.Unlock()
			return err
		}
		f.at = w.to
		if f.heard == nil {
			f.heard = f.newAudience(ctx)
		}
		heard := f.heard
		f.mu.Unlock()
		if err := heard.tell(w); err != nil {
			return err
		}
	}
}

// send queues frames of a window that ends at to for some subscribers. Nobody is waited
// for: who has too much in the queue already is cut.
func (f *Feed) send(ctx context.Context, subs []*Subscription, frames []byte, to ledger.Seq) (more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	for _, sub := range subs {
		bytesMax := f.queueBytes
		if sub.only != nil {
			bytesMax = f.placesBytes
		}
		if f.joined[sub] && sub.read < to && !sub.push(frames, bytesMax) {
			delete(f.joined, sub)
			f.heard = nil
			subscribersCut.Inc()
		}
	}
	return true
}

// leave ends a subscription from the reader's side.
func (f *Feed) leave(sub *Subscription) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	subscribersOpen.Dec()
	delete(f.joined, sub)
	f.heard = nil
	if len(f.joined) == 0 {
		f.halt()
	}
}
