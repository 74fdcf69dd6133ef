package wasiotest

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
)

// TestWriter tests a writer on output streams of WASI 0.2, as package wasio tests its own. The
// function open returns a new writer that owns the stream with the given handle and calls the
// host through package wasio or the bindings in its folder generated. Each subtest is something
// that hosts do and that a writer can get wrong. A failure names its row in [the contract],
// which says where the case was seen, and the rule that the writer broke:
//
//	C12 (R5: a flush is complete when check-write permits again): 13 bytes were written, 9 arrived
//
// A writer must do this:
//   - Write hands all of p to the host, or returns an error and the number of bytes that the
//     host took. It neither modifies nor retains p.
//   - If the host fails, Write returns an error; if a flush fails, Write or Close does. After
//     an error every Write fails.
//   - When Close has returned nil, all bytes written have arrived.
//   - Close drops the stream. No handle of a pollable or an error is left either.
//   - No host call traps, waits forever or is repeated forever. After Close there is no host
//     call.
//
// To test a writer with a buffer, wrap it so that Write also flushes the buffer. Optional
// features, such as deadlines and pauses, are not tested.
//
// Each case runs in a [testing/synctest] bubble, so waits take no time. If the writer waits
// forever for something other than the host, synctest or the timeout of go test ends it. With
// -short the case C4, which takes 300 MB, is skipped.
//
// [the contract]: https://github.com/wasio-dev/wasio/blob/main/docs/contract.md
func TestWriter(t *testing.T, open func(handle uint32) io.WriteCloser) {
	t.Helper()
	skipInGuest(t)
	for _, c := range writerCases() {
		t.Run(c.row+" "+c.name, func(t *testing.T) {
			if testing.Short() && c.size > 100*mib {
				t.Skip("takes 300 MB of memory")
			}
			synctest.Test(t, func(t *testing.T) {
				problems, calls := c.run(open)
				for _, problem := range problems {
					t.Error(problem)
				}
				if problems != nil {
					t.Logf("the last calls were\n\t%s", strings.Join(calls, "\n\t"))
				}
			})
		})
	}
}

// A writerCase is something that a host does and that a writer can get wrong.
type writerCase struct {
	row, rule string
	name      string
	plan      Plan
	size      int // of the first Write; 0: 9 bytes
	use       func(r *writerRun)
}

const mib = 1 << 20

