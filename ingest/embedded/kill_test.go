package embedded

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childDirEnv makes the test binary serve a broker on that directory instead of
// running tests.
const childDirEnv = "ONHAND_TEST_EMBEDDED_DIR"

var killTopics = []Topic{{Name: "pos.events", Partitions: 2, RetentionBytes: retentionBytesMin}}

// serveUntilKilled is the child process. It ends when its parent's end of
// stdin closes, so that a failed test leaves nothing behind.
func serveUntilKilled(dir string) {
	b, err := Start(Options{Dir: dir, Topics: killTopics})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("listens on", b.Addr())
	bufio.NewReader(os.Stdin).ReadByte()
	os.Exit(0)
}

func startChild(t *testing.T, dir string) (cmd *exec.Cmd, addr string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDirEnv+"="+dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listens on ")
	if !ok {
		cmd.Process.Kill()
		t.Fatalf("the child said %q", line)
	}
	return cmd, addr
}

// An acknowledged record is there after SIGKILL, at the offset that was
// acknowledged, kill after kill; and the log never begins again at zero although
// retention drops its beginning.
func TestAcknowledgedRecordsSurviveSIGKILL(t *testing.T) {
	dir := t.TempDir()
	padding := strings.Repeat("x", 20_000)
	var acknowledged [2]int64 // the offset after the last acknowledged record
	for round := range 4 {
		cmd, addr := startChild(t, dir)
		c := dial(t, addr)
		// Two producers, so that the kill hits requests under way.
		done := make(chan error, 2)
		half := make(chan struct{}, 2)
		for p := range 2 {
			go func() {
				for n := 0; ; n++ {
					base, err := produce(context.Background(), c, "pos.events", p, fmt.Sprintf("%d %s", p, padding))
					if err != nil {
						done <- nil
						return
					}
					if base < acknowledged[p] {
						done <- fmt.Errorf("partition %d: offset %d given twice, log was at %d", p, base, acknowledged[p])
						return
					}
					acknowledged[p] = base + 1
					if n == 150 {
						half <- struct{}{}
					}
				}
			}()
		}
		for range 2 {
			select {
			case <-half:
			case err := <-done:
				t.Fatalf("round %d: a producer ended early: %v", round, err)
			}
		}
		cmd.Process.Kill()
		cmd.Wait()
		for range 2 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}

	b := start(t, Options{Dir: dir, Topics: killTopics})
	c := dial(t, b.Addr())
	for p, want := range acknowledged {
		info := b.cluster.PartitionInfo("pos.events", int32(p))
		got, first, end := fetch(t, c, "pos.events", p, info.LogStartOffset)
		if end < want || first == 0 || int64(len(got)) != end-first {
			t.Errorf("partition %d: acknowledged up to %d, log is [%d,%d) with %d records", p, want, first, end, len(got))
		}
		for _, v := range got {
			if !strings.HasPrefix(v, fmt.Sprint(p, " x")) || len(v) != len(padding)+2 {
				t.Fatalf("partition %d holds %.20q", p, v)
			}
		}
		t.Logf("partition %d: acknowledged up to %d, log is [%d,%d)", p, want, first, end)
	}
}
