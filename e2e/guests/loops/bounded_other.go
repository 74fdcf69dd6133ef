//go:build !tinygo.wasm

package loops

import "github.com/wasio-dev/wasio/generated/wasi/io/poll"

// blockBounded waits until p is ready. The Go toolchain cannot import poll, which a bound
// would take.
func blockBounded(p poll.Pollable) { p.Block() }
