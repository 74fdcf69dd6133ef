package wasio

import (
	"io"
	"io/fs"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// An Error says which operation of an output stream did not succeed, and why. Every
// error that a [Writer] or [BufWriter] returns is one, but for those that ReadFrom
// passes on from its source.
type Error struct {
	// Op is the operation of wasi:io/streams that reported the failure:
	// "check-write", "write" or "flush". A host may report a failed write or flush
	// at any later operation.
	Op string

	// Err is the reason. [errors.Is] matches it, and the Error, with
	//   - [io.ErrClosedPipe] if the host has closed the stream;
	//   - [io.ErrNoProgress] if the host keeps saying that the stream is ready, and
	//     never permits a byte;
	//   - [os.ErrClosed] if the Writer was closed, or never opened.
	//
	// Any other reason is the host's (last-operation-failed in the WIT), and its
	// text is for people, not to be matched.
	Err error
}

func (e *Error) Error() string { return "wasio: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// cause is the reason of an Error: a sentence, and the error of the standard library
// that it amounts to, if there is one.
type cause struct {
	text string
	is   error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.is }

var (
	errFailed     = &cause{"last operation failed", nil}
	errClosed     = &cause{"stream closed by the host", io.ErrClosedPipe}
	errNoProgress = &cause{"stream is ready, but permits no bytes", io.ErrNoProgress}

	// The value of os.ErrClosed, without package os: that would come to life in
	// every guest.
	errNotOpen = &Error{"write", &cause{"writer is not open", fs.ErrClosed}}
)

// reasonOf returns what a stream-error says, and drops the error handle in it.
func reasonOf(e streams.StreamError) *cause {
	failure := e.LastOperationFailed()
	if failure == nil {
		return errClosed
	}
	failure.ResourceDrop()
	return errFailed
}

// isClosed reports whether err, of a Writer, says that the host has closed the stream.
func isClosed(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Err == errClosed
}
