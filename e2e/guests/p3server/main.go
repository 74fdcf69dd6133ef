//go:build wasip1 || tinygo.wasm

// P3server is a server of WASI 0.3. It generates its bodies with a package that the tests use, too.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/wasio-dev/wasio/e2e/guests/loops"
	"github.com/wasio-dev/wasio/e2e/guests/p3server/content"
	"github.com/wasio-dev/wasio/examples/p3server/handler"
	"github.com/wasio-dev/wasio/p3"
)

func init() { handler.Handle = handle }

// main is never called. The host calls handle, through package handler.
func main() {}

func handle(path string, r *handler.Response) {
	if strings.Count(path, "/") > 1 {
		if err := write(path, r); err != nil {
			fmt.Fprintf(p3.Stderr(), "%s: %v\n", path, err)
		}
		return
	}
	w, body := p3.NewStream()
	r.Send(200, body)
	var n int64
	var err error
	switch path {
	case "/page":
		_, err = io.WriteString(w, "page")
	case "/once": // 3 MB in one Write
		var text strings.Builder
		io.Copy(&text, content.New(3_000_000))
		var m int
		m, err = w.WriteString(text.String())
		n = int64(m)
	case "/large":
		n, err = io.Copy(w, content.New(100_000_000))
	case "/stall": // and goes on after the deadline
		p := make([]byte, 20_000_000)
		io.ReadFull(content.New(len(p)), p)
		for err == nil && n < int64(len(p)) {
			start := time.Now()
			w.SetWriteDeadline(start.Add(time.Second))
			var m int
			m, err = w.Write(p[n:])
			n += int64(m)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				fmt.Fprintf(p3.Stderr(), "%s: timeout %d %d\n", path, n, time.Since(start).Microseconds())
				err = nil
			}
		}
	case "/forever": // without a deadline, until the client goes: 1 GiB at most
		n, err = io.Copy(w, content.New(1<<30))
	case "/panic":
		io.CopyN(w, content.New(1000), 1000)
		panic("on purpose")
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	r.Finish(err != nil)
	fmt.Fprintf(p3.Stderr(), "%s: n=%d closed=%t %v\n", path, n, errors.Is(err, io.ErrClosedPipe), err)
}

// buffer has the bytes of all bodies of the benchmark. An instance answers many requests.
var buffer []byte

// write answers a request of the benchmark, with the path that package bodies has for WASI 0.2.
func write(path string, r *handler.Response) (err error) {
	var size, piece int
	var deadline time.Duration
	contender, numbers, _ := strings.Cut(path[1:], "/")
	if _, err := fmt.Sscanf(numbers, "%d/%d/%d", &size, &piece, &deadline); err != nil {
		return err
	}
	if len(buffer) < size {
		buffer = make([]byte, size)
	}
	each := func(write func(p []byte) error) {
		for p := buffer[:size]; len(p) > 0 && err == nil; p = p[min(piece, len(p)):] {
			err = write(p[:min(piece, len(p))])
		}
	}
	if contender == "protocol" {
		loop, body := loops.NewP3()
		r.Send(200, body)
		each(loop.Write)
		loop.Close()
	} else {
		w, body := p3.NewStream()
		r.Send(200, body)
		if deadline > 0 {
			w.SetWriteDeadline(time.Now().Add(deadline))
		}
		each(func(p []byte) error { _, err := w.Write(p); return err })
		w.Close()
	}
	r.Finish(err != nil)
	return err
}
