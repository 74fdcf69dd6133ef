package p3

import (
	"io"
	"os"

	"github.com/wasio-dev/wasio"
)

// A reason is the Err of a wasio.Error. Nobody outside can change it, so its address identifies it.
type reason struct {
	text string
	is   error // the sentinel that errors.Is matches it with, or nil
}

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return r.is }
func (r *reason) Timeout() bool { return r == errTimeout }

var (
	errClosed  = &reason{"stream closed by the reader", io.ErrClosedPipe}
	errNotOpen = &reason{"writer is not open", os.ErrClosed}
	errStuck   = &reason{"stream takes no bytes", io.ErrNoProgress}
	errTimeout = &reason{"i/o timeout", os.ErrDeadlineExceeded}
	errCodes   = [...]*reason{{"input/output error", nil}, {"illegal byte sequence", nil}, errClosed} // of wasi:cli
)

// failure returns a new error, since the caller may change it.
func failure(op string, reason error) error { return &wasio.Error{Op: op, Err: reason} }

// isTimeout compares pointers: with TinyGo, comparing interfaces links 28 KB of reflection.
func isTimeout(err error) bool {
	if e, ok := err.(*wasio.Error); ok {
		err = e.Err
	}
	r, _ := err.(*reason)
	return r == errTimeout
}
