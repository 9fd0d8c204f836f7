package ingest

import (
	"testing"

	"onhand/ledger"
)

func TestSequence(t *testing.T) {
	f := func(text string, want uint64) {
		t.Helper()
		if got := parseSequence([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	f("0", 1)
	f("41", 42)
	f("000000000000000007", 8)
	f("999999999999999999", 1_000_000_000_000_000_000)
	f("", 0)
	f("1000000000000000000", 0) // more digits than are read
	f("-1", 0)
	f("1.0", 0)
	f(" 1", 0)
}

// TestSequenceInHeaders numbers events in binary mode; the next event has none of it.
func TestSequenceInHeaders(t *testing.T) {
	s := openShop(t, ledger.Options{})
	submit := func(id, sequence string) {
		t.Helper()
		headers := []ledger.Header{{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte("pos.sale")}, {Key: "ce_source", Value: []byte("till")},
			{Key: "ce_id", Value: []byte(id)}, {Key: "ce_time", Value: []byte("2026-11-23T09:59:00Z")}}
		if sequence != "" {
			headers = append(headers, ledger.Header{Key: "ce_sequence", Value: []byte(sequence)}, ledger.Header{Key: "ce_sequence", Value: []byte(sequence)})
		}
		if _, err := s.Submit([]byte(`{"location":"0042","lines":[{"sku":"a","quantity":1}]}`), headers); err != nil {
			t.Fatal(err)
		}
	}
	submit("1", "5")
	submit("2", "7")
	submit("3", "")
	submit("4", "8")
	all := s.ledger.Sources("", 9)
	if last, ok := all[0].Last(); len(all) != 1 || !ok || last != 8 || all[0].Missing != 1 || all[0].Repeated != 0 || all[0].Events != 4 {
		t.Errorf("%+v", all)
	}
}
