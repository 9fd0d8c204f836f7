//go:build !linux

package apache

import "os/exec"

// dieWithParent has no means here: a broker whose parent was killed without Stop
// goes on running.
func dieWithParent(*exec.Cmd) {}
