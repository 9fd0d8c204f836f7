package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// blockBytesMax is where a block of entries is closed: finding one entry reads its block.
const blockBytesMax = 256 << 10

// recentBytesMax is how much of the journal stays in memory for followers and history.
const recentBytesMax = 64 << 20

const blockVersion = 1

// block is a run of entries that is written, hashed and read as one.
type block struct {
	first   Seq
	ends    []uint32 // where each entry ends in body
	body    []byte
	offsets map[string]Offset // how far the sources were read, by offsetKey
	marks   []mark
	notes   []note
	batch   *commit
}

// mark asks for an index key of an entry, such as a dead letter's, or for taking it away.
type mark struct {
	prefix byte
	seq    Seq
	gone   bool
	value  []byte
}

func (m mark) write(b *pebble.Batch) error {
	if m.gone {
		return b.Delete(seqKey(m.prefix, m.seq), nil)
	}
	return b.Set(seqKey(m.prefix, m.seq), m.value, nil)
}

func (b *block) last() Seq { return b.first + Seq(len(b.ends)) - 1 }

func (b *block) entry(seq Seq) []byte {
	i := int(seq - b.first)
	from := uint32(0)
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.body[from:b.ends[i]]
}

// commit is the blocks that one sync makes durable; done is closed when it did, or err is set.
type commit struct {
	done chan struct{}
	err  error
}

// journal gathers entries into blocks; one goroutine writes them.
type journal struct {
	mu      sync.Mutex
	next    Seq       // the seq of the next entry
	open    *block    // entries go here
	sealed  []*block  // full, waiting for the writer
	writing []*flight // with the writer now, oldest first
	waiting int       // bytes in open, sealed and writing
	err     error     // set once nothing can be written any more
	room    *sync.Cond
	kick    chan struct{}

	accuracies accuracies // guarded by mu
	sources    sources    // guarded by mu

	made    atomic.Uint64 // the latest seq given; its change is made once its shards are unlocked
	durable atomic.Uint64
	since   atomic.Int64      // when the commit under way began, in ns of the wall clock; 0: none is
	head    [sha256.Size]byte // the hash of the latest written block; the writer's own

	recentMu    sync.RWMutex
	recent      []*block // durable, oldest first, without gaps
	recentBytes int
	grown       chan struct{} // closed and replaced when durable moved on; guarded by recentMu
}

func (j *journal) init() {
	j.next = 1
	j.room = sync.NewCond(&j.mu)
	j.kick = make(chan struct{}, 1)
	j.grown = make(chan struct{})
	j.open = newBlock(1, newCommit(), &block{})
}

func newCommit() *commit { return &commit{done: make(chan struct{})} }

// newBlock opens a block after another one, with room for as much as that one took:
// growing it bit by bit would copy all of it twice.
func newBlock(first Seq, c *commit, like *block) *block {
	return &block{first: first, batch: c, body: make([]byte, 0, len(like.body)+len(like.body)/4),
		ends: make([]uint32, 0, len(like.ends)+len(like.ends)/4)}
}

// append gives the draft its seq and puts it in the open block. The caller holds
// the locks of everything that it changes, so the order of entries is the order of changes.
func (j *journal) append(e *entryDraft) Seq { return j.appendThen(e, nil) }

// appendThen is append for what is read without the shards: effect is made before the
// entry can become durable, or a follower could hear of it and not find it.
func (j *journal) appendThen(e *entryDraft, effect func(Seq)) Seq {
	e.encoded = e.append(e.encoded[:0]) // before the lock, which all shards share
	j.mu.Lock()
	b := j.open
	if len(b.body) > blockBytesMax {
		j.sealed = append(j.sealed, b)
		b = newBlock(j.next, b.batch, b)
		j.open = b
	}
	seq := j.next
	j.next++
	j.made.Store(uint64(seq))
	b.body = append(b.body, e.encoded...)
	b.ends = append(b.ends, uint32(len(b.body)))
	j.waiting += len(e.encoded)
	b.notes = e.noted(b.notes, seq)
	if e.tally.Counted > 0 {
		j.accuracies.add(accuracyKey{dayOf(e.recordedAt), Location(e.id), e.event.Source}, seq, e.tally)
	}
	if !e.event.isZero() {
		if odd := j.sources.saw(&e.event, seq, e.kind, e.place(), e.recordedAt); odd != 0 {
			odd.count()
		}
	}
	if e.kind == KindDeadLetter {
		b.marks = append(b.marks, mark{prefix: prefixDeadLetter, seq: seq})
	}
	if e.kind == KindLetterClosed {
		b.marks = append(b.marks, mark{prefix: prefixDeadLetter, seq: e.letter, gone: true})
	}
	if e.kind == KindLetterTried {
		b.marks = append(b.marks, mark{prefix: prefixDeadLetter, seq: e.letter, value: slices.Clone(e.payload)})
	}
	if effect != nil {
		effect(seq)
	}
	j.mu.Unlock()
	j.wake()
	return seq
}

