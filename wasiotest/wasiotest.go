// Package wasiotest gives tests an output stream of WASI 0.2 that behaves as they say:
// small permits, waits, failures, a stream that closes. It is to writers on WASI what
// [testing/iotest] is to readers. [Stream.NewInput] makes input streams to splice from.
//
//	s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{1, 7, 0}})
//	w := wasio.NewWriter(s.Handle())
//
// The host behind it is strict: what the contract of wasi:io forbids is a trap. A trap
// panics, since it ends a program on a real host, and fails the test, with the calls
// that led to it. So does a handle that is still live when the test ends, and a wait
// that would never end.
//
// The package is for tests that run on the developer's own platform, not as a
// WebAssembly guest.
package wasiotest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/wasio-dev/wasio" // sets native.SwapWriter
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// A Plan says how a stream, of output or of input, behaves where the contract leaves it a choice. The zero value
// is a synchronous host that permits 1 MiB, never makes a guest wait and never fails.
type Plan struct {
	// As imitates a real host: one of [Hosts]. The other fields, where they are not
	// zero, take the place of what that host does.
	As string

	// Permits are the answers of check-write in bytes, in turn and then from the
	// start again. 0 permits nothing: the guest must wait on a pollable and ask
	// again. A 0 after a 0 is a spurious wake-up. Any other permit holds, for splice
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
	// until check-write would permit something again. TCP sockets of Wasmtime are like
	// that.
	DropWaits bool

	// Background lets the stream make progress while nobody waits on a pollable of
	// it. Without it, a guest that only asks check-write again never gets on, as on
	// files of Wasmtime.
	Background bool

	// Latch makes a pollable that was ready once stay ready for ever.
	Latch bool

	// NeverReady makes pollable.ready return false always, though block works.
	NeverReady bool

	// Premature makes a pollable ready at once, though the stream takes Delay to permit
	// anything. It implies Background.
	Premature bool

	// LoseWakeups makes a wait on the stream's pollable alone hang unless the stream
	// is ready when it begins, as in Wasmtime 21 and 22 (issue 8781). It takes a
	// Delay to matter.
	LoseWakeups bool

	// Terminal makes the stream of SetStdout a terminal.
	Terminal bool

	// Handles is how many handles may be live at once; 0 is any number.
	Handles int
}

// An End says which operations on an input stream find that it has ended, or that it has
// failed: the hosts differ. Where the plan makes the guest wait, it waits for the end, too.
type End int

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

	// Call is the call of At that fails, from 1; 0: every call.
	Call int

	// Bytes is how many bytes the stream takes, or has, before that, at the least.
	Bytes uint64

	// Closed makes the error closed, and not last-operation-failed.
	Closed bool

	// Lost makes a stream that closes lose what it holds and has not flushed.
	Lost bool

	// Partial is how many bytes of a write that fails the stream delivers all the same. The
	// guest is not told of them. It is for At "write", which includes the write of a splice.
	Partial uint64

	// Text is what the host says of the failure.
	Text string

	// Then is what the stream does after it has reported the failure.
	Then After
}

// After is what a stream does once it has reported a failure.
type After int

const (
	ThenClosed After = iota // it is closed, as the WIT says
	ThenAgain               // it reports the same failure at every call
	ThenWorks               // it works again, as standard output of Wasmtime does, even after closed
)

// Hosts returns the names of the real hosts that [Plan].As can imitate: the stream that a
// guest has of them as standard output, or the kind of stream that the name says.
func Hosts() []string { return host.Names() }

// RandomPlan returns a plan drawn by a seed, the same one for the same seed: small
// permits, waits and spurious wake-ups, and no failure.
func RandomPlan(seed uint64) Plan {
	r := rand.New(rand.NewPCG(seed, 0))
	var p Plan
	for range 1 + r.IntN(16) {
		for range r.IntN(3) {
			p.Permits = append(p.Permits, 0)
		}
		p.Permits = append(p.Permits, 1+r.Uint64N(1<<r.IntN(13)))
	}
	for range 1 + r.IntN(4) {
		p.FlushWaits = append(p.FlushWaits, r.IntN(3))
	}
	p.Hold = r.IntN(2) == 0
	return p
}

// A Stream is an output stream and what has come of it. Its methods are safe for
// concurrent use.
type Stream struct {
	host   *host.Host
	base   uint32
	handle uint32
	sink   sink
}

// sink records what is delivered.
type sink struct {
	mu    sync.Mutex
	bytes []byte
	ends  []int // of the records in bytes
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes = append(s.bytes, p...)
	s.ends = append(s.ends, len(s.bytes))
	return len(p), nil
}

