module github.com/wasio-dev/wasio/e2e

go 1.26.0

// The newest Go release, which builds the guests and TinyGo, and with which .ci/run tests.
toolchain go1.27.3

replace github.com/wasio-dev/wasio => ../

require (
	github.com/bytecodealliance/wasm-tools-go v0.3.2
	github.com/bytecodealliance/wasmtime-go/v44 v44.0.0
	github.com/stretchr/testify v1.12.1
	github.com/tetratelabs/wazero v1.12.0
	github.com/wasio-dev/wasio v0.0.0-00010101000000-000000000000
	go.bytecodealliance.org/cm v0.3.0
	golang.org/x/perf v0.0.0-20260908200009-22c9c6c9d4da
	golang.org/x/sys v0.48.0
)

require (
	github.com/aclements/go-moremath v0.0.0-20210112150236-f10218a38794 // indirect
	github.com/wasio-dev/wasio/examples/componentize v0.0.0-00010101000000-000000000000
	github.com/wasio-dev/wasio/examples/httpbody v0.0.0-00010101000000-000000000000
	github.com/wasio-dev/wasio/examples/httpserver v0.0.0-00010101000000-000000000000
	github.com/wasio-dev/wasio/examples/p3server v0.0.0-00010101000000-000000000000
	go.bytecodealliance.org/pkg v0.2.1
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/wasio-dev/wasio/examples/httpbody => ../examples/httpbody

replace github.com/wasio-dev/wasio/examples/httpserver => ../examples/httpserver

replace github.com/wasio-dev/wasio/examples/p3server => ../examples/p3server

replace github.com/wasio-dev/wasio/examples/componentize => ../examples/componentize
