// P3command is a guest that writes to the standard streams of WASI 0.3. Its first argument names
// what it does.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/p3"
)

// main is never called. The host calls run.
func main() {}

//
//lint:ignore U1000 the host calls it
//go:wasmexport wasi:cli/run@0.3.0#run
func run() (failed int32) {
	out := p3.Stdout()
	switch os.Args[1] {
	case "lines": // each in a Write of its own
		for i := range 1000 {
			fmt.Fprintln(out, "line", i)
		}
		report(1000, out.Close())
	case "fail": // as long as it goes
		n := 0
		for ; ; n++ {
			if _, err := fmt.Fprintln(out, "in vain"); err != nil {
				report(n, err)
				return 1
			}
		}
	case "once": // 3 MB in one Write
		n, err := out.WriteString(strings.Repeat("0123456789abcdef", 3_000_000/16))
		report(n, errors.Join(err, out.Close()))
	case "both": // wasio of WASI 0.2 beside it
		b := bufio.NewWriter(out)
		for i := range 1000 {
			fmt.Fprintln(b, "line", i)
			b.Flush()
			fmt.Fprintln(wasio.Stdout(), "line", i, "of WASI 0.2")
		}
		report(1000, errors.Join(b.Flush(), wasio.Stdout().Flush()))
	case "memory": // the heap grows, and so does what the adapter keeps
		var kept []string
		for i := range 100 {
			kept = append(kept, strings.Repeat("kept", 1<<18))
			fmt.Fprintln(os.Stderr, i)
			fmt.Fprintln(out, "line", i)
		}
		report(len(kept), out.Close())
	}
	return 0
}

// report writes the outcome to standard error.
func report(n int, err error) {
	fmt.Fprintf(p3.Stderr(), "n=%d closed=%t %v\n", n, errors.Is(err, io.ErrClosedPipe), err)
}
