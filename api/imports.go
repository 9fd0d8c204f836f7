package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"onhand/ingest"
	"onhand/ingest/format"
	"onhand/jsonread"
	"onhand/ledger"
)

const (
	importsAtOnce = 2  // each decodes as fast as it can
	importsKept   = 20 // that have ended, to be asked about
	// importPace is how much of a file has to come within ReadTimeout.
	importPace = 64 << 10
)

// imports are those that run, and the last that ended.
type imports struct {
	mu      sync.Mutex // guards what follows
	running int
	known   []*importJob // oldest first
}

// importJob is one file on its way in. Its ended and err are guarded by imports.mu, and
// what the import has done is looked at only after that.
type importJob struct {
	ingest.Import
	id      string
	started time.Time
	ended   time.Time // zero: it runs
	err     error
}

// postImport reads a file of events, counts or snapshots, in any format, as it comes.
// What it refuses is answered row by row; the same file again changes nothing.
func (r *request) postImport() {
	job, err := r.importJob()
	if err != nil {
		r.invalid(err)
		return
	}
	defer r.interruptImport()()
	in := bufio.NewReaderSize(r.importBody(), 256<<10)
	if job.Source.Format == "" {
		if job.Source.Format = sniff(in); format.Named(job.Source.Format) == nil {
			r.problem("invalid-request", "format: how the file begins does not tell it: want one of "+strings.Join(format.Names(), ", "))
			return
		}
	}
	if !r.s.imports.begin(job) {
		r.problem("overloaded", fmt.Sprintf("%d imports run, and no more are begun; or one with this id runs", importsAtOnce))
		return
	}
	defer func() { job.Refused = nil }() // they are told now or never, and may be many
	err = r.runImport(job, in)
	var bad *format.Refusal
	switch {
	case errors.As(err, &bad) && job.Done.Events == 0:
		r.invalid(bad)
	case err != nil && bad == nil && !errors.Is(err, ingest.ErrTooManyRefused):
		r.failImport(err)
	default:
		b := job.append(r.out[:0], err)
		b = append(b[:len(b)-1], `,"refusals":[`...)
		for i := range job.Refused {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendRefusedPart(b, &job.Refused[i])
		}
		r.out = append(b, "]}"...)
		r.answerLarge(r.out)
	}
}

// runImport ends the job also where Run does not return.
func (r *request) runImport(job *importJob, in io.Reader) (err error) {
	err = errImportFault
	defer func() { r.s.imports.end(job, err) }()
	return job.Run(r.s.ends, r.s.Ingest, in)
}

var errImportFault = errors.New("a fault of the service ended it")

// append appends what is known of an import; all of it when it has ended.
func (j *importJob) append(b []byte, err error) []byte {
	b = jsonread.AppendString(append(b, `{"id":`...), j.id)
	b = jsonread.AppendString(append(b, `,"source":`...), j.Source.Name)
	b = jsonread.AppendString(append(b, `,"format":`...), j.Source.Format)
	b = append(b, `,"started_at":`...)
	b = appendMillis(b, ledger.Millis(j.started.UnixMilli()))
	b = strconv.AppendInt(append(b, `,"bytes":`...), j.Read.Load(), 10)
	if j.ended.IsZero() {
		b = strconv.AppendInt(append(b, `,"lines":`...), j.Lines.Load(), 10)
		return append(b, `,"ended_at":null}`...)
	}
	d := &j.Done
	for _, m := range [...]struct {
		name string
		n    int
	}{{"lines", d.Lines}, {"events", d.Events}, {"accepted", d.Accepted}, {"duplicates", d.Duplicates}, {"refused", d.Refused}, {"seq", int(d.Seq)}} {
		b = append(append(append(b, `,"`...), m.name...), `":`...)
		b = strconv.AppendInt(b, int64(m.n), 10)
	}
	b = append(b, `,"ended_at":`...)
	b = appendMillis(b, ledger.Millis(j.ended.UnixMilli()))
	b = append(b, `,"error":`...)
	if err == nil {
		return append(b, "null}"...)
	}
	return append(jsonread.AppendString(b, err.Error()), '}')
}

