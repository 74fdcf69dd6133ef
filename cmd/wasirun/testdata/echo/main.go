// Echo prints its arguments and its standard input, and exits with code 3.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/wasio-dev/wasio"
)

func main() {
	in, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(wasio.Stdout(), "%q %q", os.Args, in)
	fmt.Fprintln(wasio.Stderr(), "to stderr")
	os.Exit(3)
}
