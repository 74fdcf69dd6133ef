package wasio

import (
	"io"
	"unsafe"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/platform"
	"go.bytecodealliance.org/cm"
)

// maxPiece is the most bytes passed in one host call. Wasmtime takes up to 128 MiB of arguments
// per call and traps on more, whatever its permit says.
const maxPiece = 64 << 20

// A Writer is an [io.Writer] on an output stream of WASI 0.2. Write hands p to the host in
// pieces, as the host permits, flushes, and waits until the flush is complete: when it returns
// a nil error, all of p has left the program.
//
// All methods are safe for concurrent use. Write, WriteString and Flush calls are never
// interleaved and get their turn in the order in which they began. Other goroutines run before
// a call waits and, while no call has to wait, about once a millisecond. During a wait the host
// blocks the whole program, which has a single thread.
//
// After an error every later call returns the same error, without asking the host: a stream is
// closed once an operation on it has failed (WIT of wasi:io 0.2.2). Only a timeout, the error
// of a deadline, does not stick. Errors have type *[Error].
//
// The zero Writer is closed.
type Writer struct {
	mu platform.Mutex // guards condition; locked after the mu of a BufWriter
	condition

	// SetWriteDeadline and SetRecheckInterval use these without mu: they must not wait for
	// the call that they are meant to end.
	handle   platform.Uint32 // 0 if not open; no handle is 0
	deadline platform.Int64  // a time of platform.Now; 0 is none
	recheck  platform.Int64  // the longest that one wait may last; 0 is the default

	standard standard // nil unless w is standard output or standard error
}

// A condition is what a call leaves behind for later ones.
type condition struct {
	err    error // the first one that sticks; if set, state is owed or ended
	state  state
	waits  waits  // since the last permit
	rest   []byte // what a ReadFrom read but could not write before the deadline
	decode func(err ErrorHandle) error
}

// A state says what is known about the flushes of a stream.
type state uint8

const (
	fresh   state = iota // nothing: the stream is as NewWriter got it
	owed                 // bytes were written, or a flush began, since the last complete flush
	flushed              // nothing was written since the last complete flush
	ended                // flushed, then closed by the host; no write has been refused yet
)

// A Handle is the handle of a resource, as a program's bindings represent it: a value of
// the type that wit-bindgen-go generates or, with wit-bindgen, the result of the method Handle
// or TakeHandle.
type Handle interface{ ~uint32 | ~int32 }

// NewWriter returns a Writer on an output stream, given its own<output-stream> handle: the
// value that wit-bindgen-go's bindings return or, with wit-bindgen, the result of TakeHandle.
// The Writer owns the handle from then on: Close drops it, and nobody else may.
//
// A stream that belongs to a parent, such as the body of an HTTP message, must be closed
// before the parent is finished. A host may permit no bytes until somebody reads the
// other end: send the response, or the request, before the first Write.
func NewWriter[OutputStream Handle](stream OutputStream) *Writer {
	w := new(Writer)
	w.handle.Store(uint32(stream))
	return w
}

// Write writes p to the stream and flushes it. It returns the number of bytes that the host
// took, which is less than len(p) only with an error. If the host refused the rest, the error
// matches [io.ErrClosedPipe]: the reader has gone, or the stream takes no more, as in an HTTP
// response without a body.
//
// If the flush fails, n is len(p), and how much of p has arrived is unknown. A host may also
// deliver part of a write that it reports as failed, as Wasmtime does when a body exceeds its
// announced length, so bytes beyond n may have arrived.
//
// If the host closes the stream after it has taken all of p, as it does at the end of a body of
// known length, Write succeeds and the next one fails (WIT of wasi:io 0.2.7). Even so the host
// may have dropped bytes that it held. On [Stdout] and [Stderr] Write fails at once, since
// their reader has gone.
//
// A Write of no bytes makes no host call. Write does not retain p.
func (w *Writer) Write(p []byte) (n int, err error) {
	return w.transfer(p, len(p) > 0)
}

// WriteString is like Write, but writes a string, without a copy of it.
func (w *Writer) WriteString(s string) (n int, err error) {
	return w.Write(bytesOf(s))
}

