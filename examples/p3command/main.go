package main

import (
	"bufio"
	"fmt"
	"log"
	"os"

	"github.com/wasio-dev/wasio/p3"
)

// main is for native runs. In a component the host calls run, and nobody calls main.
func main() {
	if run() != 0 {
		os.Exit(1)
	}
}

//go:wasmexport wasi:cli/run@0.3.0#run
func run() (failed int32) {
	log.SetFlags(0)
	log.SetOutput(p3.Stderr())
	if err := report(); err != nil {
		log.Print(err)
		return 1
	}
	return 0
}

// report prints a table of squares and logs that it has done so.
func report() error {
	out := bufio.NewWriter(p3.Stdout())
	for i := range 1000 {
		fmt.Fprintf(out, "%3d squared is %6d\n", i, i*i)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	log.Print("1000 lines")
	return p3.Stdout().Close() // waits until the host is done
}
