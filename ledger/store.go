package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// What the first byte of a key says of it.
const (
	prefixCheckpoint  = 'C' // the seq up to which pages hold everything
	prefixDeadLetter  = 'D' // seq of each dead letter that is open
	prefixEvent       = 'E' // name hash → content, seq and day
	prefixFinished    = 'F' // id → a finished reservation
	prefixByTime      = 'G' // finish time, id: finished reservations to drop
	prefixHead        = 'H' // the latest block's last seq and hash
	prefixIndex       = 'I' // finished reservations by reference and owner
	prefixBlock       = 'J' // first seq → block
	prefixKey         = 'K' // idempotency key hash → call
	prefixMaster      = 'M' // master data and rules
	prefixInbound     = 'N' // kind, id → goods that are under way
	prefixOpen        = 'O' // id → an open reservation
	prefixPage        = 'P' // SKU → page
	prefixFollower    = 'R' // name → cursor
	prefixComplete    = 'S' // location, seq → a complete snapshot
	prefixOffset      = 'T' // topic, partition → offset
	prefixVoid        = 'U' // name hash of an event that was undone → seq and day of the void
	prefixVersion     = 'V' // the version of all this
	prefixFeed        = 'W' // location, source → last event time
	prefixException   = 'X' // seq of each entry with exceptions → what a list tells of them
	prefixAccuracy    = 'a' // day, location, source → how right figures were when counted
	prefixSource      = 's' // source → how it does
	prefixMissed      = 'm' // SKU, location, seq → a movement that on hand did not take
	prefixResolution  = 'r' // seq, which of its exceptions → what a person found of it
	prefixRaisedAt    = 'x' // location, seq of an entry with exceptions there
	storeVersion      = 1
	pebbleFormat      = pebble.FormatMajorVersion(24) // detects a damaged log; see openStore
	exitStorage       = 70
	walBytesPerSync   = 512 << 10
	sstBytesPerSync   = 1 << 20
	maxCompactions    = 2
	memTablesMax      = 4
	bloomBitsPerKey   = 10
	blockCacheLevels  = 7
	targetFileBytes   = 16 << 20
	l0CompactionFiles = 4
)

// openStore opens Pebble so that a damaged log is an error and not a loss. A
// directory that is in use, or that a newer program wrote, is left as it is.
// The caller lets go of the lock after it has closed the store.
func openStore(o Options, guard *logGuard) (db *pebble.DB, lock *pebble.Lock, err error) {
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, nil, err
	}
	if lock, err = lockStore(o); err != nil {
		return nil, nil, err
	}
	db, err = openLocked(o, lock, guard)
	if err != nil {
		lock.Close()
	}
	return db, lock, err
}

func openLocked(o Options, lock *pebble.Lock, guard *logGuard) (*pebble.DB, error) {
	versioned, err := checkVersion(o)
	if err != nil {
		return nil, err
	}
	po := pebbleOptions(o)
	po.Lock = lock
	po.FS = logFS{po.FS, guard}
	db, err := pebble.Open(o.Dir, po)
	guard.on.Store(err == nil)
	if err != nil || versioned {
		return db, err
	}
	// A new store's first log file is made before the format is raised to one whose
	// damage can be told from its end, so it is put behind us at once.
	if err = db.Set([]byte{prefixVersion}, []byte{storeVersion}, pebble.Sync); err == nil {
		if err = db.Flush(); err == nil {
			err = writeVersion(o)
		}
	}
	if err != nil {
		guard.on.Store(false)
		db.Close()
		return nil, err
	}
	return db, nil
}

// lockStore makes sure that no other process has the directory open.
func lockStore(o Options) (*pebble.Lock, error) {
	lock, err := pebble.LockDirectory(o.Dir, o.FS)
	if err != nil {
		return nil, fmt.Errorf("it is in use by another process: %w", err)
	}
	return lock, nil
}

// versionFile says what wrote the store, to be read without opening it.
const versionFile = "onhand-version"

// writeVersion puts the file in place whole: an empty one would say that the store is
// of no version, and a start that is cut off must not leave that behind.
func writeVersion(o Options) error {
	path := o.FS.PathJoin(o.Dir, versionFile)
	f, err := o.FS.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%d\n", storeVersion); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := o.FS.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(o.FS, o.Dir)
}

// makeDir makes a directory and those above it that are missing, each durably: with
// them a power cut would take all that is answered from below them.
func makeDir(fs vfs.FS, dir string) error {
	above := fs.PathDir(dir)
	if _, err := fs.Stat(dir); err == nil || above == dir {
		return nil
	}
	if err := makeDir(fs, above); err != nil {
		return err
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return syncDir(fs, above)
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// checkVersion refuses a store that a newer program wrote, without touching it.
// known says that the version was written down; a store cut off while it was made
// has none yet.
func checkVersion(o Options) (known bool, err error) {
	f, err := o.FS.Open(o.FS.PathJoin(o.Dir, versionFile))
	if err == nil {
		b, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return false, err
		}
		version, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return false, fmt.Errorf("its file %s says %q, which is no version", versionFile, b)
		}
		if version > storeVersion {
			return false, fmt.Errorf("its format is version %d, and this program knows up to %d: it was written by a newer version", version, storeVersion)
		}
		known = true
	}
	desc, err := pebble.Peek(o.Dir, o.FS)
	if err != nil {
		return false, err
	}
	if desc.Exists && desc.FormatMajorVersion > pebbleFormat {
		return false, fmt.Errorf("its store has format %d, and this program knows up to %d: it was written by a newer version",
			desc.FormatMajorVersion, pebbleFormat)
	}
	return known, nil
}

