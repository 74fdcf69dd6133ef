package host

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A Script makes the choices that the contract leaves to a stream. Its methods are
// called in the order in which the guest's calls bring the choices up, one at a time.
type Script interface {
	// Permit says how many bytes check-write permits until a write or a flush or, for an
	// input stream, how many more can be read. 0 means that the guest must wait and ask
	// again; if another 0 follows, the wake-up is spurious.
	Permit(moved uint64) uint64

	// FlushWaits says how often the guest must wait until a flush that begins now is
	// complete.
	FlushWaits() int

	// Fault says how the stream fails at this point, or returns nil. It is the call-th time
	// that the stream reaches the point. An operation that does not find the end of an input
	// stream (see End) is at no point.
	Fault(at string, call int, moved uint64) *Fault
}

// Scripted returns p with a script in place of its Permits, FlushWaits, Faults and Capacity.
func Scripted(p Plan, s Script) Plan {
	p.script = s
	return p
}

// planned is a script that follows the fields of a plan.
type planned struct {
	plan             Plan
	permits, flushes int // answers given so far
}

func (s *planned) Permit(accepted uint64) uint64 {
	n := next(s.plan.Permits, &s.permits, 1<<20)
	if c := s.plan.Capacity; c > accepted { // otherwise Fault reports that it is reached
		n = min(n, c-accepted)
	}
	return n
}

func (s *planned) FlushWaits() int { return next(s.plan.FlushWaits, &s.flushes, 0) }

// next returns the next of the answers, or otherwise if there are none.
func next[T any](answers []T, given *int, otherwise T) T {
	if len(answers) == 0 {
		return otherwise
	}
	*given++
	return answers[(*given-1)%len(answers)]
}

func (s *planned) Fault(at string, call int, accepted uint64) *Fault {
	for i := range s.plan.Faults {
		f := &s.plan.Faults[i]
		if f.At == at && (f.Call == 0 || f.Call == call) && accepted >= f.Bytes {
			return f
		}
	}
	if (at == AtCheckWrite || at == AtRead) && s.plan.Capacity > 0 && accepted >= s.plan.Capacity {
		return &Fault{Closed: true}
	}
	return nil
}

// Named returns the plan that imitates the named host, as far as a guest can tell.
func Named(name string) (Plan, error) {
	for _, p := range named {
		if p.name == name {
			return p.plan, nil
		}
	}
	return Plan{}, fmt.Errorf("unknown host %q (known are %s)", name, strings.Join(Names(), ", "))
}

// Names returns the names that Named knows, in its order.
func Names() []string {
	var names []string
	for _, p := range named {
		names = append(names, p.name)
	}
	return names
}

// named lists hosts that were run or whose source was read.
var named = []struct {
	name string
	plan Plan
}{
	// The command wasmtime run: synchronous, line-buffered.
	{"wasmtime-stdout", Plan{Background: true, HoldLine: true, WorksAgain: true}},
	// AsyncWriteStream, as for custom standard output in Wasmtime's C API.
	{"wasmtime-async", Plan{Permits: []uint64{8192}, FlushWaits: []int{1}, Background: true, Hold: true}},
	// AsyncStdoutStream of Wasmtime 21 and 22, which loses wake-ups (issue 8781).
	{"wasmtime-22-async", Plan{Permits: []uint64{1024}, FlushWaits: []int{1},
		LoseWakeups: true, Delay: time.Millisecond}},
	// Files: busy after each write until a pollable is used; lost if not flushed.
	{"wasmtime-file", Plan{Permits: []uint64{1 << 20, 0}, FlushWaits: []int{1}, Hold: true}},
	// TCP sockets since Wasmtime 48: busy until a write is taken, even when they are dropped.
	{"wasmtime-tcp", Plan{Permits: []uint64{64 << 10, 0}, Background: true, DropWaits: true}},
	// Standard output that goes nowhere.
	{"wasmtime-null", Plan{Permits: []uint64{math.MaxUint64}, Background: true}},
	// Standard output and error on Node.
	{"jco-node", Plan{Permits: []uint64{16 << 10}, Background: true}},
	// Files on Node.
	{"jco-node-file", Plan{Permits: []uint64{64 << 10}, Background: true}},
	// In a browser: ready always returns false, and a pollable that was ready stays ready.
	{"jco-browser", Plan{Permits: []uint64{1_000_000}, Background: true, Latch: true, NeverReady: true}},
	{"spin", Plan{Background: true, WorksAgain: true}},
	{"viceroy", Plan{Background: true, WorksAgain: true}},
	{"golem", Plan{Background: true}},
	{"wago", Plan{Permits: []uint64{1 << 40}, Background: true}},
}
