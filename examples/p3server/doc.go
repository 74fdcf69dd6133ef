// P3server is an HTTP server of WASI 0.3, for the unmodified Go toolchain or TinyGo:
//
//	/          a page of text
//	/events    server-sent events, one every 100 ms for a minute, or until the client goes
//	/download  100 MB
//
// The entry is the export wasi:http/handler, in package handler. Nobody calls main. Build and
// run it with wasm-tools 1.262 or newer (`cargo install wasm-tools`):
//
//	WASMTOOLS=$(command -v wasm-tools) tinygo build -target=wasip2 -wit-package wit -wit-world server -o server.wasm .
//	wasmtime serve -S cli --max-instance-reuse-count 1 server.wasm
//	curl -N http://localhost:8080/events
//	curl -o /dev/null http://localhost:8080/download
//
// With Go, the adapter for preview 1 comes from npm:
//
//	npm install --no-save --prefix /tmp/jco @bytecodealliance/jco
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags=-checklinkname=0 -o core.wasm .
//	wasm-tools component embed wit -w server core.wasm -o core.wasm
//	wasm-tools component new --adapt wasi_snapshot_preview1=/tmp/jco/node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.reactor.wasm core.wasm -o server.wasm
//
// In a clone of wasio,
//
//	go -C e2e run ./componentize -C ../examples/p3server -w server build
//
// does the same and writes main.wasm. It installs what it needs.
//
// While an instance answers a request, other requests to it wait, even if the handler only
// sleeps. With --max-instance-reuse-count 1 each request gets an instance of its own.
package main
