//go:build wasip1

package main

import (
	_ "github.com/wasio-dev/wasio/componentize"
	_ "github.com/wasio-dev/wasio/examples/componentize/generated/wit_exports"
)

// main is never called. The host calls Run in package export_wasi_cli_run.
func main() {}
