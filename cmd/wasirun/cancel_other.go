//go:build !unix

package main

import "os/exec"

// cancelWhole does nothing: the end of the context ends cmd alone.
func cancelWhole(*exec.Cmd) {}
