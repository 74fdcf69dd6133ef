// Package host is a model of a WASI 0.2 host: the resources of wasi:io and what
// wasi:cli and wasi:clocks hand out of them.
//
// It is strict. Whatever the contract of wasi:io forbids, or leaves to hosts of
// which one forbids it, is a [Trap], reported with the calls that led to it: a write
// without a permit or beyond it, a second write on one permit, a write during a
// flush, a stream dropped before its pollables, a handle that is not there. A guest
// that would wait for ever is a trap too, so that a hang is seen at once.
//
// Where the contract leaves a choice to the host, a [Script] makes it. There is one
// model and it has several faces: the bodies of the generated imports on every
// platform but wasm (internal/native), the host modules for guests on wazero
// (internal/engine), and the public test host (wasiotest).
package host

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Clock is what a host measures and passes time with.
type Clock interface {
	Now() time.Duration                          // since some moment that stays the same
	Sleep(d time.Duration, wake <-chan struct{}) // returns when d has passed, or wake is closed
}

// wallClock is Go's own clock. Inside a testing/synctest bubble it is the bubble's.
type wallClock struct{ start time.Time }

func (c wallClock) Now() time.Duration { return time.Since(c.start) }

func (c wallClock) Sleep(d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	}
}

// VirtualClock is a clock on which time passes only when somebody sleeps, and then
// at once. The zero value is ready to use.
type VirtualClock struct {
	mu  sync.Mutex
	now time.Duration
}

// Now returns how long all sleeps so far were.
func (c *VirtualClock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep moves the clock forward by d, or waits for wake if that is for ever.
func (c *VirtualClock) Sleep(d time.Duration, wake <-chan struct{}) {
	if d == never {
		<-wake
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += d
}

// Options are the settings of a [Host] as a whole. The zero value is a host with the
// wall clock, no limit on handles and a short memory.
type Options struct {
	Clock   Clock       // nil: the wall clock
	Handles int         // the most handles that may be live at once; 0: no limit
	Keep    int         // how many of the last calls to remember; 0: 64
	OnCall  func(*Call) // told of every call as it ends; the Call is the callee's only during the call
}

// A Host is the world of one guest: a table of handles and what they stand for. All
// methods are safe for concurrent use.
type Host struct {
	options Options

	mu      sync.Mutex
	table   map[uint32]any // *input, *stream, *pollable, *failure or terminal
	last    uint32         // the handle given out last
	spare   []*pollable    // dropped ones, to be used again
	stdin   *source
	stdio   [2]*sink
	console [2]bool
	history []Call
	oldest  int
	counts  [opCount]uint64
	trap    *Trap         // the first
	spins   int           // how often the guest asked in vain without waiting
	spun    time.Duration // when it did so last
	failing *Trap         // of the call under way
	current Call          // what OnCall sees: c itself would have to live on the heap

	blocks blocks // has a lock of its own, as a sink may block while it is written to
}

type (
	failure  struct{ text string } // wasi:io/error.error
	terminal struct{}              // wasi:cli/terminal-output.terminal-output
)

// MaxHandle is the largest handle. Package native tells hosts apart by the bits above it.
const MaxHandle = 1<<20 - 1

// New returns a host with an empty table, whose standard output and error stream go
// nowhere until they are set.
func New(o Options) *Host {
	if o.Clock == nil {
		o.Clock = wallClock{time.Now()}
	}
	if o.Keep == 0 {
		o.Keep = 64
	}
	h := &Host{options: o, table: make(map[uint32]any)}
	h.SetStdin(Behavior{}, strings.NewReader(""))
	for fd := range h.stdio {
		h.stdio[fd] = newSink(Behavior{}, io.Discard)
		h.stdio[fd].handles++ // the host's own
	}
	return h
}

// Clock returns the clock of the host.
func (h *Host) Clock() Clock { return h.options.Clock }

// The file descriptor numbers by which SetStdio knows the two streams.
const (
	Stdout = 1
	Stderr = 2
)

// SetStdio makes get-stdout (fd [Stdout]) or get-stderr (fd [Stderr]) return streams
// that behave as b says and deliver to out, and get-terminal-stdout or -stderr
// say whether it is a terminal.
func (h *Host) SetStdio(fd int, b Behavior, out io.Writer, isTerminal bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stdio[fd-1] = newSink(b, out)
	h.stdio[fd-1].handles++ // the host's own
	h.console[fd-1] = isTerminal
}

// SetTerminal is the part of SetStdio that says whether the stream is a terminal.
func (h *Host) SetTerminal(fd int, isTerminal bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.console[fd-1] = isTerminal
}

// IsTerminal reports whether f is a terminal: a character device, but for the one that
// is nothing.
func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// NewStream returns the handle of a new output stream that behaves as b says and
// delivers to out, each accepted piece in one call of its Write.
func (h *Host) NewStream(b Behavior, out io.Writer) uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open(newSink(b, out))
}

// SameSink returns another handle for the sink of an output stream, as a second call
// of get-stdout would.
func (h *Host) SameSink(handle uint32) uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open(lookup[*stream](h, handle).sink)
}

// Live lists what is in the table, in the form that [Call.String] uses, sorted by
// handle. What a guest should have dropped is a leak.
func (h *Host) Live() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var live []string
	for _, handle := range slices.Sorted(maps.Keys(h.table)) {
		live = append(live, fmt.Sprintf("%s(%d)", kindOf(h.table[handle]), handle))
	}
	return live
}

// Calls returns the last calls of the guest, oldest first: as many as are remembered.
func (h *Host) Calls() []Call {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.remembered()
}

