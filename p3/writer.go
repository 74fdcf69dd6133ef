package p3

import (
	"io"
	"runtime"
	"unsafe"

	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/internal/platform"
)

// maxPiece is the most that one host call carries, in bytes: the count in its result has 28
// bits.
const maxPiece = 1<<28 - 1

// maxEmpty is how many calls in a row may move nothing.
const maxEmpty = 100

// A Writer is an [io.Writer] on a stream<u8> of the component model. A Write returns when the
// reader of the stream has taken all of it.
//
// All methods are safe for concurrent use. One Write or WriteString is never interleaved with
// another; calls get their turn in the order in which they began. Other goroutines run before a
// call waits, and now and then where none does.
//
// After an error every later call returns the same error, without asking the host: a reader that
// has gone does not come back. Only the error of a deadline does not stick. Errors have type
// *[wasio.Error], and Op "write", "close", "flush" or "set-write-deadline".
//
// The zero Writer is a closed one.
type Writer struct {
	mu     platform.Mutex // guards the fields below
	err    error          // the first error that sticks
	ended  bool           // whether err is that the reader went as it took the last byte, and not told yet
	rest   []byte         // what a ReadFrom has read and, at a deadline, not written
	future uint32         // resolves when the host is done with the stream; 0 is none
	result func() error   // what SetResult has set
	open   func() (stream uint64, future uint32)

	// The host writes these. They are not on a stack, which may move while it does.
	event [2]uint32 // a waitable, and the status of its operation
	code  [2]byte   // a result<_, error-code>

	// SetWriteDeadline reads these without mu: it must not wait for a call under way.
	handle   platform.Uint32 // the writable end; 0, which no handle is, if not open
	deadline platform.Int64  // a time of now; 0 is none
}

// NewStream makes a stream, and returns a Writer on its writable end and the handle of its
// readable end, an own<stream<u8>>. The program gives that one away, as the body of a response or
// to write-via-stream of a file: bindings made by wit-bindgen lift it with LiftStreamU8. Nobody
// takes what is written before that, so do it before the first Write.
//
// The Writer owns the writable end: Close drops it, which is the end of the stream to its reader.
func NewStream() (w *Writer, reader int32) {
	w = new(Writer)
	stream := builtins.StreamNew()
	w.handle.Store(uint32(stream >> 32))
	return w, int32(stream)
}

// Write writes p to the stream. It returns the number of bytes that the reader took, which is
// less than len(p) only with an error. If the reader has gone, the error matches
// [io.ErrClosedPipe], unless the host has another reason for it. If it goes as it takes the last
// byte, and has no reason, Write succeeds and the next one fails.
//
// A Write of no bytes makes no host call. Write does not retain p.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writeLocked(p)
}

// WriteString is Write without a copy of s.
func (w *Writer) WriteString(s string) (n int, err error) {
	return w.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// ReadFrom writes what r returns until [io.EOF], each piece before the next Read. It returns the
// number of bytes read and the first error of the stream or of r. Other calls may come in between
// while it reads. The error of a deadline loses nothing: what was read and not written by then
// counts, and the next call that writes or flushes writes it first. If the deadline has passed,
// ReadFrom does not read.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, 32<<10)
	for empty := 0; err == nil; {
		if err = w.Flush(); err != nil {
			break
		}
		var m int
		m, err = r.Read(buf)
		if m > 0 {
			empty = 0
			var werr error
			m, werr = w.take(buf[:m])
			n += int64(m)
			if werr != nil {
				err = werr
			}
		} else if empty++; empty == maxEmpty && err == nil {
			err = io.ErrNoProgress
		}
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// take is takeLocked with the lock.
func (w *Writer) take(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.takeLocked(p)
}

// takeLocked writes p. What it cannot write before the deadline it keeps for the next call.
func (w *Writer) takeLocked(p []byte) (n int, err error) {
	n, err = w.writeLocked(p)
	if n < len(p) && isTimeout(err) {
		w.rest = append(w.rest, p[n:]...)
		n = len(p)
	}
	return n, err
}

// Flush writes what a ReadFrom has left at a deadline, and returns the error that sticks, if there
// is one. A stream of WASI 0.3 has no flush: nothing that Write was given is held back here.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readyLocked("flush", false)
}

// Close drops the writable end of the stream, and so ends it. It then waits until the host is done
// with the stream, where a future tells that, and returns the error of an earlier call or the one
// that the future has. That is so for [Stdout] and [Stderr], and for a stream with [Writer.SetResult].
// Later calls return an error that matches [os.ErrClosed], except that a second Close does
// nothing.
//
// If the deadline has passed, Close drops what a ReadFrom could not write in time.
//
// The next Write to Stdout or Stderr opens another stream.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	stream := w.handle.Load()
	if stream == 0 {
		return w.err
	}
	err := w.readyLocked("close", false)
	builtins.StreamDropWritable(stream)
	w.handle.Store(0)
	w.rest = nil
	reason := w.resultLocked()
	if w.open == nil {
		w.err = nil // from now on it is not open
	}
	if err == nil && reason != nil {
		err = failure("close", reason)
		if w.open != nil && !isTimeout(reason) {
			w.err = err
		}
	}
	return err
}

