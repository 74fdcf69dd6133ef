// Splice is a guest that moves bytes with wasio.Splice. The arguments are the source and the
// destination, each of which is the name of a file, or "-" for a standard stream, and the
// number of bytes, which is negative for all. It reports the result on standard error.
//
// With the Go toolchain, it needs the build tag files to open files. A command that Go
// compiles cannot open any, since wasi:filesystem returns the guest's directories as a list.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

func main() {
	if len(os.Args) < 4 {
		return
	}
	n, err := strconv.ParseInt(os.Args[3], 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	moved, err := move(os.Args[1], os.Args[2], n)
	fmt.Fprintf(os.Stderr, "moved=%d err=%v\n", moved, err)
}

// move moves n bytes from the source to the destination.
func move(from, to string, n int64) (moved int64, err error) {
	src, w := uint32(0), wasio.Stdout()
	if from == "-" {
		src = getStdin()
	} else if src, err = open(from); err != nil {
		return 0, err
	}
	defer streams.InputStream(src).ResourceDrop()
	if to != "-" {
		dst, err := create(to)
		if err != nil {
			return 0, err
		}
		w = wasio.NewWriter(dst)
	}
	moved, err = wasio.Splice(w, src, n)
	if closed := w.Close(); err == nil {
		err = closed
	}
	return moved, err
}