// keep is how many calls a stream remembers.
const keep = 1 << 16

// NewStream returns a stream that behaves as the plan says. When the test ends, the stream
// must have been dropped (the Close of its Writer does it), and so must all that was made
// of it. NewStream fails the test at once if the plan makes no sense, or if more than 4093
// streams are in use.
func NewStream(t testing.TB, plan Plan) *Stream {
	t.Helper()
	s, err := newStream(t, plan)
	if err != nil {
		t.Fatal("wasiotest:", err)
	}
	return s
}

func newStream(t testing.TB, plan Plan) (*Stream, error) {
	p, err := plan.model(host.PointOf)
	if err != nil {
		return nil, err
	}
	if plan.End != EndKnown {
		return nil, errors.New("an output stream has no End")
	}
	s := &Stream{host: host.New(host.Options{Handles: plan.Handles, Keep: keep})}
	if s.base, err = native.Expose(s.host); err != nil {
		return nil, err
	}
	s.handle = s.base | s.host.NewStream(p.Behavior(), &s.sink)
	t.Cleanup(func() {
		native.Withdraw(s.base)
		if trap := s.host.Trapped(); trap != nil {
			t.Errorf("wasiotest: %v", trap)
		} else if live := s.host.Live(); len(live) > 0 {
			t.Errorf("wasiotest: not dropped: %s", strings.Join(live, ", "))
		}
	})
	return s, nil
}

// SetStdout makes [wasio.Stdout] write to a new stream that behaves as the plan says, and
// makes its Writer what it is in a program that has just started: without an error, a
// deadline or a function of SetReason. When the test ends, the Writer is on the standard
// output of the process again, and just as new.
//
// A test that calls SetStdout must not run in parallel with another that does. One that has a
// [testing/synctest] bubble calls it in the bubble.
//
// [wasio.Stdout]: https://pkg.go.dev/github.com/wasio-dev/wasio#Stdout
func SetStdout(t testing.TB, plan Plan) *Stream {
	t.Helper()
	return setStandard(t, host.Stdout, plan)
}

// SetStderr does for [wasio.Stderr] what SetStdout does for Stdout.
//
// [wasio.Stderr]: https://pkg.go.dev/github.com/wasio-dev/wasio#Stderr
func SetStderr(t testing.TB, plan Plan) *Stream {
	t.Helper()
	return setStandard(t, host.Stderr, plan)
}

// inUse notes which standard streams a test has set.
var inUse [2]atomic.Bool

func setStandard(t testing.TB, fd int, plan Plan) *Stream {
	t.Helper()
	used := &inUse[fd-1]
	if !used.CompareAndSwap(false, true) {
		t.Fatal("wasiotest: another test that runs now has set the stream")
	}
	s, err := newStream(t, plan)
	if err != nil {
		used.Store(false)
		t.Fatal("wasiotest:", err)
	}
	s.host.SetTerminal(fd, plan.Terminal)
	handle := native.SwapWriter(fd, s.handle)
	base := native.SwapStandard(fd, s.base)
	t.Cleanup(func() { // before that of newStream
		native.SwapWriter(fd, handle)
		native.SwapStandard(fd, base)
		used.Store(false)
		if live := s.host.Live(); s.host.Trapped() == nil && slices.Equal(live, []string{"output-stream(1)"}) {
			s.host.DropStream(s.handle &^ s.base) // which Close of the Writer does not do
		}
	})
	return s
}

// model returns the plan as the model host takes it.
func (p Plan) model(pointOf func(name string) (host.Point, error)) (host.Plan, error) {
	var m host.Plan
	if p.As != "" {
		var err error
		if m, err = host.Named(p.As); err != nil {
			return m, err
		}
	}
	if p.Permits != nil {
		m.Permits = p.Permits
	}
	if p.FlushWaits != nil {
		m.FlushWaits = p.FlushWaits
	}
	for _, n := range p.FlushWaits {
		if n < 0 {
			return m, fmt.Errorf("a flush cannot take %d waits", n)
		}
	}
	if p.Delay < 0 {
		return m, fmt.Errorf("a delay of %v is negative", p.Delay)
	}
	if p.Delay != 0 {
		m.Delay = p.Delay
	}
	if p.End < EndKnown || p.End > EndSilent {
		return m, fmt.Errorf("no such End: %d", p.End)
	}
	m.End = host.End(p.End)
	for _, f := range p.Faults {
		at, err := pointOf(f.At)
		if err != nil {
			return m, err
		}
		if f.Then < ThenClosed || f.Then > ThenWorks {
			return m, fmt.Errorf("no such After: %d", f.Then)
		}
		if f.Call < 0 {
			return m, fmt.Errorf("there is no call %d", f.Call)
		}
		if f.Partial > 0 && at != host.AtWrite {
			return m, fmt.Errorf("only a write delivers a part, and not %q", f.At)
		}
		m.Faults = append(m.Faults, host.PlannedFault{At: at, Call: f.Call, Bytes: f.Bytes,
			Fault: host.Fault{Closed: f.Closed, Lost: f.Lost, Partial: f.Partial, Text: f.Text, Then: host.After(f.Then)}})
	}
	m.Capacity = p.Capacity
	m.Hold = m.Hold || p.Hold
	m.HoldLine = m.HoldLine || p.HoldLine
	m.DropWaits = m.DropWaits || p.DropWaits
	m.Background = m.Background || p.Background
	m.Latch = m.Latch || p.Latch
	m.NeverReady = m.NeverReady || p.NeverReady
	m.Premature = m.Premature || p.Premature
	m.LoseWakeups = m.LoseWakeups || p.LoseWakeups
	return m, nil
}

