package ledgertest

import (
	"io"
	"os"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// openFile is one open file or directory of a Disk; it belongs to one goroutine but
// for syncing.
type openFile struct {
	d    *Disk
	f    *file
	name string
	at   int
}

func (o *openFile) Close() error                   { return nil }
func (o *openFile) Prefetch(int64, int64) error    { return nil }
func (o *openFile) Preallocate(int64, int64) error { return nil }
func (o *openFile) Fd() uintptr                    { return vfs.InvalidFd }

func (o *openFile) Read(p []byte) (int, error) {
	n, err := o.ReadAt(p, int64(o.at))
	o.at += n
	if n > 0 {
		err = nil
	}
	return n, err
}

func (o *openFile) ReadAt(p []byte, at int64) (int, error) {
	if err := o.d.ask(OpRead, o.name); err != nil {
		return 0, err
	}
	defer o.d.mu.Unlock()
	if at >= int64(len(o.f.data)) {
		return 0, io.EOF
	}
	n := copy(p, o.f.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *openFile) Write(p []byte) (int, error) {
	n, err := o.WriteAt(p, int64(o.at))
	o.at += n
	return n, err
}

func (o *openFile) WriteAt(p []byte, at int64) (int, error) {
	if err := o.d.ask(OpWrite, o.name); err != nil {
		return 0, err
	}
	defer o.d.mu.Unlock()
	o.f.write(p, int(at))
	return len(p), nil
}

func (f *file) write(p []byte, at int) {
	if f.sharedBytes {
		f.data, f.kept, f.sharedBytes = slices.Clone(f.data), slices.Clone(f.kept), false
	}
	if grow := at + len(p) - len(f.data); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	copy(f.data[at:], p)
	if f.low >= f.high {
		f.low, f.high = at, at+len(p)
	} else {
		f.low, f.high = min(f.low, at), max(f.high, at+len(p))
	}
}

func (o *openFile) Sync() error {
	if err := o.d.ask(OpSync, o.name); err != nil {
		return err
	}
	defer o.d.mu.Unlock()
	if o.f.dir {
		o.d.syncNames(o.name)
	} else {
		o.f.sync()
	}
	return nil
}

func (o *openFile) SyncData() error { return o.Sync() }

// SyncTo promises nothing, as that of Linux.
func (o *openFile) SyncTo(int64) (fullSync bool, err error) { return false, nil }

func (f *file) sync() {
	if f.low < f.high {
		if grow := len(f.data) - len(f.kept); grow > 0 {
			f.kept = append(f.kept, make([]byte, grow)...)
		}
		copy(f.kept[f.low:f.high], f.data[f.low:f.high])
		f.low, f.high = 0, 0
	}
}

// syncNames makes the changes of names in a directory durable. What is kept of others
// stays in order.
func (d *Disk) syncNames(dir string) {
	rest := d.changes[:0]
	for _, c := range d.changes {
		if parent(c.name) == dir {
			c.make(d.synced)
		} else {
			rest = append(rest, c)
		}
	}
	d.changes = rest
}

func (o *openFile) Stat() (vfs.FileInfo, error) {
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	return fileInfo{o.name, int64(len(o.f.data)), o.f.dir}, nil
}

type fileInfo struct {
	name string
	size int64
	dir  bool
}

func (i fileInfo) Name() string           { return i.name }
func (i fileInfo) Size() int64            { return i.size }
func (i fileInfo) IsDir() bool            { return i.dir }
func (i fileInfo) ModTime() time.Time     { return startTime }
func (i fileInfo) Sys() any               { return nil }
func (i fileInfo) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

func (i fileInfo) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o755
	}
	return 0o644
}
