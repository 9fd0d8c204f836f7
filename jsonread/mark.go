package jsonread

// Mark is a place to which Rewind goes back.
type Mark struct {
	pos, depth, members int
	top                 frame
	pending             bool
}

// Mark remembers this place.
func (r *Reader) Mark() Mark {
	m := Mark{pos: r.pos, depth: len(r.frames), members: len(r.members), pending: r.pending}
	if m.depth > 0 {
		m.top = r.frames[m.depth-1]
	}
	return m
}

// Rewind goes back to m and forgets the error: so one element of an array can be
// refused, then skipped or taken by RawValue, and the rest be read. The object
// or array in which m was taken must still be open. A text that is not JSON
// fails again when it is skipped.
func (r *Reader) Rewind(m Mark) {
	r.pos, r.pending, r.err = m.pos, m.pending, nil
	r.frames, r.members = r.frames[:m.depth], r.members[:m.members]
	if m.depth > 0 {
		r.frames[m.depth-1] = m.top
	}
}
