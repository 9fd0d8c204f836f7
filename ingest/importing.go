package ingest

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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

// importLines is how many lines an event of figures has where the format can choose: it is applied
// under locks, for which readers wait. At 10,000 they waited ten milliseconds; below 200
// each line costs more.
const importLines = 256

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
	o := i.Source.Options
	if o.FiguresMax == 0 {
		o.FiguresMax = importLines
	}
	err := format.Named(i.Source.Format)(text, &o, &importSink{translator: t, i: i, ctx: ctx})
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

// importSink is the translator to a decoder, and counts. One goroutine decodes and applies: with
// one for each, readers had no processor to themselves.
type importSink struct {
	*translator
	i    *Import
	ctx  context.Context
	pace pace
}

func (s *importSink) Event(e *format.Event) error {
	err := s.translator.Event(e)
	s.i.Lines.Store(int64(s.done.Lines))
	s.pace.rest()
	return errors.Join(err, s.ctx.Err())
}

// pace keeps who works without an end from taking a whole processor: while all processors
// run, the runtime looks for news from the network only every ten milliseconds. What was
// worked is rested, a millisecond at a time, which is how short a sleep can be.
type pace struct{ began time.Time }

func (p *pace) rest() {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	if worked := time.Since(p.began); worked >= time.Millisecond {
		time.Sleep(worked)
		p.began = time.Now()
	}
}

func (i *Import) refuse(p *RefusedPart) error {
	if len(i.Refused) == importRefusedMax {
		return fmt.Errorf("%w: more than %d rows or events", ErrTooManyRefused, importRefusedMax)
	}
	i.Refused = append(i.Refused, *p)
	return nil
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
