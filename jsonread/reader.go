// Package jsonread reads JSON from outside strictly and without allocating.
//
// It takes what RFC 8259 allows and refuses what two readers could understand
// differently: invalid UTF-8, lone surrogates, a member name that is there
// twice in one object, a byte order mark, nesting without bound. Numbers are
// exact decimals and never pass through a float. Bytes from outside cannot make
// it panic, and its work grows with the length of the input (times its
// logarithm in objects of many members).
//
// A decoder is plain code: it asks for what it wants and looks at the error
// once, at the end. The first error sticks; from then on every read gives a
// zero value and every loop ends.
//
//	r.Reset(body)
//	for r.BeginObject(); r.NextKey(); {
//		switch string(r.Key()) {
//		case "sku":
//			ln.sku = r.Text()
//		case "quantity":
//			ln.quantity = r.Number()
//		default:
//			r.Unknown() // or nothing: a value not read is checked and skipped
//		}
//	}
//	if err := r.End(); err != nil {
//		return err
//	}
package jsonread

import "errors"

// depthDefault is how deep objects and arrays may nest when MaxDepth is 0.
const depthDefault = 64

// A Reader that once read something huge gives its memory back at Reset.
const (
	scratchBytesKept = 64 << 10
	membersKept      = 1024
)

var errNothingToRead = errors.New("jsonread: the decoder reads where no value is next")

// Reader walks over one JSON text. The zero value is ready for Reset. It is for
// one goroutine, and reusing it is what makes it free of allocations.
type Reader struct {
	// MaxDepth is how many objects and arrays may lie in each other; 0 means
	// 64. Skip and Fingerprint recurse as deep.
	MaxDepth int

	b       []byte
	pos     int
	last    int  // offset of the value read last, for Refuse
	pending bool // a value is next and has not been read

	// frames are the open objects and arrays, members the names seen in all
	// open objects, innermost last: the last one is the current name.
	frames  []frame
	members []member

	// scratch holds decoded escapes. It only grows until Reset, because callers
	// hold slices of it.
	scratch []byte
	err     error
}

type frame struct {
	seen    uint64 // a filter over the names, see repeated
	at      int    // offset of the opening bracket
	members int    // where this object's names begin in Reader.members
	count   int    // names or elements begun
	object  bool
}

// Reset starts on b, which must stay unchanged while its slices are in use, and
// ends the life of all texts decoded before.
func (r *Reader) Reset(b []byte) {
	if cap(r.scratch) > scratchBytesKept {
		r.scratch = nil
	}
	if cap(r.members) > membersKept {
		r.members = nil
	}
	r.b, r.pos, r.last, r.pending, r.err = b, 0, 0, true, nil
	r.frames, r.members, r.scratch = r.frames[:0], r.members[:0], r.scratch[:0]
}

// BeginObject enters the object that is next. The loop over NextKey must run to
// its end: that is what leaves the object.
func (r *Reader) BeginObject() {
	if r.begin() != '{' {
		r.mismatch(Object.String())
		return
	}
	r.push(true)
}

// NextKey goes to the next member, whose name Key gives and whose value is next.
// It skips a value that was not read. False: the object has ended, or an error.
func (r *Reader) NextKey() bool {
	if r.pending {
		r.Skip()
	}
	f := r.top(true)
	if f == nil {
		return false
	}
	c := r.peek()
	if f.count > 0 && c == ',' {
		r.pos++
		c = r.peek()
	} else if c == '}' {
		if f.count > linearMembersMax && r.sortedRepeat(f) {
			return false
		}
		r.members = r.members[:f.members]
		r.pop(f)
		return false
	} else if f.count > 0 {
		r.unexpected("expected a comma or }")
		return false
	}
	if c != '"' {
		r.unexpected("expected a member name in double quotes")
		return false
	}
	at := r.pos
	name, ok := r.scanText()
	if !ok {
		return false
	}
	if f.repeated(r.members, name) {
		r.failRepeat(member{name, at})
		return false
	}
	r.members = append(r.members, member{name, at})
	f.count++
	if r.peek() != ':' {
		r.unexpected("expected a colon")
		return false
	}
	r.pos++
	r.pending = true
	return true
}

// Key is the name of the current member, until NextKey. The bytes live as those
// of Text.
func (r *Reader) Key() []byte {
	if len(r.members) == 0 {
		return nil
	}
	return r.members[len(r.members)-1].name
}

// BeginArray enters the array that is next; the loop over NextElem must run to
// its end.
func (r *Reader) BeginArray() {
	if r.begin() != '[' {
		r.mismatch(Array.String())
		return
	}
	r.push(false)
}

// NextElem goes to the next element and skips the one before if it was not
// read. False: the array has ended, or an error.
func (r *Reader) NextElem() bool {
	if r.pending {
		r.Skip()
	}
	f := r.top(false)
	if f == nil {
		return false
	}
	switch c := r.peek(); {
	case c == ']':
		r.pop(f)
		return false
	case f.count == 0:
	case c == ',':
		r.pos++
	default:
		r.unexpected("expected a comma or ]")
		return false
	}
	f.count++
	r.pending = true
	return true
}

// End reads what is left, so that the whole input has been checked, and gives
// the first error met: *SyntaxError, *TypeError, *MemberError, or what was given
// to Fail.
func (r *Reader) End() error {
	for r.err == nil && len(r.frames) > 0 {
		if r.frames[len(r.frames)-1].object {
			r.NextKey()
		} else {
			r.NextElem()
		}
	}
	if r.err == nil && r.pending {
		r.Skip()
	}
	if r.err == nil {
		r.peek()
		if r.pos < len(r.b) {
			r.unexpected("expected the end")
		}
	}
	return r.err
}

// Err is the first error met so far.
func (r *Reader) Err() error { return r.err }

// begin goes to the first byte of the value that is next and gives that byte; 0,
// which begins no value, where there is none.
func (r *Reader) begin() byte {
	if !r.pending {
		r.Fail(errNothingToRead)
		return 0
	}
	c := r.peek()
	r.last = r.pos
	return c
}

// peek goes over white space to the next byte, which it gives; 0 at the end.
func (r *Reader) peek() byte {
	if r.pos < len(r.b) && r.b[r.pos] > ' ' {
		return r.b[r.pos]
	}
	return r.peekSlow()
}

func (r *Reader) peekSlow() byte {
	for ; r.pos < len(r.b); r.pos++ {
		switch c := r.b[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (r *Reader) push(object bool) {
	depthMax := r.MaxDepth
	if depthMax == 0 {
		depthMax = depthDefault
	}
	if len(r.frames) >= depthMax {
		r.failDepth(depthMax)
		return
	}
	r.frames = append(r.frames, frame{at: r.pos, members: len(r.members), object: object})
	r.pos++
	r.pending = false
}

// pop leaves f, the innermost frame, at its closing bracket.
func (r *Reader) pop(f *frame) {
	r.last = f.at
	r.frames = r.frames[:len(r.frames)-1]
	r.pos++
}

// top is the innermost frame if it is of that kind; nil after an error.
func (r *Reader) top(object bool) *frame {
	if r.err != nil {
		return nil
	}
	if n := len(r.frames); n > 0 && r.frames[n-1].object == object {
		return &r.frames[n-1]
	}
	r.Fail(errNothingToRead)
	return nil
}
