//go:build wasm || tinygo.wasm

package main

import (
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/guests/oldpath/generated/wasi/cli/stdout"
)

// open returns a Writer on a stream from the old bindings.
func open() *wasio.Writer { return wasio.NewWriter(stdout.GetStdout()) }