// setOffset notes how far a source was read. It becomes durable with or after the
// entries that were appended before, never before them.
func (j *journal) setOffset(key string, o Offset) {
	j.mu.Lock()
	if j.open.offsets == nil {
		j.open.offsets = make(map[string]Offset)
	}
	j.open.offsets[key] = o
	j.mu.Unlock()
	j.wake()
}

func (j *journal) wake() {
	select {
	case j.kick <- struct{}{}:
	default:
	}
}

func (j *journal) last() Seq { return Seq(j.made.Load()) }

// wait returns once seq is durable, or why it never will be.
func (j *journal) wait(seq Seq) error {
	for Seq(j.durable.Load()) < seq {
		j.mu.Lock()
		c := j.open.batch
		for _, f := range j.writing {
			if seq <= f.last() {
				c = f.commit
				break
			}
		}
		err := j.err
		j.mu.Unlock()
		if err != nil {
			return err
		}
		if Seq(j.durable.Load()) >= seq {
			return nil
		}
		<-c.done
		if c.err != nil {
			return c.err
		}
	}
	return nil
}

func (j *journal) admit(bytesMax int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if j.waiting > bytesMax {
		return ErrOverloaded
	}
	return nil
}

func (j *journal) waitRoom(bytesMax int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.err == nil && j.waiting > bytesMax/2 {
		j.room.Wait()
	}
	return j.err
}

// close lets the writer finish what was appended and then end.
func (j *journal) close() {
	j.mu.Lock()
	if j.err == nil {
		j.err = ErrClosed
	}
	j.room.Broadcast()
	j.mu.Unlock()
	j.wake()
}

// writeJournal is the one goroutine that writes blocks: it takes all that waits, commits
// it with one sync, and answers everyone. Blocks grow with load by themselves. What came
// during a sync is given to the disk before those whom that sync concerns are answered:
// waking hundreds of them takes the processors for longer than the disk needs, and
// meanwhile it would do nothing.
func (l *Ledger) writeJournal() {
	defer l.workers.Done()
	j := &l.journal
	for closed := false; !closed; {
		<-j.kick
		var f *flight
		var err error
		if f, closed, err = l.launch(); err != nil {
			l.opts.Fatal(err)
			j.fail(err)
			return
		}
		for f != nil {
			err := l.land(f)
			var next *flight
			if err == nil {
				next, closed, err = l.launch()
			}
			if err != nil {
				l.opts.Fatal(err)
				j.fail(err)
				return
			}
			j.written(f)
			if l.sinceCheckpoint.Add(blockBytes(f.blocks)) > l.opts.CheckpointBytes {
				select {
				case l.checkpointSoon <- struct{}{}:
				default:
				}
			}
			f = next
		}
	}
}

// flight is what one sync is about.
type flight struct {
	blocks []*block
	commit *commit
	batch  *pebble.Batch
	head   [sha256.Size]byte // the hash of the last block
}

func (f *flight) last() Seq { return f.blocks[len(f.blocks)-1].last() }

func blockBytes(blocks []*block) (n int64) {
	for _, b := range blocks {
		n += int64(len(b.body))
	}
	return n
}

// takeWaiting hands what was appended to the writer and opens a new block; nil where
// nothing was.
func (j *journal) takeWaiting() (f *flight, closed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	closed = j.err != nil
	if len(j.open.ends) == 0 && len(j.open.offsets) == 0 && len(j.sealed) == 0 {
		return nil, closed
	}
	f = &flight{blocks: append(j.sealed, j.open), commit: j.open.batch}
	j.sealed = nil
	j.writing = append(j.writing, f)
	j.open = newBlock(j.next, newCommit(), j.open)
	return f, closed
}

// launch gives what waits to the disk, in one batch, and does not wait for it; nil where
// nothing waits.
func (l *Ledger) launch() (*flight, bool, error) {
	j := &l.journal
	f, closed := j.takeWaiting()
	if f == nil {
		return nil, closed, nil
	}
	f.batch = l.db.NewBatch()
	now := l.Now()
	for _, b := range f.blocks {
		if len(b.ends) > 0 {
			v := b.encode(j.head, now)
			j.head = [sha256.Size]byte(v[len(v)-sha256.Size:])
			if err := f.batch.Set(blockKey(b.first), v, nil); err != nil {
				return nil, closed, fmt.Errorf("write block %d: %w", b.first, err)
			}
			for _, m := range b.marks {
				if err := m.write(f.batch); err != nil {
					return nil, closed, fmt.Errorf("write mark of entry %d: %w", m.seq, err)
				}
			}
			for _, n := range b.notes {
				if err := f.batch.Set(n.key, n.value, nil); err != nil {
					return nil, closed, fmt.Errorf("write index of block %d: %w", b.first, err)
				}
			}
			b.notes = nil // the block stays in memory for its readers, who need none of them
		}
		for k, o := range b.offsets {
			if err := f.batch.Set([]byte(k), o.encode(k), nil); err != nil {
				return nil, closed, fmt.Errorf("write offset: %w", err)
			}
		}
	}
	f.head = j.head
	if err := f.batch.Set([]byte{prefixHead}, headRecord(f.last(), f.head), nil); err != nil {
		return nil, closed, fmt.Errorf("write head: %w", err)
	}
	j.since.Store(time.Now().UnixNano())
	if err := l.db.ApplyNoSyncWait(f.batch, pebble.Sync); err != nil {
		return nil, closed, fmt.Errorf("write journal up to entry %d: %w", f.last(), err)
	}
	return f, closed, nil
}

