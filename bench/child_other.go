//go:build !unix

package main

import (
	"errors"
	"syscall"
)

func (*child) halt(bool) error { return errors.New("processes cannot be halted here") }

func postgresUser(parent, dir string) (*syscall.SysProcAttr, error) { return nil, nil }
