package host

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Op is a function that a guest can import: its resource or interface, a dot, and its name in
// the WIT.
type Op string

// The functions, in the order in which a stream meets them.
const (
	OpGetStdin                    Op = "stdin.get-stdin"
	OpGetStdout                   Op = "stdout.get-stdout"
	OpGetStderr                   Op = "stderr.get-stderr"
	OpRead                        Op = "input-stream.read"
	OpBlockingRead                Op = "input-stream.blocking-read"
	OpSkip                        Op = "input-stream.skip"
	OpBlockingSkip                Op = "input-stream.blocking-skip"
	OpSubscribeInput              Op = "input-stream.subscribe"
	OpDropInput                   Op = "input-stream.drop"
	OpCheckWrite                  Op = "output-stream.check-write"
	OpWrite                       Op = "output-stream.write"
	OpWriteZeroes                 Op = "output-stream.write-zeroes"
	OpFlush                       Op = "output-stream.flush"
	OpBlockingWriteAndFlush       Op = "output-stream.blocking-write-and-flush"
	OpBlockingWriteZeroesAndFlush Op = "output-stream.blocking-write-zeroes-and-flush"
	OpBlockingFlush               Op = "output-stream.blocking-flush"
	OpSplice                      Op = "output-stream.splice"
	OpBlockingSplice              Op = "output-stream.blocking-splice"
	OpSubscribe                   Op = "output-stream.subscribe"
	OpDropStream                  Op = "output-stream.drop"
	OpReady                       Op = "pollable.ready"
	OpBlock                       Op = "pollable.block"
	OpPoll                        Op = "poll.poll"
	OpDropPollable                Op = "pollable.drop"
	OpDebugString                 Op = "error.to-debug-string"
	OpDropError                   Op = "error.drop"
	OpGetTerminalStdout           Op = "terminal-stdout.get-terminal-stdout"
	OpGetTerminalStderr           Op = "terminal-stderr.get-terminal-stderr"
	OpDropTerminal                Op = "terminal-output.drop"
	OpNow                         Op = "monotonic-clock.now"
	OpSubscribeDuration           Op = "monotonic-clock.subscribe-duration"
	OpSubscribeInstant            Op = "monotonic-clock.subscribe-instant"
	OpFdWrite                     Op = "fd.fd_write" // of preview 1; Handle is the file descriptor
	OpOther                       Op = "wasi.call"   // a function outside of the model
)

var ops = []Op{
	OpGetStdin, OpGetStdout, OpGetStderr, OpRead, OpBlockingRead, OpSkip, OpBlockingSkip,
	OpSubscribeInput, OpDropInput, OpCheckWrite, OpWrite, OpWriteZeroes, OpFlush,
	OpBlockingWriteAndFlush, OpBlockingWriteZeroesAndFlush, OpBlockingFlush, OpSplice,
	OpBlockingSplice, OpSubscribe, OpDropStream, OpReady, OpBlock, OpPoll, OpDropPollable,
	OpDebugString, OpDropError, OpGetTerminalStdout, OpGetTerminalStderr, OpDropTerminal, OpNow,
	OpSubscribeDuration, OpSubscribeInstant, OpFdWrite, OpOther,
}

// String returns the name of the function in the WIT.
func (op Op) String() string {
	_, name, _ := strings.Cut(string(op), ".")
	return name
}

// A ResultKind says what a call's Value is.
type ResultKind uint8

// The kinds of results.
const (
	Trapped             ResultKind = iota // no result: the guest has ended
	Done                                  // nothing
	Permit                                // a number of bytes
	Handle                                // a handle; 0 is none
	Bool                                  // 0 or 1
	Instant                               // a time of the monotonic clock, in nanoseconds
	Closed                                // the error closed
	LastOperationFailed                   // the error of that name; Value is the error handle
)

// A Result is what the fallible functions of streams return: [Done], or [Permit]
// with a number of bytes, or [Closed], or [LastOperationFailed] with an
// error handle that the guest must drop.
type Result struct {
	Kind  ResultKind
	Value uint64
}

// A Call is one call of a guest.
type Call struct {
	Op     Op
	Handle uint32 // of the resource it is a method of; 0 if it is none
	Source uint32 // the input-stream of a splice
	Arg    uint64 // bytes or nanoseconds; for poll, the number of pollables
	Result ResultKind
	Value  uint64
	Start  time.Duration // by the host's clock
	Took   time.Duration
}

// String returns the call in the form of "output-stream(1).check-write = 7".
func (c *Call) String() string {
	s := c.Who() + "." + c.What()
	if outcome := c.Outcome(); outcome != "" {
		s += " = " + outcome
	}
	return s
}

// Who returns the resource that the function is a method of, with its handle, or the
// interface of the function.
func (c *Call) Who() string {
	owner, _, _ := strings.Cut(string(c.Op), ".")
	if c.Handle == 0 {
		return owner
	}
	return fmt.Sprintf("%s(%d)", owner, c.Handle)
}

// Taken returns how many bytes the host took in c.
func (c *Call) Taken() uint64 {
	switch c.Op {
	case OpWrite, OpWriteZeroes, OpBlockingWriteAndFlush, OpBlockingWriteZeroesAndFlush, OpFdWrite:
		if c.Result == Done {
			return c.Arg
		}
	case OpSplice, OpBlockingSplice:
		if c.Result == Permit {
			return c.Value
		}
	}
	return 0
}

