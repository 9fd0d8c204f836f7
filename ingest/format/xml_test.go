package format

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// endless gives its text again and again.
type endless struct {
	text string
	read int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], e.text[e.read%len(e.text):])
		n += c
		e.read += c
	}
	return n, nil
}

// TestXMLBounds: of what never ends no more is read than the bound, give or take a buffer.
func TestXMLBounds(t *testing.T) {
	f := func(start, repeated, want string) {
		t.Helper()
		in := &endless{text: repeated}
		err := decodePOSLog(io.MultiReader(strings.NewReader(start), in), &Options{PartBytesMax: 1 << 16}, &kept{})
		var r *Refusal
		if !errors.As(err, &r) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if in.read > 1<<17 {
			t.Errorf("%d bytes were read", in.read)
		}
	}
	f("<POSLog>", "a", "at most 65536 bytes")
	f("<POSLog ", "a='b' ", "at most 65536 bytes")
	f("<POSLog><!--", "a", "at most 65536 bytes")
	f("<POSLog><Transaction><ItemID><![CDATA[", "a", "at most 65536 bytes")
	f("<?xml version='1.0' encoding='latin1'?><POSLog>", "\xfc", "at most 65536 bytes")
	f("<", "a", "at most 65536 bytes")
	f("<POSLog>", "<a>", "at most 64 elements")
	f("<POSLog><Transaction>", "<Sale>", "at most 64 elements")
	f("<!DOCTYPE ", "a", "at most 65536 bytes")
	f("", " ", "at most 65536 bytes")
	f(`{"Transaction":"`, "a", "at most 65536 bytes")
	f(`{"Transaction":{"ItemID":`, "1", "at most 65536 bytes")
	f(`{"Transaction":`, "[", "at most 64 objects")
	f(`{"Transaction":`, `{"Sale":`, "at most 64 objects")
	f(`{"`, "a", "at most 65536 bytes")
}

func TestXMLCharset(t *testing.T) {
	f := func(declared, name, want string) {
		t.Helper()
		log := declared + `<POSLog><Transaction TransactionStatus="` + name + `"/></POSLog>`
		var k kept
		err := decodePOSLog(strings.NewReader(log), &Options{}, &k)
		got := ""
		if len(k.refused) > 0 {
			got = k.refused[0].Value
		}
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(``, "Köln", "Köln")
	f("\ufeff", "Köln", "Köln")
	f(`<?xml version="1.0" encoding="utf-8"?>`, "Köln", "Köln")
	f(`<?xml version="1.0" encoding="ISO-8859-1"?>`, "K\xf6ln \xa4", "Köln ¤")
	f(`<?xml version="1.0" encoding="ISO-8859-15"?>`, "\xa4\xa6\xa8\xb4\xb8\xbc\xbd\xbe\xbf", "€ŠšŽžŒœŸ¿")
	f(`<?xml version="1.0" encoding="Windows-1252"?>`, "\x80\x8a\x96\x9f\xe9", "€Š–Ÿé")
	f(`<?xml version="1.0" encoding="windows-1252"?>`, "\x9d", `line 1: byte: want a character of the declared encoding, got "0x9d"`)
	f(`<?xml version="1.0" encoding="US-ASCII"?>`, "K\xf6ln", `line 1: want XML, got "invalid UTF-8"`)
	f(`<?xml version="1.0" encoding="UTF-16"?>`, "K", `line 1: encoding: want UTF-8, ISO-8859-1, ISO-8859-15 or windows-1252, got "UTF-16"`)
	f("\xfe\xff\x00<", "K", `line 1: encoding: want UTF-8, ISO-8859-1, ISO-8859-15 or windows-1252, got "UTF-16"`)
	f("<\x00?\x00", "K", `line 1: encoding: want UTF-8, ISO-8859-1, ISO-8859-15 or windows-1252, got "UTF-16"`)
	f(`<?xml version="1.1"?>`, "K", `line 1: want XML, got "unsupported version \"1.1\"; only version 1.0 is supported"`)
	// Declared once more, the text would be converted twice.
	f(`<?xml version="1.0" encoding="latin1"?><?xml version="1.0" encoding="latin1"?>`, "K", `line 1: encoding: want no second declaration, got "latin1"`)
}

// TestXMLReadFails: an error of what is read from is not the file's fault.
func TestXMLReadFails(t *testing.T) {
	broken := errors.New("the line is dead")
	f := func(begun string) {
		t.Helper()
		err := decodePOSLog(io.MultiReader(strings.NewReader(begun), &failing{broken}), &Options{}, &kept{})
		var r *Refusal
		if !errors.Is(err, broken) || errors.As(err, &r) {
			t.Errorf("got %v", err)
		}
	}
	f("")
	f("<POSLog><Transac")
	f(`{"Transaction":{"Sa`)
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
