package jsonread

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

// readAny reads the next value into what encoding/json would make of it.
func readAny(r *Reader) any {
	switch r.Kind() {
	case Object:
		m := map[string]any{}
		for r.BeginObject(); r.NextKey(); {
			key := string(r.Key())
			m[key] = readAny(r)
		}
		return m
	case Array:
		l := []any{}
		for r.BeginArray(); r.NextElem(); {
			l = append(l, readAny(r))
		}
		return l
	case String:
		return string(r.Text())
	case Numeral:
		return json.Number(r.Number().Raw)
	case Bool:
		return r.Bool()
	}
	if !r.Null() {
		r.Skip()
	}
	return nil
}

func readWhole(b []byte) (any, error) {
	var r Reader
	r.Reset(b)
	v := readAny(&r)
	return v, r.End()
}

func TestSyntaxErrors(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		_, read := readWhole([]byte(in))
		var r Reader
		r.Reset([]byte(in))
		skipped := r.End()
		for _, err := range []error{read, skipped} {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Error() != want {
				t.Errorf("%q: got %v, want %s", in, err, want)
			}
		}
	}
	f("", "line 1, column 1: expected a value, found the end")
	f("  \n ", "line 2, column 2: expected a value, found the end")
	f("\x00", `line 1, column 1: expected a value, found '\x00'`)
	f("\xef\xbb\xbf{}", "line 1, column 1: a byte order mark is not allowed")
	f(`{"a":1 "b":2}`, `line 1, column 8: expected a comma or }, found '"'`)
	f("{\n \"é\":1,\n \"ü\" 2}", `line 3, column 6: expected a colon, found '2'`)
	f(`{"a":1,}`, `line 1, column 8: expected a member name in double quotes, found '}'`)
	f(`{,}`, `line 1, column 2: expected a member name in double quotes, found ','`)
	f(`{a:1}`, `line 1, column 2: expected a member name in double quotes, found 'a'`)
	f(`{"a":}`, `line 1, column 6: expected a value, found '}'`)
	f(`[1,]`, `line 1, column 4: expected a value, found ']'`)
	f(`[1 2]`, `line 1, column 4: expected a comma or ], found '2'`)
	f(`[1`, `line 1, column 3: expected a comma or ], found the end`)
	f(`[1}`, `line 1, column 3: expected a comma or ], found '}'`)
	f(`{} {}`, `line 1, column 4: expected the end, found '{'`)
	f("[1]\xff", `line 1, column 4: expected the end, found the byte 0xff`)
	f("[1\x80]", "line 1, column 3: expected a comma or ], found the byte 0x80")
	f(`tru`, `line 1, column 1: expected true`)
	f(`[falze]`, `line 1, column 2: expected false`)
	f(`nul`, `line 1, column 1: expected null`)
	f(`truex`, `line 1, column 5: expected the end, found 'x'`)
	f(`NaN`, `line 1, column 1: expected a value, found 'N'`)
	f(`01`, `line 1, column 1: a number must not begin with 0`)
	f(`-`, `line 1, column 2: expected a digit, found the end`)
	f(`[1.]`, `line 1, column 4: expected a digit, found ']'`)
	f(`[1e+]`, `line 1, column 5: expected a digit, found ']'`)
	f(`+1`, `line 1, column 1: expected a value, found '+'`)
	f(`"ab`, `line 1, column 4: the input ends within a string`)
	f(`"ab\`, `line 1, column 5: the input ends within a string`)
	f("\"a\tb\"", `line 1, column 3: a control character in a string must be escaped`)
	f(`"a\x"`, `line 1, column 3: no such escape in a string`)
	f(`"\u12g4"`, `line 1, column 2: \u must be followed by four hexadecimal digits`)
	f(`"\u12`, `line 1, column 2: \u must be followed by four hexadecimal digits`)
	f(`"\ud800"`, `line 1, column 2: half of a surrogate pair without the other`)
	f(`"\udc00\ud800"`, `line 1, column 2: half of a surrogate pair without the other`)
	f(`"\ud800\u0041"`, `line 1, column 2: half of a surrogate pair without the other`)
	f("\"abcdefgh\xff\"", `line 1, column 10: invalid UTF-8 in a string`)
	f("\"\\n\xc3\"", `line 1, column 4: invalid UTF-8 in a string`)
	f("\"\xed\xa0\x80\"", `line 1, column 2: invalid UTF-8 in a string`) // a surrogate in UTF-8
	f(`{"a":1,"b":2,"a":3}`, `line 1, column 14: member "a" is there twice`)
	f(`{"a":1,"\u0061":3}`, `line 1, column 8: member "a" is there twice`)
	f(`{"x":{"a":1,"a":2}}`, `line 1, column 13: member "a" is there twice`)
	f(strings.Repeat("[", 65), "line 1, column 65: nested deeper than 64")
}

