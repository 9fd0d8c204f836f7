package ledgertest

import (
	"hash/fnv"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Op is what is asked of a Disk.
type Op uint8

// The operations that a Disk tells its hook of.
const (
	OpRead  Op = iota // of a file's bytes
	OpWrite           // of a file's bytes
	OpSync            // of a file, or of a directory's names
	OpName            // creating, renaming, removing
	opCount
)

func (o Op) String() string { return [opCount]string{"read", "write", "sync", "name"}[o] }

// Disk is a file system in memory that knows what of it was synced, so that it can
// tell what a loss of power would leave. What it does follows from its operations and
// from the random numbers given to Cut alone: the same again ends the same.
type Disk struct {
	mu     sync.Mutex
	names  map[string]*file // by path, as a running process sees them
	synced map[string]*file // as they are after a loss of power
	// changes are those of names since then, in order. A journaling file system keeps
	// the first of them, never a later one without an earlier; Pebble relies on that.
	changes []change
	locked  map[string]bool
	free    uint64 // what GetDiskUsage tells; 0: it does not tell

	// hook is asked before each operation, with mu not held. Its error is the operation's.
	hook func(op Op, path string) error
}

// file is a file's bytes, or a directory. Bytes outside the dirty range are as synced.
type file struct {
	dir         bool
	data, kept  []byte // as seen, as synced
	low, high   int    // the range of data that may not be synced
	sharedBytes bool   // data and kept belong to another disk as well
}

// NewDisk makes an empty disk.
func NewDisk() *Disk {
	d := &Disk{locked: map[string]bool{}}
	d.names = map[string]*file{"": {dir: true}}
	d.synced = map[string]*file{"": d.names[""]}
	return d
}

// Hook sets what is asked before each operation; nil asks nothing. It may call Cut.
func (d *Disk) Hook(hook func(op Op, path string) error) {
	d.mu.Lock()
	d.hook = hook
	d.mu.Unlock()
}

// SetFree sets how many bytes the disk says are free.
func (d *Disk) SetFree(bytes uint64) {
	d.mu.Lock()
	d.free = bytes
	d.mu.Unlock()
}

// sectorBytes is what a real disk writes whole or not at all.
const sectorBytes = 512

// Cut is the disk as a loss of power at this moment leaves it: all that was synced, of
// each sector that was not, with a probability of percent, the newer, and of the changes
// of names the first few. Sectors may be torn in the middle.
// Chance is drawn from seed for each file by itself, so that what is lost of one does not depend on
// how far others were written.
func (d *Disk) Cut(percent int, seed uint64) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := maps.Clone(d.synced)
	kept := 0
	if percent == 100 {
		kept = len(d.changes)
	} else if percent > 0 {
		kept = chance(seed, "").IntN(len(d.changes) + 1)
	}
	for _, c := range d.changes[:kept] {
		c.make(names)
	}
	after := &Disk{names: map[string]*file{}, synced: map[string]*file{}, locked: map[string]bool{}, free: d.free}
	copies := map[*file]*file{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		f := names[name]
		if copies[f] == nil {
			copies[f] = f.cut(percent, chance(seed, name))
		}
		after.names[name], after.synced[name] = copies[f], copies[f]
	}
	return after
}

// change is a name that was given to a file, or taken away where f is nil.
type change struct {
	name string
	f    *file
}

func (c change) make(names map[string]*file) {
	if c.f == nil {
		delete(names, c.name)
	} else {
		names[c.name] = c.f
	}
}

// change changes a name: at once for who looks, durably with the next sync of its directory.
func (d *Disk) change(name string, f *file) {
	c := change{name, f}
	c.make(d.names)
	d.changes = append(d.changes, c)
}

func chance(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func (f *file) cut(percent int, rng *rand.Rand) *file {
	if f.dir {
		return &file{dir: true}
	}
	if f.low >= f.high && len(f.data) == len(f.kept) {
		f.sharedBytes = true
		return &file{data: f.data, kept: f.kept, sharedBytes: true}
	}
	b := slices.Clone(f.kept)
	for at := f.low / sectorBytes * sectorBytes; at < len(f.data); at += sectorBytes {
		if percent == 0 || percent < 100 && rng.IntN(100) >= percent {
			continue
		}
		sector := f.data[at:min(at+sectorBytes, len(f.data))]
		if percent < 100 && rng.IntN(8) == 0 {
			sector = sector[:rng.IntN(len(sector)+1)]
		}
		if grow := at + len(sector) - len(b); grow > 0 {
			b = append(b, make([]byte, grow)...)
		}
		copy(b[at:], sector)
	}
	return &file{data: b, kept: b, sharedBytes: true}
}

// Damage lets change have the bytes of a file, synced or not, and puts what it returns there.
func (d *Disk) Damage(name string, change func([]byte) []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[clean(name)]
	b := change(slices.Clone(f.data))
	*f = file{data: b, kept: slices.Clone(b)}
}

// Bytes is a file's content.
func (d *Disk) Bytes(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.names[clean(name)].data)
}

