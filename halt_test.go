package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// halt stops the process in its tracks, and returns when each of its threads stands still.
func (p *process) halt() {
	p.t.Helper()
	p.cmd.Process.Signal(syscall.SIGSTOP)
	eventually(p.t, "every thread stands still", func() error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		if err != nil || len(threads) == 0 {
			return fmt.Errorf("no threads are listed: %v", err)
		}
		for _, path := range threads {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if _, state, ok := bytes.Cut(b, []byte(") ")); !ok || state[0] != 'T' {
				return fmt.Errorf("%s: %s", path, b)
			}
		}
		return nil
	})
}

// goOn lets a halted process go on.
func (p *process) goOn() { p.cmd.Process.Signal(syscall.SIGCONT) }

// TestHaltedPastDeadlines halts the service until a hold's deadline has passed: the first
// answer after that knows it, and what was asked for meanwhile is judged by the time at
// which it is carried out, not by that at which it was sent.
func TestHaltedPastDeadlines(t *testing.T) {
	p := start(t, t.TempDir())
	p.stock([]string{"milk"}, []string{"0042"}, 10)
	hold := func(id string, quantity, ttl int) time.Time {
		v := p.must(201, "POST", "/v1/reservations", fmt.Sprintf(`{"id":%q,"ttl_seconds":%d,"lines":[{"sku":"milk","location":"0042","quantity":%d}]}`, id, ttl, quantity))
		at, err := time.Parse(time.RFC3339, v["expires_at"].(string))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	hold("long", 2, 600)
	deadline := hold("short", 3, 2)
	p.halt()
	type answer struct {
		code int
		body []byte
	}
	ask := func(method, path, body string) chan answer {
		c := make(chan answer, 1)
		go func() {
			code, b := p.call(method, path, body)
			c <- answer{code, b}
		}()
		return c
	}
	confirm := ask("POST", "/v1/reservations/short/confirm", "")
	late := ask("POST", "/v1/reservations", `{"id":"late","ttl_seconds":600,"lines":[{"sku":"milk","location":"0042","quantity":8}]}`)
	row := ask("GET", "/v1/availability/milk?location=0042&fields=held", "")
	<-time.After(time.Until(deadline) + 50*time.Millisecond) // how long is what a halt is
	goesOn := time.Now()
	select {
	case a := <-confirm:
		t.Fatalf("answered while it was halted: %d %s", a.code, a.body)
	default:
	}
	p.goOn()
	if a := <-confirm; a.code != 409 || !strings.Contains(string(a.body), "reservation-expired") {
		t.Errorf("confirm after the deadline: %d %s", a.code, a.body)
	}
	if a := <-late; a.code != 201 {
		t.Errorf("the units of a hold that expired meanwhile: %d %s", a.code, a.body)
	} else if at, err := time.Parse(time.RFC3339, p.must(200, "GET", "/v1/reservations/late", "")["expires_at"].(string)); err != nil || at.Before(goesOn.Add(599*time.Second)) {
		t.Errorf("a hold of 600 s made after %s lasts until %s, %v", goesOn, at, err)
	}
	if a := <-row; a.code != 200 || !strings.Contains(string(a.body), `"held":2}`) && !strings.Contains(string(a.body), `"held":10}`) {
		t.Errorf("held after the deadline: %d %s", a.code, a.body)
	}
	p.must(200, "POST", "/v1/reservations/long/confirm", "")
	if r, err := p.row("milk", "0042"); err != nil || r.Held != 8 || r.Committed != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	p.stop()
}
