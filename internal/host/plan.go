package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Plan says how a stream, of output or of input, behaves where the contract leaves it a
// choice. The zero value is a synchronous host that permits 1 MiB, never makes a guest wait and
// never fails. Package wasiotest shows it to its users, so its words are for the authors of tests.
type Plan struct {
	// Permits are the answers of check-write in bytes, in turn and then from the
	// start again. 0 permits nothing: the guest must wait on a pollable and ask
	// again, so a 0 after a 0 is a spurious wake-up. Any other permit holds, for splice
	// too, until a write, a flush or a failure: check-write repeats it.
	//
	// Of an input stream they are how many bytes there are to be read, until those are
	// read, and 0 is none yet.
	Permits []uint64

	// FlushWaits say how often the guest must wait until a flush is complete, for
	// each flush in turn and then from the start again.
	FlushWaits []int

	// Delay is how long each wait takes. Inside a [testing/synctest] bubble that is
	// no time at all. A wait of the longest duration never ends, which is a trap unless
	// the guest waits for a time, too.
	Delay time.Duration

	// Faults are the failures of the stream.
	Faults []Fault

	// Capacity closes the stream once it has taken, or had, so many bytes; 0: never.
	Capacity uint64

	// End says which operations find the end of an input stream, or a failure of it. An
	// output stream has none.
	End End

	// Hold keeps what was written until it is flushed. It is lost if the stream is
	// dropped before that, or fails.
	Hold bool

	// HoldLine keeps what was written after the last newline, if that is less than 1024
	// bytes, until a newline or a flush comes. It is lost as with Hold, which goes before
	// it. Standard output of Wasmtime is like that.
	HoldLine bool

	// DropWaits makes the drop of the stream wait until what was written has been taken:
	// until check-write would permit something again. TCP sockets of Wasmtime are like that.
	DropWaits bool

	// WorksAgain lets an output stream go on after an error of what it writes to, once that
	// was reported.
	WorksAgain bool

	// Background lets the stream make progress while nobody waits on a pollable of
	// it. Without it, a guest that only asks check-write again never gets on, as on
	// files of Wasmtime.
	Background bool

	// Latch makes a pollable that was ready once stay ready forever.
	Latch bool

	// NeverReady makes pollable.ready return false always, though block works.
	NeverReady bool

	// Premature makes a pollable ready at once, though the stream takes Delay to permit
	// anything. It implies Background.
	Premature bool

	// LoseWakeups makes a wait on the stream's pollable alone hang, or one in a blocking
	// function, unless the stream is ready when it begins, as in Wasmtime 21 and 22 (issue
	// 8781). It takes a Delay to matter, and implies Background.
	LoseWakeups bool

	// LoseAt, if not 0, limits LoseWakeups to one wait, counted from 1.
	LoseAt int

	// Terminal makes a standard stream a terminal.
	Terminal bool

	// Handles is how many handles may be live at once; 0 is any number.
	Handles int

	script Script // nil: the fields above are the script
}

// An End says which operations on an input stream find that it has ended, or that it has
// failed: the hosts differ. Where the plan makes the guest wait, it waits for the end, too.
type End uint8

const (
	// EndKnown lets any operation find the end once no byte is left, also a skip of 0
	// bytes, as the body of an HTTP request does.
	EndKnown End = iota

	// EndWhenRead lets only an operation that asks for a byte find the end. Then every
	// operation reports it. TCP sockets of Wasmtime are like that.
	EndWhenRead

	// EndSilent is like EndWhenRead, except that an operation that asks for 0 bytes never
	// reports anything. Standard input of Wasmtime is like that.
	EndSilent
)

// A Fault is a failure of a stream.
type Fault struct {
	// At is the function that fails: "check-write", "write" or "flush"; or "flushed"
	// for a flush that began well and fails before it is complete, which the next
	// function reports. Of an input stream it is "read", also for skip and splice.
	At string

	Call    int    // the call of At that fails, from 1; 0: every call
	Bytes   uint64 // but not before the stream has taken, or had, so many bytes
	Closed  bool   // the error is closed, not last-operation-failed
	Lost    bool   // a stream that closes loses what it holds and has not flushed
	Partial uint64 // how many bytes of a write that fails are delivered, which the guest is not told
	Text    string // what the host says of the failure
	Then    Then   // what the stream does once it has reported the failure
}

// Then is what a stream does once it has reported a failure.
type Then uint8

const (
	ThenClosed Then = iota // it is closed, as the WIT says
	ThenAgain              // it reports the same failure at every call
	ThenWorks              // it works again, as standard output of Wasmtime does, even after closed
)

// The values of a Fault's At.
const (
	AtCheckWrite = "check-write"
	AtWrite      = "write"
	AtFlush      = "flush"
	AtFlushed    = "flushed"
	AtRead       = "read"
)

// CheckOutput returns an error if the plan makes no sense for an output stream.
func CheckOutput(p Plan) error {
	if p.End != EndKnown {
		return errors.New("an output stream has no End")
	}
	return check(p, AtCheckWrite, AtWrite, AtFlush, AtFlushed)
}

// CheckInput returns an error if the plan makes no sense for an input stream.
func CheckInput(p Plan) error {
	switch {
	case p.FlushWaits != nil || p.Hold || p.HoldLine || p.DropWaits || p.WorksAgain || p.Terminal || p.Handles != 0:
		return errors.New("an input stream has no FlushWaits, Hold, HoldLine, DropWaits, WorksAgain, Terminal or Handles")
	case p.End > EndSilent:
		return fmt.Errorf("no such End: %d", p.End)
	}
	return check(p, AtRead)
}

func check(p Plan, points ...string) error {
	if i := slices.IndexFunc(p.FlushWaits, func(n int) bool { return n < 0 }); i >= 0 {
		return fmt.Errorf("a flush cannot take %d waits", p.FlushWaits[i])
	}
	if p.Delay < 0 {
		return fmt.Errorf("a delay of %v is negative", p.Delay)
	}
	for _, f := range p.Faults {
		switch {
		case !slices.Contains(points, f.At):
			return fmt.Errorf("no such point to fail at: %q (there are %s)", f.At, strings.Join(points, ", "))
		case f.Then > ThenWorks:
			return fmt.Errorf("no such Then: %d", f.Then)
		case f.Call < 0:
			return fmt.Errorf("there is no call %d", f.Call)
		case f.Partial > 0 && f.At != AtWrite:
			return fmt.Errorf("only a write delivers a part, and not %q", f.At)
		}
	}
	return nil
}
