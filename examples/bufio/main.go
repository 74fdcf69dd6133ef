// Bufio writes to wasio through a bufio.Writer.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/wasio-dev/wasio"
)

func main() {
	w := bufio.NewWriter(wasio.Stdout())
	for i := range 1000 {
		fmt.Fprintf(w, "%4d squared is %7d\n", i, i*i)
	}
	if err := w.Flush(); err != nil {
		os.Exit(1)
	}
}
