// Package wasio lets a Go program that runs as a WebAssembly guest write to the output
// streams of WASI 0.2 through an [io.Writer].
//
//	w := wasio.Stdout()
//	log.SetOutput(w)
//	fmt.Fprintln(w, "hello")
//
// WASI 0.2 has no file descriptors. Its standard output, sockets, files and HTTP bodies
// are output streams, with a protocol: check-write says how many bytes are permitted, write
// takes no more than that, flush begins a flush, and while nothing is permitted the guest waits
// on a pollable from subscribe. A [Writer] follows this protocol, on a standard stream
// ([Stdout], [Stderr]) or on any other ([NewWriter]). Packages fmt, log, log/slog, bufio and
// encoding/json use it like any writer. A [BufWriter] buffers small writes to a Writer, and
// [Splice] moves bytes from an input stream to a Writer inside the host.
//
// Programs are built with componentize-go, with TinyGo or with Go alone; the README has the
// commands. Other streams, such as HTTP bodies, come from the program's own bindings, made by
// wit-bindgen-go or wit-bindgen. With the Go toolchain this package calls no host function that
// returns a list or a string, so none of its calls needs cabi_realloc. A program built with
// componentize-go should import package componentize, which adds two such functions: one makes
// deadlines exact, the other gives errors the host's text.
//
// On all platforms other than wasm the package runs against a host inside the process, so
// programs that use it can be run and tested there.
//
// # Limitations
//
// A guest has a single thread: while a Writer waits, the host blocks the whole program. Other
// goroutines run before the wait, not during it. A goroutine that writes in a loop and never
// has to wait lets others run about once a millisecond.
//
// A Write may wait until somebody reads the other end of the stream. Start the reader before
// the first Write: send the response, or the request.
//
// Wasmtime 21 and 22 lose wake-ups on standard output if the embedder uses AsyncStdoutStream
// (wasmtime issue 8781). With TinyGo, and with package componentize, every wait survives that.
// Otherwise call [Writer.SetRecheckInterval].
//
// WASI 0.3 has no wasi:io: standard output and bodies are streams of the component model.
// Package p3 writes to those. Components for WASI 0.2 keep running on hosts that support both.
//
// Bytes still in a [BufWriter] when the program ends are lost. Deferred calls run when a
// function returns and, except with TinyGo on wasm, when it panics, but not at os.Exit or
// log.Fatal: see [Tie].
package wasio

//go:generate go -C tools tool wit-bindgen-go generate --world imports --package-root github.com/wasio-dev/wasio/generated --out ../generated ../wit