func appendRefusedPart(b []byte, p *ingest.RefusedPart) []byte {
	b = jsonread.AppendString(append(b, `{"place":`...), p.Place.Unit)
	b = strconv.AppendInt(append(b, `,"number":`...), int64(p.Place.N), 10)
	b = appendTextOrNull(append(b, `,"field":`...), p.Field)
	b = appendTextOrNull(append(b, `,"value":`...), p.Value)
	b = jsonread.AppendString(append(b, `,"code":`...), p.Code.String())
	b = jsonread.AppendString(append(b, `,"detail":`...), p.Detail)
	b = strconv.AppendBool(append(b, `,"dead_letter":`...), p.Letter)
	return append(b, '}')
}

// failImport tells errors of the connection from ours.
func (r *request) failImport(err error) {
	var timeout interface{ Timeout() bool }
	switch {
	case r.s.ends.Err() != nil:
		r.problem("not-ready", "the service ends; what came was taken, and the same file can be sent again")
	case errors.As(err, &timeout), errors.Is(err, io.ErrUnexpectedEOF):
		r.problem("invalid-request", "the file did not come to its end; what came was taken, and the same file can be sent again")
	default:
		r.fail(err)
	}
}

// sniff tells the format by the beginning, compressed or not.
func sniff(in *bufio.Reader) string {
	begin, _ := in.Peek(format.SniffBytes)
	if bytes.HasPrefix(begin, []byte("\x1f\x8b")) {
		z, err := gzip.NewReader(bytes.NewReader(begin))
		if err != nil {
			return ""
		}
		text := make([]byte, format.SniffBytes)
		n, _ := io.ReadFull(z, text) // it is cut short, and that is no matter
		begin = text[:n]
	}
	return format.Sniff(begin)
}

// importJob reads what the query says of the file: the name of a source that
// configuration knows, or how this one speaks.
func (r *request) importJob() (*importJob, error) {
	names := []string{"id", "source", "format", "time_zone", "location", "void", "type", "comma", "basis", "time"}
	if err := r.onlyParams(append(names, "columns", "complete", "strict")...); err != nil {
		return nil, err
	}
	said := make(map[string]string)
	for _, name := range names {
		v, given, err := r.param(name)
		if err != nil {
			return nil, err
		}
		if given {
			said[name] = v
		}
	}
	spec := ingest.SourceSpec{Source: said["source"], Format: said["format"], Zone: said["time_zone"], Location: said["location"],
		Void: said["void"], Type: said["type"], Comma: said["comma"], Basis: said["basis"], Time: said["time"]}
	job := &importJob{id: said["id"], started: time.Now()}
	if job.id == "" {
		job.id = strconv.FormatInt(job.started.UnixNano(), 36)
	}
	var err error
	if spec.Complete, err = r.flag("complete"); err != nil {
		return nil, err
	}
	if spec.Strict, err = r.flag("strict"); err != nil {
		return nil, err
	}
	columns, err := r.params("columns")
	if err != nil {
		return nil, err
	}
	for _, c := range columns {
		member, column, ok := strings.Cut(c, ":")
		if !ok {
			return nil, fmt.Errorf("columns: want member:column, got %q", c)
		}
		if spec.Columns == nil {
			spec.Columns = make(map[string]string)
		}
		spec.Columns[member] = column
	}
	if i := slices.IndexFunc(r.s.Sources, func(s ingest.Source) bool {
		return s.Name == spec.Source && (spec.Format == "" || spec.Format == s.Format)
	}); i >= 0 {
		if err := r.onlyParams("id", "source", "format", "time"); err != nil {
			return nil, fmt.Errorf("%w beside source %s, which is configured: its entry says how it speaks", err, spec.Source)
		}
		job.Source = r.s.Sources[i]
		if spec.Time != "" {
			if job.Source.Options.Time, err = time.Parse(time.RFC3339Nano, spec.Time); err != nil {
				return nil, fmt.Errorf("time: want a time like 2006-01-02T15:04:05Z, got %q", spec.Time)
			}
		}
		job.timeless()
		return job, nil
	}
	if spec.Source == "" {
		spec.Source = "import"
	}
	told := spec.Format
	if told == "" {
		spec.Format = format.Names()[0] // found out later
	}
	if job.Source, err = spec.Read(); err != nil {
		return nil, err
	}
	job.Source.Format = told
	job.timeless()
	return job, nil
}

