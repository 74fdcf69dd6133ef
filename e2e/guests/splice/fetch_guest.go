//go:build fetch

package main

import (
	"errors"
	"strings"
	"unsafe"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

// These are imported by hand since no bindings work with all toolchains. Their results are words.
//
//go:wasmimport wasi:http/types@0.2.0 [constructor]fields
func newFields() uint32

//go:wasmimport wasi:http/types@0.2.0 [constructor]outgoing-request
func newRequest(headers uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.set-authority
func setAuthority(request, some uint32, text *byte, size uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.set-path-with-query
func setPath(request, some uint32, text *byte, size uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.set-scheme
func setScheme(request, some, scheme uint32, text *byte, size uint32) uint32

//go:wasmimport wasi:http/outgoing-handler@0.2.0 handle
func handle(request, some, options uint32, result *[8]uint64)

//go:wasmimport wasi:http/types@0.2.0 [method]future-incoming-response.subscribe
func subscribe(future uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]future-incoming-response.get
func get(future uint32, result *[8]uint64)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-response.consume
func consume(response uint32, result *[2]uint32)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-body.stream
func stream(body uint32, result *[2]uint32)

// fetch returns the stream of the body of a response. Its other handles are dropped when the guest
// exits.
func fetch(url string) (uint32, error) {
	authority, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	path = "/" + path
	request := newRequest(newFields())
	failed := setScheme(request, 1, 0, nil, 0)
	failed |= setAuthority(request, 1, unsafe.StringData(authority), uint32(len(authority)))
	failed |= setPath(request, 1, unsafe.StringData(path), uint32(len(path)))
	var result [8]uint64 // aligned like an error-code
	handle(request, 0, 0, &result)
	if failed != 0 || byte(result[0]) != 0 {
		return 0, errors.New("the host refuses the request")
	}
	future := uint32(result[1])
	poll.Pollable(subscribe(future)).Block() // the pollable is a child of the future, and both stay
	get(future, &result)
	if byte(result[0]) != 1 || byte(result[1]) != 0 || byte(result[2]) != 0 {
		return 0, errors.New("there is no response")
	}
	var body, src [2]uint32
	consume(uint32(result[3]), &body)
	stream(body[1], &src)
	if byte(body[0]) != 0 || byte(src[0]) != 0 {
		return 0, errors.New("there is no body")
	}
	return src[1], nil
}
