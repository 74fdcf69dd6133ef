// Package wasio lets a Go program that runs as a WebAssembly guest write to the output
// streams of WASI 0.2 through an [io.Writer].
//
//	w := wasio.Stdout()
//	log.SetOutput(w)
//	fmt.Fprintln(w, "hello")
//
// WASI 0.2 has no file descriptors. Its standard output, sockets, files and HTTP bodies
// are output streams, with a protocol: check-write says how many bytes are permitted,
// write takes that many and no more, flush begins a flush, and where nothing is permitted
// the guest waits on a pollable from subscribe. A [Writer] speaks it, on a stream of the
// program ([Stdout], [Stderr]) or on any other ([NewWriter]); packages fmt, log, log/slog,
// bufio and encoding/json use it as they use any writer. A [BufWriter] gathers small
// writes for it.
//
// On every platform but wasm the package runs against a host in the process itself, so
// that programs which use it can be run and tested there.
//
// # Limitations
//
// While a Writer waits, the host blocks the whole program: a guest has a single thread.
// Other goroutines run before the wait, not during it.
//
// A stream that permits nothing because nobody reads its other end makes Write wait for
// as long. The consumer must be set going before the first Write: a response sent, a
// request handed over.
//
// Wasmtime 21 and 22 lose wake-ups on standard output where the embedder uses
// AsyncStdoutStream (issue 8781), and a guest that waits for the stream alone hangs. With
// TinyGo a wait looks again every 100 ms; with the Go toolchain it takes
// [Writer.SetRecheck].
//
// With the Go toolchain (GOOS=wasip1) the text of a host's error cannot be had: its
// rules for imports exclude functions that return a string.
//
// What is in a [BufWriter] when the program ends is lost. Deferred calls run at a return,
// at a panic (but not with TinyGo on wasm), and neither at os.Exit nor log.Fatal: see
// [Tie].
package wasio

//go:generate go -C tools tool wit-bindgen-go generate --world imports --package-root github.com/wasio-dev/wasio/generated --out ../generated ../wit