// SetResult sets the function that says how it went, for a stream whose future the program
// holds, as the one that write-via-stream of a file returns. The Writer calls it at most once, when
// the reader has gone or Close has dropped the writable end. The function waits for the future, and
// returns nil or what becomes the Err of the [wasio.Error]. If the reader has gone and it returns
// nil, that is [io.ErrClosedPipe].
//
// The future of an HTTP body waits for the trailers. If the program finishes them after Close,
// SetResult is not for that.
//
// The Writer is locked while it calls result, which must not use it nor panic.
func (w *Writer) SetResult(result func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result = result
}

// writeLocked is the protocol. A write on a stream says at once that it has moved some bytes, that
// the reader has dropped its end, or that it is under way and the host holds p. After it was said
// that the reader has gone, another write would trap.
func (w *Writer) writeLocked(p []byte) (n int, err error) {
	if w.handle.Load() == 0 || w.err != nil || w.rest != nil {
		if err := w.readyLocked("write", len(p) > 0); err != nil {
			return 0, err
		}
	}
	stream := w.handle.Load()
	for empty := 0; n < len(p); {
		if w.overdue() {
			return n, failure("write", errTimeout)
		}
		status := builtins.StreamWrite(stream, unsafe.Pointer(&p[n]), uint32(min(len(p)-n, maxPiece)))
		if status == blocked {
			if status = w.waitLocked(stream); status == blocked {
				status = builtins.StreamCancelWrite(stream)
			}
			runtime.KeepAlive(p)
		}
		count := int(status >> 4)
		n += count
		if status&15 == dropped {
			return n, w.failLocked(n == len(p))
		}
		if count > 0 {
			empty = 0
			yield(count)
		} else if empty++; empty == maxEmpty {
			w.err = failure("write", errStuck)
			return n, w.err
		}
	}
	return n, nil
}

// readyLocked gets the Writer ready for a call, which writes some bytes or not. It returns the error
// of one that does not get to the host, opens a standard stream, and writes the rest of an earlier
// call.
//
//go:noinline
func (w *Writer) readyLocked(op string, writes bool) error {
	yield(0) // a loop may ignore the error
	if w.err != nil {
		if w.ended && !writes {
			return nil
		}
		w.ended = false
		return w.err
	}
	if w.handle.Load() == 0 {
		if w.open == nil {
			return failure(op, errNotOpen)
		}
		if writes {
			stream, future := w.open()
			w.handle.Store(uint32(stream >> 32))
			w.future = future
		}
	}
	if op == "flush" && w.overdue() {
		return failure(op, errTimeout)
	}
	if rest := w.rest; rest != nil && (writes || op != "write") {
		w.rest = nil
		_, err := w.takeLocked(rest)
		return err
	}
	return nil
}

// failLocked makes the reason for which the reader has gone the error that sticks, and returns it,
// or nil if the reader took all of p and gives no reason.
//
//go:noinline
func (w *Writer) failLocked(tookAll bool) error {
	reason := w.resultLocked()
	if reason != nil && !isTimeout(reason) {
		w.err = failure("write", reason)
		return w.err
	}
	w.err = failure("write", errClosed)
	if w.ended = tookAll; tookAll {
		return nil
	}
	return w.err
}

// resultLocked returns the failure that the future of the stream tells, or nil. It asks once.
func (w *Writer) resultLocked() error {
	result, future := w.result, w.future
	w.result, w.future = nil, 0
	if result != nil {
		return result()
	}
	if future == 0 {
		return nil
	}
	status := builtins.FutureRead(future, unsafe.Pointer(&w.code))
	if status == blocked {
		if status = w.waitLocked(future); status == blocked {
			status = builtins.FutureCancelRead(future)
		}
	}
	builtins.FutureDropReadable(future)
	switch {
	case status == cancelled:
		return errTimeout
	case status == completed && w.code[0] != 0:
		return reasonOf(w.code[1])
	}
	return nil
}
