// Splice is a guest that moves bytes with wasio.Splice. The arguments are the source and the
// destination, each of which is the name of a file, or "-" for a standard stream, and the
// number of bytes, which is negative for all. The source may be the URL of an HTTP server, too.
// The guest reports the result on standard error.
//
// A fourth argument asks for more: "again", to write to standard output after an error, or a
// number of milliseconds, after which a timer sets a deadline of standard output.
//
// With the Go toolchain, it needs the build tag files to open files. A command that Go
// compiles cannot open any, since wasi:filesystem returns the guest's directories as a list.
// With any toolchain, it needs the build tag fetch for HTTP.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

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
	option := ""
	if len(os.Args) > 4 {
		option = os.Args[4]
	}
	if option != "" && option != "again" {
		limited(os.Args[1], os.Args[2], n, option)
		return
	}
	moved, err := move(os.Args[1], os.Args[2], n)
	fmt.Fprintf(os.Stderr, "moved=%d err=%v\n", moved, err)
	if err != nil && option == "again" {
		n, again := wasio.Stdout().Write([]byte("again\n"))
		fmt.Fprintf(os.Stderr, "again: n=%d same=%t closed=%t\n", n, again == err, errors.Is(err, io.ErrClosedPipe))
	}
}

// move moves n bytes from the source to the destination.
func move(from, to string, n int64) (moved int64, err error) {
	src, w := uint32(0), wasio.Stdout()
	if from == "-" {
		src = getStdin()
	} else if strings.HasPrefix(from, "http:") {
		src, err = fetch(from)
	} else {
		src, err = open(from)
	}
	if err != nil {
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

// limited is move until a timer sets a deadline of standard output. It reports when and why it
// ended.
func limited(from, to string, n int64, milliseconds string) {
	after, _ := strconv.Atoi(milliseconds)
	start := time.Now()
	time.AfterFunc(time.Duration(after)*time.Millisecond, func() { wasio.Stdout().SetWriteDeadline(time.Now()) })
	moved, err := move(from, to, n)
	why := fmt.Sprint(err)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		why = "deadline"
	}
	fmt.Fprintf(os.Stderr, "ended by %s after %v and %d bytes\n", why, time.Since(start), moved)
}
