// Ownstream is a guest that uses neither Stdout nor Stderr of wasio, but a stream that it
// got itself.
package main

import (
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
)

func main() {
	b := wasio.NewBufWriter(wasio.NewWriter(stdout.GetStdout()))
	b.WriteString("through a stream of its own\n")
	b.Close()
}
