//go:build !wasm && !tinygo.wasm

package builtins

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// The status of an operation, and the events, as in the canonical ABI.
const (
	Completed = 0
	Dropped   = 1
	Cancelled = 2
	Blocked   = 1<<32 - 1

	eventSubtask     = 1
	eventStreamWrite = 3
	eventFutureRead  = 4

	errorIO   = 0 // of error-code in wasi:cli
	errorPipe = 2

	Returned                = 2 // states of a subtask
	cancelledBeforeReturned = 4
)

// Never is a time that does not come.
const Never = time.Duration(1<<63 - 1)

// maxWrite is the most that one write may have, in bytes.
const maxWrite = 1<<28 - 1

// A Step says how a write proceeds.
type Step struct {
	Take   int           // bytes that the reader takes
	Status uint32        // Completed, Dropped or Cancelled; Blocked only as a write begins
	After  time.Duration // how long it takes, if it is under way
}

// A Point says when a Script is asked.
type Point int

const (
	AtWrite  Point = iota // a write begins
	AtBlock               // it is under way: how will it end?
	AtCancel              // it is cancelled before that
)

// A Script says what the other end of a stream does.
type Script interface {
	// Step says how a write of n bytes proceeds.
	Step(at Point, n int, now time.Duration) Step

	// Result returns the error-code of the future of the stream, or -1 for success, and how long
	// the future takes to resolve once the stream has ended.
	Result() (code int, after time.Duration)
}

// A Trap is the end of a guest that broke the contract.
type Trap struct{ Reason string }

func (t *Trap) Error() string { return "trap: " + t.Reason }

// A Host is the world of one component instance. All methods are safe for concurrent use; a call
// that waits holds up all others, as it does in an instance.
type Host struct {
	// Call, if it is not nil, is called for each call of the guest.
	Call func(name string, handle uint32)

	mu    sync.Mutex
	start time.Time      // if it is zero, time is virtual: it passes only in a wait, and at once
	now   time.Duration  // the virtual time
	table map[uint32]any // *stream, readable, *future, *subtask or *set
	last  uint32
	stdio [2]sink
	calls map[string]int
}

type sink struct {
	script Script
	out    io.Writer
}

// A waitable can be in a set. Its event is due at a time, and then reports the result.
type waitable struct {
	set   *set
	due   time.Duration // 0 if no operation is under way
	kind  uint32
	event func() (payload uint32)
}

func (w *waitable) get() *waitable { return w }

type (
	stream struct {
		waitable
		sink
		data  []byte // of the write under way; the guest must not change it
		busy  bool
		gone  bool // the guest knows that the reader has dropped its end
		ended bool // one of the ends was dropped
		end   Step
		err   error // of out
	}
	readable struct{ *stream }
	future   struct {
		waitable
		of         *stream
		result     *[2]byte // of the read under way
		code       int      // what the result will be
		busy, done bool
	}
	subtask struct {
		waitable
		over bool // the subtask is over, and the guest knows
	}
	set struct{ members []uint32 }
)

// New returns a host with a virtual clock. Its standard output and error are discarded until they
// are set.
func New() *Host {
	return &Host{table: make(map[uint32]any), calls: make(map[string]int),
		stdio: [2]sink{{Keen{}, io.Discard}, {Keen{}, io.Discard}}}
}

// Keen is the Script of a reader that takes everything at once.
type Keen struct{}

func (Keen) Step(_ Point, n int, _ time.Duration) Step { return Step{Take: n} }
func (Keen) Result() (code int, _ time.Duration)       { return -1, 0 }

// current is the host that package p3 calls: at first, one for the process itself.
var current atomic.Pointer[Host]

func init() {
	h := New()
	h.start = time.Now()
	h.SetStdio(1, Keen{}, file{&os.Stdout})
	h.SetStdio(2, Keen{}, file{&os.Stderr})
	Use(h)
}

// A file is the file that a variable holds at the time of a Write: a program may replace os.Stdout,
// as package testing does to see what an example prints.
type file struct{ current **os.File }

