//go:build !linux

package main

import "time"

// pause may wake a millisecond late.
func pause(d time.Duration) { time.Sleep(d) }
