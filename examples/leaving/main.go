// Leaving shows how a program can end without losing buffered output. The argument selects
// how it ends: return, exit, fatal or panic.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/wasio-dev/wasio"
)

// os.Exit does not run deferred calls, so main defers nothing. The deferred calls of run
// are done when it returns.
func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) (code int) {
	out := wasio.NewBufWriter(wasio.Stdout())
	defer out.Close() // runs on return and, except with TinyGo, on a panic

	// log.Fatal does not run deferred calls, but it writes a message first, and a tied
	// writer flushes out before each message.
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
