//go:build !tinygo.wasm

package loops

import "github.com/wasio-dev/wasio/generated/wasi/io/poll"

// blockBounded waits until p is ready. A bound would need poll, which the Go toolchain cannot
// import.
func blockBounded(p poll.Pollable) { p.Block() }
