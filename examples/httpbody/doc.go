// Httpbody is a component that answers HTTP requests with bodies written through wasio:
//
//	/         10 MiB, streamed without a Content-Length
//	/length   1 MiB with a Content-Length, in one Write
//	/excess   200,000 bytes with a Content-Length of 100,000
//	/broken   half of 1 MiB with a Content-Length, whose handler panics
//	/endless  a body that ends when the client hangs up or stops reading
//
// The example has its own bindings to wasi:http, which wit-bindgen-go generates from the
// WIT in this directory. They need TinyGo, because the Go toolchain cannot import functions
// that return a string. TinyGo includes the WIT in the component, so the command names it:
//
//	tinygo build -target=wasip2 -wit-package wit -wit-world httpbody -o httpbody.wasm .
//	wasmtime serve -S cli httpbody.wasm
//	curl http://localhost:8080/ | wc -c
//
// A handler must do the following in this order:
//
//  1. Pass the response to the host with response-outparam.set, before the first Write.
//     The host does not read the body until then. It buffers part of it (two writes in
//     Wasmtime, 32 KiB in jco), and a Write of more than that would wait forever.
//  2. Write the body, then close the Writer, which flushes and drops the stream. The
//     stream is a child of the body, and a host traps if the body is dropped first.
//  3. Finish the body, which tells the client that it is complete, or drop it, which tells
//     the client that it is not.
//
// The same order applies to an outgoing request: call outgoing-handler.handle before the
// first Write to its body.
//
// Write returns an error that matches [io.ErrClosedPipe] if the host takes no more: the
// client has gone, or the response has no body (to HEAD, or with status 204 or 304) or is
// complete. If the client stops reading, Write waits until its deadline. A host that does
// not report a hang-up, such as jco 1.35, makes Write wait as well.
//
// TinyGo runs no deferred calls at a panic, so nothing drops the body, and Wasmtime ends a
// body without an announced length as if it were complete. Announce the Content-Length if it
// is known: then the client sees that bytes are missing. jco 1.35 ends the server at a
// panic, and when an unfinished body is dropped.
package main

//go:generate rm -rf generated
//go:generate go -C ../../tools tool wit-bindgen-go generate --world bindings --package-root github.com/wasio-dev/wasio/examples/httpbody/generated --out ../examples/httpbody/generated ../examples/httpbody/wit
