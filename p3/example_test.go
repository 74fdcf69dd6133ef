package p3_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/wasio-dev/wasio/p3"
)

func Example() {
	w := p3.Stdout()
	log.SetOutput(w)
	log.SetFlags(0)
	defer log.SetOutput(os.Stderr)

	fmt.Fprintln(w, "hello")
	log.Println("from the logger")

	// Output:
	// hello
	// from the logger
}

// A stream has no flush that a buffer of package wasio could save.
func Example_buffered() {
	w := bufio.NewWriter(p3.Stdout())
	for i := range 3 {
		fmt.Fprintf(w, "row %d\n", i) // no host call yet
	}
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}

	// Output:
	// row 0
	// row 1
	// row 2
}

// respond is what a program's bindings do with the readable end of a stream: they make it the body
// of a response, and give that to the host.
func respond(body int32) { attach(body) }

func ExampleNewStream() {
	w, body := p3.NewStream()
	respond(body) // before the first Write
	defer w.Close()

	w.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err := fmt.Fprint(w, "<!doctype html>")
	switch {
	case errors.Is(err, io.ErrClosedPipe):
		fmt.Println("the client has gone")
	case errors.Is(err, os.ErrDeadlineExceeded):
		fmt.Println("the client reads too slowly")
	case err != nil:
		fmt.Println("the host failed:", err)
	default:
		fmt.Println("sent")
	}
	// Output: sent
}
