//go:build wasm || tinygo.wasm

package loops

import (
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// These are imported by hand because wasio's bindings leave them out: wasio does not call them.
//
//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.blocking-write-and-flush
//go:noescape
func blockingWriteAndFlush(stream uint32, contents *uint8, size uint32, result *cm.Result[streams.StreamError, struct{}, streams.StreamError])

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.blocking-splice
//go:noescape
func blockingSplice(stream, src uint32, size uint64, result *cm.Result[uint64, uint64, streams.StreamError])
