// Package export_wasi_http_incoming_handler exports wasi:http/incoming-handler, through which
// the host passes requests to the program.
package export_wasi_http_incoming_handler

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/examples/httpserver/client"
	types "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_http_types"
	"go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

const (
	patience     = 5 * time.Second // how long a client may go without reading
	downloadSize = 100_000_000
)

// Handle answers a request. It reports to standard error why a body is not complete.
func Handle(request *types.IncomingRequest, out *types.ResponseOutparam) {
	path := pathOf(request)
	defer request.Drop()

	var err error
	switch path {
	case "/":
		err = respond(out, 200, header{"content-type": "text/plain"}, page)
	case "/events":
		err = respond(out, 200, header{"content-type": "text/event-stream"}, events)
	case "/echo":
		err = respond(out, 200, nil, func(w *wasio.Writer) error { return echo(w, request) })
	case "/download":
		err = respond(out, 200, header{"content-length": strconv.Itoa(downloadSize)}, download)
	case "/broken":
		err = respond(out, 200, nil, broken)
	default:
		if server, ok := strings.CutPrefix(path, "/upload/"); ok {
			err = upload(out, server)
		} else {
			err = respond(out, 404, nil, notFound)
		}
	}
	var failed *wasio.Error
	switch {
	case err == nil:
	case errors.As(err, &failed) && failed.Source && failed.Timeout():
		report(path, "the client does not send")
	case errors.Is(err, io.ErrClosedPipe):
		// The client has gone, or the response has no body (HEAD, 204, 304) or is complete.
		report(path, "the host takes no more")
	case errors.Is(err, os.ErrDeadlineExceeded):
		report(path, "the client does not read")
	default:
		report(path, err)
	}
}

// pathOf returns the path of a request. An instance may answer many requests: without Unpin,
// the strings that the host returns would stay in memory forever. A garbage collection while
// the host hands over a string is a trap; SetGCPercent waits for one that is under way.
func pathOf(request *types.IncomingRequest) string {
	defer runtime.Unpin()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	return request.PathWithQuery().SomeOr("/")
}

// report writes a line to standard error.
func report(path string, what any) { fmt.Fprintf(wasio.Stderr(), "%s: %v\n", path, what) }

// page writes a text with package fmt. The BufWriter makes a few large pieces of it.
func page(w *wasio.Writer) error {
	b := wasio.NewBufWriter(w)
	for i := range 1000 {
		fmt.Fprintf(b, "%3d: all work and no play makes Jack a dull boy\n", i)
	}
	return b.Flush()
}

// events writes an event every 100 ms. Flush sends it at once.
func events(w *wasio.Writer) error {
	b := wasio.NewBufWriter(w)
	for i := 0; ; i++ {
		w.SetWriteDeadline(time.Now().Add(patience))
		fmt.Fprintf(b, "data: event %d of %d\n\n", i, time.Now().UnixMilli())
		if err := b.Flush(); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// echo sends the body of the request back. Its bytes do not enter the program: the host moves
// them, one MiB within the time that the client has.
func echo(w *wasio.Writer, request *types.IncomingRequest) error {
	body := request.Consume().Ok() // Consume and Stream fail only if called twice
	defer body.Drop()
	stream := body.Stream().Ok()
	defer stream.Drop()
	for {
		const piece = 1 << 20
		w.SetWriteDeadline(time.Now().Add(patience))
		if n, err := wasio.Splice(w, stream.Handle(), piece); err != nil || n < piece {
			return err
		}
	}
}

// download copies from a reader. Whenever it is read, the host has taken all bytes before.
func download(w *wasio.Writer) error {
	_, err := io.Copy(w, io.LimitReader(source{w}, downloadSize))
	return err
}

// A source is an endless body for w. Each Read extends the deadline of w.
type source struct{ w *wasio.Writer }

func (s source) Read(p []byte) (n int, err error) {
	s.w.SetWriteDeadline(time.Now().Add(patience))
	for n < len(p) {
		n += copy(p[n:], "All work and no play makes Jack a dull boy. ")
	}
	return n, nil
}

// broken panics in the middle of a body. The client gets an error, because respond drops
// the body.
func broken(w *wasio.Writer) error {
	io.CopyN(w, source{w}, downloadSize/10)
	panic("all work and no play")
}

// upload sends the bytes of the download to another server, and answers with the status of
// its response.
func upload(out *types.ResponseOutparam, server string) error {
	status, err := client.Post(server, "/", download)
	if err != nil {
		report("/upload", err)
		status = 502
	}
	return respond(out, status, nil, func(*wasio.Writer) error { return nil })
}

func notFound(w *wasio.Writer) error {
	_, err := io.WriteString(w, "not found\n")
	return err
}

type header map[string]string

// respond sends a response with the body that write writes.
func respond(out *types.ResponseOutparam, status uint16, header header, write func(*wasio.Writer) error) error {
	fields := types.MakeFields()
	for name, value := range header {
		fields.Append(name, []byte(value))
	}
	response := types.MakeOutgoingResponse(fields)
	response.SetStatusCode(status)
	body := response.Body().Ok() // Body and Write fail only if called twice
	stream := body.Write().Ok()

	// A body that is dropped before it is finished tells the client that it is not complete.
	// The deferred call does that if write fails or panics, and nothing after finish.
	defer body.Drop()

	// The response goes first: until the host has it, nobody reads the body.
	types.ResponseOutparamSet(out, wit.Ok[*types.OutgoingResponse, types.ErrorCode](response))
	w := wasio.NewWriter(stream.TakeHandle())
	defer w.Close() // before body.Drop: the stream is a child of the body
	w.SetWriteDeadline(time.Now().Add(patience))
	if err := write(w); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if r := types.OutgoingBodyFinish(body, wit.None[*types.Fields]()); r.IsErr() {
		return fmt.Errorf("finish: error code %d", r.Err().Tag())
	}
	return nil
}
