package host

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A Script makes the choices that the contract leaves to a stream. Its methods are
// called in the order in which the guest's calls bring the choices up, one at a time.
type Script interface {
	// Permit says how many bytes check-write permits until a write or a flush, or, of an
	// input stream, how many more there are to be read. None means that the guest must
	// wait and ask again; to say it again right after a wait is a spurious wake-up.
	Permit(moved uint64) uint64

	// FlushWaits says how often the guest must wait until a flush that begins now is
	// complete.
	FlushWaits() int

	// Fault says how the stream fails at this point, if it does. The call is the
	// number of times that the stream was at this point, this time included. An
	// operation that does not find the end of an input stream (see End) is not at it.
	Fault(at Point, call int, moved uint64) *Fault
}

// A Point is where a stream can fail.
type Point uint8

// The points, named after the functions: the failure is the function's result.
// AtFlushed is the end of a flush; the next operation reports it. AtRead is that of input
// streams, also for skip and splice.
const (
	AtCheckWrite Point = iota
	AtWrite
	AtFlush
	AtFlushed
	AtRead

	faultPoints
)

var pointNames = [AtRead]string{"check-write", "write", "flush", "flushed"}

// PointOf returns the point of output streams with a name: a function's, or "flushed".
func PointOf(name string) (Point, error) {
	if i := slices.Index(pointNames[:], name); i >= 0 {
		return Point(i), nil
	}
	return 0, fmt.Errorf("no such point to fail at: %q (there are %s)", name, strings.Join(pointNames[:], ", "))
}

// A Fault is a failure of a stream.
type Fault struct {
	Closed  bool   // the error is closed, not last-operation-failed
	Lost    bool   // a stream that closes loses what it holds and has not flushed
	Partial uint64 // how many bytes of the write that fails are delivered all the same
	Text    string // what to-debug-string returns
	Then    After
}

// After is what follows once the failure was reported.
type After uint8

// What hosts do after a failure: close the stream, as the WIT says; report it at
// every operation; or go on as if nothing had been. A stream that closes is closed with
// either of the first two.
const (
	ThenClosed After = iota
	ThenAgain
	ThenWorks
)

// A PlannedFault is a Fault and when it strikes.
type PlannedFault struct {
	At    Point
	Call  int    // strikes at this call, from 1; 0: at every call
	Bytes uint64 // but not before so many bytes were accepted or read
	Fault
}

// A Plan is a behavior written down in advance. The zero value permits 1 MiB always,
// flushes at once and never fails.
type Plan struct {
	Permits    []uint64 // what Permit of the script says, in turn and from the start again
	FlushWaits []int    // how many waits each flush takes, likewise
	Faults     []PlannedFault
	Capacity   uint64 // closes when so many bytes were accepted, or ends when so many were read; 0: never
	Traits
}

// Behavior returns the behavior of a stream that follows the plan from its start.
func (p Plan) Behavior() Behavior { return Behavior{&planned{plan: p}, p.Traits} }

type planned struct {
	plan             Plan
	permits, flushes int // how many answers were given
}

func (s *planned) Permit(accepted uint64) uint64 {
	n := uint64(1 << 20)
	if p := s.plan.Permits; len(p) > 0 {
		n = p[s.permits%len(p)]
		s.permits++
	}
	if c := s.plan.Capacity; c > accepted { // else Fault has said that it is reached, or will
		n = min(n, c-accepted)
	}
	return n
}

func (s *planned) FlushWaits() int {
	p := s.plan.FlushWaits
	if len(p) == 0 {
		return 0
	}
	n := p[s.flushes%len(p)]
	s.flushes++
	return n
}

func (s *planned) Fault(at Point, call int, accepted uint64) *Fault {
	for i := range s.plan.Faults {
		f := &s.plan.Faults[i]
		if f.At == at && (f.Call == 0 || f.Call == call) && accepted >= f.Bytes {
			return &f.Fault
		}
	}
	if (at == AtCheckWrite || at == AtRead) && s.plan.Capacity > 0 && accepted >= s.plan.Capacity {
		return &Fault{Closed: true}
	}
	return nil
}

// Named returns the plan of a host that is known by name: what its streams do of the
// things that a guest can tell.
func Named(name string) (Plan, error) {
	for _, p := range named {
		if p.name == name {
			return p.plan, nil
		}
	}
	return Plan{}, fmt.Errorf("no host is known as %q (there are %s)", name, strings.Join(Names(), ", "))
}

// Names returns the names that Named knows, in its order.
func Names() []string {
	var names []string
	for _, p := range named {
		names = append(names, p.name)
	}
	return names
}

// named has the hosts of which the sources were read, or which were run.
var named = []struct {
	name string
	plan Plan
}{
	// The command wasmtime run: synchronous, with the buffer of a line.
	{"wasmtime-stdout", Plan{Traits: Traits{Background: true, HoldLine: true, WorksAgain: true}}},
	// AsyncWriteStream, as for custom standard output in Wasmtime's C API.
	{"wasmtime-async", Plan{Permits: []uint64{8192}, FlushWaits: []int{1}, Traits: Traits{Background: true, Hold: true}}},
	// AsyncStdoutStream of Wasmtime 21 and 22, which loses wake-ups (issue 8781).
	{"wasmtime-22-async", Plan{Permits: []uint64{1024}, FlushWaits: []int{1},
		Traits: Traits{LoseWakeups: true, Delay: time.Millisecond}}},
	// Files: busy after each write until a pollable is used; lost if not flushed.
	{"wasmtime-file", Plan{Permits: []uint64{1 << 20, 0}, FlushWaits: []int{1}, Traits: Traits{Hold: true}}},
	// TCP sockets since Wasmtime 48: busy until a write is taken, also when they are dropped.
	{"wasmtime-tcp", Plan{Permits: []uint64{64 << 10, 0}, Traits: Traits{Background: true, DropWaits: true}}},
	// Standard output that leads nowhere.
	{"wasmtime-null", Plan{Permits: []uint64{math.MaxUint64}, Traits: Traits{Background: true}}},
	// Standard output and error on Node.
	{"jco-node", Plan{Permits: []uint64{16 << 10}, Traits: Traits{Background: true}}},
	// Files on Node.
	{"jco-node-file", Plan{Permits: []uint64{64 << 10}, Traits: Traits{Background: true}}},
	// In a browser: a pollable is never ready when asked, and stays so once it is.
	{"jco-browser", Plan{Permits: []uint64{1_000_000}, Traits: Traits{Background: true, Latch: true, NeverReady: true}}},
	{"spin", Plan{Traits: Traits{Background: true, WorksAgain: true}}},
	{"viceroy", Plan{Traits: Traits{Background: true, WorksAgain: true}}},
	{"golem", Plan{Traits: Traits{Background: true}}},
	{"wago", Plan{Permits: []uint64{1 << 40}, Traits: Traits{Background: true}}},
}
