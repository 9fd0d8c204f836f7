package ingest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"onhand/ingest/format"
)

// ErrTooManyRefused ends an import: something is wrong with all of the file, or the
// catalogue is not there yet.
var ErrTooManyRefused = errors.New("too much of the file is refused")

// importRefusedMax is how many refusals one import can have; each is kept in memory until it is answered.
const importRefusedMax = 100_000

// Import is one file, or body, of a source that is read into the ledger.
type Import struct {
	Source Source
	Read   atomic.Int64 // bytes of the file, as they came
	Lines  atomic.Int64 // that were judged

	Done    Translated    // when Run has returned
	Refused []RefusedPart // likewise
}

const (
	// eventsAhead is how many events are decoded before they are applied.
	eventsAhead = 16
	// importLines is how many lines an event of figures has where the format can choose: it is applied
	// under locks, for which readers wait. At 10,000 they waited ten milliseconds; below 200
	// each line costs more.
	importLines = 256
)

// Run reads all of r, which may be compressed by gzip, and returns when what it took is
// durable. The same file again changes nothing, so one that was cut short is read again.
// The error is a *format.Refusal where the file could not be read to its end, or wraps
// ErrTooManyRefused, or is r's own; what stands before that place was taken all the same.
func (i *Import) Run(ctx context.Context, a *Applier, r io.Reader) error {
	file := &countingReader{Reader: r, n: &i.Read}
	in := bufio.NewReaderSize(file, 256<<10)
	text := io.Reader(in)
	if magic, _ := in.Peek(2); string(magic) == "\x1f\x8b" {
		z, err := gzip.NewReader(in)
		if err != nil {
			return cmp.Or(file.err, brokenGzip(err))
		}
		defer z.Close()
		text = z
	}
	d := a.decoders.Get().(*decoder)
	defer a.decoders.Put(d)
	t := &translator{decoder: d, source: &i.Source, take: untilTaken(ctx, a.ledger), refused: i.refuse}
	err := i.pipe(ctx, text, t)
	i.Done = t.done
	if file.err != nil {
		return errors.Join(file.err, a.ledger.Wait(t.done.Seq))
	}
	var bad *format.Refusal
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = brokenGzip(err)
	}
	if err != nil && !errors.As(err, &bad) && !errors.Is(err, ErrTooManyRefused) {
		return err
	}
	return errors.Join(err, a.ledger.Wait(t.done.Seq))
}

func brokenGzip(err error) error {
	return &format.Refusal{Place: format.Place{Unit: "file", N: 1}, Field: "gzip", Value: err.Error(), Why: "a stream that is whole"}
}

// pipe lets one goroutine decode and this one apply.
func (i *Import) pipe(ctx context.Context, text io.Reader, t *translator) error {
	ctx, cancel := context.WithCancel(ctx)
	o := i.Source.Options
	if o.FiguresMax == 0 {
		o.FiguresMax = importLines
	}
	found := &pipeSink{ctx: ctx, out: make(chan any, eventsAhead)}
	var decoding sync.WaitGroup
	var readErr error
	var fault any // what the decoder panicked with
	decoding.Go(func() {
		defer close(found.out)
		defer func() {
			if p := recover(); p != nil {
				fault = fmt.Sprintf("%v, in\n%s", p, debug.Stack())
			}
		}()
		readErr = format.Named(i.Source.Format)(text, &o, found)
	})
	defer decoding.Wait()
	defer cancel()
	var work pace
	for part := range found.out {
		if len(found.out) == 0 {
			work.begin() // it waited, and so has rested
		}
		var err error
		switch part := part.(type) {
		case *format.Event:
			err = t.Event(part)
		case *format.Period:
			err = t.Period(part)
		case *format.Refusal:
			err = t.Refused(part)
		}
		i.Lines.Store(int64(t.done.Lines))
		work.rest()
		if err != nil {
			return err
		}
	}
	if fault != nil {
		panic(fault) // it costs this import alone, as any panic of a request does
	}
	return readErr
}

func (i *Import) refuse(p *RefusedPart) error {
	if len(i.Refused) == importRefusedMax {
		return fmt.Errorf("%w: more than %d rows or events", ErrTooManyRefused, importRefusedMax)
	}
	i.Refused = append(i.Refused, *p)
	return nil
}

// pipeSink hands on copies of what a decoder finds.
type pipeSink struct {
	ctx  context.Context
	out  chan any
	pace pace
}

// pace keeps who works without an end from taking a whole processor: as long as all of them
// run, the runtime looks for news from the network only every ten milliseconds. What was
// worked is rested, a millisecond at a time, which is how short a sleep can be.
type pace struct{ began time.Time }

func (p *pace) begin() { p.began = time.Now() }

func (p *pace) rest() {
	if p.began.IsZero() {
		p.begin()
	}
	if worked := time.Since(p.began); worked >= time.Millisecond {
		time.Sleep(worked)
		p.begin()
	}
}

func (s *pipeSink) send(part any) error {
	s.pace.rest()
	defer s.pace.begin()
	select {
	case s.out <- part:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s *pipeSink) Event(e *format.Event) error {
	c := *e
	c.Lines = slices.Clone(e.Lines)
	c.Data, c.Raw = slices.Clone(e.Data), slices.Clone(e.Raw)
	return s.send(&c)
}

func (s *pipeSink) Period(p *format.Period) error {
	c := *p
	return s.send(&c)
}

func (s *pipeSink) Refused(r *format.Refusal) error {
	c := *r
	c.Raw = nil // nobody keeps it: who imports has the file
	return s.send(&c)
}

type countingReader struct {
	io.Reader
	n   *atomic.Int64
	err error // of the file itself, not of what is in it
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}
