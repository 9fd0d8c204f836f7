package kafkaio

import (
	"context"
	"net"
	"time"
)

const dialTimeout = 3 * time.Second

// DialUntil dials connections that end with ctx. Without it a broker that took a
// request and says nothing more would hold up the end for as long as it may take.
func DialUntil(ctx context.Context) func(context.Context, string, string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	return func(dialing context.Context, network, address string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, err := dialer.DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		return &boundConn{c, context.AfterFunc(ctx, func() { c.Close() })}, nil
	}
}

type boundConn struct {
	net.Conn
	unbind func() bool
}

func (c *boundConn) Close() error {
	c.unbind() // or ctx would hold on to every connection there ever was
	return c.Conn.Close()
}
