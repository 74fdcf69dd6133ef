//go:build !wasip1

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "componentize is a component for the host of a command: componentize-go -w app build && wasmtime run main.wasm")
	os.Exit(2)
}
