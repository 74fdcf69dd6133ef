package wasio

import (
	"runtime"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"github.com/wasio-dev/wasio/internal/platform"
)

const (
	atOnce    int64 = 1_000_000     // a shorter wait counts as returning at once
	maxAtOnce       = 12            // waits in a row that may return at once before pauses begin
	maxPaused int64 = 1_000_000_000 // what the pauses add up to before a stream counts as stuck
)

// waits counts waits since the stream last permitted or delivered a byte.
type waits struct {
	n      int
	paused int64 // the sum of the pauses after waits that returned at once
	ready  bool  // the last wait ended because the stream was ready, not because of its bound
}

// waitLocked waits on p, a pollable of a stream, and drops it. It returns nil when the stream
// may permit or have bytes, or else errTimeout or errStuck. Each wait has a new pollable, since
// one from before a flush may stay ready, and drops it before any other host call, since a host
// may trap if a stream is dropped before its pollables.
//
// A host may say that a stream is ready although it permits nothing (Wasmtime's pollable.block
// "may return prematurely"). The first waits that return at once are not followed by a pause,
// since the shortest one takes a millisecond on most hosts. After later ones waitLocked pauses,
// each time for twice as long.
//
//go:noinline
func (w *Writer) waitLocked(p poll.Pollable, since *waits) *cause {
	runtime.Gosched() // now, since the host blocks the whole program
	deadline, began, late := w.deadline.Load(), int64(0), since.n >= maxAtOnce
	if deadline != 0 || late {
		began = platform.Now() // never 0
	}
	left := int64(platform.Never)
	if deadline != 0 {
		left = max(deadline-began, 1)
	}
	bound := left
	if recheck := w.recheck.Load(); recheck != 0 {
		bound = min(bound, recheck)
	}
	since.ready = platform.Await(p, bound, since.n)
	p.ResourceDrop()
	since.n++
	deadline = w.deadline.Load() // a new one may have ended the wait
	if began == 0 && deadline == 0 {
		return nil
	}
	now := platform.Now()
	if since.ready && late && now-began < atOnce {
		if since.paused >= maxPaused && deadline == 0 { // otherwise the deadline decides
			return errStuck
		}
		d := min(max(since.paused, platform.MinPause), platform.MaxPause, left)
		since.paused += d
		platform.Pause(d)
		deadline, now = w.deadline.Load(), platform.Now()
	}
	if deadline != 0 && deadline <= now {
		return errTimeout
	}
	return nil
}

// stallLocked returns the error of a call whose wait for the stream of w ended with reason. A
// timeout does not stick.
func (w *Writer) stallLocked(reason *cause) error {
	err := &Error{Op: "check-write", Err: reason}
	if reason != errTimeout {
		return w.stickLocked(err)
	}
	w.waits = waits{} // the next call may wait as long as this one
	return err
}

// worked is how much the program has written since other goroutines last ran, as yield counts.
var worked platform.Uint32

// yield lets other goroutines run if the program has written for about a millisecond since they
// last ran, and reports whether it did so. A guest has a single thread, on which nothing
// interrupts a goroutine that does not wait, and a fast host never makes one wait. Reading a
// clock would cost more, so yield counts: a write counts as much as 8 KiB, and Wasmtime 48
// takes a millisecond for 128 of them. Letting others run takes 1 µs with the Go toolchain, as
// long as one or two writes to a fast host, even if no other goroutine can run.
func yield(bytes int) bool {
	n := worked.Load() + 1 + uint32(bytes)>>13
	if n < 128 {
		worked.Store(n)
		return false
	}
	worked.Store(0)
	runtime.Gosched()
	return true
}

// overdue reports whether the deadline has passed.
func (w *Writer) overdue() bool {
	d := w.deadline.Load()
	return d != 0 && d <= platform.Now()
}
