// Leaving ends a program in the ways there are, with output in a buffer, and loses none
// of it. Its argument says which: return, exit, fatal or panic.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/wasio-dev/wasio"
)

// main does nothing but exit, since os.Exit runs no deferred call.
func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) (code int) {
	out := wasio.NewBufWriter(wasio.Stdout())
	defer out.Close() // runs at a return, and at a panic too, but with TinyGo

	// log.Fatal runs no deferred call, but it writes a message first.
	log.SetOutput(wasio.Tie(out, wasio.Stderr()))

	fmt.Fprintln(out, "in the buffer")
	switch how := append(args, "return")[0]; how {
	case "exit":
		return 3
	case "fatal":
		log.Fatal("cannot go on")
	case "panic":
		panic("this was not meant to be")
	case "return":
	default:
		log.Printf("no such way to leave: %q", how)
		return 2
	}
	return 0
}