func (f file) Write(p []byte) (int, error) { return (*f.current).Write(p) }

// Current returns the host that package p3 calls.
func Current() *Host { return current.Load() }

// Use makes h the host that package p3 calls, and returns the one before.
func Use(h *Host) (before *Host) { return current.Swap(h) }

// SetStdio sets what standard output (fd 1) or error (fd 2) does with streams that are opened
// from now on.
func (h *Host) SetStdio(fd int, script Script, out io.Writer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stdio[fd-1] = sink{script, out}
}

// Attach takes the readable end of a stream out of the table, like a function to which the guest
// passes it.
func (h *Host) Attach(reader uint32, script Script, out io.Writer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attach(reader, sink{script, out})
}

func (h *Host) attach(reader uint32, s sink) *stream {
	r := lookup[readable](h, reader)
	delete(h.table, reader)
	r.sink = s
	return r.stream
}

// Live lists the resources in the table.
func (h *Host) Live() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var live []string
	for _, handle := range slices.Sorted(maps.Keys(h.table)) {
		kind := fmt.Sprintf("%T", h.table[handle])
		live = append(live, fmt.Sprintf("%s(%d)", kind[strings.IndexByte(kind, '.')+1:], handle))
	}
	return live
}

// Count returns how often a function was called.
func (h *Host) Count(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[name]
}

// Now returns the time.
func (h *Host) Now() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.time()
}

// begin begins a call. The caller defers the Unlock.
func (h *Host) begin(name string, handle uint32) {
	h.mu.Lock()
	h.calls[name]++
	if h.Call != nil {
		h.Call(name, handle)
	}
}

func fail(format string, args ...any) {
	panic(&Trap{fmt.Sprintf(format, args...)})
}

// check fails if a condition does not hold.
func check(ok bool, reason string) {
	if !ok {
		fail("%s", reason)
	}
}

// add puts a resource into the table. Handles are never reused, so that a use after a drop is
// found.
func (h *Host) add(r any) uint32 {
	h.last++
	h.table[h.last] = r
	return h.last
}

func lookup[T any](h *Host, handle uint32) T {
	r, ok := h.table[handle].(T)
	if !ok {
		fail("handle %d is %T, not %T", handle, h.table[handle], r)
	}
	return r
}

// StreamNew is stream.new: the writable end in the upper half, the readable one in the lower.
func (h *Host) StreamNew() uint64 {
	h.begin("stream.new", 0)
	defer h.mu.Unlock()
	s := new(stream)
	s.kind = eventStreamWrite
	s.event = s.finish
	return uint64(h.add(s))<<32 | uint64(h.add(readable{s}))
}

// WriteViaStream is write-via-stream of standard output (fd 1) or error (fd 2).
func (h *Host) WriteViaStream(fd int, reader uint32) uint32 {
	h.begin("write-via-stream", reader)
	defer h.mu.Unlock()
	s := h.attach(reader, h.stdio[fd-1])
	f := &future{of: s, waitable: waitable{kind: eventFutureRead}}
	f.event = f.finish
	return h.add(f)
}

// StreamWrite is the asynchronous stream.write. While it is under way, p belongs to the host.
func (h *Host) StreamWrite(handle uint32, p unsafe.Pointer, n uint32) uint32 {
	h.begin("stream.write", handle)
	defer h.mu.Unlock()
	s := lookup[*stream](h, handle)
	check(!s.busy, "a write is under way")
	check(!s.gone, "write after the reader has gone")
	check(n <= maxWrite, "more bytes than a write may have")
	check(s.set == nil, "a write on a stream that is in a set, which may hold an old event")
	s.data = unsafe.Slice((*byte)(p), n)
	s.busy = true
	if s.script == nil { // nobody has the other end
		s.due = Never
		return Blocked
	}
	s.end = s.script.Step(AtWrite, int(n), h.time())
	if s.end.Status != Blocked {
		return s.finish()
	}
	s.end = s.script.Step(AtBlock, int(n), h.time())
	s.due = h.later(s.end.After)
	return Blocked
}