// writerCases returns the cases of docs/contract.md that any writer must get right.
func writerCases() []writerCase {
	cases := []writerCase{
		{"C1", "R1", "permits that are small and vary", Plan{Permits: []uint64{3, 1, 2}}, 0, succeeds},
		{"C1", "R1", "one byte at a time", Plan{Permits: []uint64{1}}, 0, succeeds},
		{"C2", "R1", "a permit of 2^64-1", Plan{Permits: []uint64{1<<64 - 1}}, 0, succeeds},
		{"C3", "R1", "a permit of 2^31", Plan{Permits: []uint64{1 << 31}}, 0, succeeds},
		{"C3", "R1", "a permit of 2^32", Plan{Permits: []uint64{1 << 32}}, 0, succeeds},
		{"C3", "R1", "a permit of 2^40", Plan{Permits: []uint64{1 << 40}}, 0, succeeds},
		{"C4", "R3", "a permit larger than a call carries", Plan{Permits: []uint64{1 << 30}}, 128*mib + 1, succeeds},
		{"C5", "R2", "nothing permitted until waited for", Plan{Permits: []uint64{0, 6}}, 0, succeeds},
		{"C6", "R2", "progress only through a pollable",
			Plan{Permits: []uint64{6, 0}, FlushWaits: []int{1}, Hold: true}, 0, succeeds},
		{"C7", "R9", "spurious wake-ups", Plan{Permits: []uint64{0, 0, 0, 9}}, 0, succeeds},
		{"C7", "R9", "a consumer that needs days",
			Plan{Permits: append(make([]uint64, 100), 9), Delay: time.Hour}, 0, succeeds},
		{"C9", "R9", "pollables that stay ready", Plan{Permits: []uint64{0, 0, 2}, Latch: true}, 0, succeeds},
		{"C10", "R9", "pollables from before the flush that stay ready",
			Plan{FlushWaits: []int{2}, Latch: true, Hold: true}, 0, succeeds},
		{"C11", "R2", "pollable.ready is never true",
			Plan{Permits: []uint64{0, 4}, NeverReady: true}, 0, succeeds},
		{"C12", "R5", "a flush that takes a while", Plan{FlushWaits: []int{3}, Hold: true}, 0, succeeds},
		{"C13", "R5", "no write during a flush", Plan{FlushWaits: []int{1}}, 0, succeeds},
		{"C14", "R3", "one permit for one write", Plan{}, 0, succeeds},
		{"C15", "R3", "a permit of one byte less", Plan{Permits: []uint64{8}}, 0, succeeds},
		{"C16", "R3", "no bytes", Plan{Permits: []uint64{0, 6}, FlushWaits: []int{1}}, 0, writesNothing},
		{"C17", "R6", "a failed flush that the next check-write reports",
			Plan{Faults: []Fault{{At: "flushed", Text: "disk full"}}}, 0, fails},
		{"C17", "R6", "a failed write that check-write reports",
			Plan{Permits: []uint64{4}, Faults: []Fault{{At: "check-write", Bytes: 4}}}, 0, fails},
		{"C18", "R6", "a failed flush that the flush reports", Plan{Faults: []Fault{{At: "flush"}}}, 0, fails},
		{"C19", "R6", "a failed flush that check-write reports after the wait",
			Plan{FlushWaits: []int{1}, Faults: []Fault{{At: "flushed"}}}, 0, fails},
		{"C20", "R6", "a write that fails after others",
			Plan{Permits: []uint64{4}, Faults: []Fault{{At: "write", Bytes: 8}}}, 0, fails},
		{"C21", "R6", "a failure at every call", Plan{Faults: []Fault{{At: "flush", Then: ThenAgain}}}, 0, fails},
		{"C22", "R6", "a failure after which the stream works again",
			Plan{Faults: []Fault{{At: "write", Call: 1, Then: ThenWorks}}}, 0, failsOnce},
		{"C23", "R7", "closed from the start", Plan{Faults: []Fault{{At: "check-write", Closed: true}}}, 0, fails},
		{"C24", "R7", "closed between check-write and write",
			Plan{Permits: []uint64{5}, Faults: []Fault{{At: "write", Bytes: 5, Closed: true}}}, 0, fails},
		{"C25", "R8", "closed after all was taken", Plan{Capacity: 9}, 0, failsNext},
		{"C25", "R8", "closed by the flush", Plan{Faults: []Fault{{At: "flush", Closed: true}}}, 0, failsNext},
		{"C25", "R8", "closed while it flushes",
			Plan{FlushWaits: []int{1}, Faults: []Fault{{At: "flushed", Closed: true}}}, 0, failsNext},
		{"C26", "R7", "closed in the middle", Plan{Capacity: 7}, 0, fails},
		{"C27", "R7", "closed while the guest waits",
			Plan{Permits: []uint64{5, 0}, Faults: []Fault{{At: "check-write", Call: 3, Closed: true}}}, 0, fails},
		{"C28", "R9", "a failure while the guest waits",
			Plan{Permits: []uint64{5, 0}, Faults: []Fault{{At: "check-write", Call: 3}}}, 0, fails},
		{"C29", "R9", "room for two handles", Plan{Permits: []uint64{0, 1}, Handles: 2}, 1000, succeeds},
		{"C31", "R15", "use after Close", Plan{}, 0, isUsedAfterClose},
		{"C32", "R12", "bytes that are not flushed are lost", Plan{Hold: true, FlushWaits: []int{0, 1, 5}}, 0, succeeds},
		{"C33", "R1", "another handle writes in between",
			Plan{Permits: []uint64{20, 0}, FlushWaits: []int{1}}, 0, sharesStream},
		{"C34", "R5", "a flush that is complete when it returns", Plan{Hold: true}, 0, succeeds},
		{"C38", "R1", "permits less than a rune", Plan{Permits: []uint64{2, 1}}, 0, succeeds},
		{"C39", "R4", "an argument that the caller reuses", Plan{Hold: true}, 0, succeeds},
		{"C42", "R6", "permitted, and failed at once", Plan{Faults: []Fault{{At: "write"}}}, 0, fails},
		{"C43", "R1", "permits that shrink", Plan{Permits: []uint64{4, 3, 2, 1, 1}}, 0, succeeds},
		{"C44", "R6", "a strange error text",
			Plan{Faults: []Fault{{At: "write", Text: "line\nline\x00" + strings.Repeat("x", mib)}}}, 0, fails},
		{"C47", "R12", "a drop that waits", Plan{Permits: []uint64{5, 0}, DropWaits: true, Delay: time.Second}, 0, succeeds},
		{"C48", "R6", "a failed write that arrives in part",
			Plan{Permits: []uint64{5}, Faults: []Fault{{At: "write", Bytes: 5, Partial: 2}}}, 0, fails},
	}
	for _, at := range []string{"check-write", "write", "flush", "flushed"} {
		cases = append(cases, writerCase{"C30", "R6", "an error that " + at + " reports again and again",
			Plan{Faults: []Fault{{At: at, Then: ThenAgain}}}, 0, fails})
	}
	for seed := range uint64(20) {
		cases = append(cases, writerCase{"C1", "R1", fmt.Sprintf("RandomPlan(%d)", seed), RandomPlan(seed), 1000, succeeds})
	}
	for _, name := range Hosts() {
		if plan := As(name); !plan.LoseWakeups { // C36: not every guest can survive that
			cases = append(cases, writerCase{name, "R1", "as a host", plan, 100_000, succeeds})
		}
	}
	return cases
}

