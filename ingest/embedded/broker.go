// Package embedded is the Kafka-protocol broker inside the onhand process, for
// the demo and for a service that was given no --kafka. Any Kafka client can
// talk to it on its loopback port, so there is one code path for both brokers.
//
// It promises that a record acknowledged to a producer survives a kill of the
// process (and, with Sync, a loss of power), and that neither disk nor memory grow
// without end: every topic keeps its newest RetentionBytes per partition. Nothing
// here ever empties a partition, because an empty one begins again at offset zero
// after a restart; a client that deletes all its records brings that about. There
// is one broker, no replica, no authentication and no compaction; production runs
// on Apache Kafka.
package embedded

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Options say where the broker keeps its data and what it serves.
type Options struct {
	// Dir holds topics, segments and group offsets; it is created if missing.
	// "" keeps everything in memory, gone with Close.
	Dir string

	// Listen is host:port; default "127.0.0.1:0", a free port. The broker tells
	// clients this same address, so the host must be one they can dial. It may
	// differ between two starts on one Dir.
	Listen string

	// Topics exist when Start returns. One that is already in Dir keeps its
	// records, gets these settings, and more partitions if more are asked for;
	// it never loses partitions.
	Topics []Topic

	// Sync makes each batch durable against loss of power before it is
	// acknowledged, by two fsyncs that all partitions queue for; default false,
	// which outlives the process but not the machine. A consumer that keeps its
	// own offset durably needs it: after a power cut the log may otherwise end
	// before that offset.
	Sync bool

	// Log gets disk errors and refused connections; default: nothing is logged.
	Log *slog.Logger
}

// Broker is one running embedded broker.
type Broker struct {
	cluster *kfake.Cluster
	addr    string
	log     *slog.Logger
	kfake   *kfakeLog
	guard   *guard
	lock    io.Closer // nil in memory

	ages   map[string]*aging // topics that drop by age; only trim touches it
	stop   chan struct{}
	loop   sync.WaitGroup
	closed sync.Once
	err    error // of the first Close
}

// Start opens Dir, or an empty memory, and listens. When it returns, clients can
// produce and fetch. It refuses a Dir that another broker has open.
func Start(opts Options) (*Broker, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("embedded broker: %w", err)
	}
	b := &Broker{log: opts.Log, kfake: &kfakeLog{log: opts.Log}, stop: make(chan struct{})}
	b.guard = &guard{log: opts.Log}

	if opts.Dir != "" {
		if err := os.MkdirAll(opts.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("embedded broker: %w", err)
		}
		// Two brokers would append to the same segments at offsets of their own.
		lock, err := vfs.Default.Lock(filepath.Join(opts.Dir, "LOCK"))
		if err != nil {
			return nil, fmt.Errorf("lock the embedded broker's data at %s: %w", opts.Dir, err)
		}
		b.lock = lock
	}
	cluster, err := kfake.NewCluster(b.kfakeOptions(opts)...)
	if err != nil {
		b.unlock()
		return nil, fmt.Errorf("open the embedded broker's data at %q, listening on %s: %w", opts.Dir, opts.Listen, err)
	}
	b.cluster = cluster
	b.addr = cluster.ListenAddrs()[0]

	if err := b.ensureTopics(opts.Topics); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.trim(time.Now())
	b.loop.Go(b.trimLoop)
	return b, nil
}

func (b *Broker) kfakeOptions(opts Options) []kfake.Opt {
	out := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ClusterID("onhand-embedded"),
		kfake.WithLogger(b.kfake),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			return b.guard.listen(network, opts.Listen)
		}),
		kfake.BrokerConfigs(brokerConfigs()),
	}
	if opts.Dir != "" {
		out = append(out, kfake.DataDir(opts.Dir))
	}
	if opts.Sync {
		out = append(out, kfake.SyncWrites())
	}
	return out
}

// Addr is the bootstrap address, host:port.
func (b *Broker) Addr() string { return b.addr }

// Close stops serving, writes what makes the next start fast, and waits for the
// connections to end. Requests under way may go unanswered. It reports a state
// that could not be saved; the records themselves are on disk before that.
func (b *Broker) Close() error {
	b.closed.Do(func() {
		close(b.stop)
		b.loop.Wait() // kfake must not be asked anything once it closes
		b.kfake.startClosing()
		b.cluster.Close()
		b.err = errors.Join(b.kfake.failure(), b.guard.wait(), b.unlock())
	})
	return b.err
}

func (b *Broker) unlock() error {
	if b.lock == nil {
		return nil
	}
	return b.lock.Close()
}

func (opts Options) withDefaults() Options {
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	topics := make([]Topic, len(opts.Topics))
	for i, t := range opts.Topics {
		topics[i] = t.withDefaults()
	}
	opts.Topics = topics
	return opts
}

func (opts Options) validate() error {
	var complaints []error
	host, port, err := net.SplitHostPort(opts.Listen)
	if err != nil {
		complaints = append(complaints, fmt.Errorf("listen address: %w", err))
	} else {
		if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
			complaints = append(complaints, fmt.Errorf(
				"listen address %s: clients are told this host and could not dial it; name one, like 127.0.0.1", opts.Listen))
		}
		if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
			complaints = append(complaints, fmt.Errorf("listen address %s: no such port", opts.Listen))
		}
	}
	seen := map[string]bool{}
	for _, t := range opts.Topics {
		if seen[t.Name] {
			complaints = append(complaints, fmt.Errorf("topic %s: named twice", t.Name))
		}
		seen[t.Name] = true
		complaints = append(complaints, t.validate())
	}
	return errors.Join(complaints...)
}
