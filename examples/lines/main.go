// Lines writes every line as soon as it is complete, with one flush per line.
package main

import (
	"fmt"
	"os"

	"github.com/wasio-dev/wasio"
)

func main() {
	w := wasio.NewBufWriter(wasio.Stdout())
	w.SetLineMode(true)
	for i := range 5 {
		fmt.Fprintf(w, "step %d", i+1)
		for range i + 1 {
			w.WriteByte('.') // stays in the buffer
		}
		w.WriteString(" done\n") // flushes the whole line
	}
	w.WriteString("no line end here")
	if err := w.Close(); err != nil {
		os.Exit(1)
	}
}
