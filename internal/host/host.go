// Package host is a model of a WASI 0.2 host: the resources of wasi:io and what
// wasi:cli and wasi:clocks hand out of them.
//
// It is strict. What the contract of wasi:io forbids is a [Trap], reported with the calls that
// led to it: a write without a permit or beyond it, a second write on one permit, a write during
// a flush, a stream dropped before its pollables, an unknown handle. If the contract leaves
// something to hosts and one of them forbids it, that is a trap, too. So is a wait that would
// never end, so that a hang is seen at once.
//
// Where the contract leaves a choice to the host, a [Plan] or a [Script] makes it. There is one
// model and it has several faces: the bodies of the generated imports on every
// platform but wasm (internal/native), the host modules for guests on wazero
// (internal/engine), and the public test host (wasiotest).
package host

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are the clock of a [Host] and what it records of its guest. How it behaves is in the
// Plans of its streams.
type Options struct {
	Clock  Clock       // nil: the wall clock
	Keep   int         // how many of the last calls to remember; 0: 64
	OnCall func(*Call) // called at the end of each call; must not keep the Call
}

// A Host is the host of one guest: a table of handles and their resources. All methods are safe
// for concurrent use.
type Host struct {
	options Options

	mu      sync.Mutex // guards the fields below, and the streams and pollables
	clock   hostClock
	table   map[uint32]resource
	most    int       // handles at once
	last    uint32    // the newest handle
	spare   *pollable // the one that was dropped last, for reuse
	stdin   *source
	stdio   [2]*sink
	calls   int    // how many there were
	history []Call // the last of them; the next one goes to index calls modulo Keep
	counts  map[Op]uint64
	trap    *Trap // the first
}

// A resource is an *input, *stream, *pollable, *failure or terminal.
type resource interface{ kind() string }

type (
	failure  struct{ text string } // wasi:io/error.error
	terminal struct{}              // wasi:cli/terminal-output.terminal-output
)

func (*failure) kind() string { return "error" }
func (terminal) kind() string { return "terminal-output" }

// MaxHandle is the largest handle. Package native tells hosts apart by the bits above it.
const MaxHandle = 1<<20 - 1

// New returns a host with an empty table. Until its standard streams are set, input is empty and
// output is discarded.
func New(o Options) *Host {
	o.Clock = cmp.Or[Clock](o.Clock, wallClock{time.Now()})
	o.Keep = cmp.Or(o.Keep, 64)
	h := &Host{options: o, table: make(map[uint32]resource), most: MaxHandle}
	h.counts = make(map[Op]uint64)
	h.clock = hostClock{Clock: o.Clock, mu: &h.mu}
	h.clock.interrupts.wakes = make(map[chan struct{}]bool)
	h.SetStdin(Plan{}, strings.NewReader(""))
	h.SetStdio(Stdout, Plan{}, io.Discard)
	h.SetStdio(Stderr, Plan{}, io.Discard)
	return h
}

// NewStream returns the handle of a new output stream that behaves as p says and
// delivers to out, each accepted piece in one call of its Write.
func (h *Host) NewStream(p Plan, out io.Writer) uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(&stream{sink: h.newSink(p, out)})
}

// SameSink returns another handle for the sink of an output stream, as a second call
// of get-stdout would.
func (h *Host) SameSink(handle uint32) uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.add(&stream{sink: lookup[*stream](h, handle).sink})
}

// EndWaits closes all streams if a call of the guest still waits, so that the call returns. It
// reports whether there was one.
func (h *Host) EndWaits() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clock.sleeps == 0 {
		return false
	}
	for _, r := range h.table {
		if r, ok := r.(interface{ strike(*Fault) }); ok {
			r.strike(&Fault{Closed: true})
		}
	}
	h.Interrupt()
	return true
}

// Live lists the resources in the table, in the form that [Call.String] uses, sorted by handle.
// Those that the guest should have dropped are leaks.
func (h *Host) Live() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var live []string
	for _, handle := range slices.Sorted(maps.Keys(h.table)) {
		live = append(live, fmt.Sprintf("%s(%d)", h.table[handle].kind(), handle))
	}
	return live
}

// add puts a resource into the table under the next free handle. Handles are not reused soon, so
// that a use after a drop is found.
func (h *Host) add(r resource) uint32 {
	if len(h.table) >= h.most {
		fail("the handle table is full: all %d handles are live", h.most)
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
func lookup[R resource](h *Host, handle uint32) R {
	r, ok := h.table[handle]
	if !ok {
		fail("handle %d is unknown, or was dropped", handle)
	}
	typed, ok := r.(R)
	if !ok {
		fail("handle %d is of a resource %s, not %s", handle, r.kind(), typed.kind())
	}
	return typed
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
func (h *Host) DropError(handle uint32) { drop(h, OpDropError, handle, func(*Host, *failure) {}) }

// drop removes a resource from the table, and then calls last, which may wait.
func drop[R resource](h *Host, op Op, handle uint32, last func(*Host, R)) {
	c := h.begin(op, handle)
	defer h.end(&c)
	r := lookup[R](h, handle)
	if p, ok := any(r).(interface{ live() int }); ok && p.live() > 0 {
		fail("%s dropped while it has live pollables: %d", r.kind(), p.live())
	}
	delete(h.table, handle)
	last(h, r)
	c.done()
}

// Violate ends the guest in a call that does not reach its function because the arguments are
// invalid.
func (h *Host) Violate(op Op, format string, args ...any) {
	c := h.begin(op, 0)
	defer h.end(&c)
	fail(format, args...)
}
