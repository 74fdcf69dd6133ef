//go:build wasip1

// Package export_wasi_http_incoming_handler is a server with guests/soak: the path of a request
// begins with the number of lines. The build puts it in the place of the handler of
// examples/httpserver.
package export_wasi_http_incoming_handler

import (
	"runtime/debug"
	"strconv"
	"strings"
	"unsafe"

	_ "github.com/wasio-dev/wasio/componentize"
	"github.com/wasio-dev/wasio/e2e/guests/soak"
	types "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_http_types"
	random "github.com/wasio-dev/wasio/examples/httpserver/generated/wasi_random_random"
	"go.bytecodealliance.org/pkg/wit/runtime"
	wit "go.bytecodealliance.org/pkg/wit/types"
)

func Handle(request *types.IncomingRequest, out *types.ResponseOutparam) {
	defer runtime.Unpin()
	gc := debug.SetGCPercent(-1) // see examples/httpserver
	path := strings.Clone(request.PathWithQuery().SomeOr("/"))
	debug.SetGCPercent(gc)
	number, _, _ := strings.Cut(path[1:], "?")
	n, _ := strconv.Atoi(number)
	response := types.MakeOutgoingResponse(types.MakeFields())
	body := response.Body().Ok()
	stream := body.Write().Ok()
	types.ResponseOutparamSet(out, wit.Ok[*types.OutgoingResponse, types.ErrorCode](response))
	soak.Run(uint32(stream.TakeHandle()), n, runtime.Unpin,
		func() (string, bool) {
			again := request.PathWithQuery().SomeOr("/")
			return again, again == path
		},
		func() (string, bool) { // a list of pairs of a string and a list
			fields := request.Headers()
			defer fields.Drop()
			for _, entry := range fields.Entries() {
				if entry.F0 == "x-text" {
					text := unsafe.String(unsafe.SliceData(entry.F1), len(entry.F1))
					return text, len(text) > 0 && len(text) == strings.Count(text, "x")
				}
			}
			return "", false
		},
		func() (string, bool) {
			const size = 10_000
			p := random.GetRandomBytes(size)
			return unsafe.String(unsafe.SliceData(p), len(p)), len(p) == size
		},
	)
	request.Drop()
	types.OutgoingBodyFinish(body, wit.None[*types.Fields]())
}
