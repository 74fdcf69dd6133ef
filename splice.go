package wasio

import (
	"io"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// maxSplice is the most that one host call is asked to move, in bytes. Some hosts make room
// for as many bytes as they are asked for, Wasmtime 21 among them.
const maxSplice = 1 << 20

// Splice moves bytes from an input stream to w without their passing through the program:
// the host moves them. It moves all bytes until the stream ends if n is negative, and at
// most n bytes otherwise, and has the host flush once at the end. It returns the number of
// bytes moved and the first error. The end of the input stream is no error, so a stream
// that ends early shows only in moved.
//
// The input stream is a borrow<input-stream>: what the bindings of the program have for it,
// as for [NewWriter], or the handle that Handle returns where wit-bindgen made them. It
// stays the caller's, who may go on reading from it and must drop it.
//
// Splice keeps the promises of [Writer.Write]: no other call comes in between, and the
// errors of w stick. The deadline of w and [Writer.SetRecheck] hold for waits on either
// stream. If w fails, bytes that the host had read from the input stream are lost (WIT of
// wasi:io: splice is a read and then a write). What was moved is not flushed while Splice
// waits for more. If the other end answers nothing before it has seen that, call Splice
// with what it has sent so far.
//
// Errors have type *[Error]. If the input stream has failed, Op is "read", and the function
// of [Writer.SetReason] is asked for the reason as for w. Such an error does not stick, nor
// does one that matches [io.ErrNoProgress] or [os.ErrDeadlineExceeded] with that Op, where
// the wait was for the input stream. If w has failed, Op is any other.
//
// It is a function since Go has no generic methods, and not a ReadFrom that [io.Copy]
// finds, since an input stream is no [io.Reader]. The count is that of [io.CopyN], but an
// early end is no error, as in io.Copy from an [io.LimitedReader].
//
// jco 1.35 has a fault in splice that ends the program (its OutputStream.splice takes the
// input stream for an output stream). There, copy through the program.
func Splice[InputStream ~uint32 | ~int32](w *Writer, src InputStream, n int64) (moved int64, err error) {
	return w.splice(streams.InputStream(src), n)
}

// splice is Splice.
func (w *Writer) splice(src streams.InputStream, n int64) (moved int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.stream() == 0:
		return 0, notOpen("splice")
	case w.err != nil && (w.state != ended || n != 0):
		w.state = owed // not ended any more
		return 0, w.err
	case n == 0:
		return 0, nil
	case n < 0:
		n = 1<<63 - 1
	}
	moved, err = w.spliceLocked(src, n)
	if ferr := w.flushLocked(); err == nil {
		err = ferr
	}
	return moved, err
}

// spliceLocked is the protocol. Like write, splice needs a permit, and asks for one itself. It
// moves nothing if there is none, or if src has no bytes yet: check-write tells for which of
// the two to wait. The next wait is for src in any case, as w may permit nothing now and have
// permitted something when splice asked, again and again.
//
// Splice comes before the wait for src, since a host may read what it is asked for: files of
// Wasmtime read no more than 4 KiB for a program that waits first.
func (w *Writer) spliceLocked(src streams.InputStream, n int64) (moved int64, err error) {
	stream := w.stream()
	var since waits // for src, since it last had a byte
	waited := false // for w, and not for src after that
	for moved < n {
		if w.overdue() { // as a stream that never ends may never wait either
			return moved, errTimeout
		}
		size, e, failed := stream.Splice(src, uint64(min(n-moved, maxSplice))).Result()
		if failed {
			return moved, w.failSpliceLocked(src, e)
		}
		if size > 0 {
			moved += int64(min(size, 1<<63-1-uint64(moved))) // whatever a host may say
			w.state, w.waits, since, waited = owed, waits{}, waits{}, false
			continue
		}
		permit, e, failed := stream.CheckWrite().Result()
		if failed {
			return moved, w.failLocked("check-write", e)
		}
		if permit > 0 {
			w.waits = waits{}
		}
		if waited = permit == 0 && !waited; waited {
			err = w.waitLocked(stream.Subscribe(), &w.waits)
		} else {
			err = sourceError(w.waitLocked(src.Subscribe(), &since))
		}
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// failSpliceLocked finds out which of the streams the error of a splice is of, and returns
// it, or nil if src has ended.
//
// A stream that has closed or failed says so again when it is asked (WIT of wasi:io 0.2.2),
// and src is asked to skip a byte, since some hosts return from a skip of none before they
// look. If neither says so, it was w: standard output of Wasmtime works again after it has
// failed, and of what src had a whole piece is lost already.
func (w *Writer) failSpliceLocked(src streams.InputStream, e streams.StreamError) error {
	if _, again, failed := w.stream().CheckWrite().Result(); failed {
		return w.failLocked("splice", telling(e, again))
	}
	_, again, failed := src.Skip(1).Result()
	if !failed {
		return w.failLocked("splice", e)
	}
	if e = telling(e, again); e.Closed() {
		return nil
	}
	return &Error{"read", w.reasonOf(e)}
}

// telling returns e, or again if e is only closed. It drops the error handle in the other.
func telling(e, again streams.StreamError) streams.StreamError {
	if e.Closed() {
		return again
	}
	if failure := again.LastOperationFailed(); failure != nil {
		failure.ResourceDrop()
	}
	return e
}

// sourceError returns the error of a wait on an input stream, which does not stick.
func sourceError(err error) error {
	switch {
	case err == nil:
		return nil
	case isTimeout(err):
		return &Error{"read", errTimeout.Err}
	}
	return &Error{"read", &cause{text: "input stream is ready, but has no bytes", is: io.ErrNoProgress}}
}
