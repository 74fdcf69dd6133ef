package wasio

import (
	"io"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/platform"
)

// maxSplice is the most that one host call is asked to move, in bytes. Some hosts make room
// for as many bytes as they are asked for, Wasmtime 21 among them.
const maxSplice = 1 << 20

// Splice has the host move bytes from an input stream to w: they never enter the program. It
// moves at most n bytes, or all until the stream ends if n is negative, and then flushes
// once. It returns the number of bytes moved and the first error. The end of the input stream
// is not an error, so moved is less than n, with a nil error, if the stream ends early.
//
// The input stream is a borrow<input-stream>: the value that bindings by wit-bindgen-go have
// or, with wit-bindgen, the result of the method Handle. It remains the caller's.
//
// Splice keeps the promises of [Writer.Write]: it is never interleaved with another call, and
// an error of w sticks. The deadline of w and [Writer.SetRecheckInterval] apply to waits for
// either stream. While Splice waits for the input stream, what it has moved is not flushed; a
// program that must answer each part of a request splices that part alone. What a [BufWriter]
// on w still holds is written after the bytes that Splice moves: call its Flush before.
//
// Errors have type *[Error]. If Source is set, the input stream has failed, or the wait for
// its bytes met the deadline or made no progress. Such an error does not stick. Any other
// belongs to w. The host does not say which stream failed in a splice. So Splice asks both,
// before and after, and sets Source only if it is certain. The failure of a TCP socket of
// Wasmtime, which does not show before somebody reads, counts as an error of w.
//
// If w fails, the bytes that the host has read and not written are lost, at most 1 MiB: a
// splice is a read and then a write (WIT of wasi:io). Where w works again after that, so can
// be the next byte of the input stream.
//
// [Stdout] and [Stderr] work again after they have failed, on Wasmtime, so to them Splice waits
// for each piece of the input stream before it moves it. That makes it slow for files, which
// Wasmtime reads by 4 KiB then. The end of a TCP socket of Wasmtime, and a failure of standard
// input, count as errors of w there. If the reader of w goes away as the last piece of a socket
// is moved, Splice takes that for the end. Use [io.Copy] for files and sockets.
//
// Splice is like [io.CopyN], but the bytes stay in the host, and a short source is not an
// error. It is a function because a method cannot have type parameters, and [io.Copy] does
// not find it because an input stream is not an [io.Reader]. See the example for a reader
// that makes io.Copy use it.
//
// With jco 1.35, every splice ends the program with a TypeError, a fault of its
// OutputStream.splice. Copy the bytes through the program there.
func Splice[InputStream Handle](w *Writer, src InputStream, n int64) (moved int64, err error) {
	return w.splice(streams.InputStream(src), n)
}

// splice is Splice.
func (w *Writer) splice(src streams.InputStream, n int64) (moved int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stream() == 0 {
		return 0, notOpen("splice")
	}
	if n < 0 {
		n = 1<<63 - 1
	}
	if err := w.readyLocked(int(min(n, 1)), false); err != nil || n == 0 {
		return 0, err
	}
	moved, err = w.spliceLocked(src, n)
	if ferr := w.flushLocked(); err == nil {
		err = ferr
	}
	return moved, err
}

