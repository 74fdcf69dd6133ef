package wasio

import (
	"io"

	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
)

// An Error says which operation of an output stream did not succeed, and why. Every
// error that a [Writer] or [BufWriter] returns is one, but for those that ReadFrom
// passes on from its source.
type Error struct {
	// Op is the operation of wasi:io/streams that reported the failure:
	// "check-write", "write", "flush" or "blocking-write-and-flush". A host may
	// report a failed write or flush at any later operation.
	Op string

	// Err is the reason. [errors.Is] matches it, and the Error, with
	//   - [io.ErrClosedPipe] if the host has closed the stream;
	//   - [io.ErrNoProgress] if the host keeps saying that the stream is ready, and
	//     never permits a byte;
	//   - [os.ErrClosed] if the Writer was closed, or never opened;
	//   - [os.ErrDeadlineExceeded] if the deadline has passed.
	//
	// Any other reason is the host's (last-operation-failed in the WIT). Its text is
	// for people, not to be matched, and with the Go toolchain a plain sentence: the
	// host's own words take a function that returns a string, which Go cannot import.
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

// Temporary returns e.Timeout(). [net.Error] has it.
func (e *Error) Temporary() bool { return e.Timeout() }

// A cause is the reason of an Error: a sentence, and what errors.Is matches it with. The
// values of package os are matched by their texts: to have them, even from io/fs, brings
// packages os, syscall and time into a guest that may do without.
type cause struct {
	text  string
	is    error  // may be nil
	looks string // the text of an error in package os, or ""
}

func (c *cause) Error() string        { return c.text }
func (c *cause) Unwrap() error        { return c.is }
func (c *cause) Is(target error) bool { return c.looks != "" && c.looks == target.Error() }
func (c *cause) Timeout() bool        { return c.looks == deadlineExceeded }

const (
	alreadyClosed    = "file already closed" // os.ErrClosed
	deadlineExceeded = "i/o timeout"         // os.ErrDeadlineExceeded
)

var (
	errFailed     = &cause{text: "last operation failed"}
	errClosed     = &cause{text: "stream closed by the host", is: io.ErrClosedPipe}
	errNoProgress = &cause{text: "stream is ready, but permits no bytes", is: io.ErrNoProgress}
	errNotOpen    = &Error{"write", &cause{text: "writer is not open", looks: alreadyClosed}}
	errStuck      = &Error{"check-write", errNoProgress}
	errTimeout    = &Error{"check-write", &cause{text: deadlineExceeded, looks: deadlineExceeded}}
)

// reasonOf returns what a stream-error says, and drops the error handle in it.
func reasonOf(e streams.StreamError) *cause {
	failure := e.LastOperationFailed()
	if failure == nil {
		return errClosed
	}
	text := textOf(*failure)
	failure.ResourceDrop()
	if text == "" {
		return errFailed
	}
	return &cause{text: text}
}

// isClosed reports whether err, of a Writer, says that the host has closed the stream.
func isClosed(err error) bool { return causeOf(err) == errClosed }

// isTimeout reports whether err, of a Writer, is a deadline's and so does not stick.
func isTimeout(err error) bool { c := causeOf(err); return c != nil && c.Timeout() }

// causeOf returns the cause of an error of a Writer, if there is one. Causes are compared
// as pointers: with TinyGo, to compare interfaces brings 11 KB of reflection.
func causeOf(err error) *cause {
	if e, ok := err.(*Error); ok {
		c, _ := e.Err.(*cause)
		return c
	}
	return nil
}
