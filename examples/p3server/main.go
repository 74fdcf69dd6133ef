//go:build wasip1 || tinygo.wasm

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/wasio-dev/wasio/examples/p3server/handler"
	"github.com/wasio-dev/wasio/p3"
)

const (
	patience     = 5 * time.Second // how long a client may go without reading
	downloadSize = 100_000_000
)

func init() { handler.Handle = handle }

// main is never called. The host calls handle, through package handler.
func main() {}

// handle answers a request. It reports to standard error why a body is not complete.
func handle(path string, r *handler.Response) {
	var err error
	switch path {
	case "/":
		err = answer(r, 200, page, "content-type", "text/plain")
	case "/events":
		err = answer(r, 200, events, "content-type", "text/event-stream")
	case "/download":
		err = answer(r, 200, download, "content-length", strconv.Itoa(downloadSize))
	default:
		err = answer(r, 404, notFound)
	}
	switch {
	case err == nil:
	case errors.Is(err, io.ErrClosedPipe):
		// The client has gone, or the response has no body (HEAD, 204, 304) or is complete.
		fmt.Fprintf(p3.Stderr(), "%s: the host takes no more\n", path)
	case errors.Is(err, os.ErrDeadlineExceeded):
		fmt.Fprintf(p3.Stderr(), "%s: the client does not read\n", path)
	default:
		fmt.Fprintf(p3.Stderr(), "%s: %v\n", path, err)
	}
}

// answer sends a response with the body that write writes.
func answer(r *handler.Response, status uint32, write func(*p3.Writer) error, headers ...string) error {
	w, body := p3.NewStream()
	r.Send(status, body, headers...)
	w.SetWriteDeadline(time.Now().Add(patience))
	err := write(w)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	r.Finish(err != nil)
	return err
}

// page writes a text with package fmt.
func page(w *p3.Writer) error {
	b := bufio.NewWriter(w)
	for i := range 1000 {
		fmt.Fprintf(b, "%3d: all work and no play makes Jack a dull boy\n", i)
	}
	return b.Flush()
}

// events writes an event every 100 ms for a minute.
func events(w *p3.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := 0; ctx.Err() == nil; i++ {
		w.SetWriteDeadline(time.Now().Add(patience))
		if _, err := fmt.Fprintf(w, "data: event %d of %d\n\n", i, time.Now().UnixMilli()); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

// download copies from a reader. Whenever it is read, the host has taken all bytes before.
func download(w *p3.Writer) error {
	_, err := io.Copy(w, io.LimitReader(source{w}, downloadSize))
	return err
}

// A source is an endless body for w. Each Read extends the deadline of w.
type source struct{ w *p3.Writer }

func (s source) Read(p []byte) (n int, err error) {
	s.w.SetWriteDeadline(time.Now().Add(patience))
	for n < len(p) {
		n += copy(p[n:], "All work and no play makes Jack a dull boy. ")
	}
	return n, nil
}

func notFound(w *p3.Writer) error {
	_, err := io.WriteString(w, "not found\n")
	return err
}
