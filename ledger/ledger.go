// Package ledger keeps how many units of each SKU are at each location, who has
// reserved them, and the journal that explains every figure.
//
// It promises: stock changes only through Submit and Apply; a change whose wait
// has ended without an error is on disk; what is read belongs to one moment of
// the journal; the same commands in the same order give the same journal, byte
// for byte. Nothing in it reads a clock or a file system but those in Options.
package ledger

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say where a ledger lives and what bounds it. The zero value of each
// member but Dir stands for the default that fill gives it.
type Options struct {
	Dir   string        // the data directory
	FS    vfs.FS        // the disk; default the operating system's
	Clock func() Millis // the time; default the wall clock

	OpenCatalogue bool // codes that master data does not know are added on sight
	AsyncSync     bool // acknowledge when the operating system has it, before the disk has it

	MaxSkewMillis        Millis // how far ahead of us an event's time may lie; default 5 min
	EventRetentionMillis Millis // how old an event may be, and how long its name is kept; default 45 days
	JournalKeepMillis    Millis // how long journal blocks are kept; default 45 days, at least 7 days
	FinishedKeepMillis   Millis // how long finished reservations can be looked up; default 8 days
	KeyKeepMillis        Millis // how long idempotency keys are kept; default 48 h

	// By how much a figure may differ from its count and still be called accurate: so many
	// units, or so many percent of what was counted. Default 0 and 0: not at all.
	AccuracyUnits, AccuracyPercent float64

	CheckpointEvery  time.Duration // between checkpoints; default 30 s, negative: only when asked
	CheckpointBytes  int64         // journal bytes after which one is made sooner; default 256 MiB
	QueueBytesMax    int           // journal bytes that may wait for the disk; default 32 MiB
	NamesInMemoryMax int           // names of events kept in memory; default 8 million, 43 to 85 bytes each
	CacheBytes       int64         // Pebble's block cache; default 128 MiB
	MemTableBytes    uint64        // Pebble's memtable; default 64 MiB
	FreeBytesMin     uint64        // no change is taken below this much free disk; default 256 MiB
	CommitWithin     time.Duration // no change is taken while one commit takes longer than this; default 5 s

	InspectEvery          time.Duration // how long after one inspection the next begins; default 1 h, negative: only when asked
	InspectBytesPerSecond int           // how fast an inspection reads; default 8 MiB

	// Fatal ends the process after a storage error; what was not acknowledged
	// by then never is. Default: print to standard error and exit with 70.
	Fatal func(error)
}

func (o Options) fill() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Clock == nil {
		o.Clock = func() Millis { return Millis(time.Now().UnixMilli()) }
	}
	setDefault(&o.MaxSkewMillis, 5*60*1000)
	setDefault(&o.EventRetentionMillis, 45*dayMillis)
	setDefault(&o.JournalKeepMillis, 45*dayMillis)
	setDefault(&o.FinishedKeepMillis, 8*dayMillis)
	setDefault(&o.KeyKeepMillis, 2*dayMillis)
	setDefault(&o.CheckpointEvery, 30*time.Second)
	setDefault(&o.CheckpointBytes, 256<<20)
	setDefault(&o.QueueBytesMax, 32<<20)
	setDefault(&o.NamesInMemoryMax, 8_000_000)
	setDefault(&o.CacheBytes, 128<<20)
	setDefault(&o.MemTableBytes, 64<<20)
	setDefault(&o.FreeBytesMin, 256<<20)
	setDefault(&o.CommitWithin, 5*time.Second)
	setDefault(&o.InspectEvery, time.Hour)
	setDefault(&o.InspectBytesPerSecond, 8<<20)
	// Answers to repeated calls are rebuilt from journal entries, so the journal
	// must outlive the reservations and keys that point into it.
	o.JournalKeepMillis = max(o.JournalKeepMillis, o.FinishedKeepMillis, o.KeyKeepMillis, 7*dayMillis)
	if o.Fatal == nil {
		o.Fatal = exitOnStorageError
	}
	return o
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Ledger is one open ledger. All methods may be called from many goroutines.
//
// Locks are taken in this order and never across disk, network or a channel:
// sweep, catalogue.put, names, keys, reservations, inbound, shards (each kind in
// index order), deadlines, feeds, journal.
type Ledger struct {
	opts  Options
	db    *pebble.DB
	lock  *pebble.Lock
	guard logGuard
	clock atomic.Int64 // the latest time given out; time never runs backwards here

	catalogue    catalogue
	safety       atomic.Pointer[safetyRules] // replaced under all shard locks
	shards       [shardCount]shard
	reservations reservations
	names        names
	voids        voids
	completes    completes
	keys         keys
	inbound      inbounds
	deadlines    deadlines
	feeds        feeds
	journal      journal
	head         headFile

	// evictions counts how often something was dropped from memory because the
	// disk has it. Who finds nothing in memory, then nothing on disk, must start
	// again if it moved in between.
	evictions atomic.Uint64

	resolving    sync.Mutex // one resolution of an exception at a time, until it is durable; taken before all others
	sweepMu      sync.Mutex // one sweeper of deadlines at a time
	checkpointMu sync.Mutex // one checkpoint at a time
	checkpointed Seq        // every change up to here is in pages; guarded by checkpointMu
	pageSeqs     []Seq      // by SKU: what the page loaded at start includes; nil once started
	pruned       uint16     // the day on which keys and names were last pruned; the housekeeper's own

	sinceCheckpoint atomic.Int64  // journal bytes written since the last one
	checkpointSoon  chan struct{} // wakes the housekeeper

	full    atomic.Bool // the disk is nearly full
	stalled atomic.Bool // the disk does not finish what it was given
	closing chan struct{}
	workers sync.WaitGroup
}

