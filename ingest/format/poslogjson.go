package format

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// posJSON reads a POSLog's JSON form: an object with a member Transaction, alone or many in an
// array, or such an object in a member POSLog, or an array or a sequence of these. Members are what
// elements and attributes are in XML ("@" before an attribute is left out), and a text that has
// attributes beside it is "$", "#text" or "Value". It is bounded as xmlReader is.
type posJSON struct {
	dec          *json.Decoder
	in           *jsonBytes
	p            *posLog
	n            int  // transactions begun
	known        bool // a POSLog or Transaction was found: it is this format
	depth        int
	partBytesMax int
}

func (p *posLog) decodeJSON(r *bufio.Reader) error {
	j := &posJSON{p: p, partBytesMax: p.o.partBytesMax()}
	j.in = &jsonBytes{r: r, max: j.partBytesMax}
	j.dec = json.NewDecoder(j.in)
	j.dec.UseNumber()
	for {
		tok, err := j.token()
		if err == io.EOF && !j.known {
			return j.refusal("an object with the member POSLog or Transaction")
		}
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = j.outside("", tok)
		}
		if err != nil {
			return err
		}
	}
}

// outside reads one value that is not within a transaction. name is the member's.
func (j *posJSON) outside(name string, tok json.Token) error {
	switch tok {
	case json.Delim('['):
		return j.each(func(tok json.Token) error { return j.outside(name, tok) })
	case json.Delim('{'):
		if name == "Transaction" {
			return j.transaction()
		}
		return j.members(func(member string, tok json.Token) error {
			if name == "" && (member == "POSLog" || member == "Transaction") || name == "POSLog" && member == "Transaction" {
				j.known = true
				return j.outside(member, tok)
			}
			return j.skip(tok)
		})
	}
	return nil
}

func (j *posJSON) transaction() error {
	j.n++
	part := jsonPart{j: j, begin: j.dec.InputOffset()}
	top := &element{name: "Transaction"}
	if err := part.object(top); err != nil {
		return err
	}
	if part.bad != nil {
		part.bad.Place, part.bad.Raw = Place{"transaction", j.n}, top.raw()
	}
	return j.p.part(top, part.bad, Place{"transaction", j.n})
}

// jsonPart is the transaction that is being read.
type jsonPart struct {
	j     *posJSON
	begin int64
	bad   *Refusal // once there is one, the rest is passed over
}

func (p *jsonPart) object(e *element) error {
	return p.j.members(func(member string, tok json.Token) error {
		return p.value(e, strings.TrimPrefix(member, "@"), tok)
	})
}

func (p *jsonPart) value(e *element, name string, tok json.Token) error {
	switch {
	case p.bad != nil:
	case p.j.depth > xmlDepthMax:
		p.bad = &Refusal{Why: fmt.Sprintf("at most %d objects and arrays within each other", xmlDepthMax)}
	case p.j.dec.InputOffset()-p.begin > int64(p.j.partBytesMax):
		p.bad = &Refusal{Why: fmt.Sprintf("at most %d bytes", p.j.partBytesMax)}
	}
	isText := name == "$" || name == "#text" || name == "Value"
	if p.bad != nil || !isText && !posKept[name] {
		return p.j.skip(tok)
	}
	switch t := tok.(type) {
	case json.Delim:
		if t == '[' {
			return p.j.each(func(tok json.Token) error { return p.value(e, name, tok) })
		}
		child := &element{name: name}
		e.children = append(e.children, child)
		return p.object(child)
	case nil:
		return nil
	}
	text := fmt.Sprint(tok)
	if strings.ContainsRune(text, '\ufffd') { // which the decoder puts for what is not UTF-8
		p.bad = &Refusal{Field: name, Value: cut(text, 64), Why: "UTF-8"}
	}
	if isText {
		e.text = append(e.text, text...)
		return nil
	}
	e.children = append(e.children, &element{name: name, text: []byte(text)})
	return nil
}

// members calls f for each member of the object whose { was read, with the first token of
// its value; f reads the rest of it.
func (j *posJSON) members(f func(member string, tok json.Token) error) error {
	for {
		name, err := j.inside()
		if err != nil || name == json.Delim('}') {
			return err
		}
		tok, err := j.inside()
		if err == nil {
			err = f(name.(string), tok) // the decoder gives no other token here
		}
		if err != nil {
			return err
		}
	}
}

// each is members for an array.
func (j *posJSON) each(f func(tok json.Token) error) error {
	for {
		tok, err := j.inside()
		if err != nil || tok == json.Delim(']') {
			return err
		}
		if err := f(tok); err != nil {
			return err
		}
	}
}

// skip reads to the end of the value that tok begins.
func (j *posJSON) skip(tok json.Token) error {
	if tok != json.Delim('{') && tok != json.Delim('[') {
		return nil
	}
	for end := j.depth - 1; j.depth > end; {
		if _, err := j.inside(); err != nil {
			return err
		}
	}
	return nil
}

// inside is token where the end of the file is too early.
func (j *posJSON) inside() (json.Token, error) {
	tok, err := j.token()
	if err == io.EOF {
		return nil, j.refusal("the rest of an object or array: the file ends within it")
	}
	return tok, err
}

func (j *posJSON) token() (json.Token, error) {
	j.in.left = j.in.max
	tok, err := j.dec.Token()
	switch {
	case err == nil:
	case err == io.EOF:
		return nil, err
	case err == io.ErrUnexpectedEOF:
		return nil, j.refusal("the rest of an object or array: the file ends within it")
	case errors.Is(err, errTokenBytes):
		return nil, j.refusal(fmt.Sprintf("at most %d bytes of one text", j.in.max))
	case j.in.err != nil:
		return nil, fmt.Errorf("read JSON: %w", err)
	default:
		bad := j.refusal("JSON")
		bad.Value = cut(err.Error(), 64)
		return nil, bad
	}
	switch tok {
	case json.Delim('{'), json.Delim('['):
		if j.depth++; j.depth > xmlSkipDepthMax {
			return nil, j.refusal(fmt.Sprintf("at most %d objects and arrays within each other", xmlDepthMax))
		}
	case json.Delim('}'), json.Delim(']'):
		j.depth--
	}
	return tok, nil
}

// refusal names the byte up to which all was well.
func (j *posJSON) refusal(why string) *Refusal {
	return &Refusal{Place: Place{"byte", int(j.dec.InputOffset()) + 1}, Why: why}
}

// jsonBytes bounds what the decoder reads for one token, and so what it keeps.
type jsonBytes struct {
	r         io.Reader
	left, max int
	err       error // of r, but its end
}

func (b *jsonBytes) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTokenBytes
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}
