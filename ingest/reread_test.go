package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"onhand/ingest/embedded"
	"onhand/ledger"
)

// Topics read again bring what the ledger lacks, and nothing twice.
func TestReread(t *testing.T) {
	w := startBroker(t, embedded.Options{})
	s := openShop(t, ledger.Options{})
	_, stop := consume(t, testOptions(s, w.broker.Addr()))
	unknown := strings.Replace(sale("3", 1), `"a"`, `"nobody"`, 1)
	w.produce(0, sale("1", 1), "poison", sale("2", 2))
	w.produce(1, sale("4", 4), unknown)
	s.becomes(t, "-7/0/0/0")
	eventually(t, "both letters are kept", func() bool {
		s.ledger.Wait(s.ledger.Seq())
		d, err := s.ledger.DeadLetters(0, 10)
		return err == nil && len(d) == 2
	})
	ends := make(map[int]ledger.Offset)
	eventually(t, "both partitions are read to their end", func() bool {
		for p, want := range map[int]int64{0: 3, 1: 2} {
			o, ok, err := s.ledger.Offset("pos.events", p)
			if err != nil || !ok || o.Next != want {
				return false
			}
			ends[p] = o
		}
		return true
	})
	stop()
	f := func(s *shop, from time.Time, want string) {
		t.Helper()
		c, err := NewConsumer(testOptions(s, w.broker.Addr()))
		if err != nil {
			t.Fatal(err)
		}
		partitions := make(map[int]bool)
		got, err := c.Reread(context.Background(), from, func(_ string, p int, _, _ int64) { partitions[p] = true })
		if err != nil {
			t.Fatal(err)
		}
		if is := fmt.Sprintf("%+v of %d", got, len(partitions)); is != want {
			t.Errorf("got  %s\nwant %s", is, want)
		}
		for p, o := range ends {
			if now, _, _ := s.ledger.Offset("pos.events", p); now != o {
				t.Errorf("partition %d was read to %+v and now to %+v", p, o, now)
			}
		}
	}
	last := s.ledger.Seq()
	f(s, time.Time{}, "{Records:5 Applied:0 Duplicates:3 Waiting:2 Letters:0} of 2")
	f(s, time.Now().Add(time.Hour), "{Records:0 Applied:0 Duplicates:0 Waiting:0 Letters:0} of 0")
	if s.ledger.Seq() != last {
		t.Error("reading again changed the ledger")
	}
	w.produce(0, sale("5", 100)) // beyond where the ledger came
	f(s, time.Time{}, "{Records:5 Applied:0 Duplicates:3 Waiting:2 Letters:0} of 2")

	// One that was restored from before it all.
	other := openShop(t, ledger.Options{})
	for p, o := range ends {
		other.ledger.SetOffset("pos.events", p, o)
	}
	f(other, time.Time{}, "{Records:5 Applied:3 Duplicates:0 Waiting:0 Letters:2} of 2")
	if got := other.figures("a", "0042"); got != "-7/0/0/0" {
		t.Errorf("a is %s", got)
	}
	f(other, time.Time{}, "{Records:5 Applied:0 Duplicates:3 Waiting:2 Letters:0} of 2")
	other.check()
}