// ReadFrom reads from r until [io.EOF], writes what it has read, and flushes. It returns the
// number of bytes read and the first error of the stream or of r. While it reads, other calls
// may use w. A timeout loses nothing: bytes that were read and not yet written are counted, and
// the next call that writes or flushes writes them first. If the deadline has passed, ReadFrom
// does not read.
//
// ReadFrom flushes before the next Read if that may have to wait: if the last one returned less
// than the 32 KiB that it was asked for, or took a millisecond or longer. So a fast reader that
// fills its buffer costs one flush at the end, and any other reader one for each Read.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, 32<<10)
	n, err = readAll(r, func(r io.Reader) (int, error) { return w.readOnce(r, buf) })
	if ferr := w.settle(); err == nil {
		err = ferr
	}
	return n, err
}

// readAll calls readOnce, which writes what one Read of r returns, until the end of r or an
// error. It returns the sum of what readOnce returns.
func readAll(r io.Reader, readOnce func(r io.Reader) (int, error)) (n int64, err error) {
	for empty := 0; err == nil; empty++ {
		var m int
		m, err = readOnce(r)
		if m > 0 {
			n += int64(m)
			empty = 0
		} else if empty == maxEmptyReads && err == nil {
			err = io.ErrNoProgress
		}
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// readOnce writes what one Read of r returns, and flushes if the next Read may wait.
func (w *Writer) readOnce(r io.Reader, buf []byte) (n int, err error) {
	if err := w.ready(); err != nil {
		return 0, err
	}
	began := platform.Now()
	n, err = r.Read(buf)
	live := err == nil && (n < len(buf) || platform.Now()-began >= atOnce)
	var werr error
	if n > 0 {
		n, werr = w.take(buf[:n], live)
	} else if live {
		werr = w.settle()
	}
	if werr != nil {
		err = werr
	}
	return n, err
}

// ready is readyLocked for a ReadFrom, which must not read what it could not write.
func (w *Writer) ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stream() == 0 {
		return notOpen("write")
	}
	return w.readyLocked(0, true)
}

// take locks w and calls takeLocked.
func (w *Writer) take(p []byte, flush bool) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.takeLocked(p, flush)
}

// takeLocked writes p, and keeps what it cannot write before the deadline for the next call.
func (w *Writer) takeLocked(p []byte, flush bool) (n int, err error) {
	n, err = w.transferLocked(p, flush)
	if isTimeout(err) {
		w.rest, w.state = append(w.rest, p[n:]...), owed
		n = len(p)
	}
	return n, err
}

// Flush flushes the stream and waits until the flush is complete. Write does that, too, so
// Flush is needed only after a timeout, or if somebody else has written to the same stream.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushLocked()
}

// Close flushes, unless nothing was written since the last flush, and drops the stream
// handle. It returns the error of the flush or of an earlier call. Later calls return an
// error that matches [os.ErrClosed], except that a second Close does nothing.
//
// If the deadline has passed, Close drops the stream without a flush, and with it any bytes
// that a ReadFrom could not write in time. The host may wait in the drop until it has delivered
// what it took: on a TCP socket of Wasmtime 48 Close does not return until the peer reads, and
// no deadline ends that.
//
// On [Stdout] and [Stderr], Close flushes and leaves the stream open.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	stream := w.stream()
	if stream == 0 {
		return nil
	}
	var err error
	if w.state != flushed {
		err = w.flushLocked()
	}
	if w.standard == nil {
		stream.ResourceDrop()
		w.handle.Store(0)
		w.state, w.rest = fresh, nil // and not ended
	}
	return err
}

// SetErrorDecoder sets a function that decodes the host's errors, those of w and those of the
// input stream of a [Splice]. Typically decode passes err to a function of the program's own
// bindings, such as filesystem-error-code or http-error-code. The error that it returns, unless
// it is nil, becomes the Err of the [Error]. The Writer drops err when decode returns.
//
// The Writer is locked while it calls decode, which must neither use the Writer nor panic.
func (w *Writer) SetErrorDecoder(decode func(err ErrorHandle) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.decode = decode
}

// transfer locks w and calls transferLocked. A deferred Unlock would cost a guest 15 ns.
func (w *Writer) transfer(p []byte, flush bool) (n int, err error) {
	w.mu.Lock()
	if platform.TrapsPanic {
		defer w.mu.Unlock()
		return w.transferLocked(p, flush)
	}
	n, err = w.transferLocked(p, flush)
	w.mu.Unlock()
	return n, err
}

