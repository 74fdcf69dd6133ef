//go:build !wasm && !tinygo.wasm

package loops

import (
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// These exist so that the package compiles on every platform. Natively wasio's model of a host
// does not provide them to this package.
func blockingWriteAndFlush(uint32, *uint8, uint32, *cm.Result[streams.StreamError, struct{}, streams.StreamError]) {
	panic("blocking-write-and-flush is imported on wasm only")
}

func blockingSplice(uint32, uint32, uint64, *cm.Result[uint64, uint64, streams.StreamError]) {
	panic("blocking-splice is imported on wasm only")
}
