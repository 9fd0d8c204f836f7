//go:build !linux

package main

import "time"

// Elsewhere than on Linux reports leave these out.
func cpuOf(int) time.Duration { return 0 }
func cpuModel() string        { return "unknown processor" }

func cpuOfAll(pid int) time.Duration { return 0 }

func (*service) residentBytes() float64 { return 0 }
