// Package wasio lets a Go program that runs as a WebAssembly guest write to the output
// streams of WASI 0.2 through an [io.Writer].
//
//	w := wasio.Stdout()
//	log.SetOutput(w)
//	fmt.Fprintln(w, "hello")
//
// WASI 0.2 has no file descriptors. Its standard output, sockets, files and HTTP bodies
// are output streams, with a protocol: check-write says how many bytes are permitted,
// write takes no more than that, flush begins a flush, and while nothing is permitted the
// guest waits on a pollable from subscribe. A [Writer] follows this protocol, on a standard
// stream ([Stdout], [Stderr]) or on any other ([NewWriter]). Packages fmt, log, log/slog, bufio
// and encoding/json use it like any writer. A [BufWriter] gathers small writes for it, and
// [Splice] moves the bytes of an input stream to it inside the host.
//
// Programs are built with componentize-go, with TinyGo or with Go alone; the README has the
// commands. Bindings by wit-bindgen-go or by wit-bindgen return the streams of a program's
// own. With the Go toolchain this package calls no function of the host that returns a list
// or a string, so none of its calls needs cabi_realloc. A program of componentize-go should
// import package componentize, which adds the two that make deadlines exact and tell what
// the host says of an error.
//
// On every platform but wasm the package runs against a host in the process itself, so
// programs that use it can be run and tested there.
//
// # Limitations
//
// A guest has a single thread: while a Writer waits, the host blocks the whole program.
// Other goroutines run before the wait, not during it. A goroutine that writes in a loop and
// never has to wait lets them run about once a millisecond.
//
// Write waits as long as nobody reads the other end of the stream. Start the reader before the
// first Write: send the response, or the request.
//
// Wasmtime 21 and 22 lose wake-ups on standard output where the embedder uses
// AsyncStdoutStream (wasmtime issue 8781). With TinyGo, and with package
// componentize, each wait survives that. Elsewhere it takes [Writer.SetRecheckInterval].
//
// WASI 0.3 has no wasi:io: standard output and bodies are streams of the component model. Package
// p3 writes to those. Components of WASI 0.2 keep running on hosts that have both.
//
// What is in a [BufWriter] when the program ends is lost. Deferred calls run at a return
// and at a panic (not with TinyGo on wasm), but not at os.Exit and log.Fatal: see [Tie].
package wasio

//go:generate go -C tools tool wit-bindgen-go generate --world imports --package-root github.com/wasio-dev/wasio/generated --out ../generated ../wit
