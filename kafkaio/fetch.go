package kafkaio

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// Guarded is t for whoever fetches: an answer whose reading panics is an error. kafka-go
// trusts the length of a batch, which is under no checksum, and reads in a goroutine of
// its own: without this a flipped bit in a broker's log would end the process.
func Guarded(t *kafka.Transport) kafka.RoundTripper { return guarded{t} }

type guarded struct{ *kafka.Transport }

// RoundTrip is the transport's.
func (g guarded) RoundTrip(ctx context.Context, addr net.Addr, req kafka.Request) (kafka.Response, error) {
	if r, ok := req.(*fetch.Request); ok {
		req = &guardedFetch{Request: r}
	}
	return g.Transport.RoundTrip(ctx, addr, req)
}

// guardedFetch is a fetch that a connection lets it do by itself. A connection that gave
// an error is not used again.
type guardedFetch struct {
	*fetch.Request
	version int16
}

// Required tells it the version that both sides know.
func (f *guardedFetch) Required(versions map[protocol.ApiKey]int16) bool {
	f.version = versions[protocol.Fetch]
	return true
}

// RawExchange fetches.
func (f *guardedFetch) RawExchange(rw io.ReadWriter) (res protocol.Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = nil, fmt.Errorf("the broker's answer cannot be read: %v", p)
		}
	}()
	const correlationID = 1 // a connection carries one request at a time
	return protocol.RoundTrip(rw, f.version, correlationID, "onhand", f.Request)
}
