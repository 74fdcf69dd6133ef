//go:build wasip1

// Package export_wasi_http_incoming_handler is the server of guests/length for componentize-go.
// The build replaces the handler of examples/httpserver by it.
package export_wasi_http_incoming_handler

import (
	"runtime/debug"

	"github.com/wasio-dev/wasio/e2e/guests/length"
	types "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_http_types"
	"go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Handle(request *types.IncomingRequest, out *types.ResponseOutparam) {
	defer runtime.Unpin()
	gc := debug.SetGCPercent(-1) // see examples/httpserver
	path := request.PathWithQuery().SomeOr("/")
	debug.SetGCPercent(gc)
	fields := types.MakeFields()
	fields.Append("content-length", length.Of(path))
	response := types.MakeOutgoingResponse(fields)
	body := response.Body().Ok()
	stream := body.Write().Ok()
	types.ResponseOutparamSet(out, wit.Ok[*types.OutgoingResponse, types.ErrorCode](response))
	incoming := request.Consume().Ok()
	src := incoming.Stream().Ok()
	err := length.Echo(path, uint32(stream.TakeHandle()), uint32(src.Handle()))
	src.Drop()
	incoming.Drop()
	request.Drop()
	if err != nil {
		body.Drop()
		return
	}
	types.OutgoingBodyFinish(body, wit.None[*types.Fields]())
}
