package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Plan says how an output stream or an input stream behaves where the contract leaves it a
// choice. Package wasiotest shows it to its users and explains the fields.
type Plan struct {
	Permits     []uint64      // the answers of check-write, in turn, repeated; 0: wait
	FlushWaits  []int         // how often the guest must wait for each flush, in turn, repeated
	Delay       time.Duration // how long each wait takes
	Faults      []Fault       // the failures
	Capacity    uint64        // closes after this many bytes; 0: never
	End         End           // which operations find the end of an input stream
	Hold        bool          // keeps what was written until a flush
	HoldLine    bool          // keeps an incomplete line until a newline or a flush
	DropWaits   bool          // a drop waits until all bytes are taken
	WorksAgain  bool          // an error of the writer behind the stream does not stick
	Background  bool          // makes progress even while nobody waits on a pollable
	Latch       bool          // a pollable that was ready once stays ready
	NeverReady  bool          // pollable.ready always returns false
	Premature   bool          // a pollable is ready before the Delay is over
	LoseWakeups bool          // a wait on the pollable alone hangs (Wasmtime issue 8781)
	LoseAt      int           // only this wait hangs, counted from 1; 0: every wait
	Terminal    bool          // a standard stream is a terminal
	Handles     int           // how many handles may be live at once; 0: any number

	script Script // nil: the fields above are the script
}

// An End says which operations on an input stream find its end. Package wasiotest explains it.
type End uint8

// The ends.
const (
	EndKnown    End = iota // any operation
	EndWhenRead            // one that asks for a byte; then any
	EndSilent              // only one that asks for a byte
)

// A Fault is a failure of a stream.
type Fault struct {
	At      string // "check-write", "write", "flush" or "flushed"; of an input stream "read"
	Call    int    // which call of At fails, counted from 1; 0: every call
	Bytes   uint64 // but not before this many bytes have been written or read
	Closed  bool   // the error is closed, not last-operation-failed
	Lost    bool   // a stream that closes loses what it has not flushed
	Partial uint64 // how many bytes of a failed write are delivered, unknown to the guest
	Text    string // the host's text for the failure
	Then    Then   // what the stream does once it has reported the failure
}

// Then is what a stream does once it has reported a failure.
type Then uint8

const (
	ThenClosed Then = iota // it is closed, as the WIT says
	ThenAgain              // it reports the same failure at every call
	ThenWorks              // it works again, even after closed
)

// The values of a Fault's At.
const (
	AtCheckWrite = "check-write"
	AtWrite      = "write"
	AtFlush      = "flush"
	AtFlushed    = "flushed"
	AtRead       = "read"
)

// CheckOutput returns an error if the plan is invalid for an output stream.
func CheckOutput(p Plan) error {
	if p.End != EndKnown {
		return errors.New("an output stream has no End")
	}
	return check(p, AtCheckWrite, AtWrite, AtFlush, AtFlushed)
}

// CheckInput returns an error if the plan is invalid for an input stream.
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
			return fmt.Errorf("only a write delivers a part, not %q", f.At)
		}
	}
	return nil
}