// Handle returns the handle of the stream, for [wasio.NewWriter] or any bindings made
// by wit-bindgen-go. Whoever takes it owns it.
//
// [wasio.NewWriter]: https://pkg.go.dev/github.com/wasio-dev/wasio#NewWriter
func (s *Stream) Handle() uint32 { return s.handle }

// Another returns a new handle of the same stream, as each call of get-stdout does. It
// must be called while the first one is live.
func (s *Stream) Another() uint32 {
	return s.base | s.host.SameSink(s.handle&^s.base)
}

// An Input is an input stream of the host of a [Stream].
type Input struct {
	host         *host.Host
	base, handle uint32
}

// NewInput returns an input stream that has the bytes of in and behaves as the plan says, of
// which the fields As, FlushWaits, Hold, HoldLine, DropWaits, Terminal and Handles are for
// output streams. The stream closes where in ends, and fails where in returns another error;
// End says when that shows. It must have been dropped when the test of s ends. NewInput fails
// the test t at once if the plan makes no sense.
func (s *Stream) NewInput(t testing.TB, plan Plan, in io.Reader) *Input {
	t.Helper()
	p, err := plan.model(func(name string) (host.Point, error) {
		if name != "read" {
			return 0, fmt.Errorf("no such point of an input stream to fail at: %q (there is read)", name)
		}
		return host.AtRead, nil
	})
	if err == nil && (plan.As != "" || plan.FlushWaits != nil || plan.Hold || plan.HoldLine || plan.DropWaits ||
		plan.Terminal || plan.Handles != 0) {
		err = errors.New("an input stream has no As, FlushWaits, Hold, HoldLine, DropWaits, Terminal or Handles")
	}
	if err != nil {
		t.Fatal("wasiotest:", err)
	}
	return &Input{s.host, s.base, s.base | s.host.NewInput(p.Behavior(), in)}
}

// Handle returns the handle of the stream, for [wasio.Splice] or any bindings made by
// wit-bindgen-go.
//
// [wasio.Splice]: https://pkg.go.dev/github.com/wasio-dev/wasio#Splice
func (in *Input) Handle() uint32 { return in.handle }

// Drop drops the handle, as its owner must.
func (in *Input) Drop() { in.host.DropInput(in.handle &^ in.base) }

// Bytes returns what was delivered so far.
func (s *Stream) Bytes() []byte {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	return bytes.Clone(s.sink.bytes)
}

// String returns what was delivered so far.
func (s *Stream) String() string { return string(s.Bytes()) }

// Records returns what was delivered so far, as the single writes in which it came. Some
// hosts make a line of a log of each.
func (s *Stream) Records() []string {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	records := make([]string, len(s.sink.ends))
	start := 0
	for i, end := range s.sink.ends {
		records[i] = string(s.sink.bytes[start:end])
		start = end
	}
	return records
}

// Calls returns the calls of the host so far, oldest first, as
//
//	output-stream(1).check-write = 7
//	output-stream(1).write(7)
//	output-stream(1).subscribe = pollable(2)
//	pollable(2).block
//	pollable(2).drop
//	output-stream(1).flush = last-operation-failed(error(3))
//	error(3).drop
//
// where the numbers in parentheses are handles, counted from the stream's own, or the
// bytes of a write. It remembers the last 65536.
func (s *Stream) Calls() []string {
	calls := s.host.Calls()
	lines := make([]string, len(calls))
	for i := range calls {
		lines[i] = calls[i].String()
	}
	return lines
}