// finish ends the write under way, as the script says.
func (s *stream) finish() uint32 {
	if s.end.Take > 0 {
		if n, err := s.out.Write(s.data[:s.end.Take]); err != nil {
			s.end, s.err = Step{Take: n, Status: Dropped}, err
		}
	}
	s.data, s.busy, s.due = nil, false, 0
	if s.end.Status == Dropped {
		s.gone, s.ended = true, true
	}
	return uint32(s.end.Take)<<4 | s.end.Status
}

// StreamCancelWrite is the synchronous stream.cancel-write.
func (h *Host) StreamCancelWrite(handle uint32) uint32 {
	h.begin("stream.cancel-write", handle)
	defer h.mu.Unlock()
	s := lookup[*stream](h, handle)
	check(s.busy, "no write to cancel")
	check(s.set == nil, "cancel of a write whose stream is in a set")
	switch {
	case s.script == nil:
		s.end = Step{Status: Cancelled}
	case s.due > h.time():
		s.end = s.script.Step(AtCancel, len(s.data), h.time())
	}
	return s.finish()
}

// StreamDropWritable is stream.drop-writable.
func (h *Host) StreamDropWritable(handle uint32) {
	h.begin("stream.drop-writable", handle)
	defer h.mu.Unlock()
	s := lookup[*stream](h, handle)
	check(!s.busy, "drop of a stream with a write under way")
	check(s.set == nil, "drop of a stream that is in a set")
	s.ended = true
	delete(h.table, handle)
}

// FutureRead is the asynchronous future.read of the future of WriteViaStream. The result has two
// bytes.
func (h *Host) FutureRead(handle uint32, result unsafe.Pointer) uint32 {
	h.begin("future.read", handle)
	defer h.mu.Unlock()
	f := lookup[*future](h, handle)
	check(!f.busy, "a read is under way")
	check(!f.done, "read of a future that was read")
	f.busy, f.result, f.due = true, (*[2]byte)(result), Never
	if f.of.ended {
		code, after := f.of.script.Result()
		if err := f.of.err; errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
			code = errorPipe
		} else if err != nil {
			code = errorIO
		}
		f.code = code
		if f.due = h.later(after); after == 0 {
			return f.finish()
		}
	}
	return Blocked
}

func (f *future) finish() uint32 {
	*f.result = [2]byte{0, 0xff}
	if f.code >= 0 {
		*f.result = [2]byte{1, byte(f.code)}
	}
	f.busy, f.done, f.result, f.due = false, true, nil, 0
	return Completed
}

// FutureCancelRead is the synchronous future.cancel-read.
func (h *Host) FutureCancelRead(handle uint32) uint32 {
	h.begin("future.cancel-read", handle)
	defer h.mu.Unlock()
	f := lookup[*future](h, handle)
	check(f.busy, "no read to cancel")
	check(f.set == nil, "cancel of a read whose future is in a set")
	if f.due <= h.time() {
		return f.finish()
	}
	f.busy, f.result, f.due = false, nil, 0
	return Cancelled
}

// FutureDropReadable is future.drop-readable.
func (h *Host) FutureDropReadable(handle uint32) {
	h.begin("future.drop-readable", handle)
	defer h.mu.Unlock()
	f := lookup[*future](h, handle)
	check(!f.busy, "drop of a future with a read under way")
	check(f.set == nil, "drop of a future that is in a set")
	delete(h.table, handle)
}

// ClockNow is now of wasi:clocks/monotonic-clock.
func (h *Host) ClockNow() uint64 {
	h.begin("now", 0)
	defer h.mu.Unlock()
	return uint64(h.time())
}

// WaitFor is the asynchronous wait-for of wasi:clocks/monotonic-clock.
func (h *Host) WaitFor(ns uint64) uint32 {
	h.begin("wait-for", 0)
	defer h.mu.Unlock()
	if ns == 0 {
		return Returned
	}
	t := &subtask{waitable: waitable{kind: eventSubtask, due: h.later(time.Duration(ns))}}
	t.event = func() uint32 {
		t.over = true
		return Returned
	}
	return h.add(t)<<4 | 1
}

