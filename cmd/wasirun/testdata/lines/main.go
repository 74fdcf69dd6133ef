// Lines writes three lines through a BufWriter, in the mode that NewBufWriter chooses.
package main

import (
	"fmt"

	"github.com/wasio-dev/wasio"
)

func main() {
	w := wasio.NewBufWriter(wasio.Stdout())
	defer w.Close()
	for i := range 3 {
		fmt.Fprintln(w, "line", i)
	}
}