func TestLargeObjectsRepeat(t *testing.T) {
	for _, count := range []int{15, 16, 17, 18, 100, 1000} {
		var b bytes.Buffer
		for i := range count {
			fmt.Fprintf(&b, `,"name%d":{"name%d":1}`, i, i)
		}
		members := b.String()[1:]
		if _, err := readWhole([]byte("{" + members + "}")); err != nil {
			t.Errorf("%d different members: %v", count, err)
		}
		for _, i := range []int{0, 7, count - 1} {
			in := fmt.Sprintf(`{%s,"name%d":2}`, members, i)
			_, err := readWhole([]byte(in))
			want := fmt.Sprintf(`member "name%d" is there twice`, i)
			var se *SyntaxError
			if !errors.As(err, &se) || se.What != want || se.Offset != strings.LastIndex(in, `"name`) {
				t.Errorf("%d members: got %v, want %s", count+1, err, want)
			}
		}
	}
}

func TestMaxDepth(t *testing.T) {
	r := Reader{MaxDepth: 2}
	for in, ok := range map[string]bool{`[[1]]`: true, `{"a":[]}`: true, `[[[]]]`: false, `[[],[[]]]`: false} {
		r.Reset([]byte(in))
		if err := r.End(); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestText(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var r Reader
		r.Reset([]byte(in))
		if got := r.Text(); got == nil || string(got) != want || r.End() != nil {
			t.Errorf("%s: got %q, %v", in, got, r.Err())
		}
	}
	f(`""`, "")
	f(`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t")
	f(`"\u0000\u00e9\u20AC"`, "\x00é€")
	f(`"a\ud83d\ude00b"`, "a😀b")
	f(`"é€😀"`, "é€😀")
	f("\"\x7f\u2028\ufeff\"", "\x7f\u2028\ufeff")
	f(`"\ufffd"`, "\ufffd")
}

func TestTextsStayUntilReset(t *testing.T) {
	var r Reader
	var in []string
	for i := range 1000 {
		in = append(in, fmt.Sprintf(`"\u0041%d"`, i))
	}
	r.Reset([]byte("[" + strings.Join(in, ",") + "]"))
	var held [][]byte
	for r.BeginArray(); r.NextElem(); {
		held = append(held, r.Text())
	}
	for _, text := range held {
		_ = append(text, "goes elsewhere"...)
	}
	for i, text := range held {
		if string(text) != "A"+strconv.Itoa(i) {
			t.Fatalf("text %d became %q", i, text)
		}
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
}

// line is decoded the way a decoder of onhand would.
func readLines(r *Reader) {
	for r.BeginObject(); r.NextKey(); {
		switch string(r.Key()) {
		case "lines":
			for r.BeginArray(); r.NextElem(); {
				found := false
				for r.BeginObject(); r.NextKey(); {
					switch string(r.Key()) {
					case "sku":
						r.Text()
						found = true
					case "quantity":
						if _, ok := r.Number().Scaled(0); !ok {
							r.Refuse("a whole number")
						}
					case "a.b":
						r.Bool()
					default:
						r.Unknown()
					}
				}
				if !found {
					r.Missing("sku")
				}
			}
		default:
			r.Unknown()
		}
	}
}

func TestDecoderErrors(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		var r Reader
		r.Reset([]byte(in))
		readLines(&r)
		if err := r.End(); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
	f(`{"lines":[{"sku":"a","quantity":1},{"sku":"b"}]}`, "<nil>")
	f(`[]`, "want an object, got an array")
	f(`3`, "want an object, got a number")
	f(`{"lines":null}`, "lines: want an array, got null")
	f(`{"lines":[{"sku":"a"},{"sku":"b"},{"sku":"c","quantity":"2"}]}`, "lines[2].quantity: want a number, got a string")
	f(`{"lines":[{"sku":true}]}`, "lines[0].sku: want a string, got a boolean")
	f(`{"lines":[{"sku":{}}]}`, "lines[0].sku: want a string, got an object")
	f(`{"lines":[{"a.b":1}]}`, `lines[0]["a.b"]: want a boolean, got a number`)
	f(`{"lines":[7]}`, "lines[0]: want an object, got a number")
	f(`{"lines":[{"sku":"a","quantity":1.50 }]}`, "lines[0].quantity: want a whole number, got 1.50")
	f(`{"lines":[{"sku":"a","quantity":1e`+strings.Repeat("9", 100)+`}]}`,
		"lines[0].quantity: want a whole number, got 1e"+strings.Repeat("9", 46)+"…")
	f(`{"lines":[{"sku":"a"},{"quantity":1}]}`, "lines[1].sku: missing member")
	f(`{"lines":[{"sku":"a","quantty":1}]}`, "lines[0].quantty: unknown member")
	f(`{"":1}`, `[""]: unknown member`)
	f(`{"a\nb":1}`, `["a\nb"]: unknown member`)
	f(`{"`+strings.Repeat("é", 100)+`":1}`, `["`+strings.Repeat("é", 24)+`…"]: unknown member`)
	f(`{"a`+strings.Repeat("é", 100)+`":1}`, `["a`+strings.Repeat("é", 23)+`…"]: unknown member`)
	f(`{"lines":[{"quantity":"1"},]}`, "lines[0].quantity: want a number, got a string")
}

func TestErrorFields(t *testing.T) {
	var r Reader
	r.Reset([]byte(`{"lines": [ {"sku": 1}]}`))
	readLines(&r)
	var te *TypeError
	if !errors.As(r.End(), &te) || *te != (TypeError{"lines[0].sku", "a string", "a number", 20}) {
		t.Errorf("got %#v", te)
	}
	r.Reset([]byte(`{"lines": [ {}]}`))
	readLines(&r)
	var me *MemberError
	if !errors.As(r.End(), &me) || *me != (MemberError{"lines[0].sku", true, 12}) {
		t.Errorf("got %#v", me)
	}
	r.Reset([]byte("[\n  \"é\"x]"))
	var se *SyntaxError
	if !errors.As(r.End(), &se) || *se != (SyntaxError{8, 2, 6, "expected a comma or ], found 'x'"}) {
		t.Errorf("got %#v", se)
	}
}

func TestRefuseNextValue(t *testing.T) {
	var r Reader
	r.Reset([]byte(`{"at":"soon","lines":[]}`))
	for r.BeginObject(); r.NextKey(); {
		r.Refuse("a time")
	}
	if err := r.End(); err.Error() != "at: want a time, got a string" {
		t.Error(err)
	}
	r.Reset([]byte(`{"lines":[1,[2]]}`))
	for r.BeginObject(); r.NextKey(); {
		r.Skip()
		r.Refuse("1 to 10000 lines")
	}
	if err := r.End(); err.Error() != "lines: want 1 to 10000 lines, got an array" {
		t.Error(err)
	}
}

func TestReadingWithoutAValue(t *testing.T) {
	for name, read := range map[string]func(r *Reader){
		"twice":       func(r *Reader) { r.Skip(); r.Text() },
		"no key":      func(r *Reader) { r.BeginObject(); r.Text() },
		"wrong loop":  func(r *Reader) { r.BeginObject(); r.NextElem() },
		"no loop":     func(r *Reader) { r.Skip(); r.NextKey() },
		"raw value":   func(r *Reader) { r.Skip(); r.RawValue() },
		"number":      func(r *Reader) { r.Skip(); r.Number() },
		"null":        func(r *Reader) { r.Skip(); r.Null() },
		"skip":        func(r *Reader) { r.Skip(); r.Skip() },
		"fingerprint": func(r *Reader) { r.Skip(); r.Fingerprint(0) },
		"refuse": func(r *Reader) {
			r.Skip()
			r.Skip()
			r.Refuse("")
			r.Unknown()
			r.Missing("")
			if r.Key() != nil || r.Kind() != Invalid {
				r.Fail(errors.New("not nothing"))
			}
		},
	} {
		var r Reader
		r.Reset([]byte(`{"a":1}`))
		read(&r)
		if err := r.End(); err != errNothingToRead {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// One bad element of a batch is refused, the others are read.
func TestRewind(t *testing.T) {
	in := `{"events":[{"id":"a"},{"id":{"x":[1,{"y":2}]}},{"id":7, "id2":[]} ,{"id":"d"}],"n":1}`
	var r Reader
	var ids, refused []string
	r.Reset([]byte(in))
	for r.BeginObject(); r.NextKey(); {
		if string(r.Key()) != "events" {
			continue
		}
		for r.BeginArray(); r.NextElem(); {
			m := r.Mark()
			id := ""
			for r.BeginObject(); r.NextKey(); {
				if string(r.Key()) == "id" {
					id = string(r.Text())
				}
			}
			if err := r.Err(); err != nil {
				r.Rewind(m)
				refused = append(refused, err.Error()+" "+string(r.RawValue()))
				continue
			}
			ids = append(ids, id)
		}
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	wantRefused := []string{
		`events[1].id: want a string, got an object {"id":{"x":[1,{"y":2}]}}`,
		`events[2].id: want a string, got a number {"id":7, "id2":[]}`,
	}
	if !reflect.DeepEqual(ids, []string{"a", "d"}) || !reflect.DeepEqual(refused, wantRefused) {
		t.Errorf("ids %q, refused %q", ids, refused)
	}
}

func TestRewindOverMembers(t *testing.T) {
	var r Reader
	r.Reset([]byte(`{"a":[1,2,3],"b":2,"c":"x"}`))
	r.BeginObject()
	r.NextKey()
	m := r.Mark()
	for r.NextKey() && string(r.Key()) != "c" {
	}
	r.Number()
	r.Rewind(m)
	if path := r.Path(); path != "a" || string(r.Key()) != "a" {
		t.Errorf("back at %s, key %s", path, r.Key())
	}
	r.BeginArray()
	r.NextElem()
	m = r.Mark()
	r.NextElem()
	r.NextElem()
	r.Rewind(m)
	if path, n := r.Path(), r.Number(); path != "a[0]" || n.Coef != 1 {
		t.Errorf("back at %s, where %s is", path, n.Raw)
	}
	if err := r.End(); err != nil {
		t.Error(err)
	}
}

func TestRewindFindsSyntaxErrorAgain(t *testing.T) {
	var r Reader
	r.Reset([]byte(`[{"a":1,"b":x}]`))
	for r.BeginArray(); r.NextElem(); {
		m := r.Mark()
		r.Skip()
		first := r.Err()
		r.Rewind(m)
		r.Skip()
		if first == nil || r.Err() == nil || first.Error() != r.Err().Error() {
			t.Errorf("first %v, then %v", first, r.Err())
		}
	}
}

func TestRawValue(t *testing.T) {
	var r Reader
	r.Reset([]byte(` { "a" : [1, {"b":"\u0041"} ] , "c":2.50 } `))
	var got []string
	for r.BeginObject(); r.NextKey(); {
		got = append(got, string(r.RawValue()))
	}
	if r.End() != nil || !reflect.DeepEqual(got, []string{`[1, {"b":"\u0041"} ]`, "2.50"}) {
		t.Errorf("%q, %v", got, r.Err())
	}
	r.Reset([]byte(`[1,`))
	if raw := r.RawValue(); raw != nil {
		t.Errorf("%q of a broken value", raw)
	}
}

func TestEndReadsWhatIsLeft(t *testing.T) {
	var r Reader
	r.Reset([]byte(`{"a":[1,{"b":[2,`))
	for r.BeginObject(); r.NextKey(); {
		break
	}
	if r.End() == nil {
		t.Error("a broken rest was accepted")
	}
}

var surrogates = regexp.MustCompile(`(?s)\\(u[0-9a-fA-F]{4}|[^u])`)

// loneSurrogate looks at the escapes of valid JSON.
func loneSurrogate(b []byte) bool {
	high := -1 // offset behind a high half that waits for its low one
	for _, at := range surrogates.FindAllIndex(b, -1) {
		code := uint64(0)
		if b[at[0]+1] == 'u' {
			code, _ = strconv.ParseUint(string(b[at[0]+2:at[1]]), 16, 16)
		}
		low := code >= 0xdc00 && code <= 0xdfff
		if low != (high == at[0]) || high >= 0 && high != at[0] {
			return true
		}
		high = -1
		if utf16.IsSurrogate(rune(code)) && !low {
			high = at[1]
		}
	}
	return high >= 0
}

// tooDeepOrRepeated walks valid JSON by encoding/json.
func tooDeepOrRepeated(d *json.Decoder, depth int) bool {
	token, _ := d.Token()
	delim, ok := token.(json.Delim)
	if !ok {
		return false
	}
	bad := depth == depthDefault
	names := map[string]bool{}
	for d.More() {
		if delim == '{' {
			name, _ := d.Token()
			bad = bad || names[name.(string)]
			names[name.(string)] = true
		}
		bad = tooDeepOrRepeated(d, depth+1) || bad
	}
	d.Token()
	return bad
}

func strictlyValid(b []byte) bool {
	if !json.Valid(b) || !utf8.Valid(b) || loneSurrogate(b) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return !tooDeepOrRepeated(d, 0)
}

func FuzzReader(f *testing.F) {
	for _, in := range []string{
		saleEvent, "", "nul", "[1,-0.5e+3,true,false,null]", `{"a":{"a":1},"b":[]}`, `"\ud83d\ude00\\u"`,
		`"\ud800x"`, "\"\xff\"", `{"a":1,"\u0061":2}`, strings.Repeat("[", 64) + strings.Repeat("]", 64),
		"\xef\xbb\xbf1", `{"k0":0,"k1":0,"k2":0,"k3":0,"k4":0,"k5":0,"k6":0,"k7":0,"k8":0,"k9":0,"ka":0,"kb":0,"kc":0,"kd":0,"ke":0,"kf":0,"kg":0,"kh":0,"k0":0}`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := readWhole(in)
		if want := strictlyValid(in); want != (err == nil) {
			t.Fatalf("%q: valid %v, but %v", in, want, err)
		}
		var r Reader
		r.Reset(in)
		skipped := r.End()
		if fmt.Sprint(skipped) != fmt.Sprint(err) {
			t.Fatalf("%q: read: %v, skipped: %v", in, err, skipped)
		}
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Offset < 0 || se.Offset > len(in) {
				t.Fatalf("%q: %v", in, err)
			}
			return
		}
		d := json.NewDecoder(bytes.NewReader(in))
		d.UseNumber()
		var want any
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %v, want %v (%v)", in, got, want, err)
		}
		r.Reset(in)
		if raw := r.RawValue(); !bytes.Equal(raw, bytes.Trim(in, " \t\r\n")) {
			t.Fatalf("%q: raw %q", in, raw)
		}
	})
}
