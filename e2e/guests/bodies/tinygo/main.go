//go:build tinygo.wasm

// Tinygo is the server of the HTTP benchmark for TinyGo, with the bindings of
// examples/httpbody.
package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/guests/bodies"
	handler "github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/incoming-handler"
	"github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/types"
	"github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

func init() { handler.Exports.Handle = handle }

func main() {}

func handle(request handler.IncomingRequest, out handler.ResponseOutparam) {
	path := request.PathWithQuery()
	response := types.NewOutgoingResponse(types.NewFields())
	body, _, _ := response.Body().Result()
	stream, _, _ := body.Write().Result()
	types.ResponseOutparamSet(out, cm.OK[cm.Result[types.ErrorCodeShape, types.OutgoingResponse, types.ErrorCode]](response))
	err := write(request, cm.Reinterpret[uint32](stream), *path.Some())
	if err != nil {
		fmt.Fprintln(wasio.Stderr(), err)
	}
	request.ResourceDrop()
	types.OutgoingBodyFinish(body, cm.None[types.Trailers]())
}

func write(request handler.IncomingRequest, out uint32, path string) error {
	if !bodies.Moves(path) {
		return bodies.Write(out, path)
	}
	body, _, _ := request.Consume().Result()
	defer body.ResourceDrop()
	src, _, _ := body.Stream().Result()
	defer src.ResourceDrop()
	return bodies.Move(out, cm.Reinterpret[uint32](src), path, func(src uint32) io.Reader { return reader(src) })
}

// A reader is an input-stream.
type reader uint32

func (r reader) Read(p []byte) (int, error) {
	list, e, failed := cm.Reinterpret[streams.InputStream](r).BlockingRead(uint64(len(p))).Result()
	switch {
	case !failed:
		return copy(p, list.Slice()), nil
	case e.Closed():
		return 0, io.EOF
	}
	return 0, errors.New("the host failed")
}
