package retailer

import (
	"container/heap"
	"iter"
	"math"
	"math/rand/v2"
	"time"
)

// stream is the state of the live stream.
type stream struct {
	rng     *rand.Rand
	sources [][tillsMax + 1]uint32 // by location: last id used by each till from 1; at 0 by the warehouse system
	due     []int32                // stores waiting for a receipt, oldest first
	held    heldBack
	recent  [256]Record // where duplicates are drawn from
	handed  int         // distinct records handed out
	tally   Tally

	// The event being written. Both are reused from one to the next: what outlives it is copied.
	buf   []byte
	moves []move
	at    int32 // its location
	clock clock
}

// move is what one line does to on hand, in smallest steps.
type move struct{ place, steps int32 }

// heldMax bounds what waits to be late: at rates far above a retailer's it would otherwise grow to
// gigabytes. While that many wait, no further event becomes late.
const heldMax = 1 << 16

func newStream(config Config, shelves []shelf) stream {
	s := stream{rng: config.streamRandom(), sources: make([][tillsMax + 1]uint32, len(shelves))}
	for i := range shelves {
		// Opening counts come from the same source and have the first ids.
		s.sources[i][0] = uint32(openingEvents(&shelves[i]))
	}
	return s
}

// Next gives the next record of the stream as of now: an event that happens now, a repeated one, or
// one that happened up to an hour ago and is due to arrive. How many a second to ask for says RateAt.
// Before Config.Start it is Start.
func (r *Retailer) Next(now time.Time) Record {
	st := &r.stream
	millis := max(now.UnixMilli(), r.config.Start.UnixMilli())
	if len(st.held) > 0 && st.held[0].due <= millis {
		return r.handOutLate()
	}
	if st.handed > 0 && st.rng.Float64() < r.config.DuplicateShare {
		st.tally.Duplicates++
		return st.recent[st.rng.IntN(min(st.handed, len(st.recent)))]
	}
	for {
		record := r.happen(millis)
		if len(st.held) >= heldMax || st.rng.Float64() >= r.config.LateShare {
			return r.handOut(record, st.at, st.moves)
		}
		heap.Push(&st.held, &late{
			due:    millis + lateMillis(st.rng),
			order:  st.tally.Events + int64(len(st.held)),
			record: record,
			at:     st.at,
			moves:  append([]move(nil), st.moves...),
		})
	}
}

// happen writes the next event of the simulated day.
func (r *Retailer) happen(millis int64) Record {
	st := &r.stream
	if len(st.due) > 0 {
		store := st.due[0]
		st.due = st.due[1:]
		if r.receipt(store, millis) {
			return r.finish(TopicWMS)
		}
	}
	store := int32(r.pickStore(st.rng))
	switch p := st.rng.IntN(1000); {
	case p < 3:
		r.adjustment(store, millis)
		return r.finish(TopicWMS)
	case p < 23:
		r.customerReturn(store, millis)
	default:
		r.sale(store, millis)
	}
	return r.finish(TopicPOS)
}

// handOut enters a distinct record in the books: the moment it leaves is the moment it counts.
func (r *Retailer) handOut(record Record, at int32, moves []move) Record {
	st := &r.stream
	st.recent[st.handed%len(st.recent)] = record
	st.handed++
	st.tally.Events++
	st.tally.Lines += int64(len(moves))
	s := &r.shelves[at]
	for _, m := range moves {
		r.move(s, at, m)
	}
	return record
}

func (r *Retailer) handOutLate() Record {
	l := heap.Pop(&r.stream.held).(*late)
	r.stream.tally.Late++
	return r.handOut(l.record, l.at, l.moves)
}

// Flush hands out what is still held back, so that afterwards every event that happened has been
// handed out and Expected is final.
func (r *Retailer) Flush() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for len(r.stream.held) > 0 {
			if !yield(r.handOutLate()) {
				return
			}
		}
	}
}

// Held is how many events happened but are held back to arrive late, at most 65,536.
func (r *Retailer) Held() int { return len(r.stream.held) }

// lateMillis is from a minute to an hour; short delays are more common than long ones.
func lateMillis(rng *rand.Rand) int64 {
	return int64(60_000 * math.Pow(60, rng.Float64()))
}

// late is an event held back until due, in milliseconds since 1970.
type late struct {
	due    int64
	order  int64 // of those due together; without it the heap would choose
	record Record
	at     int32
	moves  []move
}

type heldBack []*late

func (h heldBack) Len() int { return len(h) }
func (h heldBack) Less(i, j int) bool {
	if h[i].due != h[j].due {
		return h[i].due < h[j].due
	}
	return h[i].order < h[j].order
}
func (h heldBack) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heldBack) Push(x any)   { *h = append(*h, x.(*late)) }
func (h *heldBack) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
