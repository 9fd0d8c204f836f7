// Package api is the HTTP edge: routes, authentication, limits and problems. It
// decides nothing about stock; it turns requests into calls of the rooms behind it
// and their results into the answers of the contract.
package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"onhand/availability"
	"onhand/ingest"
	"onhand/ledger"
	"onhand/promise"
)

// Options are the edge's settings. Zero members stand for the defaults in fill.
type Options struct {
	Ledger   *ledger.Ledger
	Ingest   *ingest.Applier
	Stock    *availability.Stock
	Feed     *availability.Feed
	Promises *promise.Service

	Sources []ingest.Source // that do not send CloudEvents, as configuration knows them

	Keys []string // who sends one of these as a bearer token is let in; none: everyone is

	BodyBytesMax  int           // a longer body is 413; default 16 MiB
	Connections   int           // more than that at once get 503; default 12,000
	ReadTimeout   time.Duration // for a whole request; default 10 s
	WriteTimeout  time.Duration // for a whole answer; default 30 s
	IdleTimeout   time.Duration // between requests of a connection; default 2 min
	MinSeqTimeout time.Duration // how long min_seq waits; default 5 s

	// Ready says why the service is not ready, or nil.
	Ready func() error
}

func (o Options) fill() Options {
	def := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	if o.BodyBytesMax == 0 {
		o.BodyBytesMax = 16 << 20
	}
	if o.Connections == 0 {
		o.Connections = 12_000
	}
	def(&o.ReadTimeout, 10*time.Second)
	def(&o.WriteTimeout, 30*time.Second)
	def(&o.IdleTimeout, 2*time.Minute)
	def(&o.MinSeqTimeout, 5*time.Second)
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	return o
}

const serverName = "onhand" // in the header of every answer

// Server answers HTTP.
type Server struct {
	Options
	http     fasthttp.Server
	requests sync.Pool // *request
	imports  imports
	stopping chan struct{}
	ends     context.Context // when stopping is closed
	end      context.CancelFunc
}

// New makes a server; Serve starts it.
func New(o Options) *Server {
	s := &Server{Options: o.fill(), stopping: make(chan struct{})}
	s.ends, s.end = context.WithCancel(context.Background())
	s.requests.New = func() any { return new(request) }
	s.http = fasthttp.Server{
		Handler:                      s.handle,
		ErrorHandler:                 s.handleError,
		Name:                         serverName,
		Concurrency:                  s.Connections + workersSpare, // the door keeps to Connections
		ReadBufferSize:               16 << 10,
		ReadTimeout:                  s.ReadTimeout,
		WriteTimeout:                 s.WriteTimeout,
		IdleTimeout:                  s.IdleTimeout,
		MaxRequestBodySize:           s.BodyBytesMax,
		StreamRequestBody:            true, // an import is longer than memory; all else is read whole before it is looked at
		DisablePreParseMultipartForm: true,
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true, // the library would log headers, and so keys
		Logger:                       serverLogger{},
		CloseOnShutdown:              true,
	}
	return s
}

// Serve answers on ln until Shutdown.
func (s *Server) Serve(ln net.Listener) error { return s.http.Serve(newDoor(ln, s.Connections)) }

// Shutdown takes no new requests and returns when the open ones are answered, or with ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	close(s.stopping)
	s.end()
	return s.http.ShutdownWithContext(ctx)
}

type serverLogger struct{}

func (serverLogger) Printf(format string, args ...any) {
	slog.Debug("http", "message", strings.TrimSpace(format))
}

// handle answers one request that ends where every reader of it sees its end. A panic
// below is a fault of ours: it is logged and counted, and costs that request alone.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	if !framed(&ctx.Request.Header) {
		s.handleError(ctx, errFraming)
		return
	}
	r := s.requests.Get().(*request)
	r.reset(s, ctx)
	defer func() {
		if p := recover(); p != nil {
			panics.Inc()
			slog.Error("request", "method", string(ctx.Method()), "panic", p, "stack", string(debug.Stack()))
			ctx.Response.Reset()
			r.problem("internal-error", "")
		}
		r.ctx = nil
		s.requests.Put(r)
	}()
	if bytes.HasPrefix(ctx.Request.Header.RequestURI(), importsPath) {
		defer r.leaveImport()
	} else if err := r.readBody(); err != nil {
		s.handleError(ctx, err)
		return
	}
	s.route(r)
}

var importsPath = []byte("/v1/imports")

// readBody has all of the body in memory.
func (r *request) readBody() error {
	stream := r.ctx.RequestBodyStream()
	if stream == nil {
		return nil
	}
	most, length := r.s.BodyBytesMax, r.ctx.Request.Header.ContentLength()
	if length > most {
		return fasthttp.ErrBodyTooLarge
	}
	if cap(r.body) > outBytesKept {
		r.body = nil
	}
	var err error
	if length >= 0 {
		r.body = slices.Grow(r.body[:0], length)[:length]
		_, err = io.ReadFull(stream, r.body)
	} else {
		into := bytes.NewBuffer(r.body[:0])
		_, err = into.ReadFrom(io.LimitReader(stream, int64(most)+1))
		r.body = into.Bytes()
	}
	switch {
	case err != nil:
		return err
	case r.cutShort():
		return io.ErrUnexpectedEOF
	case len(r.body) > most:
		return fasthttp.ErrBodyTooLarge
	}
	r.ctx.Request.SetBodyRaw(r.body)
	return nil
}

// cutShort says that the connection ended within the body.
func (r *request) cutShort() bool {
	c, ok := r.ctx.Conn().(*conn)
	return ok && c.ended.Load()
}

// handleError answers what is not a request that can be read.
func (s *Server) handleError(ctx *fasthttp.RequestCtx, err error) {
	r := &request{}
	r.reset(s, ctx)
	ctx.SetConnectionClose()
	var late net.Error
	if c, ok := ctx.Conn().(*conn); ok && !(errors.As(err, &late) && late.Timeout()) {
		c.unread.Store(true)
	}
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		r.problem("request-too-large", "the body is larger than this service takes")
	case errors.As(err, &small):
		r.problem("request-too-large", "the request's line and headers are longer than this service takes")
	default:
		r.problem("invalid-request", "the request could not be read")
	}
}
