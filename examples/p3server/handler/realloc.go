//go:build wasip1

package handler

// With the Go toolchain the adapter for preview 1 gets its memory by the cabi_realloc that this
// package exports. Without one it grows the memory behind the back of Go's allocator, and the
// program dies with "grew heap, but no adequate free space found". A program with bindings by
// wit-bindgen imports it already. TinyGo has its own.
import _ "go.bytecodealliance.org/pkg/wit/runtime"
