// Hello prints a greeting with package fmt.
package main

import (
	"fmt"
	"os"

	"github.com/wasio-dev/wasio"
)

func main() {
	if _, err := fmt.Fprintln(wasio.Stdout(), "hello, component world"); err != nil {
		os.Exit(1)
	}
}
