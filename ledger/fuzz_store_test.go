package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// kept is a store with a record of every sort: some written by a checkpoint, some
// only in the journal after it.
type kept struct {
	db      *pebble.DB
	opts    Options
	records []keptRecord
}

type keptRecord struct{ key, value []byte }

func keep(f *testing.F) *kept {
	must := func(err error) {
		f.Helper()
		if err != nil {
			f.Fatal(err)
		}
	}
	fs, now := vfs.NewCrashableMem(), testStart
	l, err := Open(small(fs, &now))
	must(err)
	apply := func(commands ...Command) {
		for _, c := range commands {
			_, err := l.Apply(c)
			must(err)
		}
	}
	hold := func(id string) *Hold {
		return &Hold{ID: id, Key: CallKey{NameHash("key", id), Hash{1, 2}}, Owner: "o", Reference: "r", Channel: "web", Now: now, ExpiresAt: now + 900_000,
			Lines: []HoldLine{{1, 1, 2}, {2, 1, 1}}}
	}
	apply(PutSKU{Info: SKUInfo{SKU: "a", Category: "dairy"}, Now: now}, PutSKU{Info: SKUInfo{SKU: "kg", Decimals: 3}, Now: now},
		PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now}, PutLocation{Info: LocationInfo{Location: "y"}, Now: now}, receipt("1", 1, 50, now, now), receipt("2", 2, 900, now, now),
		SetSafety{Set: []SafetyRule{{SKU: 1, Location: 1, Units: 1000}, {Category: "dairy", None: true}}, Now: now},
		&DeadLetter{ReceivedAt: now, Code: "unknown-sku", Detail: "lines[0].sku", Topic: "t", Offset: 9, Value: []byte("{}")},
		transferred("t", 1, now), &Inbound{Name: EventName{Source: "erp", ID: "i", Time: now}, ID: "po", Received: now, Location: 1,
			Lines: []InboundLine{{1, 5, now}, {2, 7, now + 9}}},
		&Count{Kind: KindSnapshot, Name: EventName{Source: "erp", ID: "all", Time: now}, CountedAt: now - 1, Received: now, Location: 1,
			Complete: true, NetOfCommitted: true},
		hold("open"), hold("over"), &Transition{Op: KindCancel, ID: "over", Now: now})
	l.SetOffset("stock", 2, Offset{Next: 5, Last: Hash{6, 7}})
	must(l.Checkpoint())
	apply(receipt("3", 1, 5, now, now), transferred("u", 2, now), hold("late"), &Count{Name: EventName{Source: "wms", ID: "c", Time: now}, CountedAt: now, Received: now, Location: 1,
		Lines: []CountLine{{SKU: 1, Quantity: 40}}}, &Count{Kind: KindSnapshot, Name: EventName{Source: "erp", ID: "late", Time: now}, CountedAt: now + 1, Received: now,
		Location: 1, Complete: true}, PutSKU{Info: SKUInfo{SKU: "b"}, Now: now}, &Transition{Op: KindConfirm, ID: "late", Now: now})
	k := &kept{opts: small(fs.CrashClone(vfs.CrashCloneCfg{}), &now).fill()}
	must(l.Close())
	k.db, err = pebble.Open(k.opts.Dir, pebbleOptions(k.opts))
	must(err)
	f.Cleanup(func() { must(k.db.Close()) })
	must(scan(k.db, nil, func(key, value []byte) error {
		k.records = append(k.records, keptRecord{bytes.Clone(key), bytes.Clone(value)})
		return nil
	}))
	return k
}

// sealed gives a record that has a checksum a right one.
func sealed(key, value []byte) []byte {
	switch n := len(value); {
	case key[0] == prefixBlock && n >= 32:
		return sealedBlock(value[:n-32])
	case key[0] == prefixPage && n >= 4:
		return sealedPage(value[:n-4])
	case key[0] == prefixOffset && n == offsetBytes:
		v := bytes.Clone(value[:n-8])
		return binary.BigEndian.AppendUint64(v, offsetSum(string(key), v))
	}
	return value
}

// load starts from the store and checks all, as verify does; findings: what is wrong with it.
func (k *kept) load() (findings []string) {
	l := &Ledger{opts: k.opts, db: k.db}
	l.init()
	c := newChecker(k.opts, k.db)
	if err := l.recover(); err != nil {
		c.find("a start would fail: %v", err)
		l = nil
	} else {
		for _, id := range []string{"open", "over", "late"} {
			if r, err := l.finishedOnDisk(id); err != nil || r != nil && r.ID != id {
				c.find("finished %q is %v: %v", id, r, err)
			}
			if _, _, err := l.keyOnDisk(NameHash("key", id)); err != nil {
				c.find("%v", err)
			}
		}
		for _, info := range []string{"a", "kg", "b"} {
			l.LookupSKU([]byte(info))
		}
		l.SafetyRules()
		l.Feeds()
	}
	c.run(l)
	return c.report.Findings
}

