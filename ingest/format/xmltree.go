package format

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// first is the first child of one of the names, in the names' order; nil where there is none.
func (e *element) first(names ...string) *element {
	if e == nil {
		return nil
	}
	for _, name := range names {
		for _, c := range e.children {
			if c.name == name {
				return c
			}
		}
	}
	return nil
}

// value is the text of the element itself, or of what lies at the path below it.
func (e *element) value(path ...string) string {
	for _, name := range path {
		e = e.first(name)
	}
	if e == nil {
		return ""
	}
	return string(bytes.TrimSpace(e.text))
}

// flag says whether an attribute or child is true, as XML Schema writes it.
func (e *element) flag(name string) bool {
	v := e.value(name)
	return v == "1" || strings.EqualFold(v, "true")
}

// indexed is how a refusal names one child among those of its name, counted from 1.
func indexed(name string, n int) string { return fmt.Sprintf("%s[%d]", name, n) }

const rawBytesMax = 4096

// raw is the element as XML, attributes written as children, of what was kept alone.
func (e *element) raw() []byte {
	var b bytes.Buffer
	e.write(&b)
	if b.Len() > rawBytesMax {
		b.Truncate(rawBytesMax)
	}
	return b.Bytes()
}

func (e *element) write(b *bytes.Buffer) {
	if b.Len() > rawBytesMax {
		return
	}
	if e.name != "" {
		b.WriteString("<" + e.name + ">")
	}
	// EscapeText fails only where the writer does, and a Buffer does not.
	_ = xml.EscapeText(b, bytes.TrimSpace(e.text[:min(len(e.text), rawBytesMax)]))
	for _, c := range e.children {
		c.write(b)
	}
	if e.name != "" {
		b.WriteString("</" + e.name + ">")
	}
}
