package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/valyala/fasthttp"
)

// bareServer answers every request with the same bytes, under the headers of onhand's answers: what fasthttp costs when the
// service behind it costs nothing. It runs in a process of its own, as onhand does.
type bareServer struct {
	Size int `default:"300" help:"Bytes of the answer's body (${default})."`
}

func (b *bareServer) serve(ctx context.Context) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	body := bytes.Repeat([]byte{'x'}, b.Size)
	server := &fasthttp.Server{Name: "onhand", Handler: func(r *fasthttp.RequestCtx) {
		r.SetContentType("application/json")
		r.SetBody(body)
	}}
	fmt.Printf("listening on http://%s\n", ln.Addr())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return server.ShutdownWithContext(context.Background())
	}
}

// startBare starts this program as the bare server.
func (b *bed) startBare(ctx context.Context, size int) (*service, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the bare server: %w", err)
	}
	c, lines, err := startChild(self, []string{"bare", "--size", strconv.Itoa(size)}, filepath.Join(b.dir, "bare.log"))
	if err != nil {
		return nil, fmt.Errorf("start the bare server: %w", err)
	}
	b.onClose(c.stop)
	addr, err := awaitLine(ctx, c, lines, "listening on http://")
	return &service{addr: addr, child: c}, err
}
