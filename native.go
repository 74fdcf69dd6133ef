//go:build !wasm && !tinygo.wasm

package wasio

// Off wasm no host imports the generated functions; this package has their bodies.
import _ "github.com/wasio-dev/wasio/internal/host"
