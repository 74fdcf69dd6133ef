// Package componentize gives a component that the Go toolchain and componentize-go build what
// package wasio has with TinyGo: exact waits, and the host's text in errors. A program imports
// it for that alone:
//
//	import _ "github.com/wasio-dev/wasio/componentize"
//
// A wait with a deadline is then one call, for the stream and a clock, and ends when either is
// ready. Without the package it is a series of pauses, which makes Writes slow that have to wait,
// as those to HTTP bodies. All waits also look at the stream again after 2 to 8 ms, so a
// host that loses a wake-up does not stop the program, as with [wasio.Writer.SetRecheckInterval].
//
// The Go toolchain can import neither of the two functions of the host that this takes, poll of
// wasi:io/poll and to-debug-string of wasi:io/error, since they return a list and a string, for
// which the host asks the program for memory. The package imports them by hand, and gives the
// host memory that the garbage collector does not know. What the program's own bindings call
// is not affected: their memory comes from go.bytecodealliance.org/pkg/wit/runtime as before.
//
// The program must have bindings made by wit-bindgen, as every program of componentize-go has:
// without that package runtime the link fails. On other platforms, and with TinyGo, this
// package is empty.
package componentize
