package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"onhand/jsonread"
	"onhand/ledger"
)

func TestBatch(t *testing.T) {
	s := openShop(t, ledger.Options{})
	f := func(body string, accepted, duplicates int, rejected ...string) BatchResult {
		t.Helper()
		b, err := s.Batch([]byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		var got []string
		for _, r := range b.Rejected {
			got = append(got, fmt.Sprintf("%s/%v/%s", r.ID, r.HasID, r.Code))
		}
		if b.Accepted != accepted || b.Duplicates != duplicates || fmt.Sprint(got) != fmt.Sprint(rejected) {
			t.Errorf("%s: accepted %d, duplicates %d, rejected %q", body, b.Accepted, b.Duplicates, got)
		}
		if s.ledger.Durable() < b.Seq {
			t.Errorf("%s: answered before it was durable", body)
		}
		return b
	}
	first := f(sale("1", 1), 1, 0)
	if again := f(sale("1", 1), 0, 1); again.Seq != first.Seq {
		t.Errorf("a duplicate answers change %d, not %d", again.Seq, first.Seq)
	}
	if b := f(" [ ] ", 0, 0); b.Seq != s.ledger.Seq() {
		t.Errorf("an empty batch answers change %d", b.Seq)
	}
	f("["+sale("2", 1)+","+sale("3", -1)+","+sale("2", 1)+`,17,{"id":"x"},{"id":5},`+sale("4", 1)+"]", 2, 1,
		"3/true/invalid-quantity", "/false/invalid-event", "x/true/invalid-event", "/false/invalid-event")
	f(`"text"`, 0, 0, "/false/invalid-event")
	letters, err := s.ledger.DeadLetters(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, d := range letters {
		values = append(values, d.Topic+string(d.Value))
	}
	if got := strings.Join(values, " "); got != sale("3", -1)+` 17 {"id":"x"} {"id":5} "text"` {
		t.Error(got)
	}
	if got := s.figures("a", "0042"); got != "-3/0/0/0" {
		t.Error(got)
	}

	before := s.ledger.Seq()
	for _, body := range []string{"", "[", "[" + sale("5", 1), "[" + sale("5", 1) + "] x", sale("5", 1) + sale("6", 1), "[" + sale("5", 1) + ",{]", "\xef\xbb\xbf[]"} {
		var syntax *jsonread.SyntaxError
		if _, err := s.Batch([]byte(body)); !errors.As(err, &syntax) {
			t.Errorf("%q: %v", body, err)
		}
	}
	if _, err := s.Batch([]byte("[" + strings.Repeat("1,", BatchMax) + "1]")); !errors.Is(err, ErrTooManyItems) {
		t.Error(err)
	}
	if s.ledger.Seq() != before {
		t.Error("a body that is no batch changed something")
	}
}

func TestLargestBatch(t *testing.T) {
	s := openShop(t, ledger.Options{QueueBytesMax: 1000})
	var events []string
	for i := range BatchMax {
		events = append(events, sale(fmt.Sprint(i), 1))
	}
	b, err := s.Batch([]byte("[" + strings.Join(events, ",") + "]"))
	if err != nil || b.Accepted != BatchMax {
		t.Fatal(b.Accepted, err)
	}
	if got := s.figures("a", "0042"); got != "-10000/0/0/0" {
		t.Error(got)
	}
}