// ErrOverloaded says that more waits for the disk than QueueBytesMax allows.
var ErrOverloaded = errors.New("the journal's queue is full")

// ErrDiskFull says that less than FreeBytesMin is free.
var ErrDiskFull = errors.New("the disk is nearly full")

// ErrStalled says that the disk has been at one commit for longer than CommitWithin.
var ErrStalled = errors.New("the disk does not answer: a commit of the journal takes too long")

// ErrClosed says that the ledger is closed or stopped after a storage error.
var ErrClosed = errors.New("the ledger is closed")

// Open opens the ledger in o.Dir, making it if it is not there, and brings it
// to the state after the last durable change.
func Open(o Options) (*Ledger, error) {
	o = o.fill()
	l := &Ledger{opts: o, guard: logGuard{fatal: o.Fatal}, closing: make(chan struct{}), checkpointSoon: make(chan struct{}, 1)}
	var err error
	if l.db, l.lock, err = openStore(o, &l.guard); err != nil {
		return nil, fmt.Errorf("open ledger in %s: %w", o.Dir, err)
	}
	l.init()
	if err := errors.Join(l.recover(), l.head.open(o)); err != nil {
		l.closeStore()
		return nil, fmt.Errorf("recover ledger in %s: %w", o.Dir, err)
	}
	l.checkSpace()
	l.workers.Add(1)
	go l.writeJournal()
	if o.CheckpointEvery > 0 {
		l.workers.Add(2)
		go l.keepHouse()
		go l.keepWatch()
		if o.InspectEvery > 0 {
			l.workers.Add(1)
			go l.keepInspecting()
		}
	}
	return l, nil
}

// init makes the parts that exist without a disk.
func (l *Ledger) init() {
	l.catalogue.init()
	l.safety.Store(newSafetyRules())
	l.reservations.init()
	l.names.init()
	l.keys.init()
	l.inbound.init(l.opts.EventRetentionMillis + dayMillis)
	l.feeds.init()
	l.journal.init()
	l.deadlines.next.Store(int64(never))
}

// Close makes everything durable, writes a checkpoint and closes the store.
// Calls under way get their answers; later ones get ErrClosed.
func (l *Ledger) Close() error {
	select {
	case <-l.closing:
		return nil
	default:
	}
	close(l.closing)
	err := l.Checkpoint()
	l.journal.close()
	l.workers.Wait()
	return errors.Join(err, l.head.close(), l.closeStore())
}

func (l *Ledger) closeStore() error {
	l.guard.on.Store(false)
	return errors.Join(l.db.Close(), l.lock.Close())
}

// Now is the ledger's time: the clock's, but never less than what it gave before,
// so that what was expired stays expired.
func (l *Ledger) Now() Millis {
	t := int64(l.opts.Clock())
	for {
		last := l.clock.Load()
		if t <= last {
			return Millis(last)
		}
		if l.clock.CompareAndSwap(last, t) {
			return Millis(t)
		}
	}
}

// Seq is the number of the latest accepted change, durable or not.
func (l *Ledger) Seq() Seq { return l.journal.last() }

// Durable is the number of the latest change that is on disk.
func (l *Ledger) Durable() Seq { return Seq(l.journal.durable.Load()) }

// Options returns the settings in force, defaults filled in.
func (l *Ledger) Options() Options { return l.opts }

// Command is a change that the ledger is asked to make: a plain value, with the
// time and the ids it needs in it.
type Command interface {
	// apply makes the change in memory and enters it in the journal's open block,
	// or refuses it having changed nothing.
	apply(l *Ledger) (Result, error)
}

// Result is what a command did.
type Result struct {
	Seq         Seq          // the entry that answers
	Reservation *Reservation // the reservation after the entry; nil for other commands
	Resolution  *Resolution  // of a ResolveException
	Movement    Seq          // the entry by which a KindFulfil moved stock; 0: it moved none
	Replayed    bool         // the call was made before: this is its first answer
	StateNow    State        // with Replayed: the reservation's state now
	Duplicate   bool         // an event that was applied before
}

// Submit makes the change and returns before it is durable: Wait for the
// result's Seq. Errors are *Refused, ErrOverloaded, ErrDiskFull, ErrStalled, ErrClosed.
func (l *Ledger) Submit(c Command) (Result, error) {
	if err := l.admit(); err != nil {
		return Result{}, err
	}
	return c.apply(l)
}

// Apply makes the change and returns when it is durable.
func (l *Ledger) Apply(c Command) (Result, error) {
	r, err := l.Submit(c)
	if err != nil {
		return r, err
	}
	return r, l.Wait(r.Seq)
}

// Wait returns when the change numbered seq and all before it are durable.
func (l *Ledger) Wait(seq Seq) error { return l.journal.wait(seq) }

// WaitRoom blocks until the journal's queue has room again: what a consumer
// calls after ErrOverloaded, while its broker keeps the rest.
func (l *Ledger) WaitRoom() error { return l.journal.waitRoom(l.opts.QueueBytesMax) }

func (l *Ledger) admit() error {
	if l.full.Load() {
		return ErrDiskFull
	}
	if l.stalled.Load() {
		return ErrStalled
	}
	return l.journal.admit(l.opts.QueueBytesMax)
}

// Writable says why the ledger takes no changes, or nil.
func (l *Ledger) Writable() error {
	if err := l.admit(); err != nil && !errors.Is(err, ErrOverloaded) {
		return err
	}
	return nil
}
