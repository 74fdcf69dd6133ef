package wasio

import (
	"io"
	"unsafe"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/platform"
)

// An Error says which operation of a stream did not succeed, and why. All errors of a
// [Writer] or [BufWriter] have this type, except those of the source of a ReadFrom, and so
// have all errors of [Splice].
type Error struct {
	// Op is the operation of wasi:io/streams that reported the failure:
	// "check-write", "write", "flush" or "splice". A host may report a failed write or
	// flush at any later operation. It is "read" if the input stream of a [Splice] is
	// the one that failed, or did not get on. If the Writer is not open, Op is "write",
	// "flush", "splice" or "set-write-deadline", after the method or function.
	Op string

	// Err is the reason. [errors.Is] matches it, and the Error, with
	//   - [io.ErrClosedPipe] if the host has closed the stream;
	//   - [io.ErrNoProgress] if the host says for about a second that the stream is
	//     ready and never permits, or has, a byte;
	//   - [os.ErrClosed] if the Writer was closed, or never opened;
	//   - [os.ErrDeadlineExceeded] if the deadline has passed.
	//
	// Any other reason is the host's (last-operation-failed in the WIT): the error that
	// the function of [Writer.SetReason] returned or else, with TinyGo, a text for
	// people. The Go toolchain cannot import the function that returns the text.
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

// A cause is a reason that wasio knows, or a text of the host's.
type cause struct {
	text   string
	is     error  // what errors.Is matches it with; may be nil
	osText string // the text of the error in package os that it matches, or ""
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.is }
func (c *cause) Timeout() bool { return c.osText == deadlineExceeded }

const (
	alreadyClosed    = "file already closed" // os.ErrClosed, made by errors.New
	deadlineExceeded = "i/o timeout"         // os.ErrDeadlineExceeded, a pointer to a type of its own
)

// Is matches the errors of package os by their texts: to import them, even from io/fs,
// would link packages os, syscall and time into a guest that may do without them. It asks
// no other type of error for its text, which may panic, as (&net.OpError{}).Error does.
func (c *cause) Is(target error) bool {
	typ, value := wordsOf(target)
	sample, _ := wordsOf(io.EOF)
	_, timeout := target.(interface {
		Timeout() bool
		Temporary() bool
	})
	_, wraps := target.(interface{ Unwrap() error })
	return (c.osText == alreadyClosed && typ == sample ||
		c.osText == deadlineExceeded && timeout && !wraps && value != nil) && c.osText == target.Error()
}

// wordsOf returns the two words of an interface value, with Go and TinyGo: its type, and a
// pointer to its value.
func wordsOf(err error) (typ, value unsafe.Pointer) {
	words := (*[2]unsafe.Pointer)(unsafe.Pointer(&err))
	return words[0], words[1]
}

var (
	errClosed  = &cause{text: "stream closed by the host", is: io.ErrClosedPipe}
	errNotOpen = &cause{text: "writer is not open", osText: alreadyClosed}
	errStuck   = &Error{"check-write", &cause{text: "stream is ready, but permits no bytes", is: io.ErrNoProgress}}
	errTimeout = &Error{"check-write", &cause{text: deadlineExceeded, osText: deadlineExceeded}}
)

// notOpen returns the error of a call for op on a writer that is not open.
//
//go:noinline
func notOpen(op string) error { return &Error{op, errNotOpen} }

// isTimeout reports whether err is the error of a deadline, which does not stick. It
// compares pointers: with TinyGo, comparing interfaces links 11 KB of reflection.
func isTimeout(err error) bool {
	e, _ := err.(*Error)
	return e == errTimeout
}

// reasonOf returns the reason in a stream-error and drops the error handle in it.
func (w *Writer) reasonOf(e streams.StreamError) (err error) {
	failure := e.LastOperationFailed()
	if failure == nil {
		return errClosed
	}
	defer failure.ResourceDrop() // also if w.reason panics
	if w.reason != nil {
		err = w.reason(uint32(*failure))
	}
	if err == nil {
		err = &cause{text: platform.TextOf(*failure)}
	}
	return err
}
