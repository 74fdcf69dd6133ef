// Package wasiotest gives tests output streams of WASI 0.2 that behave as a plan says: they
// permit few bytes, make the writer wait, fail, or close. It is to writers on WASI what
// [testing/iotest] is to readers. [Stream.NewInput] makes input streams to splice from.
//
//	s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{1, 7, 0}})
//	w := wasio.NewWriter(s.Handle())
//
// The host behind a stream is strict: what the contract of wasi:io forbids is a trap. A trap
// panics, since it ends a program on a real host, and fails the test, with the calls that led
// to it. A wait that would never end is a trap, too, and a handle that is still live when the
// test ends fails the test.
//
// The package is for tests that run on the developer's own platform. A WebAssembly guest has its
// streams from its host, so there the package skips the tests that ask it for one.
package wasiotest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/wasio-dev/wasio" // sets native.SwapWriter
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// A Plan says how an output stream or an input stream behaves where the contract leaves it a
// choice. The zero Plan permits 1 MiB, never makes a guest wait and never fails. The fields of
// a Plan are:
//
//	Permits     []uint64      // the answers of check-write, in turn, repeated; 0: wait
//	FlushWaits  []int         // how often the guest must wait for each flush, in turn, repeated
//	Delay       time.Duration // how long each wait takes
//	Faults      []Fault       // the failures
//	Capacity    uint64        // closes after this many bytes; 0: never
//	End         End           // which operations find the end of an input stream
//	Hold        bool          // keeps what was written until a flush
//	HoldLine    bool          // keeps an incomplete line until a newline or a flush
//	DropWaits   bool          // a drop waits until all bytes are taken
//	WorksAgain  bool          // an error of the writer behind the stream does not stick
//	Background  bool          // makes progress even while nobody waits on a pollable
//	Latch       bool          // a pollable that was ready once stays ready
//	NeverReady  bool          // pollable.ready always returns false
//	Premature   bool          // a pollable is ready before the Delay is over
//	LoseWakeups bool          // a wait on the pollable alone hangs (Wasmtime issue 8781)
//	LoseAt      int           // only this wait hangs, counted from 1; 0: every wait
//	Terminal    bool          // a standard stream is a terminal
//	Handles     int           // how many handles may be live at once; 0: any number
//
// A 0 in Permits makes the guest wait on a pollable and ask again; a 0 after a 0 is a spurious
// wake-up. Any other permit holds, for splice too, until a write, a flush or a failure. For an
// input stream, a permit is how many bytes are available until they have been read.
//
// Inside a [testing/synctest] bubble a Delay takes no real time. The longest time.Duration is
// a Delay that never ends, which is a trap unless the guest waits for a clock, too.
//
// What Hold and HoldLine keep is lost if the stream is dropped before a flush, or fails. HoldLine
// keeps less than 1024 bytes, as Wasmtime's standard output does. If both are set, Hold decides.
// With DropWaits, as on Wasmtime's TCP sockets, a drop waits until check-write would permit bytes
// again.
//
// Without Background, a guest that only calls check-write again makes no progress, as on
// Wasmtime's files. Premature and LoseWakeups imply Background. LoseWakeups has an effect only
// with a Delay: if the stream is ready when the wait begins, the guest wakes. With NeverReady,
// pollable.block still works.
type Plan = host.Plan

// An End says which operations on an input stream find that it has ended, or that it has
// failed, since hosts differ. If the plan makes the guest wait, it waits for the end, too.
type End = host.End

const (
	// EndKnown lets any operation find the end once no byte is left, even a skip of 0
	// bytes. The body of an HTTP request is like that.
	EndKnown = host.EndKnown

	// EndWhenRead lets only an operation that asks for a byte find the end. After that
	// every operation reports it. TCP sockets of Wasmtime are like that.
	EndWhenRead = host.EndWhenRead

	// EndSilent is like EndWhenRead, except that an operation that asks for 0 bytes never
	// reports anything. Standard input of Wasmtime is like that.
	EndSilent = host.EndSilent
)

