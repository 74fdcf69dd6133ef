//go:build !module.std

package wasio

import (
	"time"

	"github.com/wasio-dev/wasio/internal/platform"
)

// century stands for all longer times.
const century = 100 * 365 * 24 * time.Hour

// SetWriteDeadline sets the time after which calls that write or flush fail with an
// error that matches [os.ErrDeadlineExceeded] and whose Timeout method returns true. The
// zero time means no deadline. On a closed Writer, the error matches [os.ErrClosed].
//
// The error of a deadline does not stick: after the deadline is extended, continue with p[n:].
// If n is len(p), only the flush is outstanding, and the next Write or Flush completes it.
//
// A call looks at the deadline when it begins, after each wait, and when it has let other
// goroutines run. SetWriteDeadline does not wait for a call under way: that call meets the new
// deadline, too. Changes of the wall clock have no effect. A deadline ends no call of the host
// that itself waits: Wasmtime waits in write for the reader of standard output.
//
// With the Go toolchain a wait that has a deadline looks at the stream after pauses, which
// makes it slow, unless the program imports package componentize.
//
// The build tag module.std leaves out SetWriteDeadline and SetRecheckInterval, and with them
// package time, which adds 46 KB to a guest built with TinyGo.
func (w *Writer) SetWriteDeadline(t time.Time) error {
	if w.handle.Load() == 0 {
		return notOpen("set-write-deadline")
	}
	deadline := int64(0)
	if !t.IsZero() {
		platform.UseLimits()
		deadline = platform.Now() + int64(max(0, min(time.Until(t), century)))
	}
	w.deadline.Store(deadline)
	platform.Interrupt(w.handle.Load()) // a wait that began without a limit
	return nil
}

// SetRecheckInterval bounds the time between two looks at the stream while a call waits, in case
// a wake-up was lost. A time of 0 or less means the default. The call itself may wait for any
// time: SetWriteDeadline bounds that. Wasmtime 21 and 22 lose wake-ups where the
// embedder uses AsyncStdoutStream (wasmtime issue 8781), and a guest that waits for the stream
// alone hangs.
//
// With TinyGo, and with package componentize, the default is 2 to 8 ms, and longer times count
// as 8 ms. Elsewhere the default is never, and with an interval or a deadline a wait looks at
// the stream after pauses that grow from 20 µs to 5 ms.
func (w *Writer) SetRecheckInterval(every time.Duration) {
	platform.UseLimits()
	w.recheck.Store(int64(max(every, 0)))
	platform.Interrupt(w.handle.Load())
}

// SetWriteDeadline sets the deadline of the Writer. What a call that timed out has left in
// the buffer stays there for the next one.
func (b *BufWriter) SetWriteDeadline(t time.Time) error {
	w := b.w.Load()
	if w == nil {
		return notOpen("set-write-deadline")
	}
	return w.SetWriteDeadline(t)
}
