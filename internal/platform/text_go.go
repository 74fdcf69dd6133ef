//go:build wasm && !tinygo.wasm

package platform

import ioerror "github.com/wasio-dev/wasio/generated/wasi/io/error"

// TextOf returns no text for a failure: the Go toolchain refuses to import
// to-debug-string, which returns a string.
func TextOf(ioerror.Error) string { return "" }