// rules has the rules in short.
var rules = map[string]string{
	"R1":  "a write takes what the newest check-write permits",
	"R2":  "after a permit of 0 the guest waits on a pollable and asks again",
	"R3":  "a write needs a permit of its own",
	"R4":  "the host has its own copy of the bytes when write returns",
	"R5":  "a flush is complete when check-write permits again",
	"R6":  "a later call reports a write or flush that failed",
	"R7":  "a closed stream takes nothing",
	"R8":  "a call that closes the stream after it has taken all bytes has not failed",
	"R9":  "a pollable may be ready too early, and is dropped before its stream",
	"R12": "a drop loses what is not flushed",
	"R13": "an error is a handle, which must be dropped once",
	"R15": "a stream is dropped once, before its parent",
}

// trapRules says which rule a trap is about, by words in its reason.
var trapRules = []struct{ words, rule string }{
	{"flush is under way", "R5"},
	{"write of", "R3"},
	{"live pollables", "R9"},
}

// A writerRun is a run of a case on a writer.
type writerRun struct {
	*writerCase
	host   *host.Host
	handle uint32 // in host
	w      io.WriteCloser

	text     []byte // of all Writes, in order
	arrived  int    // how many bytes have arrived
	wrong    bool   // whether other bytes than those of text have arrived
	taken    int    // how many bytes the host took
	calls    int
	problems []string
}

// run runs the case on a writer. It returns what the writer did wrong, and its last host calls.
func (c *writerCase) run(open func(handle uint32) io.WriteCloser) (problems, calls []string) {
	r := &writerRun{writerCase: c}
	r.host = host.New(host.Options{Keep: 20, OnCall: r.count})
	base, err := native.Expose(r.host)
	if err != nil {
		return []string{"wasiotest: " + err.Error()}, nil
	}
	defer native.Withdraw(base)
	r.handle = r.host.NewStream(c.plan, r)
	r.untilTrap(func() {
		r.w = open(base | r.handle)
		c.use(r)
		r.checkHandles()
	})
	for _, call := range r.host.Calls() {
		calls = append(calls, call.String())
	}
	return r.problems, calls
}

// untilTrap calls f and reports a trap, which ends f.
func (r *writerRun) untilTrap(f func()) {
	defer func() {
		trap := r.host.Trapped() // from which the writer may have recovered
		if p := recover(); p != nil {
			own, ok := p.(*host.Trap)
			if !ok {
				panic(p)
			}
			trap = own
		}
		if trap == nil {
			return
		}
		rule := r.rule
		for _, about := range trapRules {
			if strings.Contains(trap.Reason, about.words) {
				rule = about.rule
				break
			}
		}
		r.breaks(r.row, rule, "trap: %s", trap.Reason)
	}()
	f()
}

// count counts a host call. It ends a writer that makes several times as many calls as a writer
// needs.
func (r *writerRun) count(c *host.Call) {
	r.taken += int(c.Taken())
	if r.calls++; r.calls > 30_000+r.size/100 {
		panic(&host.Trap{Reason: fmt.Sprintf("the guest does not stop: this is call %d", r.calls)})
	}
}

// Write checks what the stream delivers.
func (r *writerRun) Write(p []byte) (int, error) {
	r.wrong = r.wrong || !bytes.HasPrefix(r.text[min(r.arrived, len(r.text)):], p)
	r.arrived += len(p)
	return len(p), nil
}

// breaks reports that the writer broke a rule.
func (r *writerRun) breaks(row, rule, format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf("%s (%s: %s): %s", row, rule, rules[rule], fmt.Sprintf(format, args...)))
}

