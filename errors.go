package wasio

import (
	"io"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/platform"
)

// An Error says which operation of a stream did not succeed, and why. All errors of a
// [Writer], of a [BufWriter] and of [Splice] have this type, except the errors of the reader
// that a ReadFrom reads from.
type Error struct {
	// Op is the operation of wasi:io/streams that reported the failure:
	// "check-write", "write", "flush" or "splice". A host may report a failed write or
	// flush at any later operation. It is "read" for the input stream of a [Splice]. If the
	// Writer is not open, Op is "write", "flush", "splice" or "set-write-deadline", after the
	// method or function. Op is for people: programs use Source and Err.
	Op string

	// Source reports whether it is the input stream of a [Splice] that failed, timed out or
	// made no progress, and not the Writer.
	Source bool

	// Err is the reason. [errors.Is] matches it, and the Error, with
	//   - [io.ErrClosedPipe] if the host has closed the stream;
	//   - [io.ErrNoProgress] if the host says for about a second that the stream is
	//     ready, but it never permits, or has, a byte;
	//   - [os.ErrClosed] if the Writer was closed, or never opened;
	//   - [os.ErrDeadlineExceeded] if the deadline has passed.
	//
	// The build tag module.std leaves out package os, and the last two match nothing.
	//
	// Any other reason is the host's (last-operation-failed in the WIT): the error that
	// the function of [Writer.SetErrorDecoder] returned or else the first line of a text for
	// people. With the Go toolchain the text is to be had only with package componentize.
	Err error
}

func (e *Error) Error() string { return "wasio: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether the reason is a deadline.
func (e *Error) Timeout() bool {
	t, ok := e.Err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// Temporary returns e.Timeout(). It makes Error a [net.Error].
func (e *Error) Temporary() bool { return e.Timeout() }

// A cause is a reason that wasio knows, or a text of the host's. Nobody outside can change
// one, so the package tells its own by their addresses.
type cause struct {
	text string
	is   error // what errors.Is matches it with; may be nil
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

// notOpen returns the error of a call for op on a writer that is not open.
//
//go:noinline
func notOpen(op string) error { return &Error{Op: op, Err: errNotOpen} }

// timeout returns the error of a call that met the deadline: a new one each time, since the
// caller may change it.
//
//go:noinline
func timeout() error { return &Error{Op: "check-write", Err: errTimeout} }

// isTimeout reports whether err is the error of a deadline, which does not stick. It
// compares pointers: with TinyGo, comparing interfaces links 28 KB of reflection.
func isTimeout(err error) bool {
	e, ok := err.(*Error)
	if !ok {
		return false
	}
	c, _ := e.Err.(*cause)
	return c == errTimeout
}

// An ErrorHandle is a borrow<error> of wasi:io/error. Functions of a program's own bindings take
// it after a conversion: ioerror.Error(err) with wit-bindgen-go, and
// wasi_io_error.ErrorFromBorrowHandle(int32(err)) with wit-bindgen.
type ErrorHandle uint32

// reasonOf returns the reason in a stream-error and drops the error handle in it.
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
