package simulate

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"

	"onhand/ledger/ledgertest"
)

// trap counts what is asked of a disk, and at the chosen operation takes the disk as a
// loss of power at that moment leaves it. It also holds up the writing of the log, so
// that what is submitted meanwhile goes into one block.
type trap struct {
	disk *ledgertest.Disk

	mu      sync.Mutex
	set     bool
	on      aim
	left    int // operations until it springs
	percent int
	seed    uint64 // of what is lost
	acked   *atomic.Uint64
	left_   *ledgertest.Disk // what the cut left; nil until it sprang
	then    uint64           // what was acknowledged at that moment
	held    chan struct{}    // closed once the log's writer is held up
	release chan struct{}
	fault   func(op ledgertest.Op, path string) error
}

// aim is which operations a trap counts. Those of the log are made one after the other, so
// counting them finds the same moment again; tables are written in the background.
type aim uint8

const (
	atLog aim = iota
	atTables
	atAnything
)

func (a aim) hits(op ledgertest.Op, path string) bool {
	log := strings.HasSuffix(path, ".log")
	return op != ledgertest.OpRead && (a == atAnything || (a == atLog) == log)
}

func (t *trap) arm(rng *rand.Rand, acked *atomic.Uint64) {
	t.mu.Lock()
	t.set, t.seed, t.acked = true, rng.Uint64(), acked
	t.left, t.on = 1+rng.IntN(12), atLog
	if rng.IntN(3) == 0 {
		t.left, t.on = 1+rng.IntN(60), aim(1+rng.IntN(2))
	}
	// All lost, all kept, and everything in between.
	t.percent = []int{0, 100, rng.IntN(101), rng.IntN(101)}[rng.IntN(4)]
	t.mu.Unlock()
	t.disk.Hook(t.ask)
}

func (t *trap) ask(op ledgertest.Op, path string) error {
	t.mu.Lock()
	if t.set && t.left_ == nil && t.on.hits(op, path) {
		if t.left--; t.left == 0 {
			t.then = t.acked.Load()
			t.left_ = t.disk.Cut(t.percent, t.seed)
		}
	}
	release := t.release
	if release != nil && t.held != nil && op == ledgertest.OpWrite && strings.HasSuffix(path, ".log") {
		close(t.held)
		t.held = nil
	} else {
		release = nil
	}
	fault := t.fault
	t.mu.Unlock()
	if release != nil {
		<-release
	}
	if fault != nil {
		return fault(op, path)
	}
	return nil
}

func (t *trap) armed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.set
}

func (t *trap) sprung() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left_ != nil
}

// spring takes the disk now if that was not done before, and what was acknowledged then.
func (t *trap) spring() (left *ledgertest.Disk, acked uint64, during bool) {
	t.disk.Hook(nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	during = t.left_ != nil
	if !during {
		t.then, t.left_ = t.acked.Load(), t.disk.Cut(t.percent, t.seed)
	}
	left, acked = t.left_, t.then
	t.left_, t.set = nil, false
	return left, acked, during
}

func (t *trap) disarm() {
	t.disk.Hook(nil)
	t.mu.Lock()
	t.set, t.left_ = false, nil
	t.mu.Unlock()
}

// holdLog calls begin, which must write to the log, and do once that is held up; then
// all goes on. What do submits is in one block: how many blocks there are does not
// depend on who was faster.
func (t *trap) holdLog(begin, do func()) {
	held, release := make(chan struct{}), make(chan struct{})
	t.mu.Lock()
	t.held, t.release = held, release
	t.mu.Unlock()
	t.disk.Hook(t.ask)
	begin()
	<-held
	do()
	t.mu.Lock()
	t.release = nil
	t.mu.Unlock()
	close(release)
}
