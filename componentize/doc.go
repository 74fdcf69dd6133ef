// Package componentize makes waits exact and gives errors the host's text in components built
// with the Go toolchain and componentize-go. Without it, package wasio has these only with
// TinyGo. A program imports it for its effect alone:
//
//	import _ "github.com/wasio-dev/wasio/componentize"
//
// A wait with a deadline is then one host call, which ends when the stream or a clock is ready.
// Without the package it is a series of pauses, which slows down Writes that have to wait, such
// as those to HTTP bodies. All waits also check the stream again after 2 to 16 ms, so a host
// that loses a wake-up does not stop the program, as with [wasio.Writer.SetRecheckInterval].
//
// The package needs two host functions that the Go toolchain cannot import, poll of
// wasi:io/poll and to-debug-string of wasi:io/error. They return a list and a string, for which
// the host asks the program for memory. The package imports them by hand, and gives the host
// memory that the garbage collector does not know of. Calls of the program's own bindings are
// not affected: their memory still comes from go.bytecodealliance.org/pkg/wit/runtime.
//
// The program must have bindings made by wit-bindgen, as every program built with
// componentize-go has. They import that package runtime, without which the link fails. On other
// platforms, and with TinyGo, package componentize is empty.
//
// [wasio.Writer.SetRecheckInterval]: https://pkg.go.dev/github.com/wasio-dev/wasio#Writer.SetRecheckInterval
package componentize
