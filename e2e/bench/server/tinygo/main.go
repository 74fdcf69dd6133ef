//go:build tinygo.wasm

// Tinygo is the server of the HTTP benchmark for TinyGo, with the bindings of
// examples/httpbody.
package main

import (
	"fmt"

	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/e2e/bench/server"
	handler "github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/incoming-handler"
	"github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/types"
	"go.bytecodealliance.org/cm"
)

func init() { handler.Exports.Handle = handle }

func main() {}

func handle(request handler.IncomingRequest, out handler.ResponseOutparam) {
	path := request.PathWithQuery()
	request.ResourceDrop()
	response := types.NewOutgoingResponse(types.NewFields())
	body, _, _ := response.Body().Result()
	stream, _, _ := body.Write().Result()
	types.ResponseOutparamSet(out, cm.OK[cm.Result[types.ErrorCodeShape, types.OutgoingResponse, types.ErrorCode]](response))
	if err := server.Write(cm.Reinterpret[uint32](stream), *path.Some()); err != nil {
		fmt.Fprintln(wasio.Stderr(), err)
	}
	types.OutgoingBodyFinish(body, cm.None[types.Trailers]())
}
