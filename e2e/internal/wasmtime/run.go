// Package wasmtime runs components on Wasmtime 44. It uses the C library in wasmtime-go,
// because the Go API of wasmtime-go supports only core modules.
package wasmtime

import "time"

// A Kind is a kind of standard output.
type Kind string

// The kinds of standard output. They differ in the permits that they give.
const (
	Inherited Kind = "inherited" // the standard output of the process
	File      Kind = "file"      // a file that the host opens
	Nothing   Kind = "nothing"   // a sink that discards every byte
	Callback  Kind = "callback"  // a function of the embedder, called on another thread
)

// A Sink defines how a [Callback] behaves. The callback writes to the standard output of the
// process.
type Sink struct {
	Delay  time.Duration // delay of each call
	Piece  uint64        // the most bytes that one call accepts; 0 means no limit
	Fails  bool          // whether the callback fails after FailAt bytes
	FailAt uint64
}

// A Run is one run of a component.
type Run struct {
	Component string // a file made by Compile
	Args      []string
	Stdout    Kind
	File      string // for the kind File
	Sink      Sink   // for the kind Callback
	Dir       string // if not empty, the directory that the guest sees as "/"
}
