// Log sends the output of the standard logger to wasio.
//
// A guest gets no SIGPIPE: if its output is piped into head, a loop that ignores errors of
// writes, as package log does, never ends.
package main

import (
	"log"

	"github.com/wasio-dev/wasio"
)

func main() {
	log.SetOutput(wasio.Stdout())
	log.SetFlags(log.Lmsgprefix)
	log.SetPrefix("guest: ")

	log.Println("starting")
	for i := range 3 {
		log.Printf("request %d served", i+1)
	}
	log.Println("done")
}
