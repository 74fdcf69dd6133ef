//go:build !module.std

package wasio

import (
	"time"

	"github.com/wasio-dev/wasio/internal/platform"
)

// century caps the time until a deadline, so that adding it to platform.Now cannot overflow.
const century = 100 * 365 * 24 * time.Hour

// SetWriteDeadline sets the time after which calls that write or flush fail with an error that
// matches [os.ErrDeadlineExceeded] and whose Timeout method returns true. The zero time means
// no deadline. On a closed Writer, SetWriteDeadline returns an error that matches
// [os.ErrClosed].
//
// A timeout does not stick: after the deadline is extended, continue with p[n:]. If n is
// len(p), only the flush is outstanding, and the next Write or Flush completes it.
//
// A call checks the deadline when it begins, after each wait, and after it has let other
// goroutines run. SetWriteDeadline does not wait for a call under way, and the new deadline
// applies to that call, too. Changes of the wall clock have no effect. A deadline cannot end a
// host call that itself waits, as Wasmtime's write does until somebody reads standard output.
//
// With the Go toolchain, unless the program imports package componentize, a wait with a
// deadline checks the stream many times and then after pauses, which is slow if the host has
// one core.
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
	platform.Interrupt(w.handle.Load()) // ends a wait that began without this deadline
	return nil
}

// SetRecheckInterval bounds the time between two checks of the stream while a call waits, in
// case a wake-up was lost. If every is 0 or less, the default applies. The interval does not bound
// the call as a whole: SetWriteDeadline does. Wasmtime 21 and 22 lose wake-ups if the embedder
// uses AsyncStdoutStream (wasmtime issue 8781), and a guest that waits for the stream alone
// hangs.
//
// It does not shorten the pauses, of 5 ms at most, after a host has said in vain that the stream is
// ready.
//
// With TinyGo, and with package componentize, the default is 2 to 16 ms, and longer intervals
// count as 16 ms. Otherwise the default is never, and with an interval or a deadline a wait
// checks the stream after pauses that grow from 20 µs to 5 ms.
func (w *Writer) SetRecheckInterval(every time.Duration) {
	platform.UseLimits()
	w.recheck.Store(int64(max(every, 0)))
	platform.Interrupt(w.handle.Load())
}

// SetWriteDeadline sets the deadline of the Writer. Bytes that a call could not hand over in
// time stay in the buffer for the next one.
func (b *BufWriter) SetWriteDeadline(t time.Time) error {
	w := b.w.Load()
	if w == nil {
		return notOpen("set-write-deadline")
	}
	return w.SetWriteDeadline(t)
}
