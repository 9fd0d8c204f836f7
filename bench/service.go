package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const startTimeout = 60 * time.Second

// bed is what a run stands on: a directory, the program, and the processes started.
type bed struct {
	*common
	dir     string
	program string
	starts  int
	mu      sync.Mutex // guards closers
	closers []func() error
}

// newBed makes the directory and, unless --target or --onhand says otherwise, builds
// the program. close undoes all of it.
func newBed(ctx context.Context, c *common) (*bed, error) {
	dir, err := os.MkdirTemp(c.Dir, "onhand-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{common: c, dir: dir, program: c.Onhand}
	if c.Target != "" || c.Onhand != "" {
		return b, nil
	}
	mod, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find the module to build onhand from: %w", err), b.close())
	}
	b.program = filepath.Join(dir, "onhand")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.program, ".")
	build.Dir = filepath.Dir(strings.TrimSpace(string(mod)))
	if out, err := build.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("build onhand: %w\n%s", err, out), b.close())
	}
	return b, nil
}

func (b *bed) onClose(f func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closers = append(b.closers, f)
}

func (b *bed) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	if b.Keep {
		fmt.Fprintln(os.Stderr, "kept", b.dir)
	} else {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

// subdir makes a directory beside the others of the run.
func (b *bed) subdir(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// service is the onhand under load, or what it is compared with.
type service struct {
	addr  string // host:port of its HTTP
	kafka string // bootstrap address it reads from; "" unknown
	child *child // nil with --target
}

// serve is launch, and waits until the service is ready.
func (b *bed) serve(ctx context.Context, args ...string) (*service, error) {
	s, err := b.launch(ctx, args...)
	if err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, fmt.Errorf("onhand at %s: %w", s.addr, err)
	}
	return s, nil
}

// launch starts onhand, or takes --target, and returns once it listens. A second
// call, after stop, starts it again on the same data.
func (b *bed) launch(ctx context.Context, args ...string) (*service, error) {
	s := &service{}
	if b.Target != "" {
		u, err := url.Parse(b.Target)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("--target %q: want http://HOST:PORT", b.Target)
		}
		s.addr = u.Host
	} else {
		args = append([]string{"serve", "--http", "127.0.0.1:0", "--data", filepath.Join(b.dir, "data"), "--log-level", "warn"}, args...)
		b.starts++
		child, lines, err := startChild(b.program, append(args, b.Serve...), filepath.Join(b.dir, fmt.Sprintf("onhand-%d.log", b.starts)))
		if err != nil {
			return nil, fmt.Errorf("start onhand: %w", err)
		}
		b.onClose(child.stop)
		s.child = child
		if s.addr, err = awaitLine(ctx, child, lines, "listening on http://"); err != nil {
			return nil, fmt.Errorf("start onhand: %w", err)
		}
		if s.kafka, err = awaitLine(ctx, child, lines, "kafka on "); err != nil {
			return nil, fmt.Errorf("start onhand: %w", err)
		}
	}
	return s, nil
}

func (s *service) stop() error {
	if s.child == nil {
		return nil
	}
	return s.child.stop()
}

func (s *service) waitReady(ctx context.Context) error {
	return poll(ctx, startTimeout, pollEvery, func() error {
		c, err := dial(s.addr, time.Now().Add(5*time.Second))
		if err != nil {
			return err
		}
		defer c.Close()
		status, body, err := c.do(get("/readyz"))
		if err == nil && status != 200 {
			err = fmt.Errorf("/readyz: %d %s", status, clip(body))
		}
		return err
	})
}

// pollEvery is for what is cheap to ask.
const pollEvery = 5 * time.Millisecond

// poll asks again and again until ok has no complaint.
func poll(ctx context.Context, limit, every time.Duration, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, err)
		case <-tick.C:
		}
	}
}
