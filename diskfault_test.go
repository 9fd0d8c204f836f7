package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// needs says what a test cannot do without here. In CI that is a failure: there it is installed.
func needs(t *testing.T, why string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s: %v", why, err)
	default:
		t.Skipf("skipped: %s: %v", why, err)
	}
}

// inject lets the process's system calls fail from now on, as the disk's driver would.
// It returns when that is in force.
func (p *process) inject(t *testing.T, what string) {
	t.Helper()
	tracer, err := exec.LookPath("strace")
	needs(t, "strace makes the disk fail under a running process", err)
	calls, _, _ := strings.Cut(what, ":")
	cmd := exec.Command(tracer, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+calls, "-e", "inject="+what, "-p", fmt.Sprint(p.cmd.Process.Pid))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	attached := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stderr)
		lines.Scan()
		attached <- lines.Text()
		for lines.Scan() {
		}
	}()
	// It says nothing once attached, so the tracer's number in /proc is what tells.
	eventually(t, "strace is attached to every thread", func() error {
		select {
		case line := <-attached:
			if line != "" {
				needs(t, "strace attaches to a process", errors.New(line))
			}
		default:
		}
		return p.traced(cmd.Process.Pid)
	})
}

// traced says whether all of the process's threads are under the tracer.
func (p *process) traced(tracer int) error {
	dir := fmt.Sprintf("/proc/%d/task", p.cmd.Process.Pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		status, err := os.ReadFile(dir + "/" + task.Name() + "/status")
		if err == nil && !strings.Contains(string(status), fmt.Sprintf("TracerPid:\t%d\n", tracer)) {
			return fmt.Errorf("thread %s is not traced", task.Name())
		}
	}
	return nil
}

// stopsWith waits for the process to end by itself, with a code and a reason.
func (p *process) stopsWith(t *testing.T, code int, why string) {
	t.Helper()
	<-p.done
	var exit *exec.ExitError
	if !errors.As(p.err, &exit) || exit.ExitCode() != code || !strings.Contains(p.logged(), why) {
		t.Errorf("it ended with %v, want exit code %d and %q in its log:\n%s", p.err, code, why, p.logged())
	}
}

// A disk that fails under the running service ends it, with the reason; no answer was
// given to what it lost, and the next start has all that was answered.
func TestDiskFailsUnderService(t *testing.T) {
	for _, f := range []struct{ name, inject, why string }{
		{"fdatasync fails", "fdatasync:error=EIO", "input/output error"},
		{"fdatasync fails once", "fdatasync:error=EIO:when=1", "input/output error"},
		{"the disk turned read-only", "fdatasync:error=EROFS", "read-only"},
	} {
		t.Run(f.name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, dir, "--log-level", "warn")
			p.stock([]string{"a"}, []string{"0001"}, 100)
			p.must(201, "POST", "/v1/reservations", `{"id":"before","lines":[{"sku":"a","location":"0001","quantity":1}]}`)
			p.inject(t, f.inject)
			code, answer := p.call("POST", "/v1/reservations", `{"id":"lost","lines":[{"sku":"a","location":"0001","quantity":1}]}`)
			if code == 201 {
				t.Errorf("answered %s", answer)
			}
			p.stopsWith(t, 70, f.why)
			p = start(t, dir, "--log-level", "warn")
			p.must(200, "GET", "/v1/reservations/before", "")
			p.stop()
		})
	}
}

// smallDisk mounts a file system of so many bytes.
func smallDisk(t *testing.T, bytes int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	needs(t, "mounting a small file system takes root", err)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes a file until the disk holds no more than left.
func fill(t *testing.T, path string, left uint64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st syscall.Statfs_t
	for {
		if err := syscall.Statfs(path, &st); err != nil {
			t.Fatal(err)
		}
		free := st.Bavail * uint64(st.Bsize)
		if free <= left {
			return
		}
		if _, err := f.Write(make([]byte, min(free-left, 1<<20))); err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// A disk that fills up closes the door before the store finds no room: changes are
// refused with 503, reads go on, and once there is room changes are taken again.
func TestDiskFillsUp(t *testing.T) {
	disk := smallDisk(t, 256<<20)
	p := start(t, disk+"/data", "--free-disk", "67108864", "--log-level", "warn")
	p.stock([]string{"a"}, []string{"0001"}, 100)
	fill(t, disk+"/ballast", 32<<20)
	reserve := func(id string) int {
		code, _ := p.call("POST", "/v1/reservations", `{"id":"`+id+`","lines":[{"sku":"a","location":"0001","quantity":1}]}`)
		return code
	}
	eventually(t, "the door is closed", func() error {
		if code, b := p.get("/readyz"); code != 503 || !strings.Contains(string(b), "full") {
			return fmt.Errorf("%d %s", code, b)
		}
		return nil
	})
	if code := reserve("refused"); code != 503 {
		t.Errorf("a reservation on a full disk: %d, want 503", code)
	}
	if r, err := p.row("a", "0001"); err != nil || r.Available != 100 {
		t.Errorf("a read on a full disk: %+v %v", r, err)
	}
	if err := os.Remove(disk + "/ballast"); err != nil {
		t.Fatal(err)
	}
	p.waitReady()
	if code := reserve("taken"); code != 201 {
		t.Errorf("a reservation after there is room: %d, want 201", code)
	}
	p.stop()
}

// With the watch on free space turned down, the log itself finds no room: then the process
// stops and says why, and the next start, with room, has all that was answered.
func TestLogFindsNoRoom(t *testing.T) {
	disk := smallDisk(t, 256<<20)
	p := start(t, disk+"/data", "--free-disk", "1", "--log-level", "warn")
	p.stock([]string{"a"}, []string{"0001"}, 1_000_000)
	fill(t, disk+"/ballast", 0)
	answered := 0
	for {
		id := fmt.Sprint("r", answered)
		body := `{"id":"` + id + `","reference":"` + strings.Repeat("x", 120) + `","lines":[{"sku":"a","location":"0001","quantity":1}]}`
		if code, _ := p.call("POST", "/v1/reservations", body); code != 201 {
			break
		}
		answered++
	}
	code, b := p.get("/readyz")
	if code == 200 {
		t.Errorf("it is ready: %s", b)
	}
	if code == 0 {
		p.stopsWith(t, 70, "no space left")
	}
	t.Logf("%d reservations were answered, then %d %s", answered, code, b)
	p.kill()
	if err := os.Remove(disk + "/ballast"); err != nil {
		t.Fatal(err)
	}
	p = start(t, disk+"/data", "--log-level", "warn", "--free-disk", "1")
	for i := range answered {
		p.must(200, "GET", fmt.Sprint("/v1/reservations/r", i), "")
	}
	p.stop()
}

// A second process on a data directory ends at once and says why; the first goes on.
func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "--log-level", "warn")
	bin, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(bin, "serve", "--http", "127.0.0.1:0", "--data", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use by another process") {
		t.Errorf("the second process: %v\n%s", err, out)
	}
	p.stock([]string{"a"}, []string{"0001"}, 1)
	p.stop()
}