func clean(name string) string { return strings.Trim(path.Clean("/"+name), "/") }

// ask asks the hook, and locks.
func (d *Disk) ask(op Op, name string) error {
	d.mu.Lock()
	if hook := d.hook; hook != nil {
		d.mu.Unlock()
		if err := hook(op, name); err != nil {
			return &os.PathError{Op: op.String(), Path: name, Err: err}
		}
		d.mu.Lock()
	}
	return nil
}

func missing(op, name string) error { return &os.PathError{Op: op, Path: name, Err: os.ErrNotExist} }

func (d *Disk) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	name = clean(name)
	if err := d.ask(OpName, name); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	if above := d.names[parent(name)]; above == nil || !above.dir {
		return nil, missing("create", name)
	}
	f := &file{}
	d.change(name, f)
	return &openFile{d: d, f: f, name: name}, nil
}

func parent(name string) string {
	if at := strings.LastIndexByte(name, '/'); at >= 0 {
		return name[:at]
	}
	return ""
}

func (d *Disk) Link(oldname, newname string) error {
	return d.rename(oldname, newname, false)
}

func (d *Disk) Rename(oldname, newname string) error {
	return d.rename(oldname, newname, true)
}

func (d *Disk) rename(oldname, newname string, move bool) error {
	oldname, newname = clean(oldname), clean(newname)
	if err := d.ask(OpName, newname); err != nil {
		return err
	}
	defer d.mu.Unlock()
	f := d.names[oldname]
	if f == nil {
		return missing("rename", oldname)
	}
	d.change(newname, f)
	if move {
		d.change(oldname, nil)
	}
	return nil
}

func (d *Disk) open(name string) (vfs.File, error) {
	name = clean(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.names[name]
	if f == nil {
		return nil, missing("open", name)
	}
	return &openFile{d: d, f: f, name: name}, nil
}

func (d *Disk) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) { return d.open(name) }

func (d *Disk) OpenReadWrite(name string, category vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.open(name)
	if err != nil {
		return d.Create(name, category)
	}
	return f, nil
}

func (d *Disk) OpenDir(name string) (vfs.File, error) { return d.open(name) }

func (d *Disk) Remove(name string) error {
	name = clean(name)
	if err := d.ask(OpName, name); err != nil {
		return err
	}
	defer d.mu.Unlock()
	if d.names[name] == nil {
		return missing("remove", name)
	}
	d.change(name, nil)
	return nil
}

func (d *Disk) RemoveAll(name string) error {
	name = clean(name)
	if err := d.ask(OpName, name); err != nil {
		return err
	}
	defer d.mu.Unlock()
	for _, n := range slices.Sorted(maps.Keys(d.names)) {
		if n == name || strings.HasPrefix(n, name+"/") {
			d.change(n, nil)
		}
	}
	return nil
}

func (d *Disk) ReuseForWrite(oldname, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return d.open(newname)
}

func (d *Disk) MkdirAll(name string, _ os.FileMode) error {
	name = clean(name)
	if err := d.ask(OpName, name); err != nil {
		return err
	}
	defer d.mu.Unlock()
	for at := 0; at < len(name); {
		next := strings.IndexByte(name[at:], '/')
		if next < 0 {
			next = len(name) - at
		}
		at += next
		if d.names[name[:at]] == nil {
			d.change(name[:at], &file{dir: true})
		}
		at++
	}
	return nil
}

func (d *Disk) Lock(name string) (io.Closer, error) {
	f, err := d.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	name = clean(name)
	if d.locked[name] {
		return nil, syscall.EAGAIN
	}
	d.locked[name] = true
	return &fileLock{f, d, name}, nil
}

type fileLock struct {
	vfs.File
	d    *Disk
	name string
}

func (l *fileLock) Close() error {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	delete(l.d.locked, l.name)
	return nil
}

func (d *Disk) List(name string) (names []string, err error) {
	name = clean(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.names[name]; f == nil || !f.dir {
		return nil, missing("list", name)
	}
	for n := range d.names {
		if n != "" && parent(n) == name {
			names = append(names, path.Base(n))
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d *Disk) Stat(name string) (vfs.FileInfo, error) {
	f, err := d.open(name)
	if err != nil {
		return nil, err
	}
	return f.Stat()
}

func (d *Disk) PathBase(p string) string       { return path.Base(p) }
func (d *Disk) PathJoin(elem ...string) string { return path.Join(elem...) }
func (d *Disk) PathDir(p string) string        { return path.Dir(p) }
func (d *Disk) Unwrap() vfs.FS                 { return nil }

func (d *Disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.free == 0 {
		return vfs.DiskUsage{}, vfs.ErrUnsupported
	}
	return vfs.DiskUsage{AvailBytes: d.free, TotalBytes: 1 << 40, UsedBytes: 1<<40 - d.free}, nil
}

var startTime = time.UnixMilli(int64(Start))
