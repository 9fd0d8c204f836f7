package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const stopTimeout = 20 * time.Second

// child is a process that ends when this one asks it to.
type child struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}  // closed when it has ended
	err  error          // how; may be read once done is closed
	end  syscall.Signal // asks it to end; SIGTERM
	// group: it leads a process group, which is halted with it.
	group bool
}

// startChild starts a program with its standard error in a log file. lines gets its
// standard output and is closed with it; what nobody takes is dropped.
func startChild(program string, args []string, log string) (*child, <-chan string, error) {
	return startChildAs(program, args, log, nil)
}

// startChildAs is startChild for a program that runs as someone else.
func startChildAs(program string, args []string, log string, as *syscall.SysProcAttr) (*child, <-chan string, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, nil, err
	}
	defer out.Close()
	c := &child{cmd: exec.Command(program, args...), log: log, done: make(chan struct{}), end: syscall.SIGTERM}
	c.cmd.SysProcAttr, c.cmd.Stderr = as, out
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, nil, err
	}
	lines := make(chan string, 16)
	go func() {
		in := bufio.NewScanner(stdout)
		for in.Scan() {
			select {
			case lines <- in.Text():
			default:
			}
		}
		io.Copy(io.Discard, stdout) // a line too long to scan must not block the child
		close(lines)
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	return c, lines, nil
}

// awaitLine waits for a line on standard output and returns what follows prefix.
func awaitLine(ctx context.Context, c *child, lines <-chan string, prefix string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		select {
		case line, open := <-lines:
			if !open {
				<-c.done
				return "", fmt.Errorf("it ended (%v) before it said %q\n%s", c.err, prefix, c.tail())
			}
			if rest, found := strings.CutPrefix(line, prefix); found {
				return strings.TrimSuffix(rest, "/"), nil
			}
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %q: %w\n%s", prefix, ctx.Err(), c.tail())
		}
	}
}

// stop asks the process to end and waits; one that does not within 20 s is killed,
// and that is an error, like any exit code but 0. Stopping twice does nothing.
func (c *child) stop() error {
	select {
	case <-c.done:
		if c.err != nil {
			return fmt.Errorf("%s ended: %w\n%s", filepath.Base(c.cmd.Path), c.err, c.tail())
		}
		return nil
	default:
	}
	if err := c.cmd.Process.Signal(c.end); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-c.done:
		return c.err
	case <-timeout.C:
		c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("%s still ran %s after SIGTERM\n%s", filepath.Base(c.cmd.Path), stopTimeout, c.tail())
	}
}

// kill ends the process at once, as a crash would.
func (c *child) kill() error {
	if err := c.cmd.Process.Kill(); err != nil {
		return err
	}
	<-c.done
	c.err = nil // it is what was asked for
	return nil
}

// tail is the end of what the process said on standard error.
func (c *child) tail() string {
	text, _ := os.ReadFile(c.log)
	return string(text[max(0, len(text)-4096):])
}
