// Command bench loads a running onhand from outside, over HTTP and Kafka alone, and
// says how fast it was, beside a yardstick measured in the same run where there is
// one. It promises that latency counts from the moment a request was due, that
// every scenario which changes stock compares the service's books with its own
// afterwards and exits with 1 when they differ, and that nothing runs without end.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

type commandLine struct {
	Availability availabilityScenario `cmd:"" help:"GET one SKU beside a bare fasthttp server, and POST of many positions."`
	Reserve      reserveScenario      `cmd:"" help:"Reserve, confirm and cancel, one by one and in large baskets, and events over HTTP; then check the books."`
	Ingest       ingestScenario       `cmd:"" help:"Events from Kafka until applied, beside Client.Fetch; then latency at half of that; then check the books."`
	Replay       replayScenario       `cmd:"" help:"A year of sales from a CSV file through Kafka; the ledger must end where arithmetic ends."`
	Compare      compareScenario      `cmd:"" help:"onhand beside bare fasthttp, Redis, PostgreSQL, kafka-go and franz-go, on the same work and in turn."`
	Scale        scaleScenario        `cmd:"" help:"What grows with the number of positions: memory, restart, time per call, checkpoints."`
	Import       importScenario       `cmd:"" help:"A full snapshot as one file, new, again and later, while customers look."`
	Bare         bareServer           `cmd:"" hidden:"" help:"The bare HTTP server that availability compares with."`
}

// common are the flags of every scenario.
type common struct {
	Target    string        `placeholder:"URL" help:"Use this service instead of building and starting one. It must be empty: fresh data, default catalogue."`
	Onhand    string        `placeholder:"FILE" help:"Start this program instead of building one."`
	Serve     []string      `sep:"none" placeholder:"ARG" help:"One more argument for onhand serve; repeat it, as in --serve=--cache-bytes=1000000."`
	Dir       string        `placeholder:"DIR" help:"Where the service and Kafka keep data: a new directory in this one, removed afterwards (the system's temporary directory)."`
	Keep      bool          `help:"Do not remove that directory."`
	JSON      string        `name:"json" placeholder:"FILE" help:"Write the results there too."`
	Markdown  string        `placeholder:"FILE" help:"Put the results into this file as the scenario's section, in place of the one before."`
	Duration  time.Duration `default:"5s" help:"Length of each measurement (${default})."`
	Seed      uint64        `default:"1" help:"Of everything made up (${default})."`
	TimeLimit time.Duration `default:"15m" help:"For the whole run (${default})."`
}

// scenario measures something, writing what it finds into the report.
type scenario interface {
	run(ctx context.Context, r *report) error
	settings() *common
}

func (c *common) settings() *common { return c }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var cli commandLine
	parsed, err := kong.Must(&cli, kong.Name("bench"), kong.UsageOnError()).Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	var s scenario
	switch parsed.Selected().Name {
	case "availability":
		s = &cli.Availability
	case "reserve":
		s = &cli.Reserve
	case "ingest":
		s = &cli.Ingest
	case "compare":
		s = &cli.Compare
	case "scale":
		s = &cli.Scale
	case "replay":
		s = &cli.Replay
	case "import":
		s = &cli.Import
	default:
		err = cli.Bare.serve(ctx)
	}
	if s != nil {
		err = carryOut(ctx, s, parsed.Selected().Name, args)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// carryOut runs one scenario. What was measured before an error is still reported.
func carryOut(ctx context.Context, s scenario, name string, args []string) error {
	c := s.settings()
	ctx, cancel := context.WithTimeoutCause(ctx, c.TimeLimit, fmt.Errorf("the whole run took longer than %s (--time-limit)", c.TimeLimit))
	defer cancel()
	r := newReport(name, args, os.Stdout)
	err := s.run(ctx, r)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	if err != nil {
		r.check("the run came to its end", err)
	}
	r.print()
	if c.JSON != "" {
		if err := r.writeJSON(c.JSON); err != nil {
			return err
		}
	}
	if c.Markdown != "" {
		if err := r.writeMarkdown(c.Markdown); err != nil {
			return err
		}
	}
	return r.verdict()
}
