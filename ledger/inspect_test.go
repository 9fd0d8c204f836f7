package ledger

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestInspectionAndVerifyFindDamage plants each damage in a ledger at work. The
// inspection finds it, and so does verify, where it is on disk.
func TestInspectionAndVerifyFindDamage(t *testing.T) {
	value := func(l *Ledger, key []byte) []byte {
		v, closer, err := l.db.Get(key)
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		defer closer.Close()
		return append([]byte{}, v...)
	}
	set := func(l *Ledger, key, v []byte) {
		if err := l.db.Set(key, v, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	position := func(l *Ledger) *position { return l.shardOf(1).page(1).find(1) }
	for _, c := range []struct {
		name   string
		damage func(l *Ledger)
		finds  string
		verify string // what verify finds; "": it is in memory alone
	}{
		{"nothing", func(*Ledger) {}, "", ""},
		{"a changed entry", func(l *Ledger) {
			v := value(l, blockKey(3))
			v[len(v)-40]++
			set(l, blockKey(3), v)
		}, "block was changed", "block was changed"},
		{"an entry changed with its hash", func(l *Ledger) {
			b, err := blockOnDisk(l.db, 3)
			if err != nil {
				t.Fatal(err)
			}
			s, _ := decodeBlock(value(l, blockKey(3)))
			b.body[len(b.body)-1] ^= 2
			set(l, blockKey(3), b.encode(s.prev, s.at))
		}, "does not carry the hash", "does not carry the hash"},
		{"a lost block", func(l *Ledger) {
			if err := l.db.Delete(blockKey(3), pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, "entries 3 to 3 are missing", "entries 3 to 3 are missing"},
		{"a lost last block", func(l *Ledger) {
			if err := l.db.Delete(blockKey(l.Seq()), pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, "the journal ends before", "the journal ends at entry"},
		{"swapped blocks", func(l *Ledger) {
			a, b := value(l, blockKey(3)), value(l, blockKey(4))
			set(l, blockKey(3), b)
			set(l, blockKey(4), a)
		}, "block 4 lies at key", "block 4 lies at key"},
		{"a wrong sum", func(l *Ledger) { position(l).Held++ }, "its reservations add up to", ""},
		{"a wrong figure", func(l *Ledger) { position(l).OnHand++ }, "entry 4 says", ""},
		{"a dropped reservation", func(l *Ledger) { delete(l.reservations.shard("r").byID, "r") }, "its reservations add up to", ""},
		{"a changed page", func(l *Ledger) {
			p, seq, err := decodePage(value(l, pageKey(1)))
			if err != nil {
				t.Fatal(err)
			}
			p.positions[0].OnHand += 5
			set(l, pageKey(1), p.append(nil, seq))
		}, "its page of entry", "SKU 1 at location 1 is"},
		{"a flipped page", func(l *Ledger) {
			v := value(l, pageKey(1))
			v[3]++
			set(l, pageKey(1), v)
		}, "page does not decode", "page does not decode"},
		{"a dropped record of a reservation", func(l *Ledger) {
			if err := l.db.Delete(idKey(prefixOpen, "r"), pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}, "has no record on disk", `reservation "r" is missing`},
		{"a changed offset", func(l *Ledger) {
			key := []byte(offsetKey("pos.events", 0))
			v := value(l, key)
			v[7]++
			set(l, key, v)
		}, "offset of pos.events/0", "offset of pos.events/0"},
		{"an offset of another partition", func(l *Ledger) {
			set(l, []byte(offsetKey("pos.events", 1)), value(l, []byte(offsetKey("pos.events", 0))))
		}, "offset of pos.events/1", "offset of pos.events/1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs, now := vfs.NewMem(), testStart
			o := small(fs, &now)
			l := mustOpen(t, o)
			mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now},
				receipt("1", 1, 5, now, now),
				&Hold{ID: "r", Now: now, ExpiresAt: now + 900_000, Lines: []HoldLine{{1, 1, 3}}})
			l.SetOffset("pos.events", 0, Offset{Next: 7})
			mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "b"}, Now: now})
			if err := l.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			c.damage(l)
			r, err := l.Inspect(context.Background(), 0)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, "inspection", r, c.finds)
			mustClose(t, l)
			if r, err = Verify(o); err != nil {
				t.Fatal(err)
			}
			expect(t, "verify", r, c.verify)
		})
	}
}

func expect(t *testing.T, who string, r *Report, finds string) {
	t.Helper()
	all := strings.Join(r.Findings, "\n")
	if finds == "" && !r.OK() || !strings.Contains(all, finds) {
		t.Errorf("%s found %q, want %q", who, all, finds)
	}
}

// A ledger under load gives an inspection nothing to find.
func TestInspectionUnderLoad(t *testing.T) {
	fs, now := vfs.NewMem(), testStart
	o := small(fs, &now)
	o.CheckpointEvery, o.JournalKeepMillis = time.Millisecond, 1
	l := mustOpen(t, o)
	mustApply(t, l, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now})
	for i := range 10 {
		mustApply(t, l, PutSKU{Info: SKUInfo{SKU: fmt.Sprint(i)}, Now: now}, receipt(fmt.Sprint("first", i), SKU(i+1), 1_000_000, now, now))
	}
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for w := range 2 {
		workers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprint(w, "/", i)
				sku := SKU(i%10 + 1)
				_, err := l.Apply(&Hold{ID: id, Now: now, ExpiresAt: now + 900_000, Lines: []HoldLine{{sku, 1, 3}}})
				if err == nil {
					_, err = l.Apply(&Transition{Op: []Kind{KindConfirm, KindCancel}[i%2], ID: id, Now: now})
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		r, err := l.Inspect(context.Background(), 0)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "inspection", r, "")
		if r.Positions != 10 || r.Entries == 0 {
			t.Errorf("it looked at %+v", r)
		}
	}
	close(stop)
	workers.Wait()
	mustClose(t, l)
}

// The inspection comes by itself, counts what it finds, and ends with the ledger.
func TestInspectionComesByItself(t *testing.T) {
	fs, now := vfs.NewMem(), testStart
	o := small(fs, &now)
	o.CheckpointEvery, o.InspectEvery = time.Hour, time.Millisecond
	l := mustOpen(t, o)
	mustApply(t, l, PutSKU{Info: SKUInfo{SKU: "a"}, Now: now}, PutLocation{Info: LocationInfo{Location: "x", Active: true}, Now: now},
		receipt("1", 1, 5, now, now))
	sh := l.shardOf(1)
	sh.mu.Lock()
	sh.page(1).find(1).Held++
	sh.mu.Unlock()
	before := inspectFindings.Get()
	for began := time.Now(); inspectFindings.Get() == before; time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("nothing was found")
		}
	}
	mustClose(t, l)
}
