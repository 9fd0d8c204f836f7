package ingest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"onhand/ingest/format"
	"onhand/ledger"
)

// imported runs an import to its end and tells what became of it.
func (s *shop) imported(src Source, text string) (*Import, string) {
	s.t.Helper()
	i := &Import{Source: src}
	err := i.Run(context.Background(), s.Applier, strings.NewReader(text))
	d := i.Done
	got := fmt.Sprintf("%d lines, %d taken, %d again, %d refused", d.Lines, d.Accepted, d.Duplicates, d.Refused)
	var bad *format.Refusal
	switch {
	case errors.As(err, &bad):
		got += ": " + bad.Error()
	case err != nil:
		s.t.Fatal(err)
	}
	if int(i.Lines.Load()) != d.Lines || int(i.Read.Load()) > len(text) {
		s.t.Errorf("progress says %d lines and %d bytes", i.Lines.Load(), i.Read.Load())
	}
	return i, got
}

func TestImport(t *testing.T) {
	s := openShop(t, ledger.Options{})
	snapshot := Source{Name: "erp/hq", Format: "csv"}
	snapshot.Options.Time = time.UnixMilli(int64(noon)) // of the file, which says when its figures were
	f := func(src Source, text, want string) *Import {
		t.Helper()
		i, got := s.imported(src, text)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		return i
	}
	is := func(sku, location, want string) {
		t.Helper()
		if got := s.figures(sku, location); got != want {
			t.Errorf("%s at %s is %s, want %s", sku, location, got, want)
		}
	}
	header := "location,sku,quantity,as_of\n"
	good := header + "0042,a,5,2026-11-23T09:00:00Z\n0042,b,7,2026-11-23T09:00:00Z\ndc1,a,100,2026-11-23T09:00:00Z\n"
	f(snapshot, good, "3 lines, 2 taken, 0 again, 0 refused")
	is("a", "0042", "5/0/0/0")
	is("a", "dc1", "100/0/0/0")
	before := s.ledger.Seq()
	snapshot.Options.Time = snapshot.Options.Time.Add(-time.Second)
	f(snapshot, good, "3 lines, 0 taken, 2 again, 0 refused")
	if s.ledger.Seq() != before {
		t.Error("the same file again changed the ledger")
	}
	s.accept(event("pos.sale", "1", `{"location":"0042","lines":[{"sku":"a","quantity":2}]}`)) // at 09:59

	// A row that is no use costs nothing but itself, and its row is named.
	i := f(snapshot, header+"0042,a,6,2026-11-23T09:30:00Z\n0042,c,7,2026-11-23T09:30:00Z\n0042,b,x,2026-11-23T09:30:00Z\n"+
		"0042,b,1.5,2026-11-23T09:30:00Z\n0042,kg,1.5,2026-11-23T09:30:00Z\n0042,a,9,2026-11-23T09:30:00Z\n", "5 lines, 2 taken, 0 again, 4 refused")
	is("a", "0042", "4/0/0/0")
	is("kg", "0042", "1500/0/0/0")
	for n, want := range []string{"line 4 invalid-event", "line 3 unknown-sku", "line 5 invalid-quantity", "line 7 duplicate-line"} {
		if n >= len(i.Refused) {
			break
		}
		p := i.Refused[n]
		if got := fmt.Sprint(p.Place, " ", p.Code); got != want {
			t.Errorf("refused %d: %s, want %s (%s)", n, got, want, p.Detail)
		}
	}
	letters, err := s.ledger.DeadLetters(0, 10)
	if err != nil || len(letters) != 3 { // the row with x is no event
		t.Errorf("%d letters, %v", len(letters), err)
	}

	f(Source{Name: "erp/hq", Format: "csv", Options: format.Options{Type: "erp.item", Time: time.UnixMilli(int64(noon))}}, "sku,category\nc,cheese\n", "1 lines, 1 taken, 0 again, 0 refused")
	f(snapshot, "store,sku\n", "0 lines, 0 taken, 0 again, 0 refused: line 1: location: want a column for it, of this name or mapped, got \"store,sku\"")
	f(Source{Name: "pos/1", Format: "cloudevents"}, event("pos.sale", "2", `{"location":"0042","lines":[{"sku":"b","quantity":2}]}`)+"\n"+
		event("pos.sale", "3", `{"location":"0042","lines":[{"sku":"zzz","quantity":2}]}`), "2 lines, 1 taken, 0 again, 1 refused")
	is("b", "0042", "5/0/0/0")

	zipped := func(text string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(text))
		z.Close()
		return b.String()
	}
	f(snapshot, zipped(good), "3 lines, 0 taken, 2 again, 0 refused")
	later := zipped(strings.ReplaceAll(good, "09:00:00", "09:45:00"))
	f(snapshot, later[:len(later)-4], "2 lines, 1 taken, 0 again, 0 refused: file 1: gzip: want a stream that is whole, got \"unexpected EOF\"")
	f(snapshot, later, "3 lines, 1 taken, 1 again, 0 refused")
	s.check()
}

// TestImportStopsAtTooManyRefusals ends where all of a file is refused, and keeps what it took.
func TestImportStopsAtTooManyRefusals(t *testing.T) {
	s := openShop(t, ledger.Options{})
	var b strings.Builder
	b.WriteString("location,sku,quantity,as_of\n0042,a,5,2026-11-23T09:00:00Z\n")
	for range importRefusedMax + 5 {
		b.WriteString("0042,a,x,2026-11-23T09:00:00Z\n")
	}
	i := &Import{Source: Source{Name: "erp/hq", Format: "csv"}}
	err := i.Run(context.Background(), s.Applier, strings.NewReader(b.String()))
	if !errors.Is(err, ErrTooManyRefused) || len(i.Refused) != importRefusedMax {
		t.Errorf("%d refused, %v", len(i.Refused), err)
	}
}

// BenchmarkImport reads a snapshot of 10 stores × 100,000 SKUs, as new, again, and a day later.
func BenchmarkImport(b *testing.B) {
	const stores, skus = 10, 100_000
	text := func(day string) []byte {
		rnd := rand.New(rand.NewPCG(1, 1))
		var t []byte
		t = append(t, "location,sku,quantity,as_of\n"...)
		for store := range stores {
			for sku := range skus {
				t = fmt.Appendf(t, "%04d,%013d,%d,%s\n", store, 8_710_000_000_000+sku, rnd.IntN(100), day)
			}
		}
		return t
	}
	first, second := text("2026-11-22T22:00:00Z"), text("2026-11-23T09:00:00Z")
	for _, which := range []string{"new", "again", "next day"} {
		b.Run(which, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s := openShop(b, ledger.Options{})
				for store := range stores {
					s.must(ledger.PutLocation{Info: ledger.LocationInfo{Location: fmt.Sprintf("%04d", store), Active: true}, Now: noon})
				}
				for sku := range skus {
					if _, err := s.ledger.Submit(ledger.PutSKU{Info: ledger.SKUInfo{SKU: strconv.Itoa(8_710_000_000_000 + sku)}, Now: noon}); err != nil {
						b.Fatal(err)
					}
				}
				run := func(text []byte) {
					i := &Import{Source: Source{Name: "erp/hq", Format: "csv"}}
					if err := i.Run(context.Background(), s.Applier, bytes.NewReader(text)); err != nil || i.Done.Refused > 0 {
						b.Fatal(err, i.Done)
					}
				}
				if which != "new" {
					run(first)
				}
				b.StartTimer()
				switch which {
				case "next day":
					run(second)
				default:
					run(first)
				}
			}
			b.ReportMetric(float64(stores*skus*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
