package api

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// lingerFor and lingerBytesMax bound what is read from a caller that was answered
	// before it had sent everything.
	lingerFor      = 3 * time.Second
	lingerBytesMax = 64 << 20
	// turnedAwayMax is how many callers beyond Connections are told so at a time, at
	// most; with more than that, connections are closed without a word.
	turnedAwayMax = 256
	// acceptAgain is how long is waited when the process may open no more files.
	acceptAgain = 50 * time.Millisecond
	// workersSpare are workers of the HTTP library beyond Connections. One is free
	// again a moment after its connection is closed, and without a spare one the
	// library would turn the next caller away in its own words.
	workersSpare = 1024
)

// door lets in as many connections as there may be, and tells the others that there
// are too many.
type door struct {
	net.Listener
	most       int64
	open       atomic.Int64
	turnedAway atomic.Int64
}

func newDoor(ln net.Listener, connections int) *door {
	return &door{Listener: ln, most: int64(connections)}
}

// Accept waits for a connection that can be let in.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			time.Sleep(acceptAgain) // until some are closed; who calls meanwhile waits
			continue
		}
		if err != nil {
			return nil, err
		}
		if d.open.Add(1) <= d.most {
			return &conn{Conn: c, left: &d.open}, nil
		}
		d.open.Add(-1)
		d.turnAway(c)
	}
}

func (d *door) turnAway(c net.Conn) {
	if d.turnedAway.Add(1) > min(turnedAwayMax, max(16, d.most/16)) { // each is an open file
		d.turnedAway.Add(-1)
		c.Close()
		return
	}
	go func() {
		out := &conn{Conn: c, left: &d.turnedAway}
		out.unread.Store(true)
		out.SetWriteDeadline(time.Now().Add(lingerFor))
		io.WriteString(out, d.full()) // who has gone meanwhile is not told
		out.Close()
	}()
}

// full is the answer to who is turned away.
func (d *door) full() string {
	r := request{ctx: new(fasthttp.RequestCtx)}
	r.problem("overloaded", fmt.Sprintf("%d connections are open, and no more are let in", d.most))
	r.ctx.SetConnectionClose()
	r.ctx.Response.Header.SetServer(serverName)
	return r.ctx.Response.String()
}

// conn is a connection that counts until it is closed.
type conn struct {
	net.Conn
	left   *atomic.Int64 // what it counts in
	unread atomic.Bool   // the caller may still be sending what nobody will read
	closed atomic.Bool
	ended  atomic.Bool // more was wanted of the caller than came
}

// Read notes where the caller's bytes end. The HTTP library takes that for the end of a body
// in chunks, or of one that is shorter than it says.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == io.EOF {
		c.ended.Store(true)
	}
	return n, err
}

// SetWriteBuffer is that of the connection below, where it has one.
func (c *conn) SetWriteBuffer(bytes int) error {
	if b, ok := c.Conn.(interface{ SetWriteBuffer(int) error }); ok {
		return b.SetWriteBuffer(bytes)
	}
	return errors.ErrUnsupported
}

// Close closes the connection. Closed with bytes in it that nobody read, it would be
// reset, and a caller that is still sending might never see its answer; so where
// unread is set the rest is read first, within bounds.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return c.Conn.Close()
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.unread.Load() && half.CloseWrite() == nil {
		c.SetReadDeadline(time.Now().Add(lingerFor))
		io.CopyN(io.Discard, c.Conn, lingerBytesMax)
	}
	c.left.Add(-1)
	return c.Conn.Close()
}
