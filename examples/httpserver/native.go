//go:build !wasip1

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "httpserver is a component for an HTTP host: componentize-go -w server build && wasmtime serve -S cli main.wasm")
	os.Exit(2)
}
