//go:build !cgo

package wasmtime

import "errors"

// Available reports whether Wasmtime is linked into the program.
const Available = false

var errNoCgo = errors.New("built without cgo")

// Compile returns an error, because Wasmtime is not available.
func Compile([]byte, string) error { return errNoCgo }

// Do returns an error, because Wasmtime is not available.
func (r *Run) Do() (exit int, err error) { return 0, errNoCgo }

// Calls returns an empty string, because Wasmtime is not available.
func Calls() string { return "" }
