//go:build !wasm && !tinygo.wasm

package main

import (
	"io"
	"os"
)

func create(name string) (io.WriteCloser, error) { return os.Create(name) }
