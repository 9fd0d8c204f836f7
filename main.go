// Command onhand is a real-time inventory availability service: stock movements
// come in by Kafka and HTTP, availability and reservations are answered over HTTP.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run carries out one command and returns the program's exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("onhand"), kong.Description("Real-time inventory availability."),
		kong.DefaultEnvars("ONHAND"), kong.Writers(stdout, stderr), kong.UsageOnError())
	if err != nil {
		fmt.Fprintln(stderr, "onhand:", err)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "onhand:", err)
		fmt.Fprintln(stderr, "onhand --help tells what there is.")
		return exitUsage
	}
	// Twice: the first ends everything in order, the second at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	ok := true
	switch parsed.Command() {
	case "serve":
		logTo(stderr, cli.Serve.LogLevel)
		err = serve(ctx, cli.Serve, stdout)
	case "demo":
		logTo(stderr, cli.Demo.LogLevel)
		err = demo(ctx, cli.Demo, stdout)
	case "verify":
		ok, err = verify(cli.Verify, stdout)
	case "replay":
		err = replay(ctx, cli.Replay, stdout)
	case "rebuild":
		ok, err = rebuild(cli.Rebuild, stdout)
	case "import <file>":
		ok, err = importFile(ctx, cli.Import, stdout, stderr)
	case "dead-letters list":
		err = listLetters(ctx, cli.DeadLetters.List, stdout)
	case "dead-letters replay", "dead-letters replay <id>":
		ok, err = replayLetters(ctx, cli.DeadLetters.Replay, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "onhand:", err)
		return exitFailed
	}
	if !ok {
		return exitFailed
	}
	return 0
}

// logTo sends the log to w: as text on a terminal, else as JSON.
func logTo(w io.Writer, level string) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo // the parser lets nothing else through
	}
	o := &slog.HandlerOptions{Level: l}
	if isTerminal(w) {
		slog.SetDefault(slog.New(slog.NewTextHandler(w, o)))
		return
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(w, o)))
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
