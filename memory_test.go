package main

import "testing"

func TestGCPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 100, 1 << 20: 100, 256 << 20: 100, 512 << 20: 50, 2 << 30: 12, 1 << 40: gcPercentLeast} {
		if got := gcPercent(live); got != want {
			t.Errorf("with %d bytes alive it is %d, want %d", live, got, want)
		}
	}
}
