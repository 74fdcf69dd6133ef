//go:build tinygo.wasm

// Tinygo is the server of guests/length for TinyGo, with the bindings of examples/httpbody.
package main

import (
	"github.com/wasio-dev/wasio/e2e/guests/length"
	handler "github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/incoming-handler"
	"github.com/wasio-dev/wasio/examples/httpbody/generated/wasi/http/types"
	"go.bytecodealliance.org/cm"
)

func init() { handler.Exports.Handle = handle }

func main() {}

func handle(request handler.IncomingRequest, out handler.ResponseOutparam) {
	path := request.PathWithQuery()
	fields := types.NewFields()
	fields.Append("content-length", types.FieldValue(cm.ToList(length.Of(*path.Some()))))
	response := types.NewOutgoingResponse(fields)
	body, _, _ := response.Body().Result()
	stream, _, _ := body.Write().Result()
	types.ResponseOutparamSet(out, cm.OK[cm.Result[types.ErrorCodeShape, types.OutgoingResponse, types.ErrorCode]](response))
	incoming, _, _ := request.Consume().Result()
	src, _, _ := incoming.Stream().Result()
	err := length.Echo(*path.Some(), cm.Reinterpret[uint32](stream), cm.Reinterpret[uint32](src))
	src.ResourceDrop()
	incoming.ResourceDrop()
	request.ResourceDrop()
	if err != nil {
		body.ResourceDrop()
		return
	}
	types.OutgoingBodyFinish(body, cm.None[types.Trailers]())
}