// timeless takes a file that says no time to be of the moment it comes.
func (j *importJob) timeless() {
	if j.Source.Options.Time.IsZero() {
		j.Source.Options.Time = j.started
	}
}

// flag is a parameter that is true or false, false where it is not given.
func (r *request) flag(name string) (bool, error) {
	v, given, err := r.param(name)
	if err != nil || !given {
		return false, err
	}
	if v != "true" && v != "false" {
		return false, fmt.Errorf("%s: want true or false, got %q", name, v)
	}
	return v == "true", nil
}

// leaveImport lets who is still sending a file hear the answer, where that is that it is refused.
func (r *request) leaveImport() {
	c, ok := r.ctx.Conn().(*conn)
	if ok && r.ctx.RequestBodyStream() != nil && r.ctx.Response.StatusCode() >= 400 {
		r.ctx.SetConnectionClose()
		c.unread.Store(true)
	}
}

// importBody is the file as it comes, until the service ends. A part of importPace bytes has
// ReadTimeout to arrive; the time in which it is not wanted does not count.
func (r *request) importBody() io.Reader {
	stream := r.ctx.RequestBodyStream()
	if stream == nil {
		return bytes.NewReader(r.ctx.Request.Body())
	}
	return &pacedBody{r: r, in: stream}
}

type pacedBody struct {
	r      *request
	in     io.Reader
	came   int
	waited time.Duration
}

func (p *pacedBody) Read(b []byte) (int, error) {
	if p.came >= importPace {
		p.came, p.waited = 0, 0
	}
	began := time.Now()
	if err := p.r.ctx.SetReadDeadline(began.Add(p.r.s.ReadTimeout - p.waited)); err != nil {
		return 0, err
	}
	if err := p.r.s.ends.Err(); err != nil { // interruptImport may have set its deadline before
		return 0, err
	}
	n, err := p.in.Read(b)
	p.waited += time.Since(began)
	p.came += n
	if err == io.EOF && p.r.cutShort() {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// interruptImport wakes who waits for more of the file when the service ends, until done is called.
func (r *request) interruptImport() (done func()) {
	if r.ctx.RequestBodyStream() == nil {
		return func() {}
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(r.s.ends, func() {
		r.ctx.SetReadDeadline(time.Now()) // it fails where there is nobody to wake
		close(woken)
	})
	return func() {
		if !stop() {
			<-woken
		}
	}
}

// getImports lists imports that run, and some that have ended, oldest first.
func (r *request) getImports() {
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return
	}
	out := newList(r.out)
	i := &r.s.imports
	i.mu.Lock()
	for _, job := range i.known {
		out.item()
		out.b = job.append(out.b, job.err)
	}
	i.mu.Unlock()
	r.out = out.end("")
	r.answerLarge(r.out)
}

// getImport tells how far one has come.
func (r *request) getImport() {
	if err := r.onlyParams(); err != nil {
		r.invalid(err)
		return
	}
	i := &r.s.imports
	i.mu.Lock()
	at := slices.IndexFunc(i.known, func(j *importJob) bool { return j.id == string(r.segments[2]) })
	if at >= 0 {
		r.out = i.known[at].append(r.out[:0], i.known[at].err)
	}
	i.mu.Unlock()
	if at < 0 {
		r.problem("not-found", "no import with this id runs, or has ended lately")
		return
	}
	r.answerLarge(r.out)
}

func (i *imports) begin(job *importJob) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	same := slices.IndexFunc(i.known, func(j *importJob) bool { return j.id == job.id })
	if i.running == importsAtOnce || same >= 0 && i.known[same].ended.IsZero() {
		return false
	}
	if same >= 0 {
		i.known = slices.Delete(i.known, same, same+1)
	}
	i.running++
	i.known = append(i.known, job)
	if n := len(i.known); n > importsKept && !i.known[0].ended.IsZero() {
		i.known = slices.Delete(i.known, 0, 1)
	}
	return true
}

func (i *imports) end(job *importJob, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running--
	job.ended, job.err = time.Now(), err
}
