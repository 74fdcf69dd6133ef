//go:build !wasm && !tinygo.wasm

package loops

import (
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// blockingWriteAndFlush exists so that the package compiles on every platform. The model of
// a host that wasio uses off wasm does not provide it to this package.
func blockingWriteAndFlush(uint32, *uint8, uint32, *cm.Result[streams.StreamError, struct{}, streams.StreamError]) {
	panic("blocking-write-and-flush is imported on wasm only")
}
