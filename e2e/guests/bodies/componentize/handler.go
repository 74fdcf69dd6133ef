//go:build wasip1

// Package export_wasi_http_incoming_handler is the server of the HTTP benchmark for
// componentize-go. The build replaces the handler of examples/httpserver by it.
package export_wasi_http_incoming_handler

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/wasio-dev/wasio"
	_ "github.com/wasio-dev/wasio/componentize"
	"github.com/wasio-dev/wasio/e2e/guests/bodies"
	types "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_http_types"
	streams "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_io_streams"
	"go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Handle(request *types.IncomingRequest, out *types.ResponseOutparam) {
	defer runtime.Unpin()
	gc := debug.SetGCPercent(-1) // see examples/httpserver
	path := request.PathWithQuery().SomeOr("/")
	debug.SetGCPercent(gc)
	response := types.MakeOutgoingResponse(types.MakeFields())
	body := response.Body().Ok()
	stream := body.Write().Ok()
	types.ResponseOutparamSet(out, wit.Ok[*types.OutgoingResponse, types.ErrorCode](response))
	if err := write(request, uint32(stream.TakeHandle()), path); err != nil {
		fmt.Fprintln(wasio.Stderr(), err)
	}
	request.Drop()
	types.OutgoingBodyFinish(body, wit.None[*types.Fields]())
}

func write(request *types.IncomingRequest, out uint32, path string) error {
	if !bodies.Moves(path) {
		return bodies.Write(out, path)
	}
	body := request.Consume().Ok()
	defer body.Drop()
	src := body.Stream().Ok()
	defer src.Drop()
	return bodies.Move(out, uint32(src.Handle()), path, func(src uint32) io.Reader {
		return reader{streams.InputStreamFromBorrowHandle(int32(src))}
	})
}

// A reader is an input-stream. Without Unpin, whatever the host returns would stay in memory until
// the response is complete.
type reader struct{ *streams.InputStream }

func (r reader) Read(p []byte) (int, error) {
	defer runtime.Unpin()
	gc := debug.SetGCPercent(-1) // see examples/httpserver
	result := r.BlockingRead(uint64(len(p)))
	debug.SetGCPercent(gc)
	if result.IsOk() {
		return copy(p, result.Ok()), nil
	}
	if e := result.Err(); e.Tag() == streams.StreamErrorClosed {
		return 0, io.EOF
	}
	return 0, errors.New("the host failed")
}
