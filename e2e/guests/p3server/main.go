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

	"github.com/wasio-dev/wasio/e2e/guests/p3server/content"
	"github.com/wasio-dev/wasio/examples/p3server/handler"
	"github.com/wasio-dev/wasio/p3"
)

func init() { handler.Handle = handle }

// main is never called. The host calls handle, through package handler.
func main() {}

func handle(path string, r *handler.Response) {
	w := r.Send(200)
	var n int64
	var err error
	start := time.Now()
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
			start = time.Now()
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
	if ferr := r.Finish(err != nil); err == nil {
		err = ferr
	}
	fmt.Fprintf(p3.Stderr(), "%s: n=%d closed=%t %v\n", path, n, errors.Is(err, io.ErrClosedPipe), err)
}
