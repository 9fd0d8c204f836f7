package api

import (
	"io"
	"strconv"

	"onhand/availability"
)

const (
	// outBytesKept is how much memory for answers a request keeps for the next one.
	outBytesKept = 64 << 10
	// rowsAtOnce is up to how many rows an answer is written in memory before it is
	// sent: a million rows are some 250 MB, and several may be asked for at once.
	rowsAtOnce = 16_384
)

// answerLarge sends body, which is r.out, and gives it away where it has grown large.
func (r *request) answerLarge(body []byte) {
	if len(body) <= outBytesKept {
		r.answer(200, body)
		return
	}
	r.ctx.SetStatusCode(200)
	r.ctx.Response.Header.SetContentTypeBytes(contentJSON)
	r.ctx.Response.SetBodyRaw(body)
	r.out = nil
}

// answerItems sends all that q asked for, and then releases q.
func (r *request) answerItems(q *availability.Query) {
	if q.Rows() <= rowsAtOnce {
		s := itemStream{q: q}
		b := r.out[:0]
		for s.more() {
			b = s.append(b)
		}
		q.Release()
		r.out = b
		r.answerLarge(b)
		return
	}
	r.ctx.SetStatusCode(200)
	r.ctx.Response.Header.SetContentTypeBytes(contentJSON)
	r.ctx.Response.SetBodyStream(&itemStream{q: q}, -1)
}

// itemStream writes {"seq":…,"items":[…]} piece by piece while it is sent. The
// rows are those of one moment; only their text is made late.
type itemStream struct {
	q    *availability.Query
	next int // the item to be written
	done bool
	buf  []byte
	left []byte // what of buf was not read yet
}

func (s *itemStream) more() bool { return !s.done }

// append appends the next item, with what stands before the first and behind the last.
func (s *itemStream) append(b []byte) []byte {
	if s.next == 0 {
		b = append(b, `{"seq":`...)
		b = strconv.AppendUint(b, uint64(s.q.Seq()), 10)
		b = append(b, `,"items":[`...)
	} else {
		b = append(b, ',')
	}
	b = s.q.AppendItem(b, s.next)
	if s.next++; s.next == s.q.Len() {
		s.done = true
		b = append(b, "]}"...)
	}
	return b
}

func (s *itemStream) fill() {
	s.buf = s.buf[:0]
	for s.more() && len(s.buf) < outBytesKept {
		s.buf = s.append(s.buf)
	}
	s.left = s.buf
}

func (s *itemStream) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		if !s.more() {
			return 0, io.EOF
		}
		s.fill()
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// WriteTo hands over whole pieces, where Read would be asked for 4 KiB at a time.
func (s *itemStream) WriteTo(w io.Writer) (total int64, err error) {
	for s.more() {
		s.fill()
		n, err := w.Write(s.left)
		total += int64(n)
		if err != nil {
			return total, err
		}
		s.left = nil
	}
	return total, nil
}

// SupportsBodyWriteTo tells the server that WriteTo writes what Read would give.
func (s *itemStream) SupportsBodyWriteTo() bool { return true }

// Close is called by the server when the answer was sent, or never will be.
func (s *itemStream) Close() error {
	s.q.Release()
	return nil
}