// wrote writes p, the next text, and checks what Write returns.
func (r *writerRun) wrote(p []byte) (n int, err error) {
	r.text = append(r.text, p...)
	before, own := r.taken, bytes.Clone(p)
	n, err = r.w.Write(own)
	if !bytes.Equal(own, p) {
		r.breaks("C39", "R4", "Write modified its argument")
	}
	if r.row == "C39" {
		clear(own)
	}
	if took := r.taken - before; err != nil && n != took {
		r.breaks(r.row, r.rule, "Write returned %d, %v; the host took %d bytes", n, err, took)
	} else if err == nil && (n != len(p) || took != n) {
		r.breaks(r.row, r.rule, "Write of %d bytes returned %d, nil; the host took %d bytes", len(p), n, took)
	}
	return n, err
}

// first returns the bytes of the first Write.
func (r *writerRun) first() []byte {
	if r.size == 0 {
		return []byte("9: é€x")
	}
	p := make([]byte, r.size)
	rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

// succeeds uses a writer on a host that does not fail.
func succeeds(r *writerRun) {
	r.mustWrite(r.first())
	r.mustWrite([]byte("more"))
	r.mustClose()
}

func (r *writerRun) mustWrite(p []byte) {
	if _, err := r.wrote(p); err != nil {
		r.breaks(r.row, r.rule, "Write failed: %v", err)
	}
}

func (r *writerRun) mustClose() {
	if err := r.w.Close(); err != nil {
		r.breaks(r.row, r.rule, "Close failed: %v", err)
	}
	if r.arrived != len(r.text) {
		r.breaks(r.row, r.rule, "%d bytes were written, %d arrived", len(r.text), r.arrived)
	}
	r.checkOrder()
}

func (r *writerRun) checkOrder() {
	if r.wrong {
		r.breaks(r.row, r.rule, "the bytes that arrived are not those that were written")
	}
}

// fails uses a writer on a host that fails.
func fails(r *writerRun) {
	if _, err := r.wrote(r.first()); err != nil {
		r.mustRefuse()
		r.w.Close() // may return the error again
	} else if err := r.w.Close(); err == nil {
		r.breaks(r.row, r.rule, "the host failed, and neither Write nor Close returned an error")
	}
	r.checkOrder()
}

// mustRefuse checks that a Write to a stream that has failed fails.
func (r *writerRun) mustRefuse() {
	if n, err := r.wrote([]byte("more")); n > 0 || err == nil {
		r.breaks(r.row, "R7", "after the stream closed, Write returned %d, %v", n, err)
	}
}

// failsOnce is fails for a host that works again. The writer need not find that out.
func failsOnce(r *writerRun) {
	if _, err := r.wrote(r.first()); err == nil {
		r.breaks(r.row, r.rule, "the host failed, and Write returned nil")
	}
	r.w.Close()
}

// failsNext uses a writer on a host that closes the stream after it has taken the first Write,
// which may succeed or fail.
func failsNext(r *writerRun) {
	r.wrote(r.first())
	r.mustRefuse()
	r.w.Close()
	r.checkOrder()
}

// writesNothing makes Writes of no bytes before and after another.
func writesNothing(r *writerRun) {
	r.mustWrite(nil)
	r.mustWrite(r.first())
	r.mustWrite([]byte{})
	r.mustClose()
}

// isUsedAfterClose uses a writer after its Close.
func isUsedAfterClose(r *writerRun) {
	r.mustWrite(r.first())
	r.mustClose()
	if n, err := r.w.Write([]byte("more")); n > 0 || err == nil {
		r.breaks(r.row, r.rule, "after Close, Write returned %d, %v", n, err)
	}
	r.w.Close() // may fail, but must not trap
}

// sharesStream writes through another handle of the stream between the Writes.
func sharesStream(r *writerRun) {
	other := r.host.SameSink(r.handle)
	r.mustWrite(r.first())
	for i := range 3 {
		for r.host.CheckWrite(other).Value == 0 {
			p := r.host.Subscribe(other)
			r.host.Block(p)
			r.host.DropPollable(p)
		}
		r.text = append(r.text, "other"...)
		r.host.Write(other, []byte("other"))
		if i > 0 {
			r.host.Flush(other)
		}
		r.mustWrite([]byte("more"))
	}
	r.host.DropStream(other)
	r.mustClose()
}

// checkHandles reports the handles that are left when the writer is closed.
func (r *writerRun) checkHandles() {
	for _, live := range r.host.Live() {
		switch resource, _, _ := strings.Cut(live, "("); resource {
		case "output-stream":
			r.breaks("C31", "R15", "%s was not dropped", live)
		case "error":
			r.breaks("C30", "R13", "%s was not dropped", live)
		default:
			r.breaks("C29", "R9", "%s was not dropped", live)
		}
	}
}
