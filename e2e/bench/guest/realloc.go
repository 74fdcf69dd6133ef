//go:build p3 && wasip1

package main

import _ "go.bytecodealliance.org/pkg/wit/runtime" // see examples/p3command
