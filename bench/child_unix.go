//go:build unix

package main

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// halt stops the process in its tracks, or lets it go on.
func (c *child) halt(yes bool) error {
	pid, signal := c.cmd.Process.Pid, syscall.SIGCONT
	if yes {
		signal = syscall.SIGSTOP
	}
	if c.group {
		pid = -pid
	}
	select {
	case <-c.done:
		return nil // its number may be another's by now
	default:
		return syscall.Kill(pid, signal)
	}
}

// postgresUser is whom PostgreSQL runs as, since it refuses root: the user of its package,
// who gets the directory.
func postgresUser(parent, dir string) (*syscall.SysProcAttr, error) {
	group := &syscall.SysProcAttr{Setpgid: true} // so that all its processes can be halted
	if os.Geteuid() != 0 {
		return group, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := errors.Join(os.Chmod(parent, 0o711), os.Chown(dir, uid, gid)); err != nil {
		return nil, err
	}
	group.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return group, nil
}