// Count returns how often a function was called.
func (h *Host) Count(op Op) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts[op]
}

// Total returns how often functions were called.
func (h *Host) Total() (n uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, count := range h.counts {
		n += count
	}
	return n
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

// tail is how many calls the text of a trap shows.
const tail = 16

func (t *Trap) Error() string {
	var b strings.Builder
	b.WriteString("wasi host: trap: " + t.Reason)
	calls := t.Calls
	if more := len(calls) - tail; more > 0 {
		calls = calls[more:]
	}
	for i := range calls {
		b.WriteString("\n\t" + calls[i].String())
	}
	return b.String()
}

// begin opens a call: it takes the lock and notes the time. Every function that a
// guest can call is bracketed by it and a deferred end.
func (h *Host) begin(op Op, handle uint32) Call {
	h.mu.Lock()
	return Call{Op: op, Handle: handle, Start: h.options.Clock.Now(), Result: Trapped}
}

// end records the call and lets go of the lock. A call whose result was never set is
// one that trapped.
func (h *Host) end(c *Call) {
	defer h.mu.Unlock()
	c.Took = h.options.Clock.Now() - c.Start
	h.counts[c.Op]++
	if len(h.history) < h.options.Keep {
		h.history = append(h.history, *c)
	} else {
		h.history[h.oldest] = *c
		h.oldest = (h.oldest + 1) % len(h.history)
	}
	if c.Result == Trapped && h.failing != nil {
		h.failing.Calls = h.remembered()
		h.failing = nil
	}
	if h.options.OnCall != nil {
		h.current = *c
		h.options.OnCall(&h.current)
	}
}

func (h *Host) remembered() []Call {
	return append(append([]Call(nil), h.history[h.oldest:]...), h.history[:h.oldest]...)
}

// fail ends the guest.
func (h *Host) fail(format string, args ...any) {
	h.failing = &Trap{Reason: fmt.Sprintf(format, args...)}
	if h.trap == nil {
		h.trap = h.failing
	}
	panic(h.failing)
}

// add puts a resource into the table under the next free handle. Handles are not
// used again soon, so that a use after a drop is seen for what it is.
func (h *Host) add(r any) uint32 {
	if limit := h.options.Handles; limit > 0 && len(h.table) >= limit {
		h.fail("the handle table is full: all %d handles are live", limit)
	}
	if len(h.table) >= MaxHandle {
		h.fail("the handle table is full")
	}
	for {
		if h.last++; h.last > MaxHandle {
			h.last = 1
		}
		if _, taken := h.table[h.last]; !taken {
			h.table[h.last] = r
			return h.last
		}
	}
}

// lookup returns the resource behind a handle, which must be of kind R.
func lookup[R any](h *Host, handle uint32) R {
	r, ok := h.table[handle]
	if !ok {
		h.fail("handle %d is unknown, or was dropped", handle)
	}
	typed, ok := r.(R)
	if !ok {
		h.fail("handle %d is of a resource %s, not %s", handle, kindOf(r), kindOf(typed))
	}
	return typed
}

func kindOf(r any) string {
	switch r.(type) {
	case *input:
		return "input-stream"
	case *stream:
		return "output-stream"
	case *pollable:
		return "pollable"
	case *failure:
		return "error"
	default:
		return "terminal-output"
	}
}

// GetStdout is wasi:cli/stdout.get-stdout: a new handle of the one standard output.
func (h *Host) GetStdout() uint32 { return h.getStdio(OpGetStdout, Stdout) }

// GetStderr is wasi:cli/stderr.get-stderr.
func (h *Host) GetStderr() uint32 { return h.getStdio(OpGetStderr, Stderr) }

func (h *Host) getStdio(op Op, fd int) uint32 {
	c := h.begin(op, 0)
	defer h.end(&c)
	return c.handle(h.open(h.stdio[fd-1]))
}

// GetTerminalStdout is wasi:cli/terminal-stdout.get-terminal-stdout; 0 is none.
func (h *Host) GetTerminalStdout() uint32 { return h.getTerminal(OpGetTerminalStdout, Stdout) }

// GetTerminalStderr is wasi:cli/terminal-stderr.get-terminal-stderr; 0 is none.
func (h *Host) GetTerminalStderr() uint32 { return h.getTerminal(OpGetTerminalStderr, Stderr) }

func (h *Host) getTerminal(op Op, fd int) uint32 {
	c := h.begin(op, 0)
	defer h.end(&c)
	if !h.console[fd-1] {
		return c.handle(0)
	}
	return c.handle(h.add(terminal{}))
}

// DropTerminal is [resource-drop]terminal-output.
func (h *Host) DropTerminal(handle uint32) {
	c := h.begin(OpDropTerminal, handle)
	defer h.end(&c)
	lookup[terminal](h, handle)
	delete(h.table, handle)
	c.done()
}

// DebugString is error.to-debug-string.
func (h *Host) DebugString(handle uint32) string {
	c := h.begin(OpDebugString, handle)
	defer h.end(&c)
	text := lookup[*failure](h, handle).text
	c.done()
	return text
}

// DropError is [resource-drop]error.
func (h *Host) DropError(handle uint32) {
	c := h.begin(OpDropError, handle)
	defer h.end(&c)
	lookup[*failure](h, handle)
	delete(h.table, handle)
	c.done()
}

// Violate ends the guest in a call that does not even reach the function, since its
// arguments are not what they should be.
func (h *Host) Violate(op Op, format string, args ...any) {
	c := h.begin(op, 0)
	defer h.end(&c)
	h.fail(format, args...)
}
