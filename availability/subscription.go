package availability

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"onhand/ledger"
)

// ErrTooManySubscribers says that the feed has as many subscribers as it takes.
var ErrTooManySubscribers = errors.New("the feed has as many subscribers as it takes")

// ErrTooSlow ends a subscription whose reader did not keep up. It can be resumed.
var ErrTooSlow = errors.New("the reader does not keep up with the feed")

// catchUpPositionsMax bounds the memory of a subscription that reads for itself.
const catchUpPositionsMax = 4096

// Subscription is one reader of a Feed. Next and Close are for one goroutine.
type Subscription struct {
	feed     *Feed
	only     places
	pull     func() ([]byte, error, bool) // what was missed; nil once caught up
	stopPull func()
	read     ledger.Seq // how far it had read when it joined; guarded by Feed.mu
	first    []byte     // pulled already
	closed   bool

	mu    sync.Mutex // guards what follows; taken after Feed.mu
	queue [][]byte
	bytes int
	upTo  ledger.Seq    // all up to here is in the queue or was taken from it
	told  ledger.Seq    // of upTo, to the reader
	err   error         // why nothing more will come, after the queue
	wake  chan struct{} // has a value when queue or err changed
}

// Subscribe reads the feed after an entry: all of it, or what concerns some locations.
// At its beginning the reader is told of a reset where the journal does not hold what
// follows that entry.
func (f *Feed) Subscribe(after ledger.Seq, only ...ledger.Location) (*Subscription, error) {
	f.mu.Lock()
	if f.closed || f.open >= f.subscribers {
		f.mu.Unlock()
		return nil, ErrTooManySubscribers
	}
	f.open++
	f.mu.Unlock()
	subscribersOpen.Inc()
	sub := &Subscription{feed: f, only: placesOf(only), wake: make(chan struct{}, 1)}
	sub.pull, sub.stopPull = iter.Pull2(sub.catchUp(after))
	return sub, nil
}

// SubscribeNow reads the feed from the present on.
func (f *Feed) SubscribeNow(only ...ledger.Location) (*Subscription, error) {
	sub, err := f.Subscribe(f.stock.ledger.Durable(), only...)
	if err != nil {
		return nil, err
	}
	// It takes part from here on, not from the first Next on: what happens now is told.
	if sub.first, err, _ = sub.pull(); err != nil {
		sub.Close()
		return nil, err
	}
	return sub, nil
}

// catchUp yields what was missed, until the subscription takes part in the broadcast.
func (sub *Subscription) catchUp(after ledger.Seq) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		f := sub.feed
		if last := f.stock.ledger.Seq(); after > last {
			// It comes from another ledger, or from before this one was set back.
			if !yield(appendReset(nil, last), nil) {
				return
			}
			after = last
		}
		w := f.stock.window(f.stock.ledger.Read(after), catchUpPositionsMax)
		more := true
		out := framer{stock: f.stock, yield: func(b []byte) bool { more = yield(b, nil); return more }}
		for !f.join(sub, w.follower.Cursor()) {
			// There is something to read: the broadcast has read it.
			err := w.gather(context.Background(), 0)
			if err == nil {
				out.begin(w)
				err = w.each(sub.only, out.add)
			}
			switch {
			case err != nil:
				yield(nil, err)
				return
			case !more:
				return
			case !out.end(w): // a long search for little is not to look like a dead feed
				out.yield(appendProgress(nil, w.to))
			}
			if !more {
				return
			}
		}
	}
}

// Next returns frames of server-sent events, which must not be changed: others read
// them too. After wait it returns how far the reader may resume from, or nothing. Its
// error is io.EOF when the feed has ended, or ErrTooSlow.
func (sub *Subscription) Next(stop <-chan struct{}, wait time.Duration) ([]byte, error) {
	if frames := sub.first; frames != nil {
		sub.first = nil
		return frames, nil
	}
	if sub.pull != nil {
		if frames, err, more := sub.pull(); more {
			return frames, err
		}
		sub.pull = nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		if frames, err := sub.take(); frames != nil || err != nil {
			return frames, err
		}
		select {
		case <-sub.wake:
		case <-timer.C:
			return sub.progress(), nil
		case <-stop:
			return nil, io.EOF
		}
	}
}

// Close ends the subscription.
func (sub *Subscription) Close() {
	if !sub.closed {
		sub.closed = true
		sub.stopPull()
		sub.feed.leave(sub)
	}
}

func (sub *Subscription) take() ([]byte, error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(sub.queue) == 0 {
		return nil, sub.err
	}
	b := sub.queue[0]
	sub.queue[0] = nil
	sub.queue = sub.queue[1:]
	sub.bytes -= len(b)
	return b, nil
}

// passed says that all up to an entry was pushed.
func (sub *Subscription) passed(to ledger.Seq) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.err == nil { // what was pushed is still in the queue
		sub.upTo = max(sub.upTo, to)
	}
}

// progress is told to whom nothing else was told for long: it would resume far back.
func (sub *Subscription) progress() []byte {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if len(sub.queue) > 0 || sub.err != nil || sub.upTo == sub.told {
		return nil
	}
	sub.told = sub.upTo
	return appendProgress(nil, sub.upTo)
}

// push queues frames. False: there is too much in the queue, which is thrown away,
// for who resumes gets all that again.
func (sub *Subscription) push(frames []byte, bytesMax int) bool {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	defer sub.signal()
	if sub.bytes+len(frames) > bytesMax {
		sub.queue, sub.bytes, sub.err = nil, 0, ErrTooSlow
		return false
	}
	sub.queue = append(sub.queue, frames)
	sub.bytes += len(frames)
	return true
}

// end makes err, or io.EOF, follow what is in the queue.
func (sub *Subscription) end(err error) {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	if sub.err == nil {
		if sub.err = err; err == nil {
			sub.err = io.EOF
		}
	}
	sub.signal()
}

func (sub *Subscription) signal() {
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}
