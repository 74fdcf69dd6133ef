//go:build wasip1 || tinygo.wasm

// Package handler has the export wasi:http/handler of WASI 0.3, and what a server needs of
// wasi:http/types, imported by hand: wit-bindgen's bindings for it need a patched Go runtime.
package handler

import (
	"runtime"
	"runtime/debug"
	"strings"
	"unsafe"
)

// Handle answers a request for a path. The program sets it in an init function.
var Handle func(path string, r *Response)

// A Response is the answer to a request.
type Response struct {
	trailers uint32 // the writable end of a future
}

// handle answers a request. It blocks until that is done, so its callback is never called.
//
//lint:ignore U1000 the host calls it
//go:wasmexport [async-lift]wasi:http/handler@0.3.0#handle
func handle(request uint32) (exit uint32) {
	path := pathOf(request)
	dropRequest(request)
	Handle(path, new(Response))
	return 0
}

//lint:ignore U1000 the host could call it
//go:wasmexport [callback][async-lift]wasi:http/handler@0.3.0#handle
func callback(event, waitable, status uint32) (exit uint32) { return 0 }

// pathOf returns the path of a request. With Go a garbage collection while the host hands over a
// string would be a trap.
func pathOf(request uint32) string {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var option [3]uint32
	getPathWithQuery(request, unsafe.Pointer(&option))
	if option[0]&0xff == 0 {
		return "/"
	}
	return strings.Clone(unsafe.String((*byte)(unsafe.Pointer(uintptr(option[1]))), int(option[2])))
}

// Send gives the response to the host, with headers that are names and values in turn, and a body
// that is the readable end of a stream, such as p3.NewStream returns.
//
// The response goes first: until the host has it, nobody reads the body. Then task.return tells
// the host that the call has returned, and the program goes on.
func (r *Response) Send(status uint32, body int32, headers ...string) {
	fields := newFields()
	for i := 0; i < len(headers); i += 2 {
		name, value := headers[i], headers[i+1]
		var result [5]uint32
		appendField(fields, unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)),
			unsafe.Pointer(unsafe.StringData(value)), uint32(len(value)), unsafe.Pointer(&result))
	}
	trailers := newTrailers()
	var response [2]uint32 // and the future that tells when the host is done with it
	newResponse(fields, 1, body, uint32(trailers), unsafe.Pointer(&response))
	dropSent(response[1])
	setStatusCode(response[0], status)
	taskReturn(0, response[0], 0, 0, 0, 0, 0, 0)
	r.trailers = uint32(trailers >> 32)
}

// Finish ends the response, whose body has ended. If failed is set, the client sees that the body
// is not complete.
func (r *Response) Finish(failed bool) {
	result := new([40]byte) // a result<option<trailers>, error-code>
	if failed {
		result[0], result[8] = 1, 25 // HTTP-response-incomplete
	}
	if writeTrailers(r.trailers, unsafe.Pointer(result)) == 1<<32-1 { // the host does not read yet
		set := newSet()
		join(r.trailers, set)
		wait(set, unsafe.Pointer(new([2]uint32)))
		join(r.trailers, 0)
		dropSet(set)
	}
	runtime.KeepAlive(result)
	dropTrailers(r.trailers)
}

//go:wasmimport [export]wasi:http/handler@0.3.0 [task-return]handle
func taskReturn(failed, response, _ uint32, _ uint64, _, _, _, _ uint32)

//go:wasmimport wasi:http/types@0.3.0 [method]request.get-path-with-query
func getPathWithQuery(request uint32, option unsafe.Pointer)

//go:wasmimport wasi:http/types@0.3.0 [resource-drop]request
func dropRequest(request uint32)

//go:wasmimport wasi:http/types@0.3.0 [constructor]fields
func newFields() (fields uint32)

//go:wasmimport wasi:http/types@0.3.0 [method]fields.append
func appendField(fields uint32, name unsafe.Pointer, nameLen uint32, value unsafe.Pointer, valueLen uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.3.0 [static]response.new
func newResponse(fields, hasBody uint32, body int32, trailers uint32, result unsafe.Pointer)

//go:wasmimport wasi:http/types@0.3.0 [method]response.set-status-code
func setStatusCode(response, status uint32) (failed uint32)

// The futures and streams of response.new have numbers: 0 is the body, 1 the trailers, 2 tells
// when the host is done.

//go:wasmimport wasi:http/types@0.3.0 [future-new-1][static]response.new
func newTrailers() (ends uint64)

//go:wasmimport wasi:http/types@0.3.0 [async-lower][future-write-1][static]response.new
func writeTrailers(future uint32, result unsafe.Pointer) (status uint32)

//go:wasmimport wasi:http/types@0.3.0 [future-drop-writable-1][static]response.new
func dropTrailers(future uint32)

//go:wasmimport wasi:http/types@0.3.0 [future-drop-readable-2][static]response.new
func dropSent(future uint32)

//go:wasmimport $root [waitable-set-new]
func newSet() (set uint32)

//go:wasmimport $root [waitable-join]
func join(waitable, set uint32)

//go:wasmimport $root [waitable-set-wait]
func wait(set uint32, event unsafe.Pointer) (kind uint32)

//go:wasmimport $root [waitable-set-drop]
func dropSet(set uint32)
