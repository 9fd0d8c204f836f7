package format

import (
	"bufio"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	xmlDepthMax     = 64
	xmlSkipDepthMax = 1024 // while a part that is too deep is passed over
)

// xmlReader gives a file's parts, each a transaction or a document, as trees of the
// elements in keep. What is not in keep is never kept, so it cannot get out, not even in
// the raw text of a refusal.
//
// Memory is bounded: a part by partBytesMax, a token too, depth by xmlDepthMax. There are
// the five entities of XML and no others: any DOCTYPE is refused.
type xmlReader struct {
	dec          *xml.Decoder
	in           *tokenBytes
	keep         map[string]bool
	unit         string           // what Place calls a part
	n            int              // parts begun
	start        xml.StartElement // that next gave last
	depth        int
	partBytesMax int
}

func newXMLReader(r *bufio.Reader, o *Options, unit string, keep map[string]bool) *xmlReader {
	x := &xmlReader{keep: keep, unit: unit, partBytesMax: o.partBytesMax()}
	x.in = &tokenBytes{r: r, max: x.partBytesMax}
	x.dec = xml.NewDecoder(x.in)
	declared := false
	x.dec.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if declared { // what is converted already would be converted again
			return nil, &Refusal{Place: x.line(), Field: "encoding", Value: cut(label, 64), Why: "no second declaration"}
		}
		declared = true
		return x.charset(label, in)
	}
	return x
}

// element is one kept element. Its attributes come before its children and look like them.
type element struct {
	name     string
	text     []byte
	children []*element
}

// next is the name of the next start tag outside of the parts that part has read; "" at the end.
func (x *xmlReader) next() (string, error) {
	for {
		tok, err := x.token()
		if err == io.EOF {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		if start, ok := tok.(xml.StartElement); ok {
			if x.depth > xmlDepthMax {
				return "", x.tooDeep(x.line())
			}
			x.start = start
			return start.Name.Local, nil
		}
	}
}

// part reads the element whose tag next gave last to its end. What is bad is bad of this
// part alone: what follows it can be read.
func (x *xmlReader) part() (top *element, bad *Refusal, err error) {
	begin := x.dec.InputOffset()
	top = newElement(x.start, x.keep)
	open := []*element{top}
	passed := 0 // elements open below the last kept one
	for len(open) > 0 {
		tok, err := x.token()
		if err != nil {
			return nil, nil, err
		}
		if bad == nil && x.dec.InputOffset()-begin > int64(x.partBytesMax) {
			bad = &Refusal{Place: x.place(), Why: fmt.Sprintf("at most %d bytes", x.partBytesMax), Raw: top.raw()}
		}
		in := open[len(open)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			if bad == nil && x.depth > xmlDepthMax {
				bad = x.tooDeep(x.place())
			}
			if bad != nil || passed > 0 || !x.keep[t.Name.Local] {
				passed++
				continue
			}
			child := newElement(t, x.keep)
			in.children = append(in.children, child)
			open = append(open, child)
		case xml.EndElement:
			if passed > 0 {
				passed--
				continue
			}
			open = open[:len(open)-1]
		case xml.CharData:
			if bad == nil && passed == 0 {
				in.text = append(in.text, t...)
			}
		}
	}
	return top, bad, nil
}

func newElement(t xml.StartElement, keep map[string]bool) *element {
	e := &element{name: t.Name.Local}
	for _, a := range t.Attr {
		if keep[a.Name.Local] {
			e.children = append(e.children, &element{name: a.Name.Local, text: []byte(a.Value)})
		}
	}
	return e
}

func (x *xmlReader) token() (xml.Token, error) {
	x.in.left = x.in.max
	tok, err := x.dec.Token()
	if err != nil {
		return nil, x.fail(err)
	}
	switch t := tok.(type) {
	case xml.StartElement:
		if x.depth++; x.depth > xmlSkipDepthMax {
			return nil, x.tooDeep(x.line())
		}
	case xml.EndElement:
		x.depth--
	case xml.Directive:
		return nil, &Refusal{Place: x.line(), Field: "DOCTYPE", Value: cut(string(t), 64), Why: "none"}
	}
	return tok, nil
}

// fail says what ends the reading; io.EOF stays itself.
func (x *xmlReader) fail(err error) error {
	var refused *Refusal
	var syntax *xml.SyntaxError
	switch {
	case err == io.EOF:
		return err
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, errTokenBytes):
		return &Refusal{Place: x.line(), Why: fmt.Sprintf("at most %d bytes of one tag or text", x.in.max)}
	case x.in.err != nil && x.in.err != io.EOF:
		return fmt.Errorf("read XML: %w", x.in.err)
	case errors.As(err, &syntax) && syntax.Msg == "unexpected EOF":
		return &Refusal{Place: x.line(), Why: "the rest of an element: the file ends within it"}
	case errors.As(err, &syntax):
		return &Refusal{Place: x.line(), Why: "XML", Value: cut(syntax.Msg, 64)}
	}
	return &Refusal{Place: x.line(), Why: "XML", Value: cut(strings.TrimPrefix(err.Error(), "xml: "), 64)}
}

func (x *xmlReader) place() Place { return Place{x.unit, x.n} }

func (x *xmlReader) line() Place {
	line, _ := x.dec.InputPos()
	return Place{"line", line}
}

func (x *xmlReader) tooDeep(at Place) *Refusal {
	return &Refusal{Place: at, Why: fmt.Sprintf("at most %d elements within each other", xmlDepthMax)}
}

var errTokenBytes = errors.New("a tag or text is too long")

// tokenBytes bounds what the decoder, which keeps a whole token, can be made to keep.
// left is set before each token.
type tokenBytes struct {
	r         *bufio.Reader
	left, max int
	err       error // of r
}

func (b *tokenBytes) ReadByte() (byte, error) {
	if b.left <= 0 {
		return 0, errTokenBytes
	}
	c, err := b.r.ReadByte()
	if err != nil {
		b.err = err
		return 0, err
	}
	b.left--
	return c, nil
}

// Read is there for charset readers, which go on byte by byte.
func (b *tokenBytes) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := b.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}