// A Fault is a failure of a stream. Its fields are:
//
//	At      string // "check-write", "write", "flush" or "flushed"; of an input stream "read"
//	Call    int    // which call of At fails, counted from 1; 0: every call
//	Bytes   uint64 // but not before this many bytes have been written or read
//	Closed  bool   // the error is closed, not last-operation-failed
//	Lost    bool   // a stream that closes loses what it has not flushed
//	Partial uint64 // how many bytes of a failed write are delivered, unknown to the guest
//	Text    string // the host's text for the failure
//	Then    Then   // what the stream does once it has reported the failure
//
// A flush that begins well and fails before it is complete fails at "flushed", which the next
// call reports. A failure at "read" applies to skip and splice, too.
type Fault = host.Fault

// Then is what a stream does once it has reported a failure.
type Then = host.Then

const (
	// ThenClosed makes the stream closed, as the WIT says.
	ThenClosed = host.ThenClosed

	// ThenAgain makes the stream report the same failure at every call.
	ThenAgain = host.ThenAgain

	// ThenWorks makes the stream work again, even after closed. Standard output of Wasmtime is
	// like that.
	ThenWorks = host.ThenWorks
)

// As returns a plan that imitates a real host, one of [Hosts]: its standard output, or the kind
// of stream that the name says. The test may change the plan:
//
//	plan := wasiotest.As("wasmtime-file")
//	plan.Permits = []uint64{1, 7, 0}
//
// As panics if it knows no such host.
func As(name string) Plan {
	p, err := host.Named(name)
	if err != nil {
		panic("wasiotest: " + err.Error())
	}
	return p
}

// Hosts returns the names of the real hosts that [As] knows.
func Hosts() []string { return host.Names() }

// RandomPlan returns a random plan with small permits, waits and spurious wake-ups, and without
// failures. The same seed gives the same plan.
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

// A Stream is an output stream that records what is delivered and called. Its methods are safe
// for concurrent use.
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

// NewStream returns a stream that behaves as the plan says. When the test ends, the stream must
// have been dropped, as Close of its Writer does, and so must every handle made from it.
// NewStream calls t.Fatal if the plan is invalid, or if 4093 streams are already in use.
func NewStream(t testing.TB, plan Plan) *Stream {
	t.Helper()
	skipInGuest(t)
	s, err := newStream(t, plan)
	if err != nil {
		t.Fatal("wasiotest:", err)
	}
	return s
}

// skipInGuest skips a test that asks for a stream in a guest.
func skipInGuest(t testing.TB) {
	t.Helper()
	if runtime.GOARCH == "wasm" {
		t.Skip("wasiotest: a guest has its streams from its host")
	}
}

