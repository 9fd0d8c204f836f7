package apache

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// process is a running JVM. err may be read once exited is closed.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

func (p *process) terminate() error { return ignoreGone(p.cmd.Process.Signal(syscall.SIGTERM)) }

func (p *process) kill() error {
	err := ignoreGone(p.cmd.Process.Kill())
	<-p.exited
	return err
}

func ignoreGone(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

func (b *Broker) startProcess() (*process, error) {
	log, err := os.OpenFile(b.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if b.logFrom, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	// The collector and its goals are those of Kafka's own start script.
	cmd := b.java(context.Background(), "-Xms"+b.opts.Heap, "-Xmx"+b.opts.Heap,
		"-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
		"kafka.Kafka", b.properties())
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)

	p := &process{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The death of the thread that started the child counts as the death of
		// the parent, so the thread has to last as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// java is a command with Kafka on its class path; args are JVM flags, then the
// main class and its arguments.
func (b *Broker) java(ctx context.Context, args ...string) *exec.Cmd {
	flags := []string{
		"-cp", filepath.Join(b.jars, "*"),
		"-Djava.awt.headless=true",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
	}
	cmd := exec.CommandContext(ctx, "java", append(flags, args...)...)
	cmd.Dir = b.opts.Dir
	return cmd
}

func (b *Broker) properties() string { return filepath.Join(b.opts.Dir, "server.properties") }

func (b *Broker) dataDir() string { return filepath.Join(b.opts.Dir, "data") }

func (b *Broker) writeProperties() error {
	settings := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        "1",
		"listeners":                      fmt.Sprintf("PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", b.port, b.ctrlPort),
		"advertised.listeners":           fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", b.port),
		"controller.listener.names":      "CONTROLLER",
		"controller.quorum.voters":       fmt.Sprintf("1@127.0.0.1:%d", b.ctrlPort),
		"listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"log.dirs":                       b.dataDir(),
		"num.partitions":                 strconv.Itoa(b.opts.Partitions),
		"auto.create.topics.enable":      "false",

		// One broker is all replicas there are.
		"offsets.topic.replication.factor":                 "1",
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",

		// A test does not wait for what production spreads out in time. A killed
		// broker may register again once its old session is over.
		"broker.session.timeout.ms":        "2000",
		"broker.heartbeat.interval.ms":     "500",
		"group.initial.rebalance.delay.ms": "0",
		"log.initial.task.delay.ms":        "1000",
		"log.retention.check.interval.ms":  "1000",
		"log.segment.delete.delay.ms":      "1000",
	}
	maps.Copy(settings, b.opts.Config)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		// Backslash is the escape of this format.
		fmt.Fprintf(&text, "%s=%s\n", name, strings.ReplaceAll(settings[name], `\`, `\\`))
	}
	return os.WriteFile(b.properties(), []byte(text.String()), 0o644)
}

// format makes the data directory, unless there is one.
func (b *Broker) format(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(b.dataDir(), "meta.properties")); err == nil {
		return nil
	}
	var id [16]byte
	rand.Read(id[:])
	id[0] &= 0x7f // an id that begins with a dash would be taken for a flag
	cmd := b.java(ctx, "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"kafka.tools.StorageTool", "format", "-t", base64.RawURLEncoding.EncodeToString(id[:]), "-c", b.properties())
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format Apache Kafka's data at %s: %w\n%s", b.dataDir(), err, out)
	}
	return nil
}
