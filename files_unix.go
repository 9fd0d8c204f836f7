//go:build unix

package main

import (
	"log/slog"
	"syscall"
)

// connectionsWithin is how many connections the limit of open files leaves room for:
// without some to spare the store could not begin its next file, and would stop.
func connectionsWithin(want int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return want
	}
	spare := min(1024, limit.Cur/2)
	if room := limit.Cur - spare; room < uint64(want) {
		slog.Warn("the limit of open files bounds connections", "files", limit.Cur, "connections", room, "asked_for", want)
		return int(room)
	}
	return want
}
