//go:build !tinygo.wasm

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "httpbody needs a wasi:http host: tinygo build -target=wasip2 -wit-package wit -wit-world httpbody -o httpbody.wasm . && wasmtime serve -S cli httpbody.wasm")
	os.Exit(2)
}
