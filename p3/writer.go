package p3

import (
	"io"
	"runtime"
	"unsafe"

	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/internal/platform"
)

const maxPiece = 1<<28 - 1 // the most bytes of one host call, whose count has 28 bits
const maxEmpty = 100       // how many calls in a row may move nothing

// A Writer is an [io.Writer] on a stream<u8>. A Write returns when the reader has taken all of it.
//
// All methods are safe for concurrent use. Writes are never interleaved, and get their turn in the
// order in which they began. Other goroutines run before each wait, and once in 512 calls or 4 MiB.
//
// After an error every later call returns the same error, without asking the host. Only a timeout,
// the error of a deadline, does not stick. Errors have type *[wasio.Error], with Op "write",
// "close", "flush" or "set-write-deadline". The zero Writer is closed.
type Writer struct {
	mu     platform.Mutex // guards the fields below
	err    error          // the first error that sticks
	ended  bool           // the reader went as it took the last byte; no write has been refused
	rest   []byte         // what a ReadFrom read but could not write before the deadline
	open   func(reader uint32) (future uint32)
	future uint32       // of a standard stream; resolves when the host is done with it
	result func() error // what SetResult has set
	event  [2]uint32    // written by the host: a waitable, and the status of its operation
	code   [2]byte      // written by the host: a result<_, error-code>

	// SetWriteDeadline reads these without mu: it must not wait for a call under way.
	handle   platform.Uint32 // the writable end; 0 if not open, as no handle is 0
	deadline platform.Int64  // a time of now; 0 means none
}

// NewStream makes a stream, and returns a Writer, which owns the writable end, and the handle of
// the readable end. Give that away before the first Write, as the body of a response or to
// write-via-stream of a file. Bindings made by wit-bindgen lift it with LiftStreamU8.
func NewStream() (w *Writer, reader int32) {
	w = new(Writer)
	stream := builtins.StreamNew()
	w.handle.Store(uint32(stream >> 32))
	return w, int32(stream)
}

// Write writes p to the stream. It returns the number of bytes that the reader took, which is less
// than len(p) only with an error. If the reader has gone, the error matches [io.ErrClosedPipe],
// unless the host gives another reason. If the reader goes as it takes the last byte, and the host
// gives no reason, Write succeeds and the next one fails. A Write of no bytes makes no host call.
func (w *Writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	if platform.TrapsPanic {
		defer w.mu.Unlock()
	}
	stream, status := w.handle.Load(), uint32(unasked)
	if stream != 0 && w.err == nil && w.rest == nil && w.deadline.Load() == 0 && uint(len(p))-1 < maxPiece {
		status = builtins.StreamWrite(stream, unsafe.Pointer(&p[0]), uint32(len(p)))
	}
	if n = len(p); status == uint32(n)<<4 {
		yield(n)
	} else {
		n, err = w.writeLocked(p, status)
	}
	if !platform.TrapsPanic { // a deferred Unlock would take time
		w.mu.Unlock()
	}
	return n, err
}

// WriteString is like Write, but writes a string, without a copy of it.
func (w *Writer) WriteString(s string) (n int, err error) {
	return w.Write(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// ReadFrom reads from r until [io.EOF], and writes each piece before the next Read. It returns the
// number of bytes read and the first error of the stream or of r. While it reads, other calls may
// use w. A timeout loses nothing: bytes read and not yet written are counted, and the next call
// writes them first. If the deadline has passed, ReadFrom does not read.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, 32<<10)
	for empty := 1; empty <= maxEmpty; empty++ {
		if err = w.Flush(); err != nil {
			return n, err
		}
		m, rerr := r.Read(buf)
		if m > 0 {
			empty = 0
			m, err = w.take(buf[:m])
			n += int64(m)
		}
		if rerr == io.EOF || err != nil {
			return n, err
		} else if rerr != nil {
			return n, rerr
		}
	}
	return n, io.ErrNoProgress
}

// take locks w and calls takeLocked.
func (w *Writer) take(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.takeLocked(p)
}

// takeLocked writes p, and keeps what it cannot write before the deadline for the next call.
func (w *Writer) takeLocked(p []byte) (n int, err error) {
	n, err = w.writeLocked(p, unasked)
	if isTimeout(err) {
		w.rest, n = append(w.rest, p[n:]...), len(p)
	}
	return n, err
}

// Flush writes what a ReadFrom could not write before a deadline, and returns the error that
// sticks, if there is one. A stream of WASI 0.3 has no flush, since Write holds nothing back.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readyLocked("flush", false)
}

