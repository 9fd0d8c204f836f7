package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// headName is the file that says a second time where the journal ends. The store takes
// damage near the end of its newest log for the torn end of a power cut, and would go
// on without what was acknowledged; this file knows better.
const headName = "onhand-head"

// headBytes fit into one sector: a power cut leaves the old ones, the new ones, or what
// its checksum refuses.
const headBytes = 8 + sha256.Size + 4

// headFile is written after each sync of the journal, and never synced itself: so it
// never claims more than is durable, and costs no wait. It is the journal writer's own.
type headFile struct {
	f    vfs.File // nil: the journal is not synced, so nothing can be claimed
	last Seq
	b    [headBytes]byte
}

func (h *headFile) open(o Options) (err error) {
	if o.AsyncSync {
		return nil
	}
	h.f, err = o.FS.OpenReadWrite(o.FS.PathJoin(o.Dir, headName), vfs.WriteCategoryUnspecified)
	return err
}

func (h *headFile) close() error {
	if h.f == nil {
		return nil
	}
	return h.f.Close()
}

// write says that the journal is durable up to last.
func (h *headFile) write(last Seq, hash [sha256.Size]byte) error {
	if h.f == nil || last == h.last {
		return nil
	}
	b := binary.BigEndian.AppendUint64(h.b[:0], uint64(last))
	b = append(b, hash[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
	if _, err := h.f.WriteAt(b, 0); err != nil {
		return fmt.Errorf("write %s after entry %d: %w", headName, last, err)
	}
	h.last = last
	return nil
}

// checkHead refuses a journal that ends before, or otherwise than, what is known to have
// been durable. A file that is not there or was torn knows nothing.
func (l *Ledger) checkHead() error {
	path := l.opts.FS.PathJoin(l.opts.Dir, headName)
	f, err := l.opts.FS.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if len(b) != headBytes || binary.BigEndian.Uint32(b[headBytes-4:]) != crc32.Checksum(b[:headBytes-4], castagnoli) {
		if len(b) > 0 {
			slog.Warn("the copy of the journal's head does not decode", "file", path)
		}
		return nil
	}
	last, hash := Seq(binary.BigEndian.Uint64(b)), [sha256.Size]byte(b[8:])
	end := l.journal.last()
	if last > end || last == end && hash != l.journal.head {
		return fmt.Errorf("the journal ends at entry %d, but %s knows entry %d: what was acknowledged is gone, by damage to the end of the newest log. "+
			"Restore the directory; or, to go on without what is lost, remove that file", end, path, last)
	}
	return nil
}
