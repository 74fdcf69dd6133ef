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

// patience is how long a client may take no byte at all.
const patience = 5 * time.Second

func init() { handler.Exports.Handle = handle }

// main is not called: the host calls handle.
func main() {}

// handle answers a request, and says on standard error how that went.
func handle(request handler.IncomingRequest, out handler.ResponseOutparam) {
	path := pathOf(request)
	n, err := answer(path, out)
	said := "complete"
	switch {
	case errors.Is(err, io.ErrClosedPipe):
		said = "the client has hung up"
	case errors.Is(err, os.ErrDeadlineExceeded):
		said = "the client does not read"
	case err != nil:
		said = err.Error()
	}
	fmt.Fprintf(wasio.Stderr(), "%s: %d bytes: %s\n", path, n, said)
}

func pathOf(request handler.IncomingRequest) (path string) {
	option := request.PathWithQuery()
	if p := option.Some(); p != nil {
		path = *p
	}
	request.ResourceDrop()
	return path
}

// answer sends the response and its body, and returns how many bytes of the body the
// host has taken.
func answer(path string, out handler.ResponseOutparam) (n int64, err error) {
	headers := types.NewFields()
	announced := map[string]uint64{"/length": 1 << 20, "/excess": 100_000}[path]
	if announced > 0 {
		length := cm.ToList(strconv.AppendUint(nil, announced, 10))
		headers.Append("content-length", types.FieldValue(length))
	}
	response := types.NewOutgoingResponse(headers)
	body, _, _ := response.Body().Result() // fails the second time only, as does the next
	stream, _, _ := body.Write().Result()

	// Now, and not after the body: see the package comment.
	types.ResponseOutparamSet(out, cm.OK[cm.Result[types.ErrorCodeShape, types.OutgoingResponse, types.ErrorCode]](response))

	w := wasio.NewWriter(stream)
	switch path {
	case "/length":
		n, err = writeOnce(w, 1<<20)
	case "/excess":
		n, err = writeOnce(w, 200_000)
	case "/endless":
		n, err = io.Copy(w, &source{w: w, left: math.MaxInt64})
	default:
		n, err = io.Copy(w, &source{w: w, left: 10 << 20})
	}
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		body.ResourceDrop()
		return n, err
	}
	if _, code, failed := types.OutgoingBodyFinish(body, cm.None[types.Trailers]()).Result(); failed {
		err = errors.New("finish: " + code.String())
	}
	return n, err
}

// writeOnce writes so many bytes in one Write.
func writeOnce(w *wasio.Writer, size int64) (int64, error) {
	p := make([]byte, size)
	io.ReadFull(&source{w: w, left: size}, p)
	n, err := w.Write(p)
	return int64(n), err
}

// A source makes up a body for w. Each time it is asked for more, w has got rid of what
// there was, so the deadline is put off.
type source struct {
	w    *wasio.Writer
	x    uint32 // the state of a generator of random numbers
	left int64
}

func (s *source) Read(p []byte) (n int, err error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.w.SetWriteDeadline(time.Now().Add(patience))
	p = p[:min(int64(len(p)), s.left)]
	for i := range p {
		s.x = s.x*1664525 + 1013904223
		p[i] = byte(s.x >> 24)
	}
	s.left -= int64(len(p))
	return len(p), nil
}
