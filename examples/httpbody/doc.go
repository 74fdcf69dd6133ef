// Httpbody is a component that answers HTTP requests with bodies written through wasio:
//
//	/         10 MiB, of no announced length, streamed
//	/length   1 MiB of announced length, in one Write
//	/excess   100,000 bytes announced, and 200,000 written
//	/endless  a body that ends when the client hangs up, or stops reading
//
// Its bindings to wasi:http are its own: wit-bindgen-go has made them from the WIT in
// this folder. They need TinyGo, as the Go toolchain refuses to import functions that
// return a string. The WIT goes into the component, so TinyGo is told where it is:
//
//	tinygo build -target=wasip2 -wit-package wit -wit-world httpbody -o httpbody.wasm .
//	jco serve httpbody.wasm
//	curl http://localhost:8000/ | wc -c
//
// The order of things is what matters:
//
//  1. The response is handed to the host (response-outparam.set) before the first Write.
//     Until then nobody reads the body. The host buffers some of it (two pieces in
//     Wasmtime, 32 KiB in jco), then permits no more, and Write waits for a reader that
//     only the waiting program could set going.
//  2. The body is written and flushed, and the stream dropped: Close does the latter
//     two. The stream is a child of the body, and a host traps if the body goes first.
//  3. The body is finished, which tells the client that it is complete; or dropped,
//     which tells the client that it is not.
//
// For a request that the program sends it is the same: outgoing-handler.handle comes
// before the first Write to its body.
//
// A client that hangs up closes the stream, and Write returns an error that matches
// [io.ErrClosedPipe]. A client that only stops reading makes Write wait; how long is for
// the program to say, with a deadline. So it is with a client that hangs up where the
// host does not tell (jco 1.35).
package main

//go:generate rm -rf generated
//go:generate go -C ../../tools tool wit-bindgen-go generate --world bindings --package-root github.com/wasio-dev/wasio/examples/httpbody/generated --out ../examples/httpbody/generated ../examples/httpbody/wit
