package wasio

import (
	"io"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/platform"
)

// maxSplice is the most bytes that one host call is asked to move. Some hosts, such as Wasmtime
// 21, allocate as many bytes as they are asked for.
const maxSplice = 1 << 20

// Splice moves bytes from an input stream to w inside the host, so that they never enter the
// program. It moves at most n bytes, or all until src ends if n is negative, and then flushes
// once. It returns the number of bytes moved and the first error. Splice is like [io.CopyN],
// except that the end of src is not an error: if src ends early, moved is less than n and err
// is nil.
//
// The handle src is a borrow<input-stream>: a value of the type in wit-bindgen-go's bindings
// or, with wit-bindgen, the result of the method Handle. The caller still owns the stream.
//
// Splice is never interleaved with another call, and an error of w sticks. The deadline of w
// and [Writer.SetRecheckInterval] apply to waits for either stream. While Splice waits for src,
// the bytes already moved are not flushed; a program that must answer each part of a request
// splices that part alone. Bytes in the buffer of a [BufWriter] on w are written after those
// that Splice moves: call its Flush first.
//
// Errors have type *[Error]. If Source is set, src failed, timed out or made no progress, and
// the error does not stick. All other errors are errors of w. The host does not say which
// stream a splice failed on. So Splice asks both streams, before and after, and sets Source
// only if it is certain. The failure of a TCP socket of Wasmtime, which shows only when the
// socket is read, counts as an error of w.
//
// If w fails, the bytes that the host has read and not written are lost, at most 1 MiB: a
// splice is a read and then a write (WIT of wasi:io). If w works again after its failure, the
// next byte of src may be lost, too: Splice skips it to find out whether src has ended.
//
// On Wasmtime, [Stdout] and [Stderr] work again after a failure. So a Splice to them waits for
// each piece of src before it moves the piece. That is slow for files, which Wasmtime then
// reads 4 KiB at a time. The end of a TCP socket and a failure of standard input count as
// errors of w there. If the reader of w goes away while the last piece of a socket is moved,
// Splice takes that for the end of src. Use [io.Copy] for files and sockets.
//
// Splice is a function because a method cannot have type parameters. [io.Copy] does not call
// it, since an input stream is not an [io.Reader]; the example Copy has a reader whose WriteTo
// does.
//
// On jco 1.35 every splice ends the program with a TypeError, because of a bug in its
// OutputStream.splice. Use io.Copy there.
func Splice[InputStream Handle](w *Writer, src InputStream, n int64) (moved int64, err error) {
	return w.splice(streams.InputStream(src), n)
}

// splice implements Splice.
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

// spliceLocked is the protocol. Like a write, a splice comes right after check-write. Before
// that, spliceLocked asks src: only if both streams are known to be open can the error of a
// splice be attributed to one of them. A splice that moves nothing found no bytes in src, since
// a permit holds until it is used.
//
// A splice is tried before a wait for src, since a host may read as much as it is asked for:
// Wasmtime reads a file by no more than 4 KiB if the program waits first. Only on a standard
// stream the wait comes first. That stream works again after it has failed, so the end of src
// must not show in a splice, and some sources know of their end once they are ready.
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
		if w.overdue() { // src may neither make it wait nor end
			return moved, timeout()
		}
	}
	return moved, nil
}

// sourceStall returns the error of a wait for src that ended with reason.
func sourceStall(reason *cause) error {
	if reason == errStuck {
		reason = &cause{"input stream is ready, but has no bytes", io.ErrNoProgress}
	}
	return &Error{Op: "read", Source: true, Err: reason}
}

// closeSpliceLocked returns the error that check-write reported before a splice. It returns nil
// if w has closed after the last byte of src, as a body of known length does.
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
// on Wasmtime standard output works again, and so does an HTTP body that was given too much. So
// the error is one of w unless src fails again or may have ended silently: a TCP socket reports
// its end only when it is read, and standard input only if it is asked for a byte.
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

// hasEnded reports whether src says that it has ended. A file says so only after a wait.
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

// sourceError returns the error of src, which does not stick, or nil if src has ended.
func (w *Writer) sourceError(e streams.StreamError) error {
	if e.Closed() {
		return nil
	}
	return &Error{Op: "read", Source: true, Err: w.reasonOf(e)}
}

// telling returns e, or again if e only says closed. It drops the error handle in the other.
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
