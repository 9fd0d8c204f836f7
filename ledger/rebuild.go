package ledger

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// ErrTruncated says that a journal no longer goes back to its first entry.
var ErrTruncated = errors.New("the journal is no longer kept from its beginning, and what came before cannot be made again")

// Rebuild makes a ledger in into, where there is none, from the journal of the one in from,
// which is read and not changed, and compares the two byte for byte: master data, rules,
// every position, every open reservation, goods under way and complete snapshots. The report
// says where they differ. What of from goes over as it is lies beside the journal: which of
// its entries are listed as exceptions and dead letters, how far topics were read, and how
// far followers came.
func Rebuild(from, into Options) (*Report, error) {
	from, into = from.fill(), into.fill()
	if _, err := into.FS.Stat(into.Dir); err == nil {
		return nil, fmt.Errorf("rebuild ledger in %s: it is there already", into.Dir)
	}
	db, lock, err := openForReading(from)
	if err != nil {
		return nil, fmt.Errorf("rebuild from ledger in %s: %w", from.Dir, err)
	}
	defer lock.Close()
	defer db.Close()
	old := &Ledger{opts: from, db: db}
	old.init()
	if err := old.recover(); err != nil {
		return nil, fmt.Errorf("rebuild from ledger in %s: %w", from.Dir, err)
	}
	if err := beginsAtOne(db); err != nil {
		return nil, fmt.Errorf("rebuild from ledger in %s: %w", from.Dir, err)
	}
	if err := copyJournal(db, into); err != nil {
		return nil, fmt.Errorf("rebuild ledger in %s: %w", into.Dir, err)
	}
	into.Clock = func() Millis { return 0 } // it stands where the journal ends: nothing expires meanwhile
	into.CheckpointEvery = -1
	made, err := Open(into)
	if err != nil {
		return nil, err
	}
	c := &checker{db: db, replica: made, from: 1}
	c.report.Entries = int(made.Seq())
	c.compareCatalogue(old)
	c.comparePositions(old)
	c.compareReservations(old)
	c.compareInbound(old)
	c.compareCompletes(old)
	if old.Seq() != made.Seq() {
		c.find("the journal ends at entry %d, and what was made of it at %d", old.Seq(), made.Seq())
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	checked, err := Verify(into)
	if err != nil {
		return nil, err
	}
	checked.Findings = append(c.report.Findings, checked.Findings...)
	checked.More += c.report.More
	return checked, nil
}

func beginsAtOne(db *pebble.DB) error {
	first := Seq(0)
	err := scan(db, span(prefixBlock), func(_, v []byte) error {
		s, err := decodeBlock(v)
		if err != nil {
			return err
		}
		first = s.first
		return errEnough
	})
	if err == errEnough {
		err = nil
	}
	if err == nil && first > 1 {
		err = fmt.Errorf("it begins at entry %d: %w", first, ErrTruncated)
	}
	return err
}

// copiedBytesMax is about how much goes into one batch.
const copiedBytesMax = 4 << 20

// copyJournal writes what a replay begins from into a new store.
func copyJournal(db *pebble.DB, into Options) error {
	made, lock, err := openStore(into, &logGuard{fatal: into.Fatal})
	if err != nil {
		return err
	}
	defer lock.Close()
	b := made.NewBatch()
	for _, prefix := range []byte{prefixBlock, prefixHead, prefixDeadLetter, prefixException, prefixRaisedAt, prefixResolution, prefixMissed, prefixOffset, prefixFollower} {
		err = errors.Join(err, scan(db, span(prefix), func(k, v []byte) error {
			if err := b.Set(k, v, nil); err != nil || b.Len() < copiedBytesMax {
				return err
			}
			err := made.Apply(b, pebble.NoSync)
			b.Reset()
			return err
		}))
	}
	return errors.Join(err, made.Apply(b, pebble.Sync), b.Close(), made.Close())
}
