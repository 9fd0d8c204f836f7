package jsonread

import (
	"encoding/json"
	"strings"
	"testing"
)

const saleEvent = `{"specversion":"1.0","type":"pos.sale","source":"pos/0042/till-3","id":"000123","time":"2026-11-23T10:00:00.120Z","data":{"location":"0042","lines":[{"sku":"8710398526001","quantity":2},{"sku":"8710398526018","quantity":1.5}]}}`

type saleLine struct {
	sku      []byte
	quantity int64
}

type sale struct {
	kind, source, id, location []byte
	millis                     int64
	lines                      []saleLine
}

func (s *sale) read(r *Reader) error {
	s.lines = s.lines[:0]
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "specversion":
			if string(r.Text()) != "1.0" {
				r.Refuse(`"1.0"`)
			}
		case "type":
			s.kind = r.Text()
		case "source":
			s.source = r.Text()
		case "id":
			s.id = r.Text()
		case "time":
			var ok bool
			if s.millis, ok = ParseTime(r.Text()); !ok {
				r.Refuse("an RFC 3339 time")
			}
		case "data":
			s.readData(r)
		}
	}
	return r.End()
}

func (s *sale) readData(r *Reader) {
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "location":
			s.location = r.Text()
		case "lines":
			for r.BeginArray(); r.NextElem(); {
				s.lines = append(s.lines, readSaleLine(r))
			}
		}
	}
}

func readSaleLine(r *Reader) (ln saleLine) {
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "sku":
			ln.sku = r.Text()
		case "quantity":
			ln.quantity, _ = r.Number().Scaled(3)
		}
	}
	return ln
}

func TestReadSale(t *testing.T) {
	var r Reader
	var s sale
	r.Reset([]byte(saleEvent))
	if err := s.read(&r); err != nil {
		t.Fatal(err)
	}
	if string(s.id) != "000123" || s.millis != 1795428000120 || len(s.lines) != 2 || s.lines[1].quantity != 1500 {
		t.Errorf("got %+v", s)
	}
}

func TestNoAllocations(t *testing.T) {
	var r Reader
	var s sale
	body := []byte(saleEvent)
	escaped := []byte(`{"n\u0061me":"\ud83d\ude00","m":"a\nb","n":-12.5e-1,"big":1234567890123456789012345.25,"nested":[[{"t":true,"n":null}]]}`)
	at := []byte("2026-11-23T10:00:00.120Z")
	long := []byte(`["` + strings.Repeat("x", 2000) + `",` + strings.Repeat("7", 400) + `]`)
	var out []byte
	for name, f := range map[string]func(){
		"read a sale": func() {
			r.Reset(body)
			if s.read(&r) != nil {
				t.Fatal(r.Err())
			}
		},
		"read escapes": func() {
			r.Reset(escaped)
			for r.BeginObject(); r.NextKey(); {
				switch r.Kind() {
				case String:
					r.Text()
				case Numeral:
					r.Number().Float64()
				default:
					r.RawValue()
				}
			}
			if r.End() != nil {
				t.Fatal(r.Err())
			}
		},
		"rewind": func() {
			r.Reset(body)
			m := r.Mark()
			r.Skip()
			r.Rewind(m)
			r.Skip()
		},
		"fingerprint": func() {
			r.Reset(escaped)
			r.Fingerprint(1)
			if r.End() != nil {
				t.Fatal(r.Err())
			}
		},
		"fingerprint of long texts": func() {
			r.Reset(long)
			r.Fingerprint(1)
		},
		"append": func() {
			out = AppendString(out[:0], "a\"b\u2028")
			out = AppendScaled(out, -12345, 3)
			out = AppendTime(out, s.millis)
		},
		"parse a time": func() {
			if _, ok := ParseTime(at); !ok {
				t.Fatal("refused")
			}
		},
	} {
		f() // the first time may grow the Reader
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkReadSale(b *testing.B) {
	var r Reader
	var s sale
	body := []byte(saleEvent)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(body)
		if s.read(&r) != nil {
			b.Fatal(r.Err())
		}
	}
}

func BenchmarkSkipSale(b *testing.B) {
	var r Reader
	body := []byte(saleEvent)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(body)
		if r.End() != nil {
			b.Fatal(r.Err())
		}
	}
}

func BenchmarkUnmarshalSale(b *testing.B) {
	body := []byte(saleEvent)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var s struct {
			Type, Source, ID, Time string
			Data                   struct {
				Location string
				Lines    []struct {
					SKU      string
					Quantity float64
				}
			}
		}
		if err := json.Unmarshal(body, &s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	body := []byte(saleEvent)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Fingerprint(1, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseTime(b *testing.B) {
	in := []byte("2026-11-23T10:00:00.120+01:00")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseTime(in); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkAppendTime(b *testing.B) {
	out := make([]byte, 0, 32)
	b.ReportAllocs()
	for b.Loop() {
		out = AppendTime(out[:0], 1795428000120)
	}
}

func BenchmarkAppendString(b *testing.B) {
	out := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		out = AppendString(out[:0], "8710398526001")
	}
}