func newStream(t testing.TB, plan Plan) (*Stream, error) {
	err := host.CheckOutput(plan)
	if err != nil {
		return nil, err
	}
	s := &Stream{host: host.New(host.Options{Keep: keep})}
	if s.base, err = native.Expose(s.host); err != nil {
		return nil, err
	}
	s.host.SetStdio(host.Stdout, Plan{Terminal: plan.Terminal}, io.Discard)
	s.host.SetStdio(host.Stderr, Plan{Terminal: plan.Terminal}, io.Discard)
	s.handle = s.base | s.host.NewStream(plan, &s.sink)
	t.Cleanup(func() {
		if s.host.EndWaits() { // the calls that it ends must still find the host
			t.Errorf("wasiotest: a call is still waiting")
			return
		}
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
// resets its Writer: it has no error, no deadline and no error decoder. When the test ends, the
// Writer is reset again and writes to the standard output of the process.
//
// A test that calls SetStdout must not run in parallel with another that does. A test with a
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

// users are the tests that have set the standard streams.
var users [2]atomic.Pointer[string]

func setStandard(t testing.TB, fd int, plan Plan) *Stream {
	t.Helper()
	skipInGuest(t)
	user, name := &users[fd-1], t.Name()
	if !user.CompareAndSwap(nil, &name) {
		switch other := *user.Load(); {
		case other == name:
			t.Fatal("wasiotest: this test has already set the stream")
		case strings.HasPrefix(name, other+"/"):
			t.Fatal("wasiotest: " + other + ", which this test is part of, has already set the stream")
		default:
			t.Fatal("wasiotest: " + other + ", which is still running, has already set the stream")
		}
	}
	s, err := newStream(t, plan)
	if err != nil {
		user.Store(nil)
		t.Fatal("wasiotest:", err)
	}
	handle := native.SwapWriter(fd, s.handle)
	base := native.SwapStandard(fd, s.base)
	t.Cleanup(func() { // before that of newStream
		if s.host.EndWaits() { // or SwapWriter would wait for it
			t.Errorf("wasiotest: a call is still waiting")
		}
		native.SwapWriter(fd, handle)
		native.SwapStandard(fd, base)
		user.Store(nil)
		if live := s.host.Live(); s.host.Trapped() == nil && slices.Equal(live, []string{"output-stream(1)"}) {
			s.host.DropStream(s.handle &^ s.base) // which Close of the Writer does not do
		}
	})
	return s
}

// Handle returns the handle of the stream, always the same, for [wasio.NewWriter] or any
// bindings made by wit-bindgen-go. Whoever gets it must drop it.
//
// [wasio.NewWriter]: https://pkg.go.dev/github.com/wasio-dev/wasio#NewWriter
func (s *Stream) Handle() uint32 { return s.handle }

// Another returns a new handle of the same stream, as each call of get-stdout does. It must be
// called while the first handle is live.
func (s *Stream) Another() uint32 {
	return s.base | s.host.SameSink(s.handle&^s.base)
}

// An Input is an input stream on the host of a [Stream].
type Input struct {
	host         *host.Host
	base, handle uint32
}

// NewInput returns an input stream that has the bytes of in and behaves as the plan says. The
// stream closes where in ends, and fails where in returns another error; plan.End says when
// that shows. It must have been dropped when the test of s ends. NewInput calls t.Fatal if the
// plan is invalid. The fields FlushWaits, Hold, HoldLine, DropWaits, WorksAgain, Terminal and
// Handles are for output streams only.
func (s *Stream) NewInput(t testing.TB, plan Plan, in io.Reader) *Input {
	t.Helper()
	err := host.CheckInput(plan)
	if err == nil && in == nil {
		err = errors.New("NewInput needs a reader")
	}
	if err != nil {
		t.Fatal("wasiotest:", err)
	}
	return &Input{s.host, s.base, s.base | s.host.NewInput(plan, in)}
}

// Handle returns the handle of the stream, for [wasio.Splice] or any bindings made by
// wit-bindgen-go.
//
// [wasio.Splice]: https://pkg.go.dev/github.com/wasio-dev/wasio#Splice
func (in *Input) Handle() uint32 { return in.handle }

// Drop drops the handle, as its owner must.
func (in *Input) Drop() { in.host.DropInput(in.handle &^ in.base) }

// Bytes returns a copy of the bytes delivered so far.
func (s *Stream) Bytes() []byte {
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	return bytes.Clone(s.sink.bytes)
}

// String returns the bytes delivered so far.
func (s *Stream) String() string { return string(s.Bytes()) }

// Records returns the bytes delivered so far, as one string for each write that delivered them.
// Some hosts make a log line of each.
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

// Calls returns the host calls so far, oldest first, in this form:
//
//	output-stream(1).check-write = 7
//	output-stream(1).write(7)
//	output-stream(1).subscribe = pollable(2)
//	pollable(2).block
//	pollable(2).drop
//	output-stream(1).flush = last-operation-failed(error(3))
//	error(3).drop
//
// The numbers in parentheses are handles, counted from the stream's own, which is 1, or the
// size of a write. Only the last 65536 calls are kept.
func (s *Stream) Calls() []string {
	calls := s.host.Calls()
	lines := make([]string, len(calls))
	for i := range calls {
		lines[i] = calls[i].String()
	}
	return lines
}

// Count returns how often a host function was called. A function of an output stream is given
// by its name, such as "flush"; any other as Calls writes it, but without handles, such as
// "pollable.block". Count panics if there is no such function.
func (s *Stream) Count(function string) int {
	if !strings.Contains(function, ".") {
		function = "output-stream." + function
	}
	return int(s.host.Count(host.Op(function)))
}
