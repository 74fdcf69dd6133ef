package wasio

import (
	"io"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/platform"
)

// An Error says which operation on a stream failed, and why. All errors of a [Writer], of a
// [BufWriter] and of [Splice] have type *Error, except those that ReadFrom returns because of
// the reader it reads from.
type Error struct {
	// Op is the operation of wasi:io/streams that reported the failure:
	// "check-write", "write", "flush" or "splice". A host may report a failed write or
	// flush at any later operation. For the input stream of a [Splice], Op is "read". If the
	// Writer is not open, Op is "write", "flush", "splice" or "set-write-deadline", after the
	// method or function. Op is for people: programs use Source and Err.
	Op string

	// Source is true if the input stream of a [Splice] failed, timed out or made no progress,
	// and false if the Writer did.
	Source bool

	// Err is the reason. [errors.Is] matches Err, and the Error itself, with
	//   - [io.ErrClosedPipe] if the host has closed the stream;
	//   - [io.ErrNoProgress] if the host said for about a second that the stream was
	//     ready, but it permitted or had no byte;
	//   - [os.ErrClosed] if the Writer was closed, or never opened;
	//   - [os.ErrDeadlineExceeded] if the deadline has passed.
	//
	// The build tag module.std leaves out package os, and then the last two match nothing.
	//
	// Any other reason is the host's (last-operation-failed in the WIT): the error that
	// the function given to [Writer.SetErrorDecoder] returned, or else the first line of the
	// host's text, which is for people. With the Go toolchain a program gets the text only with
	// package componentize.
	Err error
}

// Error returns the operation and the reason.
func (e *Error) Error() string { return "wasio: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the reason is a timeout.
func (e *Error) Timeout() bool {
	t, ok := e.Err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// Temporary returns e.Timeout(). It makes *Error a [net.Error].
func (e *Error) Temporary() bool { return e.Timeout() }

// A cause is a reason of wasio's own, or the host's text. Other packages cannot change a cause,
// so wasio recognizes its own by their addresses.
type cause struct {
	text string
	is   error // the sentinel that errors.Is matches it with, or nil
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.is }
func (c *cause) Timeout() bool { return c == errTimeout }

var (
	errClosed  = &cause{"stream closed by the host", io.ErrClosedPipe}
	errNotOpen = &cause{"writer is not open", osErrClosed}
	errStuck   = &cause{"stream is ready, but permits no bytes", io.ErrNoProgress}
	errTimeout = &cause{"i/o timeout", osErrDeadlineExceeded}
)

// notOpen returns the error of an operation op on a Writer that is not open.
//
//go:noinline
func notOpen(op string) error {
	yield(0) // for loops that ignore the error
	return &Error{Op: op, Err: errNotOpen}
}

// timeout returns the error of a call whose deadline has passed. It is a new one each time,
// since the caller may change it.
//
//go:noinline
func timeout() error {
	yield(0) // for loops that ignore the error
	return &Error{Op: "check-write", Err: errTimeout}
}

// isTimeout reports whether err is the error of a deadline of wasio, which does not stick. It
// compares pointers: with TinyGo, comparing interfaces links 28 KB of reflection.
func isTimeout(err error) bool {
	e, ok := err.(*Error)
	if !ok {
		return false
	}
	c, _ := e.Err.(*cause)
	return c == errTimeout
}

// An ErrorHandle is a borrow<error> handle of wasi:io/error. To pass one to a function of the
// program's own bindings, convert it: with wit-bindgen-go to ioerror.Error(err), with
// wit-bindgen to wasi_io_error.ErrorFromBorrowHandle(int32(err)).
type ErrorHandle uint32

// reasonOf returns the reason in e and drops the error handle in it.
func (w *Writer) reasonOf(e streams.StreamError) (err error) {
	failure := e.LastOperationFailed()
	if failure == nil {
		return errClosed
	}
	defer failure.ResourceDrop() // also if w.decode panics
	if w.decode != nil {
		err = w.decode(ErrorHandle(*failure))
	}
	if err == nil {
		text := platform.TextOf(uint32(*failure))
		if text == "" {
			text = "last operation failed"
		}
		err = &cause{text: text}
	}
	return err
}
