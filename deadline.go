//go:build !module.std

package wasio

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

// limits are what may end a wait before the host does. They are apart from the rest for
// the sake of package time: with TinyGo it brings 46 KB of package syscall along, which
// the build tag module.std leaves out, as it does encoding/json of package cm.
type limits struct {
	// timed is nil until a limit is set for the first time, and then limited is true. A
	// program that sets none does not link, nor import of its host, what limits take.
	timed   atomic.Pointer[timed]
	limited flag

	// Times are numbers: whatever can be reached from the type of a Writer is in a guest
	// that makes an io.Writer of it, and time.Time would be 51 KB with TinyGo.

	deadline atomic.Int64    // nanoseconds since start; 0: none
	recheck  int64           // nanoseconds; 0: the default; less: never
	ctx      context.Context // of the call under way; may be nil
}

// century is for ever.
const century = 100 * 365 * 24 * time.Hour

// start is right before it was first asked for: no deadline is at 0.
var start = sync.OnceValue(func() time.Time { return time.Now().Add(-1) })

// timed is how a stream is waited for within limits.
type timed struct {
	overdue func(*limits) error
	await   func(l *limits, p poll.Pollable, round int) bool
}

var withinLimits = timed{(*limits).timeout, (*limits).awaitTimed}

// overdue returns the error of a deadline that has passed, or of a context that is done.
// There must be a limit.
//
//go:noinline
func (l *limits) overdue() error { return l.timed.Load().overdue(l) }

// await waits until p is ready or it is time to look at the stream, the deadline and the
// context again. It reports whether p is ready; the round is how often it was not.
func (l *limits) await(p poll.Pollable, round int) bool {
	if t := l.timed.Load(); t != nil {
		return t.await(l, p, round)
	}
	return awaitDefault(p)
}

// any reports whether there may be a limit.
func (l *limits) any() bool { return l.limited.Load() }

// enforce has waits look at the limits from now on.
func (l *limits) enforce() {
	l.timed.Store(&withinLimits)
	l.limited.Store(true)
}

// SetWriteDeadline sets the time after which calls that write or flush fail with an
// error that matches [os.ErrDeadlineExceeded] and whose Timeout method returns true. The
// zero time is none. The error does not stick: once the deadline is put off, the Writer
// goes on where n of the failed call says. If n is all that was to be written, only the
// flush is outstanding, and the next Write or Flush completes it.
//
// A call looks at the deadline when it begins, and after each wait: one that is set while
// another call waits counts from then on. Only the time that passes counts, not the clock
// on the wall. SetWriteDeadline returns nil always; [net.Conn] has it so.
//
// The build tag module.std leaves SetWriteDeadline, SetRecheck and WriteContext out.
func (w *Writer) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		w.limits.deadline.Store(0)
		return nil
	}
	// As net has it: what the clock on the wall does from now on does not matter.
	left := max(0, min(time.Until(t), century))
	w.limits.deadline.Store(int64(time.Since(start()) + left))
	w.limits.enforce()
	return nil
}

// SetRecheck has every wait look at the stream again after so much time, in case the
// host has lost the wake-up; 0 or less is never. Wasmtime 21 and 22 lose it where the
// embedder uses AsyncStdoutStream (issue 8781), and a guest that waits for the stream
// alone hangs.
//
// With TinyGo a wait is for the stream or the time, whichever is first, and the default
// is 100 ms. The Go toolchain cannot bind the function that this takes (poll of
// wasi:io/poll). There the default is never, and with a recheck, or a deadline, a wait
// looks at the stream after pauses that grow from 20 µs to 5 ms.
func (w *Writer) SetRecheck(every time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits.recheck = int64(every)
	if every <= 0 {
		w.limits.recheck = -1
	}
	w.limits.enforce()
}

// SetWriteDeadline sets the deadline of the Writer. What a Write or Flush that timed out
// has left in the buffer stays there for the next one. It waits for a call that is under
// way; that of the Writer itself does not.
func (b *BufWriter) SetWriteDeadline(t time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.w == nil {
		return errNotOpen
	}
	return b.w.SetWriteDeadline(t)
}

// WriteContext is Write until ctx is done. Its error then wraps [context.Cause] of ctx,
// and does not stick, as that of a deadline.
func (w *Writer) WriteContext(ctx context.Context, p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits.ctx = ctx
	w.limits.enforce()
	defer func() { w.limits.ctx = nil }()
	return w.transfer(p, writeAndFlush)
}

func (l *limits) timeout() error {
	if left, ok := l.left(); ok && left <= 0 {
		return errTimeout
	}
	if l.ctx != nil && l.ctx.Err() != nil {
		return &Error{"check-write", context.Cause(l.ctx)}
	}
	return nil
}

// left returns the nanoseconds until the deadline, if there is one.
func (l *limits) left() (d int64, ok bool) {
	if d = l.deadline.Load(); d == 0 {
		return 0, false
	}
	return d - int64(time.Since(start())), true
}

func (l *limits) awaitTimed(p poll.Pollable, round int) bool {
	bound := uint64(defaultRecheck) // nanoseconds; 0 is for ever
	if l.recheck != 0 {
		bound = uint64(max(l.recheck, 0))
	}
	if l.ctx != nil && l.ctx.Done() != nil {
		bound = shorter(bound, maxPause)
	}
	if left, ok := l.left(); ok {
		bound = shorter(bound, uint64(max(left, 1)))
	}
	if bound == 0 {
		p.Block()
		return true
	}
	return awaitBounded(p, bound, round)
}

// shorter returns the shorter of two bounds, the first of which may be 0 for for ever.
func shorter(a, b uint64) uint64 {
	if a == 0 {
		return b
	}
	return min(a, b)
}