// FuzzStore puts any bytes in the place of any record of a store: a start and verify
// say what is wrong or take it, and neither panics nor takes memory without bound. What
// the journal tells twice, a changed record of it is found.
func FuzzStore(f *testing.F) {
	k := keep(f)
	if found := k.load(); len(found) > 0 {
		f.Fatalf("nothing was changed, and verify finds %q", found)
	}
	for i, r := range k.records {
		f.Add(byte(i), byte(0), true, r.value)
		f.Add(byte(i), byte(1), false, r.value)
		if r.key[0] == prefixBlock {
			for _, v := range tooFar(f, r.value) {
				f.Add(byte(i), byte(0), true, v)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which, flip byte, seal bool, value []byte) {
		r := k.records[int(which)%len(k.records)]
		key := bytes.Clone(r.key)
		key[len(key)-1] ^= flip
		if len(key) == 1 {
			key = r.key // or it would be of another sort
		}
		if seal {
			value = sealed(key, value)
		}
		moved := !bytes.Equal(key, r.key)
		change(t, k.db, r.key, nil)
		change(t, k.db, key, value)
		var found []string
		if n := allocated(func() { found = k.load() }); n > 64<<20+1000*uint64(len(value)) {
			t.Fatalf("record %q: %d bytes allocated for %d", key, n, len(value))
		}
		change(t, k.db, key, nil)
		for _, r := range k.records { // key may have been that of another
			change(t, k.db, r.key, r.value)
		}
		if len(found) == 0 && (moved || !bytes.Equal(value, r.value)) && mustFind(r, key, value) {
			t.Fatalf("record %x was changed from %x to %x at %x, and nobody finds it", r.key, r.value, value, key)
		}
	})
}

// tooFar are right blocks whose seqs, or whose entries' times, no position can keep.
func tooFar(f *testing.F, v []byte) (all [][]byte) {
	for _, first := range []Seq{sixMax, 950029022181647819, 1<<64 - 1} {
		s, err := decodeBlock(v)
		if err != nil {
			f.Fatal(err)
		}
		s.first = first
		all = append(all, s.encode(s.prev, s.at))
	}
	s, _ := decodeBlock(v)
	b := block{first: s.first}
	for seq := s.first; seq <= s.last(); seq++ {
		e, err := decodeEntry(seq, s.entry(seq))
		if err != nil {
			f.Fatal(err)
		}
		e.Time, e.RecordedAt, e.SaidTime = sixMax+e.Time, sixMax+e.RecordedAt, sixMax+e.SaidTime
		b.body = e.redraft().append(b.body)
		b.ends = append(b.ends, uint32(len(b.body)))
	}
	return append(all, b.encode(s.prev, s.at))
}

func change(t *testing.T, db *pebble.DB, key, value []byte) {
	t.Helper()
	err := error(nil)
	if value == nil {
		err = db.Delete(key, pebble.NoSync)
	} else {
		err = db.Set(key, value, pebble.NoSync)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// mustFind says whether verify has to know that r was changed to value, and to lie at
// key. Of what nothing is kept twice it cannot know.
func mustFind(r keptRecord, key, value []byte) bool {
	switch r.key[0] {
	case prefixBlock, prefixHead:
		return true
	case prefixPage:
		// The same may be written longer than need be, and be of another entry.
		p, _, err := decodePage(value)
		q, _, _ := decodePage(r.value)
		for _, p := range [2]page{p, q} {
			for i := range p.positions {
				if r.key[4] == 1 { // the journal after the page gives SKU 1 its times anew
					p.positions[i].last, p.positions[i].counted = six{}, six{}
				}
			}
		}
		return err != nil || !slices.Equal(p.positions, q.positions) || !bytes.Equal(key, r.key)
	case prefixComplete:
		loc, c, err := decodeComplete(key, value)
		wasLoc, was, _ := decodeComplete(r.key, r.value)
		return err != nil || loc != wasLoc || c != was
	case prefixOpen:
		v, err := decodeReservation(value)
		return err != nil || fmt.Sprintf("%q", v.append(nil)) != fmt.Sprintf("%q", r.value)
	case prefixInbound:
		d, err := decodeInbound(key, value)
		return err != nil || !bytes.Equal(d.append(nil), r.value) || !bytes.Equal(key, r.key)
	case prefixOffset:
		_, err := decodeOffset(string(key), value)
		return err != nil
	}
	return false
}
