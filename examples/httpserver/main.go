//go:build wasip1

package main

import (
	_ "github.com/wasio-dev/wasio/componentize"
	_ "github.com/wasio-dev/wasio/examples/httpserver/generated/wit_exports"
)

// main is never called. The host calls Handle in package export_wasi_http_incoming_handler.
func main() {}
