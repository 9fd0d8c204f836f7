package main

import (
	"syscall"
	"time"
)

// pause waits with the kernel's timer: the runtime's own wakes up to a millisecond
// late, which open-loop latencies would count as the service's. Long waits are left
// to the caller to cut: nothing interrupts it.
func pause(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&ts, nil) // woken early by a signal: the caller looks at the clock again
}
