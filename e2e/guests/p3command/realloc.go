//go:build wasip1

package main

// See examples/p3command.
import _ "go.bytecodealliance.org/pkg/wit/runtime"
