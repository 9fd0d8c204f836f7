package apache

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	version      = "4.1.0"
	javaMajorMin = 17
)

//go:embed pom.xml
var pom []byte

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// Available is nil if a broker can be started here, and else says what is
// missing: java 17, or mvn while the jars are not in the cache.
func Available() error {
	var missing []error
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		missing = append(missing, fmt.Errorf("java %d or newer: %w", javaMajorMin, err))
	} else if m := javaVersion.FindSubmatch(out); m != nil {
		if major, _ := strconv.Atoi(string(m[1])); major < javaMajorMin {
			missing = append(missing, fmt.Errorf("java %d or newer: this one is %s", javaMajorMin, m[1]))
		}
	}
	dir, err := jarDir()
	if err != nil {
		missing = append(missing, err)
	} else if !holdsJars(dir) {
		if _, err := exec.LookPath("mvn"); err != nil {
			missing = append(missing, fmt.Errorf("mvn, to fetch Apache Kafka into %s: %w", dir, err))
		}
	}
	return errors.Join(missing...)
}

// Need skips a test that wants a broker where none can be started; with CI=true
// in the environment it fails it instead.
func Need(t interface {
	Helper()
	Skipf(string, ...any)
	Fatalf(string, ...any)
}) {
	t.Helper()
	if err := Available(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("Apache Kafka cannot run here, missing: %v", err)
		}
		t.Skipf("Apache Kafka cannot run here, missing: %v", err)
	}
}

// jarDir is where the jars are kept: $ONHAND_CACHE/kafka-4.1.0, by default in
// the user's cache directory under onhand.
func jarDir() (string, error) {
	root := os.Getenv("ONHAND_CACHE")
	if root == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("a cache directory, or ONHAND_CACHE: %w", err)
		}
		root = filepath.Join(user, "onhand")
	}
	return filepath.Abs(filepath.Join(root, "kafka-"+version))
}

// holdsJars tells a complete directory by the pom it was made from.
func holdsJars(dir string) bool {
	made, err := os.ReadFile(filepath.Join(dir, "pom.xml"))
	return err == nil && bytes.Equal(made, pom)
}

// fetchJars returns the directory with the jars, after fetching them from Maven
// Central the first time: 44 MB. Any number of processes may call it at once.
func fetchJars(ctx context.Context) (string, error) {
	dir, err := jarDir()
	if err != nil {
		return "", err
	}
	if holdsJars(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if holdsJars(dir) { // another process made it while we waited
		return dir, nil
	}

	// Made aside and renamed, so that a half-filled directory is never in use.
	made, err := os.MkdirTemp(filepath.Dir(dir), ".kafka-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(made)
	if err := os.WriteFile(filepath.Join(made, "pom.xml"), pom, 0o644); err != nil {
		return "", err
	}
	mvn := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", filepath.Join(made, "pom.xml"),
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+made)
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch Apache Kafka %s with mvn: %w\n%s", version, err, out)
	}
	if err := os.RemoveAll(dir); err != nil { // made from another pom
		return "", err
	}
	if err := os.Rename(made, dir); err != nil {
		return "", err
	}
	return dir, nil
}

// lock waits for the file lock; the lock of a process that died is free.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		held, err := vfs.Default.Lock(path)
		if err == nil {
			return func() { held.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w (%w)", path, ctx.Err(), err)
		case <-retry.C:
		}
	}
}
