//go:build wasip1

// Package export_wasi_http_incoming_handler is the server of the HTTP benchmark for
// componentize-go. The build puts it in the place of the handler of examples/httpserver.
package export_wasi_http_incoming_handler

import (
	"fmt"
	"runtime/debug"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/bench/server"
	types "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_http_types"
	"go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Handle(request *types.IncomingRequest, out *types.ResponseOutparam) {
	defer runtime.Unpin()
	gc := debug.SetGCPercent(-1) // see examples/httpserver
	path := request.PathWithQuery().SomeOr("/")
	debug.SetGCPercent(gc)
	request.Drop()
	response := types.MakeOutgoingResponse(types.MakeFields())
	body := response.Body().Ok()
	stream := body.Write().Ok()
	types.ResponseOutparamSet(out, wit.Ok[*types.OutgoingResponse, types.ErrorCode](response))
	if err := server.Write(uint32(stream.TakeHandle()), path); err != nil {
		fmt.Fprintln(wasio.Stderr(), err)
	}
	types.OutgoingBodyFinish(body, wit.None[*types.Fields]())
}
