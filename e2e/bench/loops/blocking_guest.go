//go:build wasm || tinygo.wasm

package loops

import (
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"go.bytecodealliance.org/cm"
)

// blockingWriteAndFlush is imported here because the bindings of wasio leave it out: wasio
// does not call it.
//
//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.blocking-write-and-flush
//go:noescape
func blockingWriteAndFlush(stream uint32, contents *uint8, size uint32, result *cm.Result[streams.StreamError, struct{}, streams.StreamError])
