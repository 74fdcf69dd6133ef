//go:build !cgo

package wasmtime

import "errors"

// Available says whether this package can do anything.
const Available = false

var errNoCgo = errors.New("built without cgo")

// Compile translates a component to machine code.
func Compile([]byte, string) error { return errNoCgo }

// Do runs the component to its end and returns its exit code.
func (r *Run) Do() (exit int, err error) { return 0, errNoCgo }

// Calls says what has been asked of the callback, if there is one.
func Calls() string { return "" }
