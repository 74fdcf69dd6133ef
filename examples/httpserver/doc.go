// Httpserver is an HTTP server for the ordinary Go toolchain, built with componentize-go:
//
//	/          a page of text
//	/events    server-sent events, one every 100 ms, until the client goes
//	/echo      the body of the request
//	/download  100 MB
//	/broken    the start of a text, whose handler panics
//	/upload/HOST:PORT
//	           the status with which that server answers 100 MB
//
// A server takes four steps:
//
//  1. The world, in wit/world.wit, is the usual one of a server. It has all that wasio
//     needs to write to bodies and to standard error:
//
//     include wasi:http/proxy@0.2.0;
//
//  2. The program starts at an export, here wasi:http/incoming-handler. Nobody calls main.
//     The generated code calls the function Handle in export_wasi_http_incoming_handler,
//     which is written by hand, and main.go imports the generated code.
//
//  3. Bindings and build:
//
//     componentize-go -w server bindings --pkg-name github.com/wasio-dev/wasio/examples/httpserver/generated --export-pkg-name github.com/wasio-dev/wasio/examples/httpserver -o generated
//     componentize-go -w server build
//
//     In a clone of wasio, this replaces the second command, without componentize-go:
//
//     go -C e2e run ./componentize -C ../examples/httpserver -w server build
//
//  4. Run:
//
//     wasmtime serve -S cli main.wasm
//     curl -N http://localhost:8080/events
//     curl -o /dev/null http://localhost:8080/download
//     curl --data-binary @file http://localhost:8080/echo
//
// Unlike with a plain Go component, the initial memory need not be raised. Package componentize
// of wasio, which main.go imports, makes deadlines exact. It calls host functions that return a
// list or a string, in a way that allocates nothing. The handler itself calls another one,
// path-with-query: see pathOf.
//
// The bytes of /echo never enter the program: the host moves them (wasio.Splice). jco 1.35
// cannot do that, and ends the program.
//
// The function respond shows the functions that the bindings have for a body, and the order
// in which a host wants them. If a handler fails or panics, respond drops the body without
// finishing it, and the client sees that it is not complete. Without that, Wasmtime ends a
// body without an announced length as if it were complete. It also does so after os.Exit and
// log.Fatal, which run no deferred calls, so a handler should not call them. jco 1.35 ends
// the server at a panic, and when an unfinished body is dropped.
//
// Package client sends a request. If the server refuses its body, with status 413 for
// example, or cannot be reached, the host closes the stream. The error of Write does not say
// why, so the client goes on to the response, which does. jco 1.35 closes no stream, and the
// deadline ends Write.
package main

//go:generate go -C ../../e2e run ./componentize -C ../examples/httpserver -w server bindings
