// Lines shows every line as soon as it is complete, with one flush for each.
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
		w.WriteString(" done\n") // is out, with all of its line
	}
	w.WriteString("no line end here")
	if err := w.Close(); err != nil {
		os.Exit(1)
	}
}
