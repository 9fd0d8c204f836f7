package apache

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestKafkaDiesWithAParentThatWasKilled(t *testing.T) {
	Need(t)
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), childDirEnv+"="+t.TempDir())
	stdin, err := parent.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	parent.Process.Kill()
	parent.Wait()
	var pid int
	if _, err := fmt.Sscanf(line, "pid %d", &pid); err != nil {
		t.Fatalf("the parent said %q", line)
	}

	deadline := time.After(10 * time.Second)
	retry := time.NewTicker(10 * time.Millisecond)
	defer retry.Stop()
	for running(pid) {
		select {
		case <-deadline:
			t.Fatalf("Kafka, process %d, outlived its parent", pid)
		case <-retry.C:
		}
	}
}

// running does not count a process that is dead and only not yet waited for.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := bytes.Cut(stat, []byte(") "))
	return state[0] != 'Z' && state[0] != 'X'
}
