package ingest

import (
	"fmt"
	"testing"

	"onhand/ledger"
)

// TestCorrectedLettersStayClosed corrects a letter that waits for its code, closes many
// others, and then makes the code known: what was corrected is not applied as it first came.
func TestCorrectedLettersStayClosed(t *testing.T) {
	s := openShop(t, ledger.Options{})
	letter := func(id string) *ledger.DeadLetter {
		t.Helper()
		before := s.ledger.Seq()
		if _, err := s.Batch([]byte(event("pos.sale", id, `{"location":"0042","lines":[{"sku":"typo","quantity":2}]}`))); err != nil {
			t.Fatal(err)
		}
		d, err := s.ledger.WaitingLetter(before + 1)
		if err != nil {
			t.Fatal(err)
		}
		return &d
	}
	correct := func(d *ledger.DeadLetter, id string) {
		t.Helper()
		out, err := s.Replay(d.Seq, []byte(event("pos.sale", id, `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`)), false)
		if err != nil || !out.Applied {
			t.Fatalf("%+v %v", out, err)
		}
	}
	first := letter("1")
	correct(first, "1 corrected")
	for n := range 1100 { // more than are remembered beside the disk
		correct(letter(fmt.Sprint("x", n)), fmt.Sprint("y", n))
	}
	s.accept(event("erp.item", "typo", `{"sku":"typo"}`))
	out, err := s.Applier.retry(first)
	if err != nil || out.Applied {
		t.Errorf("%+v %v", out, err)
	}
	if got := s.figures("typo", "0042"); got != "0/0/0/0" {
		t.Error(got)
	}
}

// TestVainCorrections corrects a letter that waits for its code by an event that is no use: it
// still says what it waits for, by which it is tried again after a restart, too.
func TestVainCorrections(t *testing.T) {
	s := openShop(t, ledger.Options{})
	letter := s.ledger.Seq() + 1
	if _, err := s.Batch([]byte(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"typo","quantity":2}]}`))); err != nil {
		t.Fatal(err)
	}
	out, err := s.Replay(letter, []byte(`{"type":"pos.sale"}`), false)
	if err != nil || out.Code != ledger.InvalidEvent {
		t.Fatalf("%+v %v", out, err)
	}
	d, err := s.ledger.WaitingLetter(letter)
	if err != nil || d.Code != ledger.UnknownSKU.String() || d.Attempts != 2 {
		t.Errorf("%s after %d attempts, %v", d.Code, d.Attempts, err)
	}
}