// SubtaskCancel is the synchronous subtask.cancel.
func (h *Host) SubtaskCancel(handle uint32) uint32 {
	h.begin("subtask.cancel", handle)
	defer h.mu.Unlock()
	t := lookup[*subtask](h, handle)
	check(!t.over, "cancel of a subtask that is over")
	check(t.set == nil, "cancel of a subtask that is in a set")
	t.over = true
	if t.due <= h.time() {
		return Returned
	}
	return cancelledBeforeReturned
}

// SubtaskDrop is subtask.drop.
func (h *Host) SubtaskDrop(handle uint32) {
	h.begin("subtask.drop", handle)
	defer h.mu.Unlock()
	t := lookup[*subtask](h, handle)
	check(t.over, "drop of a subtask that is not over")
	check(t.set == nil, "drop of a subtask that is in a set")
	delete(h.table, handle)
}

// WaitableSetNew is waitable-set.new.
func (h *Host) WaitableSetNew() uint32 {
	h.begin("waitable-set.new", 0)
	defer h.mu.Unlock()
	return h.add(new(set))
}

// WaitableSetDrop is waitable-set.drop.
func (h *Host) WaitableSetDrop(handle uint32) {
	h.begin("waitable-set.drop", handle)
	defer h.mu.Unlock()
	check(len(lookup[*set](h, handle).members) == 0, "drop of a set that is not empty")
	delete(h.table, handle)
}

// WaitableJoin is waitable.join; set 0 is none.
func (h *Host) WaitableJoin(handle, to uint32) {
	h.begin("waitable.join", handle)
	defer h.mu.Unlock()
	w := h.waitable(handle)
	if w.set != nil {
		w.set.members = slices.DeleteFunc(w.set.members, func(member uint32) bool { return member == handle })
		w.set = nil
	}
	if to != 0 {
		w.set = lookup[*set](h, to)
		w.set.members = append(w.set.members, handle)
	}
}

func (h *Host) waitable(handle uint32) *waitable {
	return lookup[interface{ get() *waitable }](h, handle).get()
}

// WaitableSetWait is waitable-set.wait. Time passes until something in the set has an event. If two
// are due at the same time, that of the waitable which joined last comes first, which a guest may
// not expect.
func (h *Host) WaitableSetWait(handle uint32, event unsafe.Pointer) uint32 {
	h.begin("waitable-set.wait", handle)
	defer h.mu.Unlock()
	first, due := uint32(0), Never
	for _, member := range lookup[*set](h, handle).members {
		if at := h.waitable(member).due; at != 0 && at <= due {
			first, due = member, at
		}
	}
	check(due != Never, "a wait that nothing ends")
	if d := due - h.time(); d > 0 {
		if h.start.IsZero() {
			h.now = due
		} else {
			time.Sleep(d)
		}
	}
	return h.deliver(first, event)
}

// WaitableSetPoll is waitable-set.poll.
func (h *Host) WaitableSetPoll(handle uint32, event unsafe.Pointer) uint32 {
	h.begin("waitable-set.poll", handle)
	defer h.mu.Unlock()
	for _, member := range lookup[*set](h, handle).members {
		if at := h.waitable(member).due; at != 0 && at <= h.time() {
			return h.deliver(member, event)
		}
	}
	return 0
}

// deliver writes the event of a waitable.
func (h *Host) deliver(handle uint32, event unsafe.Pointer) uint32 {
	w := h.waitable(handle)
	*(*[2]uint32)(event) = [2]uint32{handle, w.event()}
	w.due = 0
	return w.kind
}

// time returns the time since the start.
func (h *Host) time() time.Duration {
	if h.start.IsZero() {
		return h.now
	}
	return time.Since(h.start)
}

// later returns the time after d, which is never 0.
func (h *Host) later(d time.Duration) time.Duration {
	if d == Never {
		return Never
	}
	return h.time() + max(d, 1)
}
