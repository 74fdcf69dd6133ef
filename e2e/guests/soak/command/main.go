//go:build wasip1

// Command is guests/soak on its standard output. Its arguments are the number of lines and a text.
package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/wasio-dev/wasio/e2e/guests/soak"
	environment "github.com/wasio-dev/wasio/examples/componentize/generated/wasi_cli_environment"
	random "github.com/wasio-dev/wasio/examples/componentize/generated/wasi_random_random"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	"go.bytecodealliance.org/cm"
	"go.bytecodealliance.org/pkg/wit/runtime"
)

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	soak.Run(cm.Reinterpret[uint32](stdout.GetStdout()), n, runtime.Unpin, arguments, bytes(10), bytes(10_000))
}

// arguments returns the last argument of the program.
func arguments() (string, bool) {
	args := environment.GetArguments()
	return args[len(args)-1], slices.Equal(args, os.Args) && len(args[2]) == strings.Count(args[2], "x")
}

// bytes returns a Call for n random bytes.
func bytes(n int) soak.Call {
	return func() (string, bool) {
		p := random.GetRandomBytes(uint64(n))
		return unsafe.String(unsafe.SliceData(p), len(p)), len(p) == n
	}
}
