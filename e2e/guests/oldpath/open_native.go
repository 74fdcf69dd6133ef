//go:build !wasm && !tinygo.wasm

package main

import "github.com/wasio-dev/wasio"

// open returns [wasio.Stdout], because the old bindings work only in a guest.
func open() *wasio.Writer { return wasio.Stdout() }
