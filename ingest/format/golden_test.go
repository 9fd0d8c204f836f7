package format

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// sidecar are the options of one file under testdata, beside it as NAME.options.json.
type sidecar struct {
	Zone, Location, Void, Type, Comma string
	Basis, Time                       string
	Complete                          bool
	Zones, Columns, Movement          map[string]string
	Strict                            bool
	PartBytesMax, LinesMax            int
}

func (s *sidecar) options(t testing.TB) *Options {
	o := &Options{Location: s.Location, Void: s.Void, Type: s.Type, Zones: s.Zones, Columns: s.Columns,
		Basis: s.Basis, Complete: s.Complete, Movement: s.Movement, Strict: s.Strict, PartBytesMax: s.PartBytesMax, LinesMax: s.LinesMax}
	if s.Zone != "" {
		z, err := time.LoadLocation(s.Zone)
		if err != nil {
			t.Fatal(err)
		}
		o.Zone = z
	}
	if s.Time != "" {
		at, err := time.Parse(time.RFC3339, s.Time)
		if err != nil {
			t.Fatal(err)
		}
		o.Time = at
	}
	for _, r := range s.Comma {
		o.Comma = r
	}
	return o
}

// written prints what a decoder finds.
type written struct{ bytes.Buffer }

func (w *written) Event(e *Event) error {
	b := e.AppendJSON(nil, "test")
	if !json.Valid(b) {
		return fmt.Errorf("%v: not JSON: %s", e.Place, b)
	}
	fmt.Fprintf(w, "%v: %s\n", e.Place, b)
	return nil
}

func (w *written) Period(p *Period) error {
	fmt.Fprintf(w, "%v: period %s: %s of %s at %s from %s to %s\n", p.Place, p.ID, p.Sold, p.SKU, p.Location,
		p.From.UTC().Format(time.RFC3339), p.To.UTC().Format(time.RFC3339))
	return nil
}

func (w *written) Refused(r *Refusal) error {
	fmt.Fprintf(w, "refused %v\n", r)
	return nil
}

// TestFiles decodes what lies under testdata/FORMAT and compares it with the golden file
// beside it; twice, for what is read again has to have the same names.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden") || strings.HasSuffix(file, ".options.json") {
			continue
		}
		format := filepath.Base(filepath.Dir(file))
		if format == "fuzz" {
			continue
		}
		t.Run(format+"/"+filepath.Base(file), func(t *testing.T) {
			decode := Named(format)
			if decode == nil {
				t.Fatalf("no decoder is called %q", format)
			}
			got := decoded(t, decode, file)
			if again := decoded(t, decode, file); again != got {
				t.Errorf("read again it gives something else:\n%s", again)
			}
			golden := file + ".golden"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func decoded(t *testing.T, decode Decoder, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var side sidecar
	b, err := os.ReadFile(strings.TrimSuffix(file, filepath.Ext(file)) + ".options.json")
	if err == nil {
		err = json.Unmarshal(b, &side)
	}
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var w written
	if err := decode(bytes.NewReader(content), side.options(t), &w); err != nil {
		fmt.Fprintf(&w, "error %v\n", err)
	}
	return w.String()
}
