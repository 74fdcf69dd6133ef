// Exactguest is the program that tests of package engine build with TinyGo, and with Go as
// componentize-go does. Its argument selects what it does. It reports on standard error.
package main

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/wasio-dev/wasio"
)

func main() {
	w := wasio.Stdout()
	switch os.Args[1] {
	case "pieces":
		pieces(wasio.NewBufWriterSize(w, 300))
	case "bytes":
		report(w.Write(make([]byte, 100)))
	case "lines, default recheck":
		w.SetRecheckInterval(time.Hour)
		w.SetRecheckInterval(0)
		fallthrough
	case "lines":
		for range 20 {
			if _, err := w.WriteString("line\n"); err != nil {
				report(0, err)
			}
		}
	case "deadline after a wait":
		report(w.Write([]byte("x")))
		w.SetWriteDeadline(time.Now().Add(3 * time.Millisecond))
		report(w.Write([]byte("x")))
	case "recheck":
		w.SetRecheckInterval(100 * time.Microsecond)
		report(w.Write([]byte("x")))
	case "deadlines":
		for _, d := range []time.Duration{time.Second, 3 * time.Millisecond, time.Millisecond, 3 * time.Millisecond, time.Second} {
			w.SetWriteDeadline(time.Now().Add(d))
			report(w.Write([]byte("x")))
		}
	}
}

// pieces writes pieces of 0 to 300 bytes, from each offset in a word, and changes each one right
// after it was written. The bytes count from 0 to 250 over and over.
func pieces(b *wasio.BufWriter) {
	var array [310]byte
	next := 0
	for size := range 301 {
		for offset := range 8 {
			p := array[offset:][:size]
			for i := range p {
				p[i] = byte(next % 251)
				next++
			}
			if n, err := b.Write(p); n != size || err != nil {
				report(n, err)
			}
			clear(p)
		}
	}
	report(next, b.Flush())
}

// report prints the results of a Write.
func report(n int, err error) {
	text := "ok"
	if err != nil {
		text = err.Error()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		text += " (deadline)"
	}
	wasio.Stderr().WriteString(strconv.Itoa(n) + " " + text + "\n")
}
