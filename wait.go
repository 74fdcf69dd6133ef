package wasio

import (
	"runtime"

	"github.com/wasio-dev/wasio/generated/wasi/io/poll"
)

// Durations are numbers of nanoseconds: with TinyGo, package time adds 46 KB to a guest.
const (
	minPause  int64 = 20_000        // the first pause
	maxPause  int64 = 5_000_000     // the longest pause
	maxPaused int64 = 1_000_000_000 // all pauses for a stream that is ready and permits nothing
	atOnce    int64 = 1_000_000     // a wait that is shorter was none
)

// waits describes the waits since the host last permitted a byte.
type waits struct {
	n      int   // their number
	paused int64 // the pauses after those, from the second on, that returned at once
}

// waitLocked returns when the stream may permit bytes again, or earlier, or says why it
// will not. Each wait takes a new pollable, as one from before a flush can be stuck at
// ready, and drops it before any other call: a host may trap if a stream is dropped
// before its pollables.
//
// A host may say that a stream is ready which permits nothing ("may return prematurely",
// says Wasmtime of pollable.block). From the second time in a row on, waitLocked pauses.
//
//go:noinline
func (w *Writer) waitLocked() error {
	runtime.Gosched() // now, since the host blocks the whole program
	bound, again, began := w.bound(), w.waits.n > 0, int64(0)
	if again {
		began = now()
	}
	p, ready := w.stream().Subscribe(), true
	if bound == never {
		p.Block()
	} else {
		ready = (*awaitLimited.Load())(p, bound, w.waits.n)
	}
	p.ResourceDrop()
	w.waits.n++
	if again && ready && now()-began < atOnce {
		d := min(max(w.waits.paused, minPause), maxPause, bound) // twice as long each time
		w.waits.paused += d
		pause(d)
	}
	if w.overdue() {
		w.waits = waits{}
		return errTimeout
	}
	if w.waits.paused >= maxPaused && w.deadline.Load() == 0 { // else the deadline decides
		w.err, w.state = errStuck, owed
		return w.err
	}
	return nil
}

// never is longer than any wait.
const never = 1<<63 - 1

// awaitLimited is awaitWithin, once a wait may have a limit: what that imports from the
// host is then linked.
var awaitLimited atomicPointer[func(p poll.Pollable, bound int64, round int) (ready bool)]

func useLimits() {
	f := awaitWithin
	awaitLimited.Store(&f)
}

// bound returns how long a wait that begins now may last.
func (w *Writer) bound() int64 {
	bound := defaultRecheck
	if recheck := w.recheck.Load(); recheck != 0 {
		bound = recheck
	}
	if d := w.deadline.Load(); d != 0 {
		bound = min(bound, max(d-now(), 1))
	}
	return bound
}

// overdue reports whether the deadline has passed.
func (w *Writer) overdue() bool {
	d := w.deadline.Load()
	return d != 0 && d <= now()
}
