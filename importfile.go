package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// importAnswer is what the service says of an import.
type importAnswer struct {
	Source     string  `json:"source"`
	Format     string  `json:"format"`
	Lines      int     `json:"lines"`
	Events     int     `json:"events"`
	Accepted   int     `json:"accepted"`
	Duplicates int     `json:"duplicates"`
	Refused    int     `json:"refused"`
	Error      *string `json:"error"`
	Refusals   []struct {
		Place      string  `json:"place"`
		Number     int     `json:"number"`
		Field      *string `json:"field"`
		Value      *string `json:"value"`
		Code       string  `json:"code"`
		Detail     string  `json:"detail"`
		DeadLetter bool    `json:"dead_letter"`
	} `json:"refusals"`
}

// importFile sends a file to a service, shows how far it is, and writes what was refused
// beside the file. ok is false where something was. The same file may be sent again: what
// is there already changes nothing.
func importFile(ctx context.Context, c importConfig, stdout, stderr io.Writer) (ok bool, err error) {
	f, err := os.Open(c.File)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	id := strconv.FormatInt(time.Now().UnixNano(), 36)
	call, err := c.request(ctx, f, info, id)
	if err != nil {
		return false, err
	}
	sent := &sentBytes{Reader: f}
	call.Body = io.NopCloser(sent)
	started := time.Now()
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(watching, id, sent, info.Size(), stderr)
	}()
	var answer importAnswer
	err = c.do(call, &answer)
	stop()
	<-watched
	if err != nil {
		return false, err
	}
	took := time.Since(started)
	fmt.Fprintf(stdout, "%s as %s from %s: %d lines in %d events, %d taken, %d there already, %d refused; %.1f s, %.0f lines/s\n",
		c.File, answer.Format, answer.Source, answer.Lines, answer.Events, answer.Accepted, answer.Duplicates, answer.Refused,
		took.Seconds(), float64(answer.Lines)/took.Seconds())
	if answer.Refused > 0 {
		if err := c.report(&answer); err != nil {
			return false, err
		}
		fmt.Fprintf(stdout, "what was refused, and why: %s\n", c.reportPath())
	}
	if answer.Error != nil {
		return false, errors.New(*answer.Error)
	}
	return answer.Refused == 0, nil
}

func (c *importConfig) request(ctx context.Context, f io.Reader, info os.FileInfo, id string) (*http.Request, error) {
	at := c.Time
	if at.IsZero() {
		at = info.ModTime()
	}
	q := url.Values{"id": {id}, "time": {at.UTC().Format(time.RFC3339Nano)}}
	for name, value := range map[string]string{"source": c.Source, "format": c.Format, "type": c.Type, "comma": c.Comma, "basis": c.Basis,
		"location": c.Location, "time_zone": c.TimeZone, "void": c.Void} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, set := range map[string]bool{"complete": c.Complete, "strict": c.Strict} {
		if set {
			q.Set(name, "true")
		}
	}
	target := strings.TrimSuffix(c.HTTP, "/") + "/v1/imports?" + q.Encode()
	for member, column := range c.Column { // a comma in one is part of it
		target += "&columns=" + strings.ReplaceAll(url.QueryEscape(member+":"+column), "+", "%20")
	}
	call, err := http.NewRequestWithContext(ctx, http.MethodPost, target, f)
	if err != nil {
		return nil, fmt.Errorf("--http %s: %w", c.HTTP, err)
	}
	call.ContentLength = info.Size()
	call.Header.Set("Content-Type", "application/octet-stream")
	return call, nil
}

// watch draws how far the import is, on a terminal twice a second and elsewhere every ten.
func (c *importConfig) watch(ctx context.Context, id string, sent *sentBytes, size int64, out io.Writer) {
	every, end := 10*time.Second, "\n"
	if isTerminal(out) {
		every, end = time.Second/2, ""
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	started := time.Now()
	for drawn := false; ; drawn = true {
		select {
		case <-ctx.Done():
			if drawn && end == "" {
				fmt.Fprint(out, "\r\x1b[K")
			}
			return
		case <-tick.C:
		}
		n, took := sent.n.Load(), time.Since(started)
		lines := c.lines(ctx, id)
		share := float64(n) / float64(max(size, 1))
		left := "?"
		if share > 0 {
			left = time.Duration(float64(took) * (1 - share) / share).Round(time.Second).String()
		}
		if end == "" {
			fmt.Fprint(out, "\r\x1b[K")
		}
		fmt.Fprintf(out, "[%-30s] %3.0f %% %d of %d MB, %d lines, %.0f/s, %s left%s", strings.Repeat("#", int(30*share)),
			100*share, n>>20, size>>20, lines, float64(lines)/took.Seconds(), left, end)
	}
}

// lines is how many the service has judged; 0 where it cannot be asked.
func (c *importConfig) lines(ctx context.Context, id string) (n int) {
	var answer importAnswer
	if c.call(ctx, http.MethodGet, "/v1/imports/"+url.PathEscape(id), nil, &answer) != nil {
		return 0
	}
	return answer.Lines
}

func (c *importConfig) reportPath() string {
	if c.Report != "" {
		return c.Report
	}
	return c.File + ".refused.csv"
}

// report writes a row for each refusal.
func (c *importConfig) report(a *importAnswer) error {
	f, err := os.Create(c.reportPath())
	if err != nil {
		return err
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	w := csv.NewWriter(f)
	w.Write([]string{"place", "number", "field", "value", "code", "detail", "dead_letter"})
	for _, r := range a.Refusals {
		w.Write([]string{r.Place, strconv.Itoa(r.Number), text(r.Field), text(r.Value), r.Code, r.Detail, strconv.FormatBool(r.DeadLetter)})
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}

// sentBytes counts what was read of the file.
type sentBytes struct {
	io.Reader
	n atomic.Int64
}

func (s *sentBytes) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.n.Add(int64(n))
	return n, err
}
