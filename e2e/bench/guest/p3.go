//go:build p3

package main

import (
	"slices"

	"github.com/wasio-dev/wasio/e2e/guests/loops"
	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/p3"
)

// With the build tag p3 the guest is a command of WASI 0.3, and compares package p3 with ways
// that write to the standard output of WASI 0.2 in the same component.
func init() {
	sizes, logs = []int{100, 64 << 10}, func() [][]*cell { return nil }
	contenders = func() []contender {
		out := p3.Stdout()
		bare, reader := loops.NewP3()
		builtins.WriteToStdout(uint32(reader))
		all := slices.DeleteFunc(of02(), func(c contender) bool {
			return !slices.Contains([]string{"Writer", "os.Stdout", "floor-protocol"}, c.name)
		})
		return append(all, contender{name: "p3-Writer", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				_, err = out.Write(p)
			}
			return err
		}}, contender{name: "p3-floor", run: func(p []byte, n int) (err error) {
			for ; n > 0 && err == nil; n-- {
				err = bare.Write(p)
			}
			return err
		}})
	}
}

//
//lint:ignore U1000 the host calls it
//go:wasmexport wasi:cli/run@0.3.0#run
func run() (failed int32) {
	main()
	return 0
}
