package wasio

import (
	"io"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// maxSplice is the most that one host call is asked to move, in bytes. Some hosts make room
// for as many bytes as they are asked for, Wasmtime 21 among them.
const maxSplice = 1 << 20

// Splice has the host move bytes from an input stream to w: they never enter the program. It
// moves at most n bytes, or all until the stream ends if n is negative, and then flushes
// once. It returns the number of bytes moved and the first error. The end of the input stream
// is not an error, so moved is less than n, with a nil error, if the stream ends early.
//
// The input stream is a borrow<input-stream>, of the type that the bindings of the program
// have for it, or what the method Handle of an *InputStream returns. It remains the caller's.
//
// Splice keeps the promises of [Writer.Write]: it is never interleaved with another call, and
// an error of w sticks. The deadline of w and [Writer.SetRecheck] apply to waits for either
// stream. While Splice waits for the input stream, what it has moved is not flushed; a
// program that must answer each part of a request splices that part alone. If w fails, bytes
// that the host has read but not written are lost: a splice is a read and then a write (WIT
// of wasi:io).
//
// Errors have type *[Error]. One whose Op is "read" belongs to the input stream: it has
// failed, or the wait for its bytes met the deadline or made no progress. Such an error does
// not stick. Any other belongs to w.
//
// Splice is to [io.CopyN] what splice is to read and write, except that an early end is not
// an error. It is a function because a method cannot have type parameters, and [io.Copy] does
// not find it because an input stream is not an [io.Reader]. See the example for a reader
// that makes io.Copy use it.
//
// With jco 1.35, every splice ends the program with a TypeError, a fault of its
// OutputStream.splice. Copy the bytes through the program there.
func Splice[InputStream ~uint32 | ~int32](w *Writer, src InputStream, n int64) (moved int64, err error) {
	return splice(w, streams.InputStream(src), n)
}

// splice is Splice. Like the functions below it is no method: Go keeps the names of all
// methods of Writer in programs that do not call them.
func splice(w *Writer, src streams.InputStream, n int64) (moved int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stream() == 0 {
		return 0, notOpen("splice")
	}
	if n < 0 {
		n = 1<<63 - 1
	}
	if err := w.refusalLocked(int(min(n, 1)), false); err != nil || n == 0 {
		return 0, err
	}
	moved, err = spliceLocked(w, src, n)
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
func spliceLocked(w *Writer, src streams.InputStream, n int64) (moved int64, err error) {
	stream := w.stream()
	var since waits // for src, since it last had a byte
	waited := false // for w, and not for src after that
	for moved < n {
		size, e, failed := stream.Splice(src, uint64(min(n-moved, maxSplice))).Result()
		if failed {
			return moved, failSpliceLocked(w, src, e)
		}
		if size > 0 {
			moved += int64(size)
			w.state, w.waits, since, waited = owed, waits{}, waits{}, false
			if w.overdue() { // src may never make it wait, nor end
				return moved, errTimeout
			}
			continue
		}
		permit, e, failed := stream.CheckWrite().Result()
		if failed {
			return moved, w.failLocked("check-write", e)
		}
		if permit > 0 {
			w.waits, waited = waits{}, false
			err = sourceError(w.waitLocked(src.Subscribe(), &since))
		} else if waited = !waited; waited {
			err = w.waitLocked(stream.Subscribe(), &w.waits)
		} else { // src may well be ready
			err = sourceError(w.waitLocked(src.Subscribe(), &waits{}))
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
// and src is asked to skip a byte, since standard input of Wasmtime says nothing when it is
// asked to skip none. If neither says so, it was w: standard output of Wasmtime works again after it has
// failed, and of what src had a whole piece is lost already.
func failSpliceLocked(w *Writer, src streams.InputStream, e streams.StreamError) error {
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
	if err == nil {
		return nil
	}
	if isTimeout(err) {
		return &Error{"read", errTimeout.Err}
	}
	return &Error{"read", &cause{text: "input stream is ready, but has no bytes", is: io.ErrNoProgress}}
}
