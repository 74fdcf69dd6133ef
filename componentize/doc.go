// Package componentize gives components that the Go toolchain and componentize-go build exact
// waits and the host's text in errors, which package wasio otherwise has only with TinyGo. A
// program imports it for its effect alone:
//
//	import _ "github.com/wasio-dev/wasio/componentize"
//
// A wait with a deadline is then one call, for the stream and a clock, and ends when either is
// ready. Without the package it is a series of pauses, which slows down Writes that have to wait,
// such as those to HTTP bodies. All waits also look at the stream again after 2 to 8 ms, so a
// host that loses a wake-up does not stop the program, as with [wasio.Writer.SetRecheckInterval].
//
// This takes two functions that the Go toolchain cannot import, poll of wasi:io/poll and
// to-debug-string of wasi:io/error: they return a list and a string, for which the host asks the
// program for memory. The package imports them by hand, and gives the host memory that the
// garbage collector does not know of. Calls of the program's own bindings are not affected: their
// memory still comes from go.bytecodealliance.org/pkg/wit/runtime.
//
// The program must have bindings made by wit-bindgen, as every program of componentize-go has.
// They bring that package runtime, without which the link fails. On other platforms, and with
// TinyGo, package componentize is empty.
package componentize
