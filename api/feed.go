package api

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"onhand/availability"
	"onhand/ledger"
)

const (
	// heartbeatMax is the longest silence of a feed. A reader that has gone is
	// noticed at the next write only.
	heartbeatMax = 10 * time.Second
	// feedSendBytes is how much the kernel may hold for a reader: what lies there
	// cannot be taken back when the reader stops.
	feedSendBytes = 256 << 10
)

// getFeed answers GET /v1/feed with server-sent events: after the entry that
// Last-Event-ID or after= names, or from now on; of some locations where location= names
// them.
func (r *request) getFeed() {
	if err := r.onlyParams("after", "location"); err != nil {
		r.invalid(err)
		return
	}
	only, ok := r.askedLocations()
	if !ok {
		return
	}
	after, given, err := r.feedStart()
	if err != nil {
		r.invalid(err)
		return
	}
	var sub *availability.Subscription
	if given {
		sub, err = r.s.Feed.Subscribe(after, only...)
	} else {
		sub, err = r.s.Feed.SubscribeNow(only...)
	}
	if errors.Is(err, availability.ErrTooManySubscribers) {
		r.problem("overloaded", err.Error())
		return
	}
	if err != nil {
		r.fail(err)
		return
	}
	conn := r.ctx.Conn()
	if c, ok := conn.(interface{ SetWriteBuffer(int) error }); ok {
		c.SetWriteBuffer(feedSendBytes)
	}
	h := &r.ctx.Response.Header
	h.SetContentType("text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies would gather events before they pass them on
	r.ctx.SetConnectionClose()
	r.ctx.Response.ImmediateHeaderFlush = true
	r.ctx.Response.SetBodyStream(&feedStream{sub: sub, conn: conn, timeout: r.s.WriteTimeout,
		heartbeat: min(heartbeatMax, r.s.WriteTimeout/2), stop: r.s.stopping}, -1)
}

// feedStart reads where the feed begins. The header wins: it is what a browser
// sends when it connects again to the address it was given.
func (r *request) feedStart() (after ledger.Seq, given bool, err error) {
	name := "Last-Event-ID"
	value := string(r.ctx.Request.Header.Peek(name))
	given = value != ""
	if !given {
		name = "after"
		if value, given, err = r.param(name); err != nil || !given {
			return 0, false, err
		}
	}
	seq, err := strconv.ParseUint(value, 10, 63)
	if err != nil {
		return 0, false, fmt.Errorf("%s: want a whole number, 0 or more", name)
	}
	return ledger.Seq(seq), true, nil
}

// feedStream is the body of a feed. The server writes it until it ends, in the
// goroutine of the connection.
type feedStream struct {
	sub       *availability.Subscription
	conn      net.Conn
	timeout   time.Duration
	heartbeat time.Duration
	stop      <-chan struct{}
	begun     bool
	ended     bool
	left      []byte // not read yet
}

var (
	feedBegin     = []byte(": onhand\n\n") // makes the answer's head go out, and a proxy pass it on
	feedHeartbeat = []byte(": heartbeat\n\n")
	feedReset     = []byte("event: reset\ndata: {\"reason\":\"too-slow\"}\n\n")
)

// next waits for what is to be written, and gives it time to be written: the
// server arms its deadline once for a whole answer, and this one has no end.
func (s *feedStream) next() ([]byte, error) {
	b := feedBegin
	if s.begun {
		if s.ended {
			return nil, io.EOF
		}
		var err error
		b, err = s.sub.Next(s.stop, s.heartbeat)
		switch {
		case errors.Is(err, availability.ErrTooSlow):
			b, s.ended = feedReset, true
		case err != nil:
			return nil, io.EOF
		case b == nil:
			b = feedHeartbeat
		}
	}
	s.begun = true
	return b, s.conn.SetWriteDeadline(time.Now().Add(s.timeout))
}

func (s *feedStream) Read(p []byte) (int, error) {
	if len(s.left) == 0 {
		var err error
		if s.left, err = s.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.left)
	s.left = s.left[n:]
	return n, nil
}

// WriteTo writes each piece whole, and the server sends it at once.
func (s *feedStream) WriteTo(w io.Writer) (total int64, err error) {
	for {
		b, err := s.next()
		if err == io.EOF {
			return total, nil
		}
		if err == nil {
			_, err = w.Write(b)
		}
		if err != nil {
			return total, err
		}
		total += int64(len(b))
	}
}

// SupportsBodyWriteTo tells the server that WriteTo writes what Read would give.
func (s *feedStream) SupportsBodyWriteTo() bool { return true }

// Close is called by the server when the reader has gone or the feed ended.
func (s *feedStream) Close() error {
	s.sub.Close()
	return nil
}
