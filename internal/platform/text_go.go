//go:build wasm && !tinygo.wasm

package platform

import ioerror "github.com/wasio-dev/wasio/generated/wasi/io/error"

// TextOf returns a text for a failure, not the host's: the Go toolchain refuses to import
// to-debug-string, which returns a string.
func TextOf(ioerror.Error) string { return orDefault("") }
