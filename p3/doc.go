// Package p3 is an [io.Writer] for components of WASI 0.3, made with stock Go or TinyGo.
//
//	w := p3.Stdout()
//	log.SetOutput(w)
//	fmt.Fprintln(w, "hello")
//
// In WASI 0.3 standard output, files, sockets and HTTP bodies are streams of the component model.
// [NewStream] makes one; the program gives its other end away. A wait blocks the instance, as in
// WASI 0.2, so no patched Go runtime is needed. The README says how such a component is built.
//
// Errors and promises are those of package wasio, as far as WASI 0.3 can keep them:
//
//	                               WASI 0.2, package wasio      WASI 0.3, this package
//	a Write is contiguous          yes                          yes
//	n of a failed Write            what write accepted          exact: what the reader took
//	success means                  written and flushed          taken by the reader, see below
//	Flush                          waits for the host           nothing to wait for
//	the reason of a failure        text, SetErrorDecoder        code of a future, SetResult
//	the first error sticks         yes                          yes
//	a timeout                      does not stick               does not stick
//	Close                          flushes and drops            drops, and waits for the future
//	Stdout after Close             open                         opens another stream
//	allocations, handles left      none                         none
//
// The host decides what it means that the reader took all bytes. On Wasmtime 48 standard output is
// then written and flushed, a file is written, and a body is in the queue of the connection. There
// is no flush that a buffer could save, so there is no BufWriter: use [bufio.NewWriter].
//
// # Limitations
//
// While a Writer waits, its instance waits, with all requests that it answers. On wasmtime serve,
// --max-instance-reuse-count 1 gives each request an instance of its own. No deadline ends a Write
// to the standard output of Wasmtime, which waits inside the call. Natively standard output is that
// of the process, and nobody reads the other end of a new stream.
package p3
