// Oldpath is a guest whose bindings come from the generator under its old module path,
// github.com/bytecodealliance/wasm-tools-go. It passes a stream of the type in these
// bindings to wasio.
package main

import (
	"fmt"
	"os"
)

func main() {
	w := open()
	for i := range 1000 {
		if _, err := fmt.Fprintf(w, "%d: an output-stream is an output-stream\n", i); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fmt.Fprintln(os.Stderr, "closed:", w.Close())
}