// land returns when the disk has what was launched.
func (l *Ledger) land(f *flight) error {
	err := f.batch.SyncWait()
	l.journal.since.Store(0)
	if err != nil {
		return fmt.Errorf("sync journal up to entry %d: %w", f.last(), err)
	}
	if err := f.batch.Close(); err != nil {
		return fmt.Errorf("close the journal's batch: %w", err)
	}
	return l.head.write(f.last(), f.head)
}

// written makes the blocks visible as durable and answers those who wait.
func (j *journal) written(f *flight) {
	blocks := f.blocks
	j.recentMu.Lock()
	for _, b := range blocks {
		if len(b.ends) > 0 {
			j.recent = append(j.recent, b)
			j.recentBytes += len(b.body)
		}
	}
	for j.recentBytes > recentBytesMax && len(j.recent) > 1 {
		j.recentBytes -= len(j.recent[0].body)
		j.recent[0] = nil
		j.recent = j.recent[1:]
	}
	j.durable.Store(uint64(blocks[len(blocks)-1].last()))
	close(j.grown)
	j.grown = make(chan struct{})
	j.recentMu.Unlock()

	j.mu.Lock()
	j.writing = slices.Delete(j.writing, 0, 1)
	for _, b := range blocks {
		j.waiting -= len(b.body)
	}
	j.room.Broadcast()
	j.mu.Unlock()
	close(f.commit.done)
}

// fail answers everyone that nothing more will be durable.
func (j *journal) fail(err error) {
	j.mu.Lock()
	j.err = errors.Join(ErrClosed, err)
	commits := []*commit{j.open.batch}
	for _, f := range j.writing {
		commits = append(commits, f.commit)
	}
	j.room.Broadcast()
	j.mu.Unlock()
	for _, c := range commits {
		c.err = j.err
		close(c.done)
	}
}

// encode writes the block as it is kept: version, the hash of the block before,
// first seq, time, count, entries each with its length, and the hash of all that.
func (b *block) encode(prev [sha256.Size]byte, now Millis) []byte {
	v := make([]byte, 0, len(b.body)+3*len(b.ends)+100)
	v = append(v, blockVersion)
	v = append(v, prev[:]...)
	v = binary.AppendUvarint(v, uint64(b.first))
	v = binary.AppendUvarint(v, uint64(now))
	v = binary.AppendUvarint(v, uint64(len(b.ends)))
	from := uint32(0)
	for _, end := range b.ends {
		v = binary.AppendUvarint(v, uint64(end-from))
		v = append(v, b.body[from:end]...)
		from = end
	}
	sum := sha256.Sum256(v)
	return append(v, sum[:]...)
}

// storedBlock is what a block's bytes say of it.
type storedBlock struct {
	block
	prev [sha256.Size]byte
	hash [sha256.Size]byte
	at   Millis
}

// decodeBlock reads what encode wrote, and checks its hash. It keeps no part of v.
func decodeBlock(v []byte) (*storedBlock, error) {
	if len(v) < 1+2*sha256.Size || v[0] != blockVersion {
		return nil, errors.New("block does not decode: too short, or of another version")
	}
	var s storedBlock
	body := v[:len(v)-sha256.Size]
	s.hash = [sha256.Size]byte(v[len(body):])
	if sha256.Sum256(body) != s.hash {
		return nil, errors.New("block was changed: its hash is not that of its bytes")
	}
	copy(s.prev[:], v[1:])
	d := decoder{b: body[1+sha256.Size:]}
	s.first, s.at = Seq(d.uvarint()), Millis(d.uvarint())
	n := d.count(1)
	s.ends = make([]uint32, 0, n)
	s.body = make([]byte, 0, len(d.b))
	for range n {
		s.body = append(s.body, d.bytes()...)
		s.ends = append(s.ends, uint32(len(s.body)))
	}
	if d.bad || len(d.b) != 0 || n == 0 || s.first == 0 || s.first > sixMax-Seq(n) || s.at < 0 {
		return nil, fmt.Errorf("block %d does not decode", s.first)
	}
	return &s, nil
}
