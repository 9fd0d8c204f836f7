package embedded

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	requestBytesMax = 100 << 20 // as Apache Kafka's socket.request.max.bytes
	frameBytesKept  = 2 << 20   // per connection between requests
	recordsMax      = 1 << 20   // in one batch
	closeTimeout    = 10 * time.Second
)

// guard stands between the network and kfake, which trusts its clients: there, a
// request of an unknown kind is a nil pointer in a goroutine of its own, so ten
// bytes end the process, and an HTTP GET allocates the 1.2 GB that its first four
// letters are as a length. It also counts the open connections, because kfake's
// Close does not wait for them.
type guard struct {
	log  *slog.Logger
	open sync.WaitGroup
}

func (g *guard) listen(network, address string) (net.Listener, error) {
	ln, err := net.Listen(network, address)
	if err != nil {
		return nil, err
	}
	return &guardedListener{Listener: ln, guard: g}, nil
}

// wait returns when every connection was closed.
func (g *guard) wait() error {
	done := make(chan struct{})
	go func() {
		g.open.Wait()
		close(done)
	}()
	timeout := time.NewTimer(closeTimeout)
	defer timeout.Stop()
	select {
	case <-done:
		return nil
	case <-timeout.C:
		return fmt.Errorf("connections of the embedded broker still open after %s", closeTimeout)
	}
}

type guardedListener struct {
	net.Listener
	guard *guard
}

func (l *guardedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.guard.open.Add(1)
	return &guardedConn{Conn: conn, guard: l.guard}, nil
}

// guardedConn hands kfake whole requests that were looked at. Only one goroutine
// reads at a time.
type guardedConn struct {
	net.Conn
	guard  *guard
	frame  []byte // the current request with its length in front; reused
	unread []byte // the part of frame not yet handed on
	closed sync.Once
}

func (c *guardedConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

func (c *guardedConn) Close() error {
	err := c.Conn.Close()
	c.closed.Do(c.guard.open.Done)
	return err
}

func (c *guardedConn) next() error {
	var length [4]byte
	if _, err := io.ReadFull(c.Conn, length[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size > requestBytesMax {
		return c.refuse(fmt.Errorf("%d bytes long", size))
	}
	if need := 4 + int(size); cap(c.frame) < need || cap(c.frame) > frameBytesKept {
		c.frame = make([]byte, need)
	}
	c.frame = c.frame[:4+size]
	copy(c.frame, length[:])
	if _, err := io.ReadFull(c.Conn, c.frame[4:]); err != nil {
		return err
	}
	if err := checkRequest(c.frame[4:]); err != nil {
		return c.refuse(err)
	}
	c.unread = c.frame
	return nil
}

func (c *guardedConn) refuse(err error) error {
	c.guard.log.Warn("embedded broker: closing a connection after a bad request", "from", c.RemoteAddr().String(), "error", err)
	return err
}

// checkRequest refuses what kfake would not survive, and record counts that its
// clients would not: they allocate by the count before they look at the records.
func checkRequest(body []byte) error {
	r := kbin.Reader{Src: body}
	key, version := r.Int16(), r.Int16()
	r.Int32()          // correlation id
	r.NullableString() // client id
	if !r.Ok() {
		return fmt.Errorf("a request of %d bytes has no header", len(body))
	}
	req := kmsg.RequestForKey(key)
	if req == nil {
		return fmt.Errorf("no request has the key %d", key)
	}
	produce, ok := req.(*kmsg.ProduceRequest)
	if !ok {
		return nil
	}
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if err := produce.ReadFrom(r.Src); err != nil {
		return fmt.Errorf("produce request: %w", err)
	}
	for _, t := range produce.Topics {
		for _, p := range t.Partitions {
			if err := checkBatch(p.Records); err != nil {
				return fmt.Errorf("produce to %s/%d: %w", t.Topic, p.Partition, err)
			}
		}
	}
	return nil
}

// checkBatch looks at the record count of a v2 batch; all else about it, kfake
// checks and answers with an error code.
func checkBatch(batch []byte) error {
	const attributesAt, countAt, recordsAt = 21, 57, 61
	if len(batch) < recordsAt {
		return nil
	}
	count := int64(int32(binary.BigEndian.Uint32(batch[countAt:])))
	most := int64(recordsMax)
	if compression := batch[attributesAt+1] & 7; compression == 0 {
		const recordBytesMin = 7
		most = min(most, int64(len(batch)-recordsAt)/recordBytesMin)
	}
	if count < 1 || count > most {
		return fmt.Errorf("a batch of %d bytes says it has %d records", len(batch), count)
	}
	return nil
}