// Close drops the writable end, which ends the stream. If a future says when the host is done with
// it, as for [Stdout], [Stderr] and after [Writer.SetResult], Close waits for that, until the
// deadline. It returns the error of an earlier call or of the future. Later calls return an error
// that matches [os.ErrClosed], but a second Close does nothing. If the deadline has passed, Close
// drops what a ReadFrom has not written. The next Write to Stdout or Stderr opens another stream.
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
	if reason := w.resultLocked(); err == nil && reason != nil {
		if err = failure("close", reason); !isTimeout(reason) {
			w.err = err
		}
	}
	if w.open == nil || w.ended {
		w.err, w.ended = nil, false // from now on w is not open, or opens another stream
	}
	return err
}

// SetResult sets the function that returns the result of the stream, if the program holds a future
// for it, such as that of write-via-stream of a file. The Writer calls it at most once, when the
// reader has gone or Close has dropped the writable end; [Stdout] and [Stderr] ignore it. The
// function waits for the future, returns nil or the Err of the [wasio.Error], and neither uses the
// Writer, which is locked, nor panics. An HTTP body's future waits for trailers, after Close.
func (w *Writer) SetResult(result func() error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result = result
}

// writeLocked is the protocol. A write says that it has moved some bytes, that the reader has
// dropped its end, after which another one would trap, or that it is under way and the host holds
// p. The status is that of a first write, or unasked.
func (w *Writer) writeLocked(p []byte, status uint32) (n int, err error) {
	if status == unasked {
		if err = w.readyLocked("write", len(p) > 0); err != nil || len(p) == 0 {
			return 0, err
		}
	}
	stream := w.handle.Load()
	for empty := 0; ; {
		if status == blocked {
			if status = w.waitLocked(stream); status == blocked {
				status = builtins.StreamCancelWrite(stream)
			}
			runtime.KeepAlive(unsafe.SliceData(p))
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
		if n == len(p) {
			return n, nil
		}
		if w.overdue() {
			return n, failure("write", errTimeout)
		}
		status = builtins.StreamWrite(stream, unsafe.Pointer(&p[n]), uint32(min(len(p)-n, maxPiece)))
	}
}

// readyLocked prepares for a call that writes some bytes, or none: it opens a standard stream, and
// writes what an earlier call has left. It returns the error if the call must not reach the host.
//
//go:noinline
func (w *Writer) readyLocked(op string, writes bool) error {
	yield(0) // for loops that ignore the error
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
			stream := builtins.StreamNew()
			w.handle.Store(uint32(stream >> 32))
			w.future = w.open(uint32(stream))
		}
	}
	if op == "flush" && w.overdue() {
		return failure(op, errTimeout)
	}
	if rest := w.rest; rest != nil && (writes || op != "write") {
		w.rest = nil
		if _, err := w.takeLocked(rest); err != nil {
			return err
		}
		return w.readyLocked(op, writes) // the reader may have gone
	}
	return nil
}

// failLocked makes the reason why the reader has gone stick. It returns that or, if w.ended, nil.
func (w *Writer) failLocked(tookAll bool) error {
	reason := w.resultLocked()
	if reason == nil || isTimeout(reason) {
		reason, w.ended = errClosed, tookAll
	}
	if w.err = failure("write", reason); w.ended {
		return nil
	}
	return w.err
}

// resultLocked returns the failure that the future of the stream reports, or nil. It asks once.
func (w *Writer) resultLocked() error {
	result, future := w.result, w.future
	w.result, w.future = nil, 0
	if result != nil && w.open == nil {
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
	if status == cancelled {
		return errTimeout
	}
	if status == completed && w.code[0] != 0 {
		return errCodes[min(int(w.code[1]), len(errCodes)-1)]
	}
	return nil
}
