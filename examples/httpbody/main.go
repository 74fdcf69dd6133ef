//go:build tinygo.wasm

package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/wasio-dev/wasio"
	handler "github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/incoming-handler"
	"github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/types"
	"go.bytecodealliance.org/cm"
)

// readTimeout is how long a client may go without reading.
const readTimeout = 5 * time.Second

func init() { handler.Exports.Handle = handle }

// main is never called. The host calls handle.
func main() {}

// handle answers a request and logs the outcome to standard error.
func handle(request handler.IncomingRequest, out handler.ResponseOutparam) {
	path := pathOf(request)
	n, err := answer(path, out)
	outcome := "complete"
	switch {
	case errors.Is(err, io.ErrClosedPipe):
		// The client has gone, or the response has no body (HEAD, 204, 304) or is complete.
		outcome = "the host takes no more"
	case errors.Is(err, os.ErrDeadlineExceeded):
		outcome = "the client does not read"
	case err != nil:
		outcome = err.Error()
	}
	fmt.Fprintf(wasio.Stderr(), "%s: %d bytes: %s\n", path, n, outcome)
}

// pathOf returns the path of a request, and drops the request.
func pathOf(request handler.IncomingRequest) (path string) {
	option := request.PathWithQuery()
	if p := option.Some(); p != nil {
		path = *p
	}
	request.ResourceDrop()
	return path
}

// answer sends the response and its body, and returns how many bytes of the body the host
// has accepted.
func answer(path string, out handler.ResponseOutparam) (n int64, err error) {
	headers := types.NewFields()
	length := map[string]uint64{"/length": 1 << 20, "/excess": 100_000, "/broken": 1 << 20}[path]
	if length > 0 {
		value := cm.ToList(strconv.AppendUint(nil, length, 10))
		headers.Append("content-length", types.FieldValue(value))
	}
	response := types.NewOutgoingResponse(headers)
	// Body and Write fail only if called twice.
	body, _, _ := response.Body().Result()
	stream, _, _ := body.Write().Result()

	// The response must be set before the body is written. See the package comment.
	types.ResponseOutparamSet(out, cm.OK[cm.Result[types.ErrorCodeShape, types.OutgoingResponse, types.ErrorCode]](response))

	w := wasio.NewWriter(stream)
	switch path {
	case "/length":
		n, err = writeOnce(w, 1<<20)
	case "/excess":
		n, err = writeOnce(w, 200_000)
	case "/broken":
		writeOnce(w, 1<<19)
		panic("half a body")
	case "/endless":
		n, err = io.Copy(w, &source{w: w, left: math.MaxInt64})
	default:
		n, err = io.Copy(w, &source{w: w, left: 10 << 20})
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		body.ResourceDrop() // tells the client that the body is not complete
		return n, err
	}
	if _, code, failed := types.OutgoingBodyFinish(body, cm.None[types.Trailers]()).Result(); failed {
		err = errors.New("finish: " + code.String())
	}
	return n, err
}

// writeOnce writes size bytes in one Write.
func writeOnce(w *wasio.Writer, size int64) (int64, error) {
	p := make([]byte, size)
	io.ReadFull(&source{w: w, left: size}, p)
	n, err := w.Write(p)
	return int64(n), err
}

// A source generates a body for w. When Read is called, w has written everything so far, so
// Read extends the write deadline of w.
type source struct {
	w    *wasio.Writer
	x    uint32 // state of the random number generator
	left int64  // bytes to generate
}

func (s *source) Read(p []byte) (n int, err error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.w.SetWriteDeadline(time.Now().Add(readTimeout))
	p = p[:min(int64(len(p)), s.left)]
	for i := range p {
		s.x = s.x*1664525 + 1013904223
		p[i] = byte(s.x >> 24)
	}
	s.left -= int64(len(p))
	return len(p), nil
}