// transferLocked is the protocol. It writes p in pieces, as the host permits, and then flushes
// if flush is set. Cold paths are separate functions, marked noinline: with TinyGo, each call
// of a function pays for all pointers that the function may hold, and inlining the cold paths
// adds 0.9 KB to a guest.
//
// A permit is for one write, which must come right after it: a second write traps on today's
// hosts, and another handle of the same sink can void the permit. After a flush the stream
// permits nothing until the flush is complete, and only then do some hosts report that it has
// failed.
//
//go:noinline
func (w *Writer) transferLocked(p []byte, flush bool) (n int, err error) {
	stream := w.stream()
	if stream == 0 || w.err != nil || w.deadline.Load() != 0 || w.rest != nil {
		if err := w.readyLocked(len(p), flush); err != nil {
			return 0, err
		}
	}
	for n < len(p) {
		permit, e, failed := stream.CheckWrite().Result()
		if failed {
			return n, w.failLocked("check-write", e)
		}
		if permit == 0 {
			if reason := w.waitLocked(stream.Subscribe(), &w.waits); reason != nil {
				return n, w.stallLocked(reason)
			}
			continue
		}
		// In uint64: a permit can be 1<<64 - 1, and int has 32 bits.
		size := int(min(permit, uint64(len(p)-n), maxPiece))
		if _, e, failed := stream.Write(cm.ToList(p[n : n+size])).Result(); failed {
			return n, w.failLocked("write", e)
		}
		n += size
		w.state, w.waits = owed, waits{}
		if yield(size) && n < len(p) && w.overdue() {
			return n, timeout()
		}
	}
	if n == 0 {
		yield(0) // otherwise the writes have done so
	}
	if !flush {
		return n, nil
	}
	w.state = owed
	if _, e, failed := stream.Flush().Result(); failed {
		return n, w.failFlushLocked("flush", e)
	}
	for {
		permit, e, failed := stream.CheckWrite().Result()
		if failed {
			return n, w.failFlushLocked("check-write", e)
		}
		if permit > 0 {
			w.state, w.waits = flushed, waits{}
			return n, nil
		}
		if reason := w.waitLocked(stream.Subscribe(), &w.waits); reason != nil {
			return n, w.stallLocked(reason)
		}
	}
}

// flushLocked implements Flush.
func (w *Writer) flushLocked() error {
	if w.state == ended {
		return nil
	}
	_, err := w.transferLocked(nil, true)
	return err
}

// settle flushes if a flush is owed.
func (w *Writer) settle() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state != owed {
		return nil
	}
	return w.flushLocked()
}

// readyLocked prepares for a call that writes n bytes, flushes, or both: it writes what an
// earlier call has left in w.rest. It returns the error if the call must not reach the host.
//
//go:noinline
func (w *Writer) readyLocked(n int, flush bool) error {
	yield(0) // for loops that ignore the error
	if n > 0 && w.state == ended {
		w.state = owed // w.err refuses this write
	}
	err := w.refusalLocked(n, flush)
	if rest := w.rest; rest != nil && err == nil && (n > 0 || flush) {
		w.rest = nil
		_, err = w.takeLocked(rest, false)
	}
	return err
}

// refusalLocked returns the error of a call that must not reach the host, or nil.
func (w *Writer) refusalLocked(n int, flush bool) error {
	if w.stream() == 0 {
		op := "write"
		if flush && n == 0 {
			op = "flush"
		}
		return notOpen(op)
	}
	if w.err != nil && w.state != ended {
		return w.err
	}
	if (n > 0 || flush) && w.overdue() {
		return timeout() // without a flush, in which a host may block, as jco does for HTTP bodies
	}
	return nil
}

// stickLocked makes err the error of every later call, and returns it. It never replaces an
// error: after the first one no call reaches the host.
func (w *Writer) stickLocked(err *Error) error {
	w.err, w.state = err, owed
	return err
}

// failLocked makes the reason in e the error that sticks, and returns it.
//
//go:noinline
func (w *Writer) failLocked(op string, e streams.StreamError) error {
	return w.stickLocked(&Error{Op: op, Err: w.reasonOf(e)})
}

// failFlushLocked is failLocked for an error reported after the host has taken all bytes. If
// the host closes the stream then, that is no failure (WIT of wasi:io 0.2.7), except on a
// standard stream, which is never a body of known length.
//
//go:noinline
func (w *Writer) failFlushLocked(op string, e streams.StreamError) error {
	err := w.failLocked(op, e)
	if e.Closed() && w.standard == nil {
		w.state, err = ended, nil
	}
	return err
}

// stream returns the stream of w, or 0 if w is not open.
func (w *Writer) stream() streams.OutputStream { return streams.OutputStream(w.handle.Load()) }

// bytesOf returns the bytes of s, which must not be changed.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
