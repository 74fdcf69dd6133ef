package host

// A Script makes the choices that the contract leaves to a stream. Its methods are
// called in the order in which the guest's calls bring the choices up, one at a time.
type Script interface {
	// Permit says how many bytes check-write permits. None means that the guest must
	// wait and ask again; to say it again right after a wait is a spurious wake-up.
	Permit(accepted uint64) uint64

	// FlushWaits says how often the guest must wait until a flush that begins now is
	// complete.
	FlushWaits() int

	// Fault says how the stream fails at this point, if it does. The call is the
	// number of times that the stream was at this point, this time included.
	Fault(at Point, call int, accepted uint64) *Fault
}

// A Point is where a stream can fail.
type Point uint8

// The points, named after the functions: the failure is the function's result.
// AtFlushed is the end of a flush; the next operation reports it.
const (
	AtCheckWrite Point = iota
	AtWrite
	AtFlush
	AtFlushed

	faultPoints
)

// A Fault is a failure of a stream.
type Fault struct {
	At     Point
	Call   int    // strikes at this call, from 1; 0: at every call
	Bytes  uint64 // but not before so many bytes were accepted
	Closed bool   // the error is closed, not last-operation-failed
	Text   string // what to-debug-string returns
	Then   After
}

// After is what follows once last-operation-failed was reported.
type After uint8

// What hosts do after a failure: close the stream, as the WIT says; report it at
// every operation; or go on as if nothing had been.
const (
	ThenClosed After = iota
	ThenAgain
	ThenWorks
)

// A Plan is a script written down in advance. The zero value permits 1 MiB always,
// flushes at once and never fails.
type Plan struct {
	Permits    []uint64 // what check-write answers, in turn and from the start again
	FlushWaits []int    // how many waits each flush takes, likewise
	Faults     []Fault
	Capacity   uint64 // closes when so many bytes were accepted; 0: never
}

// Script returns a script that follows the plan from its start.
func (p Plan) Script() Script { return &planned{plan: p} }

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
	if c := s.plan.Capacity; c > 0 {
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
			return f
		}
	}
	if at == AtCheckWrite && s.plan.Capacity > 0 && accepted >= s.plan.Capacity {
		return &Fault{Closed: true}
	}
	return nil
}
