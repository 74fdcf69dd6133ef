package host

import (
	"fmt"
	"time"
)

// An Op is a function that a guest can import.
type Op uint8

// The functions, in the order in which a stream meets them.
const (
	OpGetStdin Op = iota
	OpGetStdout
	OpGetStderr
	OpRead
	OpBlockingRead
	OpSkip
	OpBlockingSkip
	OpSubscribeInput
	OpDropInput
	OpCheckWrite
	OpWrite
	OpWriteZeroes
	OpFlush
	OpBlockingWriteAndFlush
	OpBlockingWriteZeroesAndFlush
	OpBlockingFlush
	OpSplice
	OpBlockingSplice
	OpSubscribe
	OpDropStream
	OpReady
	OpBlock
	OpPoll
	OpDropPollable
	OpDebugString
	OpDropError
	OpGetTerminalStdout
	OpGetTerminalStderr
	OpDropTerminal
	OpNow
	OpSubscribeDuration
	OpSubscribeInstant
	OpFdWrite // of preview 1; Handle is the file descriptor
	OpOther   // a function that is not the model's

	opCount
)

// ops names each function's resource, or its interface, and the function.
var ops = [opCount]struct{ owner, name string }{
	OpGetStdin:                    {"stdin", "get-stdin"},
	OpGetStdout:                   {"stdout", "get-stdout"},
	OpGetStderr:                   {"stderr", "get-stderr"},
	OpRead:                        {"input-stream", "read"},
	OpBlockingRead:                {"input-stream", "blocking-read"},
	OpSkip:                        {"input-stream", "skip"},
	OpBlockingSkip:                {"input-stream", "blocking-skip"},
	OpSubscribeInput:              {"input-stream", "subscribe"},
	OpDropInput:                   {"input-stream", "drop"},
	OpCheckWrite:                  {"output-stream", "check-write"},
	OpWrite:                       {"output-stream", "write"},
	OpWriteZeroes:                 {"output-stream", "write-zeroes"},
	OpFlush:                       {"output-stream", "flush"},
	OpBlockingWriteAndFlush:       {"output-stream", "blocking-write-and-flush"},
	OpBlockingWriteZeroesAndFlush: {"output-stream", "blocking-write-zeroes-and-flush"},
	OpBlockingFlush:               {"output-stream", "blocking-flush"},
	OpSplice:                      {"output-stream", "splice"},
	OpBlockingSplice:              {"output-stream", "blocking-splice"},
	OpSubscribe:                   {"output-stream", "subscribe"},
	OpDropStream:                  {"output-stream", "drop"},
	OpReady:                       {"pollable", "ready"},
	OpBlock:                       {"pollable", "block"},
	OpPoll:                        {"poll", "poll"},
	OpDropPollable:                {"pollable", "drop"},
	OpDebugString:                 {"error", "to-debug-string"},
	OpDropError:                   {"error", "drop"},
	OpGetTerminalStdout:           {"terminal-stdout", "get-terminal-stdout"},
	OpGetTerminalStderr:           {"terminal-stderr", "get-terminal-stderr"},
	OpDropTerminal:                {"terminal-output", "drop"},
	OpNow:                         {"monotonic-clock", "now"},
	OpSubscribeDuration:           {"monotonic-clock", "subscribe-duration"},
	OpSubscribeInstant:            {"monotonic-clock", "subscribe-instant"},
	OpFdWrite:                     {"fd", "fd_write"},
	OpOther:                       {"wasi", "call"},
}

// String returns the name of the function in the WIT.
func (op Op) String() string { return ops[op].name }

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
	LastOperationFailed                   // the error last-operation-failed; Value is the error handle
)

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

// String returns the call as one would write it: who, what, with what, and the result.
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
	if c.Handle == 0 {
		return ops[c.Op].owner
	}
	return fmt.Sprintf("%s(%d)", ops[c.Op].owner, c.Handle)
}

// Name returns the function with its resource or interface.
func (c *Call) Name() string { return ops[c.Op].owner + "." + ops[c.Op].name }

// Taken returns how many bytes the host took in the call.
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

// Outcome returns the result, or "" if there is none to speak of.
func (c *Call) Outcome() string {
	switch c.Result {
	case Trapped:
		return "trap"
	case Permit:
		return fmt.Sprint(c.Value)
	case Handle:
		return c.made()
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

// Waits reports whether the call is one that may wait.
func (c *Call) Waits() bool {
	switch c.Op {
	case OpBlock, OpPoll, OpBlockingFlush, OpBlockingWriteAndFlush, OpBlockingWriteZeroesAndFlush,
		OpBlockingRead, OpBlockingSkip, OpBlockingSplice:
		return true
	}
	return false
}

func (c *Call) made() string {
	switch {
	case c.Value == 0:
		return "none"
	case c.Op == OpGetStdin:
		return fmt.Sprintf("input-stream(%d)", c.Value)
	case c.Op == OpGetStdout || c.Op == OpGetStderr:
		return fmt.Sprintf("output-stream(%d)", c.Value)
	case c.Op == OpGetTerminalStdout || c.Op == OpGetTerminalStderr:
		return fmt.Sprintf("terminal-output(%d)", c.Value)
	default:
		return fmt.Sprintf("pollable(%d)", c.Value)
	}
}

func (c *Call) done() { c.Result = Done }

func (c *Call) handle(h uint32) uint32 {
	c.Result, c.Value = Handle, uint64(h)
	return h
}

func (c *Call) bool(b bool) bool {
	c.Result = Bool
	if b {
		c.Value = 1
	}
	return b
}
