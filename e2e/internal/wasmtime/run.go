// Package wasmtime runs components on Wasmtime 44, through the C library that
// wasmtime-go carries. The Go API of wasmtime-go ends at core modules.
package wasmtime

import "time"

// A Kind is a kind of standard output.
type Kind string

// The kinds of standard output, which differ in what they permit and when.
const (
	Inherited Kind = "inherited" // that of the process
	File      Kind = "file"      // a file that the host opens
	Nothing   Kind = "nothing"   // every byte is permitted, and gone
	Callback  Kind = "callback"  // a function of the embedder's, called on another thread
)

// A Sink says how a [Callback] behaves. It passes on what it gets to the standard
// output of the process.
type Sink struct {
	Delay  time.Duration // of each call
	Piece  uint64        // bytes that one call takes at most; 0: all that it is given
	Fails  bool          // whether it fails
	FailAt uint64        // bytes that it takes before it fails
}

// A Run is one run of a component.
type Run struct {
	Component string // a file made by Compile
	Args      []string
	Stdout    Kind
	File      string // for the kind File
	Sink      Sink   // for the kind Callback
	Folder    string // if not empty, the guest has this folder as "/"
}
