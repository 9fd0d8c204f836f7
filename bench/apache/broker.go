// Package apache starts Apache Kafka itself for tests and benchmarks: one
// process in KRaft mode on loopback ports, with a small heap and data that
// outlives kills and restarts. It needs Java 17, and Maven the first time.
package apache

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	stopTimeout = 30 * time.Second
	portTries   = 3
)

// Options of a broker. Only Dir must be set.
type Options struct {
	// Dir gets data/, server.properties and kafka.log. A Dir used before is
	// opened with what it holds.
	Dir string

	// Port to listen on; default a free one. A second, for the controller, is
	// always a free one.
	Port int

	// Heap as for java -Xmx; default 512m.
	Heap string

	// Partitions of a topic created without a number; default 1.
	Partitions int

	// Config adds to or overrides server.properties.
	Config map[string]string
}

// Broker is one Kafka process. Its methods may not be called concurrently.
type Broker struct {
	opts           Options
	jars           string
	port, ctrlPort int
	transport      *kafka.Transport
	client         *kafka.Client

	mu      sync.Mutex // guards process, for Stop in a cleanup beside a failing Restart
	process *process   // nil while stopped
	paused  bool
	logFrom int64 // where the log of this process begins in Log
}

// Start fetches Kafka if needed, formats Dir if it is new, and returns once the
// broker answers metadata requests with leaders for all partitions. If it does
// not, the error quotes what Kafka's log complains of. ctx bounds the waiting only.
func Start(ctx context.Context, opts Options) (*Broker, error) {
	if opts.Dir == "" {
		return nil, errors.New("start Apache Kafka: no directory given")
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("start Apache Kafka: %w", err)
	}
	opts.Dir = dir
	if opts.Heap == "" {
		opts.Heap = "512m"
	}
	if opts.Partitions == 0 {
		opts.Partitions = 1
	}
	if err := Available(); err != nil {
		return nil, fmt.Errorf("start Apache Kafka, missing: %w", err)
	}
	jars, err := fetchJars(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("start Apache Kafka: %w", err)
	}

	b := &Broker{opts: opts, jars: jars}
	for try := 1; ; try++ {
		if err = b.startOnFreePorts(ctx); err == nil {
			return b, nil
		}
		// Someone took a port between our looking and Kafka's listening.
		if try == portTries || opts.Port != 0 || !strings.Contains(err.Error(), "Address already in use") {
			return nil, err
		}
	}
}

func (b *Broker) startOnFreePorts(ctx context.Context) error {
	ports, err := freePorts(2)
	if err != nil {
		return fmt.Errorf("start Apache Kafka: %w", err)
	}
	b.port, b.ctrlPort = ports[0], ports[1]
	if b.opts.Port != 0 {
		b.port = b.opts.Port
	}
	b.transport = &kafka.Transport{MetadataTTL: 100 * time.Millisecond}
	b.client = &kafka.Client{Addr: kafka.TCP(b.Addr()), Transport: b.transport}
	if err := b.writeProperties(); err != nil {
		return fmt.Errorf("start Apache Kafka: %w", err)
	}
	if err := b.format(ctx); err != nil {
		return err
	}
	return b.launch(ctx)
}

// Addr is the bootstrap address, host:port; a restart keeps it.
func (b *Broker) Addr() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// launch starts the process and waits until it serves.
func (b *Broker) launch(ctx context.Context) error {
	p, err := b.startProcess()
	if err != nil {
		return fmt.Errorf("start Apache Kafka: %w", err)
	}
	b.mu.Lock()
	b.process, b.paused = p, false
	b.mu.Unlock()
	if err := b.waitReady(ctx, p); err != nil {
		b.Kill()
		return fmt.Errorf("start Apache Kafka at %s: %w\n%s", b.Addr(), err, b.complaints())
	}
	return nil
}

func (b *Broker) waitReady(ctx context.Context, p *process) error {
	retry := time.NewTicker(25 * time.Millisecond)
	defer retry.Stop()
	var last error
	for {
		if last = b.ready(ctx); last == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it ended: %w", errors.Join(p.err, last))
		case <-ctx.Done():
			return fmt.Errorf("%w, after: %w", ctx.Err(), last)
		case <-retry.C:
		}
	}
}

// ready is nil if the broker is registered and every partition has a leader.
func (b *Broker) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	res, err := b.client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return err
	}
	if len(res.Brokers) == 0 {
		return errors.New("the broker is not registered with its controller")
	}
	for _, t := range res.Topics {
		for _, p := range t.Partitions {
			if p.Error != nil {
				return fmt.Errorf("topic %s partition %d: %w", t.Name, p.ID, p.Error)
			}
		}
	}
	return nil
}

// Stop asks Kafka to end with SIGTERM and waits. After 30 s it kills it and says
// so. Stopping a stopped broker does nothing.
func (b *Broker) Stop() error {
	p := b.take()
	if p == nil {
		return nil
	}
	if err := p.terminate(); err != nil {
		return errors.Join(fmt.Errorf("stop Apache Kafka: %w", err), p.kill())
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timeout.C:
		return errors.Join(fmt.Errorf("stop Apache Kafka: it was still running %s after SIGTERM\n%s", stopTimeout, b.complaints()), p.kill())
	}
}

// Kill ends Kafka with SIGKILL, as a crash would, and waits until it is gone.
func (b *Broker) Kill() error {
	p := b.take()
	if p == nil {
		return nil
	}
	return p.kill()
}

// take gives up the process, awake, to be ended by the caller.
func (b *Broker) take() *process {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.process
	if p != nil && b.paused {
		p.resume() // SIGTERM waits while a process is stopped
	}
	b.process, b.paused = nil, false
	b.transport.CloseIdleConnections()
	return p
}

// Restart starts Kafka again on the same ports and data, after stopping it if it
// still runs, and waits as Start does.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.Stop(); err != nil {
		return err
	}
	return b.launch(ctx)
}

// Exited is closed when the process that runs now has ended; nil while stopped.
func (b *Broker) Exited() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return nil
	}
	return b.process.exited
}

// Pause stops Kafka's process in its tracks: connections stay open and nothing
// is answered until Resume.
func (b *Broker) Pause() error { return b.signal(true) }

// Resume lets a paused Kafka go on.
func (b *Broker) Resume() error { return b.signal(false) }

func (b *Broker) signal(pause bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return errors.New("signal Apache Kafka: it is not running")
	}
	send := b.process.resume
	if pause {
		send = b.process.pause
	}
	if err := send(); err != nil {
		return fmt.Errorf("pause or resume Apache Kafka: %w", err)
	}
	b.paused = pause
	return nil
}

func freePorts(n int) (ports []int, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close() // all are held until all are chosen
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
