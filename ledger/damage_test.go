package ledger_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"onhand/ledger"
	"onhand/ledger/ledgertest"
)

// smallLedger makes a data directory with some history in it and closes it.
func smallLedger(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	c := ledgertest.NewClock()
	l, err := ledger.Open(ledger.Options{Dir: dir, FS: fs, Clock: c.Now, CheckpointEvery: -1})
	if err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []ledger.Command{
		ledger.PutSKU{Info: ledger.SKUInfo{SKU: "milk"}, Now: c.Now()},
		ledger.PutLocation{Info: ledger.LocationInfo{Location: "Dam", Active: true}, Now: c.Now()},
		&ledger.Count{Name: ledger.EventName{Source: "wms", ID: "1", Time: c.Now()}, CountedAt: c.Now(), Received: c.Now(), Location: 1,
			Lines: []ledger.CountLine{{SKU: 1, Quantity: 10}}},
		&ledger.Hold{ID: "a", Now: c.Now(), ExpiresAt: c.Now() + 900_000, Lines: []ledger.HoldLine{{SKU: 1, Location: 1, Quantity: 3}}},
	} {
		if _, err := l.Apply(cmd); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// store opens the directory's store behind the ledger's back.
func store(t *testing.T, fs vfs.FS, dir string, do func(*pebble.DB)) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{FS: fs, FormatMajorVersion: 24})
	if err != nil {
		t.Fatal(err)
	}
	do(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, db *pebble.DB, key []byte) []byte {
	t.Helper()
	v, closer, err := db.Get(key)
	if err != nil {
		t.Fatalf("%q: %v", key, err)
	}
	defer closer.Close()
	return append([]byte{}, v...)
}

// blockKeys lists the keys of the journal's blocks.
func blockKeys(t *testing.T, db *pebble.DB) (keys [][]byte) {
	t.Helper()
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{'J'}, UpperBound: []byte{'K'}})
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		keys = append(keys, append([]byte{}, it.Key()...))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestVerifyFindsDamage(t *testing.T) {
	set := func(t *testing.T, db *pebble.DB, key, value []byte) {
		if err := db.Set(key, value, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	pageKey := []byte{'P', 0, 0, 0, 1}
	for _, c := range []struct {
		name   string
		damage func(*testing.T, *pebble.DB)
		finds  string
	}{
		{"nothing", func(*testing.T, *pebble.DB) {}, ""},
		{"a changed entry", func(t *testing.T, db *pebble.DB) {
			key := blockKeys(t, db)[2]
			v := get(t, db, key)
			v[len(v)-40]++
			set(t, db, key, v)
		}, "block was changed"},
		{"a lost block", func(t *testing.T, db *pebble.DB) {
			if err := db.Delete(blockKeys(t, db)[1], pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, "are missing"},
		{"a lost last block", func(t *testing.T, db *pebble.DB) {
			keys := blockKeys(t, db)
			if err := db.Delete(keys[len(keys)-1], pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, "the journal ends at entry 3"},
		{"a page of another state", func(t *testing.T, db *pebble.DB) {
			other := vfs.NewMem()
			smallLedger(t, other, "other")
			var v []byte
			store(t, other, "other", func(db *pebble.DB) { v = get(t, db, pageKey) })
			v[3]++ // and its checksum does not fit
			set(t, db, pageKey, v)
		}, "page does not decode"},
		{"a lost page", func(t *testing.T, db *pebble.DB) {
			if err := db.Delete(pageKey, pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, "is missing"},
		{"a lost reservation", func(t *testing.T, db *pebble.DB) {
			if err := db.Delete([]byte("Oa"), pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, `reservation "a" is missing`},
		{"lost master data", func(t *testing.T, db *pebble.DB) {
			if err := db.Delete([]byte{'M', 'l', 0, 0, 0, 1}, pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, "location 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := vfs.NewMem()
			smallLedger(t, fs, "data")
			store(t, fs, "data", func(db *pebble.DB) { c.damage(t, db) })
			r, err := ledger.Verify(ledger.Options{Dir: "data", FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(r.Findings, "\n")
			if c.finds == "" && !r.OK() || !strings.Contains(all, c.finds) {
				t.Errorf("found %q, want %q", all, c.finds)
			}
		})
	}
}

// tree is every file of a directory and what is in it.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestOpenRefusesAndLeavesAlone(t *testing.T) {
	same := func(t *testing.T, dir string, before map[string]string) {
		t.Helper()
		after := tree(t, dir)
		for path, b := range before {
			if after[path] != b {
				t.Errorf("%s was changed", path)
			}
		}
	}
	refused := func(t *testing.T, dir, why string) {
		t.Helper()
		l, err := ledger.Open(ledger.Options{Dir: dir, Fatal: func(err error) { panic(err) }})
		if err == nil {
			l.Close()
			t.Fatal("it was opened")
		}
		if !strings.Contains(err.Error(), why) {
			t.Errorf("%v: want it to say %q", err, why)
		}
	}
	t.Run("in use", func(t *testing.T) {
		dir := t.TempDir()
		l, err := ledger.Open(ledger.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		refused(t, dir, "another process")
		if _, err := ledger.Verify(ledger.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("verify of a directory in use: %v", err)
		}
	})
	t.Run("newer version", func(t *testing.T) {
		dir := t.TempDir()
		smallLedger(t, vfs.Default, dir)
		if err := os.WriteFile(filepath.Join(dir, "onhand-version"), []byte("99\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		before := tree(t, dir)
		refused(t, dir, "newer version")
		same(t, dir, before)
	})
	t.Run("damaged log", func(t *testing.T) {
		dir := t.TempDir()
		c := ledgertest.NewClock()
		l, err := ledger.Open(ledger.Options{Dir: dir, Clock: c.Now, CheckpointEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			if _, err := l.Apply(ledger.PutSKU{Info: ledger.SKUInfo{SKU: strings.Repeat("x", i+1)}, Now: c.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		crashed := t.TempDir() // as a kill would leave it: the log not yet flushed
		if err := os.CopyFS(crashed+"/d", os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		dir = crashed + "/d"
		logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatalf("no log files: %v", err)
		}
		newest := logs[len(logs)-1]
		b, err := os.ReadFile(newest)
		if err != nil || len(b) < 10_000 {
			t.Fatalf("%s has %d bytes: %v", newest, len(b), err)
		}
		b[len(b)/3] ^= 0xff
		if err := os.WriteFile(newest, b, 0o644); err != nil {
			t.Fatal(err)
		}
		before := tree(t, dir)
		refused(t, dir, "")
		same(t, dir, before)
	})
}

// TestNamesBeyondMemory keeps few names in memory: an event that is on disk alone is
// still known.
func TestNamesBeyondMemory(t *testing.T) {
	c := ledgertest.NewClock()
	fs := vfs.NewMem()
	open := func() *ledger.Ledger {
		l, err := ledger.Open(ledger.Options{Dir: "data", FS: fs, Clock: c.Now, CheckpointEvery: -1, NamesInMemoryMax: 10})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := open()
	for _, cmd := range []ledger.Command{ledger.PutSKU{Info: ledger.SKUInfo{SKU: "milk"}, Now: c.Now()},
		ledger.PutLocation{Info: ledger.LocationInfo{Location: "Dam", Active: true}, Now: c.Now()}} {
		if _, err := l.Apply(cmd); err != nil {
			t.Fatal(err)
		}
	}
	sale := func(i int, content uint64) *ledger.Movement {
		return &ledger.Movement{Kind: ledger.KindSale, Name: ledger.EventName{Source: "pos", ID: string(rune('a' + i)), Time: c.Now(), Content: content},
			Received: c.Now(), Location: 1, Lines: []ledger.MovementLine{{SKU: 1, Quantity: -1}}}
	}
	check := func() {
		t.Helper()
		for i := range 40 {
			if r, err := l.Apply(sale(i, 1)); err != nil || !r.Duplicate {
				t.Fatalf("event %d again: %+v %v", i, r, err)
			}
			if _, err := l.Apply(sale(i, 2)); err == nil || !strings.Contains(err.Error(), "idempotency-mismatch") {
				t.Fatalf("event %d with other content: %v", i, err)
			}
		}
		if row, _ := l.Position(1, 1, c.Now()); row.OnHand != -40 {
			t.Fatalf("on hand is %d", row.OnHand)
		}
	}
	for i := range 40 {
		if i%15 == 14 {
			if err := l.Checkpoint(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.Apply(sale(i, 1)); err != nil {
			t.Fatal(err)
		}
	}
	check()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open()
	check()
	ledgertest.Balanced(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
