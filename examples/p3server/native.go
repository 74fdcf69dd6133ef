//go:build !wasip1 && !tinygo.wasm

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "p3server is a component for the host of a server: see its package comment")
	os.Exit(2)
}
