// Browser prints a thousand lines to a page in a browser, which shows a few of them in each
// frame and makes the program wait meanwhile. README.md says how to build it for that.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/wasio-dev/wasio"
)

func main() {
	w := wasio.NewBufWriter(wasio.Stdout())
	w.SetLineMode(true) // the page gets whole lines, each as soon as it is complete
	for n := 1; n <= 1000; n++ {
		steps := 0 // of Collatz: from n to 1
		for m := n; m != 1; steps++ {
			if m%2 == 0 {
				m /= 2
			} else {
				m = 3*m + 1
			}
		}
		fmt.Fprintf(w, "%4d %3d %s\n", n, steps, strings.Repeat("*", steps/4))
	}
	if err := w.Close(); err != nil { // flushes, and leaves standard output open
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
