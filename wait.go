package wasio

import (
	"runtime"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
	"github.com/wasio-dev/wasio/internal/platform"
)

const (
	maxPaused int64 = 1_000_000_000 // all pauses for a stream that is ready and permits nothing
	atOnce    int64 = 1_000_000     // a wait that is shorter was none
)

// waits describes the waits since a stream last permitted, or had, a byte.
type waits struct {
	n      int   // their number
	paused int64 // the pauses after those, from the second on, that returned at once
}

// waitLocked waits on p, a pollable of the stream, and drops it. It returns when the stream
// may permit bytes again, or earlier, or says why it will not. Each wait takes a new
// pollable, as one from before a flush can be stuck at ready, and drops it before any other
// call: a host may trap if a stream is dropped before its pollables. The stream is that of w
// if since is w.waits. Only then does an error stick.
//
// A host may say that a stream is ready which permits nothing ("may return prematurely",
// says Wasmtime of pollable.block). From the second time in a row on, waitLocked pauses.
//
//go:noinline
func (w *Writer) waitLocked(p poll.Pollable, since *waits) error {
	runtime.Gosched() // now, since the host blocks the whole program
	bound, ready, began := w.bound(), true, int64(0)
	if since.n > 0 {
		began = platform.Now() // never 0
	}
	if bound == platform.Never {
		p.Block()
	} else if platform.Bounded {
		ready = platform.AwaitWithin(p, bound, since.n)
	} else {
		ready = (*awaitLimited.Load())(p, bound, since.n)
	}
	p.ResourceDrop()
	since.n++
	if began != 0 && ready && platform.Now()-began < atOnce {
		d := min(max(since.paused, platform.MinPause), platform.MaxPause, bound) // twice as long each time
		since.paused += d
		platform.Pause(d)
	}
	if w.overdue() {
		*since = waits{}
		return errTimeout
	}
	if since.paused >= maxPaused && w.deadline.Load() == 0 { // else the deadline decides
		if since == &w.waits {
			w.err, w.state = errStuck, owed
		}
		return errStuck
	}
	return nil
}

// awaitLimited is platform.AwaitWithin once a limit is set. A program that sets none does
// not link it, nor import what it takes from the host, unless all its waits are bounded.
var awaitLimited platform.Pointer[func(p poll.Pollable, bound int64, round int) (ready bool)]

// useLimits makes waits heed a limit from now on.
func useLimits() { awaitLimited.Store(&awaitWithin) }

var awaitWithin = platform.AwaitWithin

// bound returns how long a wait that begins now may last.
func (w *Writer) bound() int64 {
	bound := platform.DefaultRecheck
	if recheck := w.recheck.Load(); recheck != 0 {
		bound = recheck
	}
	if d := w.deadline.Load(); d != 0 {
		bound = min(bound, max(d-platform.Now(), 1))
	}
	return bound
}

// overdue reports whether the deadline has passed.
func (w *Writer) overdue() bool {
	d := w.deadline.Load()
	return d != 0 && d <= platform.Now()
}
