// Oldpath is a guest whose bindings come from the generator under its old module path,
// github.com/bytecodealliance/wasm-tools-go. It passes a stream of the type in these
// bindings to wasio. It uses neither Stdout nor Stderr of wasio, so it imports no terminals.
package main

import (
	"fmt"
	"os"

	"github.com/wasio-dev/wasio"
)

func main() {
	w := open()
	for i := range 1000 {
		if _, err := fmt.Fprintf(w, "%d: an output-stream is an output-stream\n", i); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	b := wasio.NewBufWriter(w)
	fmt.Fprintln(b, "the end")
	fmt.Fprintln(os.Stderr, "closed:", b.Close())
}
