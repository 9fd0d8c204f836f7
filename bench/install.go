package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// findProgram looks for an alternative's program and, as root on Debian, installs the
// package that has it. Nothing is started by the package itself.
func findProgram(ctx context.Context, r *report, pkg, program string, patterns ...string) (string, error) {
	look := func() string {
		if found, err := exec.LookPath(program); err == nil {
			return found
		}
		for _, pattern := range patterns {
			if found, _ := filepath.Glob(pattern); len(found) > 0 {
				return slices.Max(found)
			}
		}
		return ""
	}
	if found := look(); found != "" {
		return found, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("%s is missing, and only root can install Debian's package %s", program, pkg)
	}
	r.progress("installing Debian's package %s", pkg)
	for _, args := range [][]string{{"update", "-q"}, {"install", "-y", "-q", "--no-install-recommends", pkg}} {
		install := exec.CommandContext(ctx, "apt-get", args...)
		// Run level 1 keeps packages from starting what they install.
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
		if out, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s is missing, and apt-get %s: %w\n%s", program, strings.Join(args, " "), err, out[max(0, len(out)-1000):])
		}
		if found := look(); found != "" {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s is missing, also after installing Debian's package %s", program, pkg)
}

// versionOf is the first line that a program says of itself.
func versionOf(program string) string {
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return filepath.Base(program)
	}
	line, _, _ := bytes.Cut(out, []byte("\n"))
	return string(line)
}