func pebbleOptions(o Options) *pebble.Options {
	po := &pebble.Options{
		FS:                          o.FS,
		FormatMajorVersion:          pebbleFormat,
		MemTableSize:                o.MemTableBytes,
		MemTableStopWritesThreshold: memTablesMax,
		L0CompactionThreshold:       l0CompactionFiles,
		L0StopWritesThreshold:       64,
		LBaseMaxBytes:               256 << 20,
		BytesPerSync:                sstBytesPerSync,
		WALBytesPerSync:             walBytesPerSync,
		CompactionConcurrencyRange:  func() (int, int) { return 1, maxCompactions },
		Logger:                      storeLogger{o.Fatal},
		// Memtables are taken out of the cache: one in use and one being flushed would
		// leave nothing of it.
		CacheSize: o.CacheBytes + 2*int64(o.MemTableBytes),
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(bloomBitsPerKey)
	}
	if o.AsyncSync {
		po.FS = unsyncedFS{o.FS}
	}
	return po
}

// storeLogger carries Pebble's messages. Its Fatalf must never return: Pebble then
// reports writes as durable that are gone after a crash.
type storeLogger struct{ fatal func(error) }

func (storeLogger) Infof(format string, args ...any) {
	slog.Debug("store", "message", fmt.Sprintf(format, args...))
}

func (storeLogger) Errorf(format string, args ...any) {
	slog.Error("store", "message", fmt.Sprintf(format, args...))
}

func (s storeLogger) Fatalf(format string, args ...any) {
	s.fatal(fmt.Errorf(format, args...))
	select {} // whatever fatal does, nothing is acknowledged from here on
}

func exitOnStorageError(err error) {
	fmt.Fprintf(os.Stderr, "onhand: storage error, stopping: %v\n", err)
	os.Exit(exitStorage)
}

// logGuard stops the process where the log, or the directory that names it, fails.
// Pebble answers some of these failures with an error, and some with a panic that says
// nothing: under the guard none returns. It is off while the store opens and closes,
// where an error can be given back.
type logGuard struct {
	on    atomic.Bool
	fatal func(error)
}

func (g *logGuard) check(err error) error {
	if err != nil && g.on.Load() {
		g.fatal(fmt.Errorf("the store's log: %w", err))
		select {} // whatever fatal does, nothing is acknowledged from here on
	}
	return err
}

type logFS struct {
	vfs.FS
	guard *logGuard
}

func (fs logFS) file(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, fs.guard.check(err)
	}
	return logFile{f, fs.guard}, nil
}

func (fs logFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return fs.file(f, err)
}

func (fs logFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.file(fs.FS.ReuseForWrite(oldname, newname, category))
}

func (fs logFS) OpenDir(name string) (vfs.File, error) { return fs.file(fs.FS.OpenDir(name)) }

type logFile struct {
	vfs.File
	guard *logGuard
}

func (f logFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.guard.check(err)
}

func (f logFile) SyncTo(length int64) (fullSync bool, err error) {
	fullSync, err = f.File.SyncTo(length)
	return fullSync, f.guard.check(err)
}

func (f logFile) Sync() error     { return f.guard.check(f.File.Sync()) }
func (f logFile) SyncData() error { return f.guard.check(f.File.SyncData()) }
func (f logFile) Close() error    { return f.guard.check(f.File.Close()) }

// unsyncedFS does not wait for the disk where the log is written. All else is synced
// as ever: tables that were lost to a power cut would take years with them.
type unsyncedFS struct{ vfs.FS }

type unsyncedFile struct{ vfs.File }

func (fs unsyncedFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return unsyncedFile{f}, nil
}

func (fs unsyncedFS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(oldname, newname, category)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

func (unsyncedFile) Sync() error                             { return nil }
func (unsyncedFile) SyncData() error                         { return nil }
func (unsyncedFile) SyncTo(int64) (fullSync bool, err error) { return false, nil }

func seqKey(prefix byte, seq Seq) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, uint64(seq))
}

func blockKey(first Seq) []byte { return seqKey(prefixBlock, first) }

func nameKey(h Hash) []byte { return h.append([]byte{prefixEvent}) }

func pageKey(id SKU) []byte { return binary.BigEndian.AppendUint32([]byte{prefixPage}, uint32(id)) }

func idKey(prefix byte, id string) []byte {
	k := make([]byte, 1, 1+len(id)) // one allocation, of the right size: every reserve looks one up
	k[0] = prefix
	return append(k, id...)
}

func masterKey(kind byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{prefixMaster, kind}, id)
}

func headRecord(last Seq, hash [32]byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(last)), hash[:]...)
}

// span bounds an iterator to the keys that begin with prefix.
func span(prefix ...byte) *pebble.IterOptions {
	upper := append([]byte{}, prefix...)
	upper[len(upper)-1]++
	return &pebble.IterOptions{LowerBound: prefix, UpperBound: upper}
}

// scan calls fn with every key that begins with prefix, and its value. Damage that
// ends the iteration early is an error, never a short answer.
func scan(r pebble.Reader, opts *pebble.IterOptions, fn func(key, value []byte) error) error {
	it, err := r.NewIter(opts)
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		v, err := it.ValueAndErr()
		if err == nil {
			err = fn(it.Key(), v)
		}
		if err != nil {
			it.Close()
			return err
		}
	}
	if err := it.Error(); err != nil {
		it.Close()
		return err
	}
	return it.Close()
}
