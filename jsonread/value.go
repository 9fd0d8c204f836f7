package jsonread

// Text reads a string and gives it without escapes: a slice of the input where
// there were none, else of memory that stays as it is until Reset. So a decoder
// may hold all texts of one input at once, and must copy what outlives it. Nil
// after an error; an empty string is not nil.
func (r *Reader) Text() []byte {
	if r.begin() != '"' {
		r.mismatch(String.String())
		return nil
	}
	text, _ := r.scanText()
	r.pending = false
	return text
}

// Bool reads true or false.
func (r *Reader) Bool() bool {
	switch r.begin() {
	case 't':
		return r.literal("true")
	case 'f':
		r.literal("false")
	default:
		r.mismatch(Bool.String())
	}
	return false
}

// Null reads a null and says so; anything else stays to be read.
func (r *Reader) Null() bool {
	return r.begin() == 'n' && r.literal("null")
}

// Number reads a number.
func (r *Reader) Number() Number {
	if c := r.begin(); c != '-' && c-'0' > 9 {
		r.mismatch(Numeral.String())
		return Number{}
	}
	n, raw := r.scanNumber()
	if raw == nil {
		return Number{}
	}
	return n.number(raw)
}

// Skip checks the value that is next, whatever it is, and goes past it.
func (r *Reader) Skip() {
	// Nobody gets to hold what is decoded on the way.
	kept := len(r.scratch)
	switch r.Kind() {
	case Object:
		for r.BeginObject(); r.NextKey(); {
			r.Skip()
		}
	case Array:
		for r.BeginArray(); r.NextElem(); {
			r.Skip()
		}
	case String:
		r.Text()
	case Numeral:
		r.begin()
		r.scanNumber()
	case Bool:
		r.Bool()
	case Null:
		r.Null()
	default:
		r.begin()
		r.mismatch("a value")
	}
	r.scratch = r.scratch[:kept]
}

// RawValue checks the value that is next and gives it as it stands in the input.
func (r *Reader) RawValue() []byte {
	r.begin()
	at := r.pos
	r.Skip()
	if r.err != nil {
		return nil
	}
	return r.b[at:r.pos:r.pos]
}

// Kind says what is next from its first byte, without reading it; Invalid where
// no value is.
func (r *Reader) Kind() Kind {
	if !r.pending {
		return Invalid
	}
	return kindOf(r.peek())
}

func (r *Reader) literal(word string) bool {
	end := r.pos + len(word)
	if end > len(r.b) || string(r.b[r.pos:end]) != word {
		r.fail(r.pos, "expected "+word)
		return false
	}
	r.pos, r.pending = end, false
	return true
}
