// File is a guest that writes a file through wasi:filesystem, with bindings generated from
// its own WIT. The arguments are the name of the file and the number of bytes.
//
// It needs TinyGo, because the Go toolchain cannot import functions that return a list,
// and wasi:filesystem returns the guest's directories as a list.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
)

func main() {
	if len(os.Args) < 3 {
		return
	}
	name := os.Args[1]
	size, _ := strconv.Atoi(os.Args[2])
	w, err := create(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, "create:", err)
		os.Exit(1)
	}
	// The pieces vary widely in size.
	buf := make([]byte, 3<<20)
	x := uint32(1)
	total := 0
	for piece := 1; total < size && err == nil; piece = piece*7%len(buf) + 1 {
		p := buf[:min(piece, size-total)]
		for i := range p {
			x = x*1664525 + 1013904223
			p[i] = byte(x >> 24)
		}
		var n int
		n, err = w.Write(p)
		total += n
	}
	fmt.Fprintf(os.Stderr, "wrote=%d err=%v close=%v\n", total, err, w.Close())
	fmt.Println("done")
}

var _ func(string) (io.WriteCloser, error) = create
