package format

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// kept is a sink that keeps all.
type kept struct {
	events  []Event
	refused []Refusal
}

func (k *kept) Event(e *Event) error     { k.events = append(k.events, *e); return nil }
func (k *kept) Period(*Period) error     { return nil }
func (k *kept) Refused(r *Refusal) error { k.refused = append(k.refused, *r); return nil }

func TestPOSQuantity(t *testing.T) {
	f := func(units, unit, text, want string) {
		t.Helper()
		q := &element{name: "Quantity", text: []byte(text)}
		if units != "" {
			q.children = append(q.children, &element{name: "Units", text: []byte(units)})
		}
		q.children = append(q.children, &element{name: "UnitOfMeasureCode", text: []byte(unit)})
		got, bad := posQuantity(q)
		if bad != nil {
			got = bad.Field
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("", "", "2", "2")
	f("1", "KGM", "0.420", "0.420")
	f("2", "KGM", "0.840", "0.840") // two bags that weigh so much together
	f("0.42", "KGM", "1", "0.42")
	f("0.42", "KGM", "-1", "-0.42")
	f("-0.42", "KGM", "-1", "-0.42")
	f("0.420", "KGM", "0.420", "0.420")
	f("0.42", "KGM", "2", "Quantity/Units")
	f("one", "EA", "1", "Quantity/Units")
	f("", "GRM", "355", "0.355")
	f("", "grm", "-1", "-0.001")
	f("", "MLT", "1500", "1.5")
	f("", "EA", " 3 ", "3")
	f("", "CS", "1", "Quantity/UnitOfMeasureCode")
	f("", "EA", "1,5", "Quantity")
	f("", "EA", "", "Quantity")
}

// TestNothingOfPersons looks for what stands in a file of persons and payment, with one
// transaction in it refused, so that its raw text is looked at too.
func TestNothingOfPersons(t *testing.T) {
	f := func(file, quantity, many, raw string, secrets ...string) {
		t.Helper()
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if content = bytes.Replace(content, []byte(quantity), []byte(many), 1); !bytes.Contains(content, []byte(many)) {
			t.Fatalf("the file has no %s", quantity)
		}
		var k kept
		if err := Named(filepath.Base(filepath.Dir(file)))(bytes.NewReader(content), &Options{}, &k); err != nil {
			t.Fatal(err)
		}
		if len(k.refused) == 0 || !strings.Contains(string(k.refused[0].Raw), raw) {
			t.Fatalf("refused: %+v", k.refused)
		}
		var out strings.Builder
		for i := range k.refused {
			out.Write(k.refused[i].Raw)
			out.WriteString(k.refused[i].Error())
		}
		for i := range k.events {
			out.Write(k.events[i].AppendJSON(nil, "test"))
		}
		for _, s := range secrets {
			if !bytes.Contains(content, []byte(s)) {
				t.Errorf("the file has no %s", s)
			}
			if strings.Contains(out.String(), s) {
				t.Errorf("%s got out", s)
			}
		}
	}
	f("testdata/poslog/day.xml", "<Quantity>2<", "<Quantity>many<", "<Quantity>many</Quantity>",
		"Kassa", "Till Hand", "4111111111111111", "C-1", "Someone", "12.40")
	f("testdata/poslog/six.json", `"Quantity": 2`, `"Quantity": "many"`, "<Quantity>many</Quantity>",
		"C-1", "4111111111111111", "12.40", "op-88")
	f("testdata/idoc/receipts.xml", "<MENGE>2.000<", "<MENGE>many<", "<MENGE>many</MENGE>",
		"K. Hand", "4111111111111111", "12.40")
	f("testdata/idoc/movements.xml", "<ENTRY_QNT>24<", "<ENTRY_QNT>many<", "<ENTRY_QNT>many</ENTRY_QNT>", "KHAND")
}

// TestPOSVoided: in which shapes a log says that a transaction undoes another one.
func TestPOSVoided(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		log := `<Transaction><RetailStoreID>1</RetailStoreID><WorkstationID>7</WorkstationID><SequenceNumber>9</SequenceNumber>` +
			`<BusinessDayDate>2026-11-23</BusinessDayDate><BeginDateTime>2026-11-23T10:15:30Z</BeginDateTime>` + body + `</Transaction>`
		var k kept
		if err := decodePOSLog(strings.NewReader(log), &Options{}, &k); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range k.events {
			got = append(got, firstOf(e.Voids, e.Type))
		}
		for _, r := range k.refused {
			got = append(got, r.Field)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	const sale = `<LineItem><Sale><ItemID>A</ItemID><Quantity>1</Quantity></Sale></LineItem>`
	link := func(reason, inside string) string {
		return `<TransactionLink ReasonCode="` + reason + `">` + inside + `</TransactionLink>`
	}
	f(`<RetailTransaction>`+sale+`</RetailTransaction>`, "pos.sale")
	f(`<RetailTransaction>`+sale+link("Voided", "<SequenceNumber>3</SequenceNumber>")+`</RetailTransaction>`, "1/7/2026-11-23/3")
	f(`<RetailTransaction>`+sale+`</RetailTransaction>`+link("PostVoid", "<SequenceNumber>3</SequenceNumber>"), "1/7/2026-11-23/3")
	f(`<RetailTransaction>`+sale+`</RetailTransaction>`+link("Resume", "<SequenceNumber>3</SequenceNumber>"), "pos.sale")
	f(`<ControlTransaction>`+link("Void", "<SequenceNumber>3</SequenceNumber>")+`</ControlTransaction>`, "1/7/2026-11-23/3 1/7/2026-11-23/3/2")
	f(`<VoidTransaction>`+link("", "<SequenceNumber>3</SequenceNumber>")+`</VoidTransaction>`, "1/7/2026-11-23/3 1/7/2026-11-23/3/2")
	f(`<PostVoidTransaction><BusinessDayDate>2026-11-22</BusinessDayDate><SequenceNumber>3</SequenceNumber></PostVoidTransaction>`,
		"1/7/2026-11-22/3 1/7/2026-11-22/3/2")
	f(`<VoidTransaction/>`, "VoidTransaction/SequenceNumber")
	f(`<RetailTransaction TransactionStatus="PostVoided">`+sale+`</RetailTransaction>`, "TransactionLink")
	f(`<RetailTransaction TransactionStatus="PostVoided">`+sale+link("Return", "<SequenceNumber>3</SequenceNumber>")+`</RetailTransaction>`, "TransactionLink")
	f(`<RetailTransaction TransactionStatus="Voided">`+sale+`</RetailTransaction>`, "")
	// What cannot be read of the lines does not matter: the transaction is undone whole.
	f(`<RetailTransaction TransactionStatus="PostVoided"><LineItem><Sale/></LineItem>`+link("", "<SequenceNumber>3</SequenceNumber>")+`</RetailTransaction>`,
		"1/7/2026-11-23/3 1/7/2026-11-23/3/2")
}

// TestPOSNames: no two events of one log have one id.
func TestPOSNames(t *testing.T) {
	files, err := filepath.Glob("testdata/poslog/*.xml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var k kept
		_ = decodePOSLog(bytes.NewReader(content), &Options{Location: "1", LinesMax: 1}, &k)
		seen := map[string]bool{}
		for _, e := range k.events {
			if seen[e.ID] {
				t.Errorf("%s: %s twice", file, e.ID)
			}
			seen[e.ID] = true
		}
	}
}

func FuzzPOSLog(f *testing.F) {
	fuzz(f, "poslog", &Options{}, &Options{Void: "offset", Location: "0421", PartBytesMax: 1 << 10, LinesMax: 3})
}

func BenchmarkPOSLog(b *testing.B) {
	content, err := os.ReadFile("testdata/poslog/day.xml")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(content)))
	b.ReportAllocs()
	for b.Loop() {
		if err := decodePOSLog(bytes.NewReader(content), &Options{}, &kept{}); err != nil {
			b.Fatal(err)
		}
	}
}
