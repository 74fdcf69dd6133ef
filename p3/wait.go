package p3

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/wasio-dev/wasio/internal/builtins"
	"github.com/wasio-dev/wasio/internal/platform"
)

// The lower four bits of a status are one of these. Above them is the number of bytes moved.
const (
	completed = 0
	dropped   = 1
	cancelled = 2
	blocked   = 1<<32 - 1 // it is under way
	returned  = 2         // of a subtask, whose handle is above it
	unasked   = 15        // there is no operation yet

	minPause, maxPause = int64(time.Millisecond), int64(5 * time.Millisecond)
)

var waitFutureOrStream func(status uint32, waitable int32) (code, count uint32)

// SetWait sets how all Writers of the program wait. By default a wait blocks the instance. With
// componentize-go and its patched Go runtime, a program for the asynchronous world has bindings in
// which only the goroutine waits, and calls this before its first Write:
//
//	p3.SetWait(witAsync.FutureOrStreamWait)
//
// Then a wait with a deadline checks the stream after pauses of 1 to 5 ms, and a deadline that is
// set later does not end it. This was tested with an imitation of the loop of
// go.bytecodealliance.org/pkg v0.2.1, not with the patched runtime, which no registry has.
func SetWait(wait func(status uint32, waitable int32) (code, count uint32)) {
	waitFutureOrStream = wait
}

// waitLocked waits until the operation on a stream or future is over, and returns its status, or
// blocked if the deadline passes first. The waitable is in no set then: a cancel would trap.
func (w *Writer) waitLocked(waitable uint32) (status uint32) {
	letOthersRun() // now, since the host blocks the whole program
	deadline := w.deadline.Load()
	if waitFutureOrStream != nil && deadline == 0 {
		code, count := waitFutureOrStream(blocked, int32(waitable))
		return count<<4 | code
	}
	set := builtins.WaitableSetNew()
	builtins.WaitableJoin(waitable, set)
	w.event = [2]uint32{0, blocked}
	if waitFutureOrStream != nil {
		w.pollLocked(set, deadline)
	} else {
		w.blockLocked(set, waitable, deadline)
	}
	builtins.WaitableJoin(waitable, 0)
	builtins.WaitableSetDrop(set)
	return w.event[1]
}

// blockLocked blocks the instance until the waitable has an event or the deadline passes.
func (w *Writer) blockLocked(set, waitable uint32, deadline int64) {
	if deadline == 0 {
		builtins.WaitableSetWait(set, unsafe.Pointer(&w.event))
		return
	}
	clock := builtins.WaitFor(uint64(max(deadline-now(), 0)))
	if clock&15 == returned {
		return
	}
	clock >>= 4
	builtins.WaitableJoin(clock, set)
	builtins.WaitableSetWait(set, unsafe.Pointer(&w.event))
	builtins.WaitableJoin(clock, 0)
	if w.event[0] == waitable {
		builtins.SubtaskCancel(clock)
	} else {
		w.event[1] = blocked
	}
	builtins.SubtaskDrop(clock)
}

// pollLocked is blockLocked after SetWait. It checks after pauses, during which others run.
func (w *Writer) pollLocked(set uint32, deadline int64) {
	pause := minPause
	for builtins.WaitableSetPoll(set, unsafe.Pointer(&w.event)) == 0 {
		left := deadline - now()
		if left <= 0 {
			w.event[1] = blocked // poll may have written
			return
		}
		clock := builtins.WaitFor(uint64(min(pause, left)))
		if pause = min(2*pause, maxPause); clock&15 != returned {
			waitFutureOrStream(blocked, int32(clock>>4)) // drops it, too
		}
	}
}

// SetWriteDeadline sets the time after which calls that write fail with an error that matches
// [os.ErrDeadlineExceeded] and whose Timeout method returns true. The zero time means no deadline.
// On a closed Writer, SetWriteDeadline returns an error that matches [os.ErrClosed]. A timeout does
// not stick: after the deadline is extended, continue with p[n:].
func (w *Writer) SetWriteDeadline(t time.Time) error {
	if w.handle.Load() == 0 && w.open == nil {
		return failure("set-write-deadline", errNotOpen)
	}
	var deadline int64
	if !t.IsZero() { // 1<<62 replaces all longer times
		deadline = now() + int64(max(0, min(time.Until(t), 1<<62)))
	}
	w.deadline.Store(deadline)
	return nil
}

// now returns the time of a clock that only goes forward, in nanoseconds, and never 0.
func now() int64 { return int64(builtins.ClockNow()) + 1 }

// overdue reports whether the deadline has passed.
func (w *Writer) overdue() bool {
	d := w.deadline.Load()
	return d != 0 && d <= now()
}

var worked platform.Uint32 // what the program has written since others last ran

// yield lets other goroutines run after 512 short Writes, which take half a millisecond, or 4 MiB.
func yield(bytes int) {
	n := worked.Load() + 1 + uint32(bytes)>>13
	if worked.Store(n); n >= 512 {
		letOthersRun()
	}
}

//go:noinline
func letOthersRun() {
	worked.Store(0)
	runtime.Gosched()
}
