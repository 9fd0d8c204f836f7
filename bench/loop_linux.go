package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"
)

// talker is what one connection of a closed loop says and understands.
type talker interface {
	// ask appends the next request.
	ask(out []byte) []byte
	// take looks for a whole answer at the beginning of in, and says how long it is; 0
	// while it is not all there. kind and units are those of load's workers.
	take(in []byte) (length, kind int, units int64, err error)
}

// greeter is a talker with something to settle before its connection is measured.
type greeter interface {
	greet(c net.Conn) error
}

// loop is a closed loop over many connections by one thread: a goroutine for each
// would cost several times as much, and on two cores the client's share is the
// service's loss. Every store that is compared is asked by it, so all meet the same client.
type loop struct {
	conns    int
	duration time.Duration // no request is begun after it
}

const (
	loopReadBytes = 64 << 10
	drainTimeout  = 30 * time.Second
)

type loopConn struct {
	talker
	fd   int
	out  []byte
	rest []byte // of an answer that came in pieces
	sent time.Time
}

// run asks addr until the duration is over and every answer is there.
func (l loop) run(ctx context.Context, s *service, kinds int, newTalker func(i int) talker) (out outcome, err error) {
	poller, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return out, fmt.Errorf("epoll: %w", err)
	}
	defer syscall.Close(poller)
	conns := make([]*loopConn, 0, l.conns)
	defer func() {
		for _, c := range conns {
			syscall.Close(c.fd)
		}
	}()
	for i := range l.conns {
		c := &loopConn{talker: newTalker(i)}
		if c.fd, err = connect(s.addr, c.talker); err != nil {
			return out, err
		}
		conns = append(conns, c)
		event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)}
		if err := syscall.EpollCtl(poller, syscall.EPOLL_CTL_ADD, c.fd, &event); err != nil {
			return out, fmt.Errorf("epoll: %w", err)
		}
	}
	runtime.GC() // not while others are measured
	out.kinds = make([]tally, kinds)
	clock := startUsage(s)
	err = l.drive(ctx, poller, conns, out.kinds)
	out.busy, out.err = clock.stop(), err
	return out, errors.Join(ctx.Err(), err)
}

// connect returns a descriptor outside the runtime's own poller, which would wake for
// every answer too.
func connect(addr string, t talker) (fd int, err error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if g, ok := t.(greeter); ok {
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if err := g.greet(c); err != nil {
			return 0, fmt.Errorf("greet %s: %w", addr, err)
		}
		c.SetDeadline(time.Time{})
	}
	file, err := c.(*net.TCPConn).File()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if fd, err = syscall.Dup(int(file.Fd())); err != nil {
		return 0, err
	}
	return fd, syscall.SetNonblock(fd, true)
}

func (l loop) drive(ctx context.Context, poller int, conns []*loopConn, kinds []tally) error {
	begun := time.Now()
	for _, c := range conns {
		if err := c.send(begun); err != nil {
			return err
		}
	}
	open := len(conns)
	events, in := make([]syscall.EpollEvent, len(conns)), make([]byte, loopReadBytes)
	for open > 0 {
		n, err := syscall.EpollWait(poller, events, 1000)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		now := time.Now()
		over := now.Sub(begun) >= l.duration
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case now.Sub(begun) > l.duration+drainTimeout:
			return fmt.Errorf("%d connections were not answered within %s", open, drainTimeout)
		}
		for _, e := range events[:max(n, 0)] {
			c := conns[e.Fd]
			whole, err := c.receive(in, kinds)
			switch {
			case err != nil:
				return err
			case !whole:
			case over:
				open--
			default:
				if err := c.send(time.Now()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *loopConn) send(at time.Time) error {
	c.out, c.sent = c.ask(c.out[:0]), at
	for b := c.out; len(b) > 0; {
		n, err := syscall.Write(c.fd, b)
		switch {
		case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
			runtime.Gosched() // requests are far smaller than a socket's buffer: next to never
			continue
		case err != nil:
			return fmt.Errorf("send: %w", err)
		}
		b = b[n:]
	}
	return nil
}

// receive reads what is there, and records the answer if it is whole.
func (c *loopConn) receive(in []byte, kinds []tally) (whole bool, err error) {
	n, err := syscall.Read(c.fd, in)
	switch {
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("receive: %w", err)
	case n == 0:
		return false, errors.New("receive: the connection was closed")
	}
	answer := in[:n]
	if len(c.rest) > 0 {
		c.rest = append(c.rest, answer...)
		answer = c.rest
	}
	length, kind, units, err := c.take(answer)
	switch {
	case err != nil:
		return false, err
	case length == 0:
		if len(c.rest) == 0 {
			c.rest = append(c.rest, answer...)
		}
		return false, nil
	case length != len(answer):
		return false, fmt.Errorf("an answer of %d bytes with %d behind it that nobody asked for", length, len(answer)-length)
	}
	c.rest = c.rest[:0]
	kinds[kind].record(units, time.Since(c.sent))
	return true, nil
}
