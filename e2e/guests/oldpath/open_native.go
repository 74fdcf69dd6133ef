//go:build !wasm && !tinygo.wasm

package main

import "github.com/wasio-dev/wasio"

// These bindings have no host on other platforms.
func open() *wasio.Writer { return wasio.Stdout() }
