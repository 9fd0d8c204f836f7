package main

import (
	"os"
	"time"
)

// usage is what a measurement took.
type usage struct {
	wall, client, service time.Duration // processor time of this process, and of the service with its children
}

// stopwatch measures usage between startUsage and stop.
type stopwatch struct {
	pid int // of the service; 0 unknown
	at  usage
	t   time.Time
}

func startUsage(s *service) stopwatch {
	w := stopwatch{t: time.Now()}
	if s != nil && s.child != nil {
		w.pid = s.child.cmd.Process.Pid
	}
	w.at = w.now()
	return w
}

func (w stopwatch) now() usage {
	u := usage{client: cpuOf(os.Getpid())}
	if w.pid != 0 {
		u.service = cpuOfAll(w.pid)
	}
	return u
}

func (w stopwatch) stop() usage {
	u := w.now()
	return usage{wall: time.Since(w.t), client: u.client - w.at.client, service: u.service - w.at.service}
}