// What returns the function with its argument.
func (c *Call) What() string {
	switch c.Op {
	case OpWrite, OpWriteZeroes, OpBlockingWriteAndFlush, OpBlockingWriteZeroesAndFlush, OpFdWrite,
		OpRead, OpBlockingRead, OpSkip, OpBlockingSkip:
		return fmt.Sprintf("%s(%d)", c.Op, c.Arg)
	case OpSplice, OpBlockingSplice:
		return fmt.Sprintf("%s(input-stream(%d), %d)", c.Op, c.Source, c.Arg)
	case OpSubscribeDuration, OpSubscribeInstant:
		return fmt.Sprintf("%s(%v)", c.Op, time.Duration(c.Arg))
	case OpPoll:
		return fmt.Sprintf("%s(%d pollables)", c.Op, c.Arg)
	default:
		return c.Op.String()
	}
}

// Outcome returns the result, or "" if the call returns nothing.
func (c *Call) Outcome() string {
	switch c.Result {
	case Trapped:
		return "trap"
	case Permit:
		return fmt.Sprint(c.Value)
	case Handle:
		if c.Value == 0 {
			return "none"
		}
		return fmt.Sprintf("%s(%d)", cmp.Or(gets[c.Op], "pollable"), c.Value)
	case Bool:
		return fmt.Sprint(c.Value != 0)
	case Instant:
		return time.Duration(c.Value).String()
	case Closed:
		return "closed"
	case LastOperationFailed:
		return fmt.Sprintf("last-operation-failed(error(%d))", c.Value)
	default:
		return ""
	}
}

// gets has what functions return that return no pollable.
var gets = map[Op]string{
	OpGetStdin: "input-stream", OpGetStdout: "output-stream", OpGetStderr: "output-stream",
	OpGetTerminalStdout: "terminal-output", OpGetTerminalStderr: "terminal-output",
}

// Waits reports whether the call may wait.
func (c *Call) Waits() bool {
	return c.Op == OpBlock || c.Op == OpPoll || strings.Contains(string(c.Op), ".blocking-")
}

func (c *Call) done() { c.Result = Done }

func (c *Call) handle(h uint32) uint32 {
	c.Result, c.Value = Handle, uint64(h)
	return h
}

// Calls returns the last calls of the guest, as many as are kept, oldest first.
func (h *Host) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.remembered()
}

// Count returns how often a function was called. It panics if there is no such function.
func (h *Host) Count(op Op) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(ops, op) {
		panic(fmt.Sprintf("wasi host: no function %q", string(op)))
	}
	return h.counts[op]
}

// Total returns how often functions were called.
func (h *Host) Total() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return uint64(h.calls)
}

// Trapped returns the first trap of the guest, or nil.
func (h *Host) Trapped() *Trap {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trap
}

// A Trap is the end of a guest that broke the contract. Methods of Host panic with
// a *Trap, as a real host would end the program.
type Trap struct {
	Reason string
	Calls  []Call // what led to it, oldest first; the last one is the call that trapped
}

// Hangs reports whether the guest did something that would never end.
func (t *Trap) Hangs() bool { return t.Reason == hangs || strings.HasPrefix(t.Reason, spins) }

// Error returns the reason and the last 16 calls.
func (t *Trap) Error() string {
	text := "wasi host: trap: " + t.Reason
	for _, c := range t.Calls[max(0, len(t.Calls)-16):] {
		text += "\n\t" + c.String()
	}
	return text
}

// begin begins a call: it takes the lock and notes the time. Every function that a guest can
// call starts with it and a deferred end.
func (h *Host) begin(op Op, handle uint32) Call {
	h.mu.Lock()
	return Call{Op: op, Handle: handle, Start: h.clock.Now(), Result: Trapped}
}

// end records the call and unlocks h. A call whose result was never set has trapped.
func (h *Host) end(c *Call) {
	defer h.mu.Unlock()
	c.Took = h.clock.Now() - c.Start
	h.counts[c.Op]++
	at := h.calls % h.options.Keep
	if at == len(h.history) {
		h.history = append(h.history, Call{})
	}
	h.history[at] = *c
	h.calls++
	if r := recover(); r != nil {
		defer panic(r)
		if trap, ok := r.(*Trap); ok && trap.Calls == nil {
			trap.Calls = h.remembered()
			h.trap = cmp.Or(h.trap, trap)
		}
	}
	if h.options.OnCall != nil {
		h.options.OnCall(&h.history[at]) // which is on the heap already
	}
}

func (h *Host) remembered() []Call {
	oldest := h.calls % max(1, len(h.history))
	return slices.Concat(h.history[oldest:], h.history[:oldest])
}

// fail ends the guest with a trap, which the deferred end of the call records.
func fail(format string, args ...any) { panic(&Trap{Reason: fmt.Sprintf(format, args...)}) }

// result sets the result of a fallible call, r unless there is a failure, and returns it.
func (h *Host) result(c *Call, r Result, f *Fault) Result {
	switch {
	case f != nil && f.Closed:
		r = Result{Kind: Closed}
	case f != nil:
		r = Result{LastOperationFailed, uint64(h.add(&failure{f.Text}))}
	}
	c.Result, c.Value = r.Kind, r.Value
	return r
}