// spliceLocked is the protocol. Like write, splice comes right after check-write, and src is
// asked before that: both must be known to be open for a splice that fails to tell whether src
// has lost bytes by it. It moves nothing if src has none yet, as a permit holds until it is used.
//
// Splice comes before the wait for src, since a host may read what it is asked for: files of
// Wasmtime read no more than 4 KiB for a program that waits first. Only with a standard stream
// the wait comes first: as that works again after it has failed, it must not meet the end of src
// in a splice, and some know of their end when they are ready.
func (w *Writer) spliceLocked(src streams.InputStream, n int64) (moved int64, err error) {
	stream, standard := w.stream(), w.standard != nil
	wait := standard // for src
	var since waits  // for src
	for moved < n {
		if wait {
			if reason := w.waitLocked(src.Subscribe(), &since); reason != nil {
				return moved, sourceStall(reason)
			}
			if standard && !since.ready {
				continue
			}
		}
		if _, e, failed := src.Skip(0).Result(); failed {
			return moved, w.sourceError(e)
		}
		permit, e, failed := stream.CheckWrite().Result()
		if failed {
			return moved, w.closeSpliceLocked(src, e)
		}
		if permit == 0 {
			if reason := w.waitLocked(stream.Subscribe(), &w.waits); reason != nil {
				return moved, w.stallLocked(reason)
			}
			wait = false
			continue
		}
		w.waits = waits{}
		ask := uint64(min(n-moved, maxSplice))
		size, e, failed := stream.Splice(src, ask).Result()
		if failed {
			return moved, w.failSpliceLocked(src, e)
		}
		if size > ask {
			reason := &cause{text: "the host moved more bytes than it was asked for"}
			return moved + int64(ask), w.stickLocked(&Error{Op: "splice", Err: reason})
		}
		if wait = size == 0 || standard; size == 0 {
			continue
		}
		moved += int64(size)
		w.state, since = owed, waits{}
		yield(int(size))
		if w.overdue() { // src may never make it wait, nor end
			return moved, timeout()
		}
	}
	return moved, nil
}

// sourceStall returns the error of a wait for src.
func sourceStall(reason *cause) error {
	if reason == errStuck {
		reason = &cause{"input stream is ready, but has no bytes", io.ErrNoProgress}
	}
	return &Error{Op: "read", Source: true, Err: reason}
}

// closeSpliceLocked returns the error of w that came before a splice. It returns nil if w has
// closed after the last byte of src, as a body of known length does.
func (w *Writer) closeSpliceLocked(src streams.InputStream, e streams.StreamError) error {
	err := w.failLocked("check-write", e)
	if e.Closed() && w.standard == nil && hasEnded(src) {
		w.state, err = ended, nil
	}
	return err
}

// failSpliceLocked attributes the error of a splice to w or to src, both of which were open just
// before. It returns nil if src has ended.
//
// A stream that has closed or failed says so again when it is asked (WIT of wasi:io 0.2.2). But
// on Wasmtime standard output works again, and so does an HTTP body that was given too much, so
// the error is one of w unless src fails again, or may have ended without a word: a TCP socket
// tells only when it is read, and standard input says nothing if it is asked for no byte.
func (w *Writer) failSpliceLocked(src streams.InputStream, e streams.StreamError) error {
	if _, again, failed := w.stream().CheckWrite().Result(); failed {
		return w.failLocked("splice", telling(e, again))
	}
	standard := w.standard != nil
	_, again, failed := src.Skip(0).Result()
	if failed && !standard && (e.Closed() || !again.Closed()) {
		return w.sourceError(telling(e, again)) // the end of a socket, or a failure
	}
	if failed {
		drop(again)
		return w.failLocked("splice", e)
	}
	if e.Closed() || !standard {
		if _, again, failed := src.Skip(1).Result(); failed {
			return w.sourceError(telling(e, again)) // standard input
		}
	}
	return w.failLocked("splice", e)
}

// hasEnded reports whether src says that it has ended, for which a file must be waited for.
func hasEnded(src streams.InputStream) bool {
	platform.UseLimits()
	for round := range maxAtOnce { // some 25 ms
		p := src.Subscribe()
		platform.Await(p, platform.MaxPause, round)
		p.ResourceDrop()
		if _, e, failed := src.Skip(0).Result(); failed {
			drop(e)
			return e.Closed()
		}
	}
	return false
}

// sourceError returns the error of src, which does not stick, or nil if that has ended.
func (w *Writer) sourceError(e streams.StreamError) error {
	if e.Closed() {
		return nil
	}
	return &Error{Op: "read", Source: true, Err: w.reasonOf(e)}
}

// telling returns e, or again if e is only closed. It drops the error handle in the other.
func telling(e, again streams.StreamError) streams.StreamError {
	if e.Closed() {
		return again
	}
	drop(again)
	return e
}

// drop drops the error handle in e, if there is one.
func drop(e streams.StreamError) {
	if failure := e.LastOperationFailed(); failure != nil {
		failure.ResourceDrop()
	}
}
