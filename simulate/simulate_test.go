// Package simulate runs the real ledger, the way of events into it and the life of
// reservations from one seed: with simulated time, sources that double, delay and mix up
// what they tell, clients that ask again, and a disk in memory that fails and loses its
// power at any write. A slow, obvious model gets the same commands.
//
// What a seed does is the same each time but for what runs beside it: Pebble writes its
// tables in the background, a checkpoint or a retrier may run along, and a cut that was
// aimed at them may meet another moment. Of 40 histories of some 70 cuts, 16 were the
// same to the last line when run again; so -seed runs its seed several times.
package simulate

import (
	"bufio"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	seedFlag    = flag.Uint64("seed", 0, "run this seed alone, with -v saying what it does; 0: fresh ones")
	triesFlag   = flag.Int("tries", 20, "how often the seed of -seed is run")
	forFlag     = flag.Duration("for", 0, "for how long fresh seeds are run; 0: 5 s, or what the environment's SIMULATE says")
	workersFlag = flag.Int("workers", 1, "how many histories are run at once")
	cutsFlag    = flag.Int64("cuts", 0, "go on until so many power cuts, however long it takes")
)

func TestSimulation(t *testing.T) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are what is being made
	var done tally
	if *seedFlag != 0 {
		for range *triesFlag {
			if err := run(*seedFlag, &done, testing.Verbose()); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%v", &done)
		return
	}
	for _, seed := range keptSeeds(t) {
		one(t, seed, &done)
	}
	began := time.Now()
	ends := began.Add(share(t))
	var workers sync.WaitGroup
	var failed atomic.Bool
	for w := range *workersFlag {
		workers.Go(func() {
			for seed := uint64(began.UnixNano()) + uint64(w)<<32; !failed.Load(); seed++ {
				if time.Now().After(ends) && done.cuts.Load() >= *cutsFlag {
					return
				}
				if !one(t, seed, &done) {
					failed.Store(true)
				}
			}
		})
	}
	stop := report(t, began, &done)
	workers.Wait()
	stop()
	t.Logf("%v in %v", &done, time.Since(began).Round(time.Second))
	if done.cuts.Load() == 0 || done.replays.Load() == 0 || done.inFlight.Load() == 0 || done.underWay.Load() == 0 || done.rebuilt.Load() == 0 {
		t.Error("too little happened for it to say anything")
	}
}

func one(t *testing.T, seed uint64, done *tally) bool {
	hangs := time.AfterFunc(patience, func() { panic(fmt.Sprintf("seed %d does not come to its end", seed)) })
	defer hangs.Stop()
	if err := run(seed, done, false); err != nil {
		t.Errorf("seed %d: %v\nto repeat: go test ./simulate -run TestSimulation -seed %d", seed, err, seed)
		return false
	}
	return true
}

// share is how long fresh seeds are run.
func share(t *testing.T) time.Duration {
	if *forFlag != 0 {
		return *forFlag
	}
	if s := os.Getenv("SIMULATE"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatalf("SIMULATE: %v", err)
		}
		return d
	}
	if testing.Short() {
		return time.Second
	}
	return 5 * time.Second
}

// keptSeeds are those that failed once.
func keptSeeds(t *testing.T) (seeds []uint64) {
	f, err := os.Open("testdata/seeds")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

// report says now and then how far a long run has come.
func report(t *testing.T, began time.Time, done *tally) (stop func()) {
	if !testing.Verbose() {
		return func() {}
	}
	tick, ended := time.NewTicker(10*time.Second), make(chan struct{})
	go func() {
		for {
			select {
			case <-tick.C:
				t.Logf("%v: %v, %.0f cuts/s", time.Since(began).Round(time.Second), done, float64(done.cuts.Load())/time.Since(began).Seconds())
			case <-ended:
				return
			}
		}
	}()
	return func() { tick.Stop(); close(ended) }
}
