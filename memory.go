package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// garbageBytes is about how much garbage may lie beside a large ledger before it is
	// collected. Positions hold no pointers, so a collection costs little, and waiting
	// until the garbage is as large as the ledger would double the memory taken.
	garbageBytes   = 256 << 20
	gcPercentLeast = 10
	tuneEvery      = 5 * time.Second
)

// tuneMemory keeps the collector's percentage right for the size of the ledger until
// ctx ends. Who sets GOGC decides alone.
func tuneMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(tuneEvery)
	defer tick.Stop()
	set := 100
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		if want := gcPercent(live[0].Value.Uint64()); want < set*9/10 || want > set*11/10 {
			set = want
			debug.SetGCPercent(set)
		}
	}
}

// gcPercent is the percentage for so many bytes that live.
func gcPercent(live uint64) int {
	return int(min(100, max(gcPercentLeast, 100*garbageBytes/max(live, 1))))
}
