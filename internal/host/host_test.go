package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/internal/host"
)

// A guest is a host, a stream of it, and what the stream has delivered.
type guest struct {
	*host.Host
	s   uint32
	out records
}

// records is a sink that keeps each piece that it gets.
type records struct {
	mu  sync.Mutex
	got []string
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, string(p))
	return len(p), nil
}

func (r *records) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.got, "")
}

func newGuest(p host.Plan) *guest {
	return newGuestWith(host.Options{Clock: new(host.VirtualClock)}, p)
}

func newGuestWith(o host.Options, p host.Plan) *guest {
	g := &guest{Host: host.New(o)}
	g.s = g.NewStream(p, &g.out)
	return g
}

// permit asks for a permit and expects n.
func (g *guest) permit(t *testing.T, n uint64) {
	t.Helper()
	require.Equal(t, host.Result{Kind: host.Permit, Value: n}, g.CheckWrite(g.s))
}

// put asks for a permit and writes.
func (g *guest) put(t *testing.T, text string) {
	t.Helper()
	require.Equal(t, host.Permit, g.CheckWrite(g.s).Kind)
	require.Equal(t, done, g.Write(g.s, []byte(text)))
}

// wait blocks on a pollable of the stream.
func (g *guest) wait() {
	p := g.Subscribe(g.s)
	g.Block(p)
	g.DropPollable(p)
}

var (
	done   = host.Result{Kind: host.Done}
	closed = host.Result{Kind: host.Closed}
)

// trapOf returns the trap that f ends in.
func trapOf(t *testing.T, f func()) (trap *host.Trap) {
	t.Helper()
	defer func() {
		r := recover()
		require.NotNil(t, r, "no trap")
		require.IsType(t, (*host.Trap)(nil), r)
		trap = r.(*host.Trap)
	}()
	f()
	return nil
}

// textOf returns the text of an error handle and drops it.
func textOf(t *testing.T, g *guest, r host.Result) string {
	t.Helper()
	require.Equal(t, host.LastOperationFailed, r.Kind)
	text := g.DebugString(uint32(r.Value))
	g.DropError(uint32(r.Value))
	return text
}

// What the contract forbids, with the reason of each trap and the call that traps.
var forbidden = []struct {
	name   string
	host   string // a host that traps, or does worse
	plan   host.Plan
	guest  func(t *testing.T, g *guest)
	reason string
	call   string // the last one
}{
	{
		name: "write without a permit", host: "Wasmtime 48, TCP",
		guest:  func(_ *testing.T, g *guest) { g.Write(g.s, []byte("x")) },
		reason: "write of 1 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "write of nothing without a permit", host: "the letter of the WIT; known hosts accept it",
		guest:  func(_ *testing.T, g *guest) { g.Write(g.s, nil) },
		reason: "write of 0 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(0) = trap",
	},
	{
		name: "write on a permit of nothing", host: `Wasmtime, AsyncWriteStream: "write exceeded budget"`,
		plan: host.Plan{Permits: []uint64{0, 5}},
		guest: func(t *testing.T, g *guest) {
			g.permit(t, 0)
			g.Write(g.s, []byte("x"))
		},
		reason: "write of 1 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "write beyond the permit by one", host: `Wasmtime, AsyncWriteStream: "write exceeded budget"`,
		plan: host.Plan{Permits: []uint64{5}},
		guest: func(t *testing.T, g *guest) {
			g.permit(t, 5)
			g.Write(g.s, []byte("sixsix"))
		},
		reason: "write of 6 bytes on a permit of 5", call: "output-stream(1).write(6) = trap",
	},
	{
		name: "write-zeroes beyond the permit by one", host: `Wasmtime, AsyncWriteStream: "write exceeded budget"`,
		plan: host.Plan{Permits: []uint64{5}},
		guest: func(t *testing.T, g *guest) {
			g.permit(t, 5)
			g.WriteZeroes(g.s, 6)
		},
		reason: "write of 6 bytes on a permit of 5", call: "output-stream(1).write-zeroes(6) = trap",
	},
	{
		name: "the newest permit counts", host: "Wasmtime, AsyncWriteStream, whose budget other handles share",
		plan: host.Plan{Permits: []uint64{5, 3}},
		guest: func(t *testing.T, g *guest) {
			other := g.SameSink(g.s)
			g.permit(t, 5)
			g.CheckWrite(other)
			require.Equal(t, done, g.Write(other, []byte("first")))
			g.permit(t, 3)
			g.Write(g.s, []byte("four"))
		},
		reason: "write of 4 bytes on a permit of 3", call: "output-stream(1).write(4) = trap",
	},
	{
		name: "two writes on one permit", host: "Wasmtime, files, and TCP from 48 on",
		guest: func(t *testing.T, g *guest) {
			g.put(t, "one")
			g.Write(g.s, []byte("two"))
		},
		reason: "write of 3 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(3) = trap",
	},
	{
		name: "write on a permit that a failed write has used", host: "Wasmtime 48, TCP",
		plan: host.Plan{Faults: []host.Fault{{At: host.AtWrite, Call: 1, Then: host.ThenWorks}}},
		guest: func(t *testing.T, g *guest) {
			require.Equal(t, host.Permit, g.CheckWrite(g.s).Kind)
			textOf(t, g, g.Write(g.s, []byte("one")))
			g.Write(g.s, []byte("one"))
		},
		reason: "write of 3 bytes without a permit: check-write must come right before it", call: "output-stream(1).write(3) = trap",
	},
	{
		name: "write on a permit that another handle's write has voided", host: "Wasmtime, AsyncStdoutStream",
		guest: func(t *testing.T, g *guest) {
			other := g.SameSink(g.s)
			g.permit(t, 1<<20)
			g.CheckWrite(other)
			require.Equal(t, done, g.Write(other, []byte("first")))
			g.Write(g.s, []byte("second"))
		},
		reason: "write of 6 bytes on a permit that a write or flush in between has used up", call: "output-stream(1).write(6) = trap",
	},
	{
		name: "write on a permit that another handle's flush has voided", host: "Wasmtime, AsyncStdoutStream",
		guest: func(t *testing.T, g *guest) {
			other := g.SameSink(g.s)
			g.permit(t, 1<<20)
			require.Equal(t, done, g.Flush(other))
			g.Write(g.s, []byte("second"))
		},
		reason: "write of 6 bytes on a permit that a write or flush in between has used up", call: "output-stream(1).write(6) = trap",
	},
	{
		name: "write on a permit that a blocking write has voided", host: "Wasmtime 48, TCP",
		guest: func(t *testing.T, g *guest) {
			g.permit(t, 1<<20)
			require.Equal(t, done, g.BlockingWriteAndFlush(g.s, []byte("first")))
			g.Write(g.s, []byte("second"))
		},
		reason: "write of 6 bytes on a permit that a write or flush in between has used up", call: "output-stream(1).write(6) = trap",
	},
	{
		name: "write during a flush", host: `Wasmtime, AsyncWriteStream: "write not permitted while flush pending"`,
		plan: host.Plan{FlushWaits: []int{1}},
		guest: func(t *testing.T, g *guest) {
			g.permit(t, 1<<20)
			require.Equal(t, done, g.Flush(g.s))
			g.Write(g.s, []byte("x"))
		},
		reason: "write while a flush is under way", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "write after the wait for a flush, but before check-write", host: "Wasmtime, AsyncWriteStream",
		plan: host.Plan{FlushWaits: []int{1}},
		guest: func(t *testing.T, g *guest) {
			require.Equal(t, done, g.Flush(g.s))
			g.wait()
			g.Write(g.s, []byte("x"))
		},
		reason: "write while a flush is under way", call: "output-stream(1).write(1) = trap",
	},
	{
		name: "write of more than an engine carries", host: "Wasmtime from 43 on, which carries 128 MiB in a call",
		plan: host.Plan{Permits: []uint64{1 << 40}},
		guest: func(t *testing.T, g *guest) {
			g.permit(t, 1<<40)
			g.WriteZeroes(g.s, 128<<20+1)
		},
		reason: "write of 134217729 bytes in one call; 134217728 is the most", call: "output-stream(1).write-zeroes(134217729) = trap",
	},
	{
		name: "blocking-write-and-flush of more than 4096 bytes", host: "Wasmtime, as the WIT says",
		guest:  func(_ *testing.T, g *guest) { g.BlockingWriteAndFlush(g.s, make([]byte, 4097)) },
		reason: "blocking-write-and-flush of 4097 bytes; 4096 is the most", call: "output-stream(1).blocking-write-and-flush(4097) = trap",
	},
	{
		name: "blocking-write-zeroes-and-flush of more than 4096 bytes", host: "Wasmtime, as the WIT says",
		guest:  func(_ *testing.T, g *guest) { g.BlockingWriteZeroesAndFlush(g.s, 1<<40) },
		reason: "blocking-write-zeroes-and-flush of 1099511627776 bytes; 4096 is the most", call: "output-stream(1).blocking-write-zeroes-and-flush(1099511627776) = trap",
	},
	{
		name: "unknown handle", host: "every host: the component model",
		guest:  func(_ *testing.T, g *guest) { g.CheckWrite(77) },
		reason: "handle 77 is unknown, or was dropped", call: "output-stream(77).check-write = trap",
	},
	{
		name: "dropped stream used again", host: "every host: the component model",
		guest: func(_ *testing.T, g *guest) {
			g.DropStream(g.s)
			g.Flush(g.s)
		},
		reason: "handle 1 is unknown, or was dropped", call: "output-stream(1).flush = trap",
	},
	{
		name: "error dropped twice", host: "every host: the component model",
		plan: host.Plan{Faults: []host.Fault{{At: host.AtFlush}}},
		guest: func(t *testing.T, g *guest) {
			r := g.Flush(g.s)
			textOf(t, g, r)
			g.DropError(uint32(r.Value))
		},
		reason: "handle 2 is unknown, or was dropped", call: "error(2).drop = trap",
	},
	{
		name: "poll of nothing", host: "Wasmtime, as the WIT says",
		guest:  func(_ *testing.T, g *guest) { g.Poll(nil) },
		reason: "poll of an empty list", call: "poll.poll(0 pollables) = trap",
	},
	{
		name: "poll of a pollable that was dropped", host: "every host: the component model",
		guest: func(_ *testing.T, g *guest) {
			p := g.Subscribe(g.s)
			q := g.Subscribe(g.s)
			g.DropPollable(p)
			g.Poll([]uint32{q, p})
		},
		reason: "handle 2 is unknown, or was dropped", call: "poll.poll(2 pollables) = trap",
	},
	{
		name: "blocking function whose wake-up is lost", host: "Wasmtime 21 and 22, AsyncStdoutStream, where it never ends",
		plan:   host.Plan{FlushWaits: []int{1}, LoseWakeups: true, Delay: time.Second},
		guest:  func(_ *testing.T, g *guest) { g.BlockingWriteAndFlush(g.s, []byte("issue 8781")) },
		reason: hangs, call: "output-stream(1).blocking-write-and-flush(10) = trap",
	},
	{
		name: "wait for a time that never comes", host: "every host, where it never ends",
		guest:  func(_ *testing.T, g *guest) { g.Block(g.SubscribeDuration(1<<64 - 1)) },
		reason: hangs, call: "pollable(2).block = trap",
	},
	{
		name: "wait later for an instant that never comes", host: "every host, where it never ends",
		guest: func(_ *testing.T, g *guest) {
			g.Block(g.SubscribeDuration(5))
			g.Poll([]uint32{g.SubscribeInstant(1<<63 - 1)})
		},
		reason: hangs, call: "poll.poll(1 pollables) = trap",
	},
	{
		name: "arguments that are wrong before the function is reached", host: "every host: the canonical ABI",
		guest:  func(_ *testing.T, g *guest) { g.Violate(host.OpPoll, "pointer %#x", 255) },
		reason: "pointer 0xff", call: "poll.poll(0 pollables) = trap",
	},
}

// mustTrap checks that a guest ends in a trap with this reason and last call. There must be a host
// that traps there.
func mustTrap(t *testing.T, h *host.Host, name, reason, call string, guest func()) {
	t.Helper()
	assert.NotEmpty(t, name)
	trap := trapOf(t, guest)
	assert.Equal(t, reason, trap.Reason)
	require.NotEmpty(t, trap.Calls)
	assert.Equal(t, call, trap.Calls[len(trap.Calls)-1].String())
	assert.Equal(t, h.Calls(), trap.Calls)
	assert.Same(t, trap, h.Trapped())

	lines := strings.Split(trap.Error(), "\n")
	assert.Equal(t, "wasi host: trap: "+reason, lines[0])
	assert.Equal(t, "\t"+call, lines[len(lines)-1])
	assert.LessOrEqual(t, len(lines), 17, "the end of the history is enough")
}

func TestForbidden(t *testing.T) {
	for _, c := range forbidden {
		t.Run(c.name, func(t *testing.T) {
			g := newGuest(c.plan)
			mustTrap(t, g.Host, c.host, c.reason, c.call, func() { c.guest(t, g) })
		})
	}
}

// Every function traps on handles of all kinds but its own, and the message says which.
func TestHandleOfWrongKind(t *testing.T) {
	fault := host.Plan{Faults: []host.Fault{{At: host.AtFlush}}}
	methods := []struct {
		kind string
		call func(h *host.Host, handle uint32)
	}{
		{"output-stream", func(h *host.Host, s uint32) { h.CheckWrite(s) }},
		{"output-stream", func(h *host.Host, s uint32) { h.Write(s, nil) }},
		{"output-stream", func(h *host.Host, s uint32) { h.WriteZeroes(s, 0) }},
		{"output-stream", func(h *host.Host, s uint32) { h.Flush(s) }},
		{"output-stream", func(h *host.Host, s uint32) { h.BlockingWriteAndFlush(s, nil) }},
		{"output-stream", func(h *host.Host, s uint32) { h.BlockingWriteZeroesAndFlush(s, 0) }},
		{"output-stream", func(h *host.Host, s uint32) { h.BlockingFlush(s) }},
		{"output-stream", func(h *host.Host, s uint32) { h.Subscribe(s) }},
		{"output-stream", func(h *host.Host, s uint32) { h.DropStream(s) }},
		{"output-stream", func(h *host.Host, s uint32) { h.SameSink(s) }},
		{"output-stream", func(h *host.Host, s uint32) { h.Splice(s, 2, 0) }},
		{"output-stream", func(h *host.Host, s uint32) { h.BlockingSplice(s, 2, 0) }},
		{"input-stream", func(h *host.Host, s uint32) { h.Splice(1, s, 0) }},
		{"input-stream", func(h *host.Host, s uint32) { h.BlockingSplice(1, s, 0) }},
		{"input-stream", func(h *host.Host, s uint32) { h.Read(s, 0) }},
		{"input-stream", func(h *host.Host, s uint32) { h.BlockingRead(s, 0) }},
		{"input-stream", func(h *host.Host, s uint32) { h.Skip(s, 0) }},
		{"input-stream", func(h *host.Host, s uint32) { h.BlockingSkip(s, 0) }},
		{"input-stream", func(h *host.Host, s uint32) { h.SubscribeInput(s) }},
		{"input-stream", func(h *host.Host, s uint32) { h.DropInput(s) }},
		{"pollable", func(h *host.Host, s uint32) { h.Ready(s) }},
		{"pollable", func(h *host.Host, s uint32) { h.Block(s) }},
		{"pollable", func(h *host.Host, s uint32) { h.Poll([]uint32{s}) }},
		{"pollable", func(h *host.Host, s uint32) { h.DropPollable(s) }},
		{"error", func(h *host.Host, s uint32) { h.DebugString(s) }},
		{"error", func(h *host.Host, s uint32) { h.DropError(s) }},
		{"terminal-output", func(h *host.Host, s uint32) { h.DropTerminal(s) }},
	}
	for i, m := range methods {
		for _, kind := range []string{"output-stream", "input-stream", "pollable", "error", "terminal-output"} {
			if kind == m.kind {
				continue
			}
			t.Run(fmt.Sprintf("%d of %s on %s", i, m.kind, kind), func(t *testing.T) {
				g := newGuest(fault)
				g.SetStdio(host.Stdout, host.Plan{Terminal: true}, io.Discard)
				handles := map[string]uint32{
					"output-stream":   g.s, // 1
					"input-stream":    g.GetStdin(),
					"pollable":        g.Subscribe(g.s),
					"error":           uint32(g.Flush(g.s).Value),
					"terminal-output": g.GetTerminalStdout(),
				}
				trap := trapOf(t, func() { m.call(g.Host, handles[kind]) })
				assert.Equal(t, fmt.Sprintf("handle %d is of a resource %s, not %s", handles[kind], kind, m.kind), trap.Reason)
			})
		}
	}
}

// A guest in this process survives a trap. The next trap panics, too, but Trapped returns the
// first.
func TestSecondTrap(t *testing.T) {
	g := newGuest(host.Plan{})
	first := trapOf(t, func() { g.Flush(50) })
	second := trapOf(t, func() { g.Flush(60) })
	assert.Same(t, first, g.Trapped())
	assert.Equal(t, "handle 60 is unknown, or was dropped", second.Reason)
	assert.Len(t, second.Calls, 2)
	assert.Len(t, first.Calls, 1)
}

// A permit survives calls that neither write nor flush.
func TestPermitSurvivesWaits(t *testing.T) {
	g := newGuest(host.Plan{Permits: []uint64{3}})
	g.permit(t, 3)
	p := g.Subscribe(g.s)
	assert.True(t, g.Ready(p))
	g.Block(p)
	assert.Equal(t, []uint32{0}, g.Poll([]uint32{p}))
	g.DropPollable(p)
	assert.Equal(t, done, g.Write(g.s, []byte("abc")))
}

func TestWriteOfNothingOnAPermitUsesItUp(t *testing.T) {
	g := newGuest(host.Plan{})
	g.put(t, "")
	trapOf(t, func() { g.Write(g.s, nil) })
}

// A permit holds until a write, a flush or a failure, no matter who asks for it and how often.
func TestPermitHolds(t *testing.T) {
	oops := host.Plan{Faults: []host.Fault{{At: host.AtWrite, Call: 1, Then: host.ThenWorks}}}
	for name, c := range map[string]struct {
		plan host.Plan
		use  func(t *testing.T, g *guest)
	}{
		"write":            {host.Plan{}, func(t *testing.T, g *guest) { require.Equal(t, done, g.Write(g.s, []byte("a"))) }},
		"write of nothing": {host.Plan{}, func(t *testing.T, g *guest) { require.Equal(t, done, g.Write(g.s, nil)) }},
		"write that fails": {oops, func(t *testing.T, g *guest) { textOf(t, g, g.Write(g.s, []byte("a"))) }},
		"flush":            {host.Plan{}, func(t *testing.T, g *guest) { require.Equal(t, done, g.Flush(g.s)) }},
		"blocking-write-and-flush": {host.Plan{FlushWaits: []int{1}}, func(t *testing.T, g *guest) {
			// Its flush alone voids the permit, and it waits for the next one.
			g.BlockingWriteAndFlush(g.s, nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.plan.Permits = []uint64{5, 0, 7}
			g := newGuest(c.plan)
			other := g.SameSink(g.s)
			for range 3 {
				g.permit(t, 5)
				require.EqualValues(t, 5, g.CheckWrite(other).Value)
				g.wait()
			}
			g.permit(t, 5)
			c.use(t, g)
			if name != "blocking-write-and-flush" {
				g.permit(t, 0)
				g.wait()
			}
			for range 3 {
				g.permit(t, 7)
				require.EqualValues(t, 7, g.CheckWrite(other).Value)
			}
		})
	}
}

func TestNewestOfSharedPermits(t *testing.T) {
	g := newGuest(host.Plan{Permits: []uint64{5}})
	other := g.SameSink(g.s)
	g.permit(t, 5)
	require.EqualValues(t, 5, g.CheckWrite(other).Value) // a question voids nothing
	assert.Equal(t, done, g.Write(g.s, []byte("a")))
	g.DropStream(g.s)
	g.s = other
	g.put(t, "b")
	assert.Equal(t, "ab", g.out.String())
}

// If the stream has closed since check-write, a write returns closed and does not trap, no matter
// who found that out.
func TestClosedSinceCheckWrite(t *testing.T) {
	for _, isClosed := range []bool{true, false} {
		g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtCheckWrite, Call: 2, Closed: isClosed}}})
		other := g.SameSink(g.s)
		g.permit(t, 1<<20)
		if r := g.CheckWrite(other); !isClosed {
			textOf(t, g, r)
		}
		assert.Equal(t, closed, g.Write(g.s, []byte("x")))
		assert.Empty(t, g.out.String())
	}
}

func TestFailureIsReportedOnceThenClosed(t *testing.T) {
	ops := map[string]func(g *guest) host.Result{
		"check-write":                     func(g *guest) host.Result { return g.CheckWrite(g.s) },
		"flush":                           func(g *guest) host.Result { return g.Flush(g.s) },
		"blocking-flush":                  func(g *guest) host.Result { return g.BlockingFlush(g.s) },
		"blocking-write-and-flush":        func(g *guest) host.Result { return g.BlockingWriteAndFlush(g.s, []byte("x")) },
		"blocking-write-zeroes-and-flush": func(g *guest) host.Result { return g.BlockingWriteZeroesAndFlush(g.s, 1) },
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtFlushed, Text: "disk full"}}})
			assert.Equal(t, done, g.Flush(g.s))
			assert.Equal(t, "disk full", textOf(t, g, op(g)))
			for again, op := range ops {
				assert.Equal(t, closed, op(g), again)
			}
			assert.True(t, g.Ready(g.Subscribe(g.s)), "a stream that is closed is always ready")
		})
	}
}

// A stream may report closed once and then work again, as standard output of Wasmtime 48 does.
func TestClosedAndThenWorks(t *testing.T) {
	for at, fail := range map[string]func(g *guest) host.Result{
		host.AtCheckWrite: func(g *guest) host.Result { return g.CheckWrite(g.s) },
		host.AtWrite:      func(g *guest) host.Result { g.CheckWrite(g.s); return g.Write(g.s, []byte("gone")) },
		host.AtFlush:      func(g *guest) host.Result { return g.Flush(g.s) },
		host.AtFlushed:    func(g *guest) host.Result { g.Flush(g.s); return g.CheckWrite(g.s) },
	} {
		for _, lost := range []bool{false, true} {
			g := newGuest(host.Plan{Hold: true, Faults: []host.Fault{
				{At: at, Bytes: 4, Closed: true, Lost: lost, Then: host.ThenWorks}}})
			g.put(t, "held")
			for range 3 { // at every call
				assert.Equal(t, closed, fail(g))
			}
			assert.Equal(t, lost, g.out.String() == "")
		}
		g := newGuest(host.Plan{Faults: []host.Fault{
			{At: at, Call: 1, Closed: true, Then: host.ThenWorks}}})
		assert.Equal(t, closed, fail(g))
		p := g.Subscribe(g.s)
		assert.True(t, g.Ready(p))
		g.put(t, "works")
		assert.Equal(t, done, g.BlockingFlush(g.s))
		assert.Equal(t, "works", g.out.String())
	}
	t.Run("again", func(t *testing.T) {
		g := newGuest(host.Plan{Faults: []host.Fault{
			{At: host.AtFlush, Call: 1, Closed: true, Then: host.ThenAgain}}})
		for range 3 {
			assert.Equal(t, closed, g.Flush(g.s))
			assert.Equal(t, closed, g.CheckWrite(g.s))
		}
	})
	t.Run("until it is reported, the stream is ready", func(t *testing.T) {
		g := newGuest(host.Plan{FlushWaits: []int{0, 1}, Delay: time.Hour, Faults: []host.Fault{
			{At: host.AtFlushed, Call: 1, Closed: true, Then: host.ThenWorks}}})
		assert.Equal(t, done, g.Flush(g.s))
		p := g.Subscribe(g.s)
		assert.True(t, g.Ready(p))
		assert.Equal(t, closed, g.Flush(g.s))
		assert.Equal(t, done, g.Flush(g.s))
		assert.False(t, g.Ready(p))
	})
}

// A write that fails may deliver some of its bytes without saying so.
func TestPartialWrites(t *testing.T) {
	writes := map[string]func(g *guest, text string) host.Result{
		"write": func(g *guest, text string) host.Result { g.CheckWrite(g.s); return g.Write(g.s, []byte(text)) },
		"blocking-write-and-flush": func(g *guest, text string) host.Result {
			return g.BlockingWriteAndFlush(g.s, []byte(text))
		},
		"splice": func(g *guest, text string) host.Result {
			in := g.NewInput(host.Plan{}, strings.NewReader(text))
			defer g.DropInput(in)
			return g.Splice(g.s, in, 100)
		},
		"blocking-splice": func(g *guest, text string) host.Result {
			in := g.NewInput(host.Plan{}, strings.NewReader(text))
			defer g.DropInput(in)
			return g.BlockingSplice(g.s, in, 100)
		},
	}
	for name, write := range writes {
		for _, c := range []struct {
			partial uint64
			fault   host.Fault
			hold    bool
			want    []string
		}{
			{0, host.Fault{Text: "oops"}, false, []string{"one"}},
			{3, host.Fault{Text: "oops"}, false, []string{"one", "con"}},
			{3, host.Fault{Closed: true}, false, []string{"one", "con"}},
			{7, host.Fault{Text: "oops"}, false, []string{"one", "content"}},
			{1 << 63, host.Fault{Text: "oops"}, false, []string{"one", "content"}},
			{0, host.Fault{Text: "oops"}, true, nil},
			{3, host.Fault{Text: "oops"}, true, []string{"one", "con"}}, // in order
			{3, host.Fault{Closed: true, Lost: true}, true, []string{"one", "con"}},
		} {
			t.Run(fmt.Sprintf("%s/%d %v", name, c.partial, c.hold), func(t *testing.T) {
				c.fault.At, c.fault.Call, c.fault.Partial, c.fault.Then = host.AtWrite, 2, c.partial, host.ThenWorks
				g := newGuest(host.Plan{Hold: c.hold, Faults: []host.Fault{c.fault}})
				g.put(t, "one")
				if r := write(g, "content"); c.fault.Closed {
					assert.Equal(t, closed, r)
				} else {
					assert.Equal(t, "oops", textOf(t, g, r))
				}
				assert.Equal(t, c.want, g.out.got)
				g.put(t, "more")
				assert.Equal(t, done, g.Flush(g.s))
				assert.Equal(t, append(c.want, "more"), g.out.got)
			})
		}
	}
	t.Run("count", func(t *testing.T) {
		g := newGuest(host.Plan{Capacity: 9, Faults: []host.Fault{
			{At: host.AtWrite, Call: 1, Partial: 4, Then: host.ThenWorks}}})
		other := g.SameSink(g.s)
		g.CheckWrite(other)
		textOf(t, g, writes["write"](g, "content"))
		g.permit(t, 5)
		trap := trapOf(t, func() { g.Write(other, []byte("x")) })
		assert.Equal(t, "write of 1 bytes on a permit that a write or flush in between has used up", trap.Reason)
	})
	t.Run("to a sink that fails", func(t *testing.T) {
		g := newGuest(host.Plan{})
		g.s = g.NewStream(host.Plan{Hold: true, Faults: []host.Fault{
			{At: host.AtWrite, Call: 2, Partial: 4, Text: "oops"}}}, iotestErr{})
		g.put(t, "held")
		assert.Equal(t, "oops", textOf(t, g, writes["write"](g, "content")))
	})
}

func TestFlush(t *testing.T) {
	g := newGuest(host.Plan{FlushWaits: []int{2}, Hold: true})
	g.put(t, "held ")
	g.put(t, "back")
	assert.Equal(t, done, g.Flush(g.s))
	g.permit(t, 0)
	assert.Equal(t, done, g.Flush(g.s), "another flush meanwhile changes nothing")
	g.wait()
	g.permit(t, 0)
	g.wait()
	assert.Empty(t, g.out.String(), "ok is not flushed")
	g.permit(t, 1<<20)
	assert.Equal(t, []string{"held ", "back"}, g.out.got, "piece by piece")
}

func TestHeldBytesAreLost(t *testing.T) {
	t.Run("when the last handle goes", func(t *testing.T) {
		g := newGuest(host.Plan{FlushWaits: []int{1}, Hold: true})
		other := g.SameSink(g.s)
		g.put(t, "lost")
		g.Flush(g.s)
		g.DropStream(g.s)
		g.DropStream(other)
		assert.Empty(t, g.out.String())
	})
	t.Run("not when there is another", func(t *testing.T) {
		g := newGuest(host.Plan{Hold: true})
		other := g.SameSink(g.s)
		g.put(t, "kept")
		g.DropStream(g.s)
		assert.Equal(t, done, g.Flush(other))
		assert.Equal(t, "kept", g.out.String())
	})
	t.Run("when the stream fails", func(t *testing.T) {
		g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtFlush}}, Hold: true})
		g.put(t, "lost")
		textOf(t, g, g.Flush(g.s))
		g.DropStream(g.s)
		assert.Empty(t, g.out.String())
	})
	t.Run("when the flush fails", func(t *testing.T) {
		g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtFlushed}}, Hold: true})
		g.put(t, "lost")
		assert.Equal(t, done, g.Flush(g.s))
		textOf(t, g, g.CheckWrite(g.s))
		assert.Empty(t, g.out.String())
	})
	t.Run("not when it closes", func(t *testing.T) {
		g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtFlushed, Closed: true}}, Hold: true})
		g.put(t, "kept")
		assert.Equal(t, done, g.Flush(g.s))
		assert.Equal(t, closed, g.CheckWrite(g.s))
		assert.Equal(t, "kept", g.out.String())
	})
}

// A stream may close and lose what it holds at any point, even after the guest's flush has begun.
func TestStreamThatClosesAndLoses(t *testing.T) {
	for at, end := range map[string]func(g *guest) host.Result{
		host.AtCheckWrite: func(g *guest) host.Result { return g.CheckWrite(g.s) },
		host.AtWrite:      func(g *guest) host.Result { g.CheckWrite(g.s); return g.Write(g.s, []byte("more")) },
		host.AtFlush:      func(g *guest) host.Result { return g.Flush(g.s) },
		host.AtFlushed:    func(g *guest) host.Result { g.Flush(g.s); g.wait(); return g.CheckWrite(g.s) },
	} {
		for _, lost := range []bool{false, true} {
			g := newGuest(host.Plan{FlushWaits: []int{0, 1}, Hold: true,
				Faults: []host.Fault{{At: at, Bytes: 8, Closed: true, Lost: lost}}})
			g.put(t, "kept")
			if at != host.AtFlushed {
				g.Flush(g.s)
			}
			g.put(t, "lost")
			assert.Equal(t, closed, end(g))
			want := "keptlost"
			switch {
			case lost && at == host.AtFlushed:
				want = ""
			case lost:
				want = "kept"
			}
			assert.Equal(t, want, g.out.String())
			assert.Equal(t, closed, g.Flush(g.s))
			g.DropStream(g.s)
			assert.Equal(t, want, g.out.String())
		}
	}
}

func TestBlockingFunctions(t *testing.T) {
	hard := host.Plan{Permits: []uint64{0, 3, 0, 0, 2}, FlushWaits: []int{1}, Hold: true, Delay: time.Second}
	t.Run("write", func(t *testing.T) {
		g := newGuest(hard)
		assert.Equal(t, done, g.BlockingWriteAndFlush(g.s, []byte("abcdefgh")))
		assert.Equal(t, []string{"abc", "de", "fgh"}, g.out.got)
	})
	t.Run("write 4096", func(t *testing.T) {
		g := newGuest(host.Plan{})
		assert.Equal(t, done, g.BlockingWriteAndFlush(g.s, bytes.Repeat([]byte{'x'}, 4096)))
		assert.Len(t, g.out.String(), 4096)
	})
	t.Run("write nothing", func(t *testing.T) {
		g := newGuest(hard)
		assert.Equal(t, done, g.BlockingWriteAndFlush(g.s, nil))
		assert.Empty(t, g.out.got)
		assert.NotZero(t, g.Now(), "it waits")
	})
	t.Run("write zeroes", func(t *testing.T) {
		g := newGuest(hard)
		assert.Equal(t, done, g.BlockingWriteZeroesAndFlush(g.s, 4))
		assert.Equal(t, []string{"\x00\x00\x00", "\x00"}, g.out.got)
	})
	t.Run("write during a flush", func(t *testing.T) {
		g := newGuest(hard)
		assert.Equal(t, done, g.Flush(g.s))
		assert.Equal(t, done, g.BlockingWriteAndFlush(g.s, []byte("x")))
	})
	t.Run("flush", func(t *testing.T) {
		g := newGuest(host.Plan{FlushWaits: []int{3}, Hold: true})
		g.put(t, "text")
		assert.Equal(t, done, g.BlockingFlush(g.s))
		assert.Equal(t, "text", g.out.String())
	})
	t.Run("flush that fails", func(t *testing.T) {
		g := newGuest(host.Plan{FlushWaits: []int{1}, Faults: []host.Fault{{At: host.AtFlushed, Text: "late"}}})
		assert.Equal(t, "late", textOf(t, g, g.BlockingFlush(g.s)))
	})
	t.Run("write that fails", func(t *testing.T) {
		g := newGuest(host.Plan{Permits: []uint64{2}, Faults: []host.Fault{{At: host.AtWrite, Call: 2, Text: "second"}}})
		assert.Equal(t, "second", textOf(t, g, g.BlockingWriteAndFlush(g.s, []byte("four"))))
		assert.Equal(t, "fo", g.out.String())
	})
	t.Run("write that closes by its own flush", func(t *testing.T) {
		for _, at := range []string{host.AtFlush, host.AtFlushed} {
			g := newGuest(host.Plan{Faults: []host.Fault{{At: at, Closed: true}}})
			assert.Equal(t, done, g.BlockingWriteAndFlush(g.s, []byte("last")))
			assert.Equal(t, closed, g.BlockingWriteAndFlush(g.s, []byte("more")))
			assert.Equal(t, closed, g.BlockingFlush(g.s))
			assert.Equal(t, "last", g.out.String())
		}
	})
	t.Run("write that fills the stream", func(t *testing.T) {
		g := newGuest(host.Plan{Capacity: 4})
		assert.Equal(t, done, g.BlockingWriteAndFlush(g.s, []byte("full")))
		assert.Equal(t, closed, g.CheckWrite(g.s))
	})
	t.Run("write that does not fit", func(t *testing.T) {
		g := newGuest(host.Plan{Capacity: 4})
		assert.Equal(t, closed, g.BlockingWriteAndFlush(g.s, []byte("more than four")))
		assert.Equal(t, "more", g.out.String())
	})
}

func TestWriteZeroes(t *testing.T) {
	g := newGuest(host.Plan{})
	g.permit(t, 1<<20)
	assert.Equal(t, done, g.WriteZeroes(g.s, 3))
	g.permit(t, 1<<20)
	assert.Equal(t, done, g.WriteZeroes(g.s, 0))
	assert.Equal(t, []string{"\x00\x00\x00", ""}, g.out.got)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// If the sink of a stream fails, so does the stream. It closes if the reader has gone.
func TestSinkThatFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		n      int
		err    error
		closed bool
		text   string
	}{
		{"error", 0, errors.New("disk full"), false, "disk full"},
		{"short write", 2, nil, false, "short write"},
		{"closed pipe", 0, io.ErrClosedPipe, true, ""},
		{"EPIPE", 1, fmt.Errorf("write: %w", syscall.EPIPE), true, ""},
		{"closed file", 0, os.ErrClosed, true, ""},
	} {
		check := func(t *testing.T, g *guest, r host.Result) {
			t.Helper()
			if c.closed {
				assert.Equal(t, closed, r)
			} else {
				assert.Equal(t, c.text, textOf(t, g, r))
			}
			assert.Equal(t, closed, g.CheckWrite(g.s))
		}
		open := func(p host.Plan) *guest {
			g := newGuest(host.Plan{})
			g.s = g.NewStream(p, writerFunc(func([]byte) (int, error) { return c.n, c.err }))
			return g
		}
		t.Run(c.name+"/write", func(t *testing.T) {
			g := open(host.Plan{})
			g.permit(t, 1<<20)
			check(t, g, g.Write(g.s, []byte("text")))
		})
		t.Run(c.name+"/blocking-write-and-flush", func(t *testing.T) {
			g := open(host.Plan{})
			check(t, g, g.BlockingWriteAndFlush(g.s, []byte("text")))
		})
		t.Run(c.name+"/flush", func(t *testing.T) {
			g := open(host.Plan{FlushWaits: []int{1}, Hold: true})
			g.put(t, "text")
			g.put(t, "more")
			assert.Equal(t, done, g.Flush(g.s))
			g.permit(t, 0)
			g.wait()
			g.permit(t, 0) // the flush ends here, and so does the stream
			check(t, g, g.Flush(g.s))
		})
	}
}

// If the sink fails while a stream that closes delivers what it holds, the stream is closed all
// the same.
func TestSinkThatFailsAsTheStreamCloses(t *testing.T) {
	g := newGuest(host.Plan{})
	g.s = g.NewStream(host.Plan{Capacity: 4, Hold: true}, iotestErr{})
	g.put(t, "full")
	assert.Equal(t, closed, g.CheckWrite(g.s))
	assert.Equal(t, closed, g.CheckWrite(g.s))
}

type iotestErr struct{}

func (iotestErr) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestSinkThatPanics(t *testing.T) {
	g := newGuest(host.Plan{})
	s := g.NewStream(host.Plan{}, writerFunc(func([]byte) (int, error) { panic("sink") }))
	g.CheckWrite(s)
	assert.PanicsWithValue(t, "sink", func() { g.Write(s, []byte("x")) })
	g.put(t, "not locked")
	assert.Nil(t, g.Trapped())
}

func TestStandardStreams(t *testing.T) {
	h := host.New(host.Options{})
	for range 2 { // go nowhere until they are set
		for _, s := range []uint32{h.GetStdout(), h.GetStderr()} {
			assert.Equal(t, host.Permit, h.CheckWrite(s).Kind)
			assert.Equal(t, done, h.Write(s, []byte("lost")))
			h.DropStream(s)
		}
	}
	assert.Zero(t, h.GetTerminalStdout())
	assert.Zero(t, h.GetTerminalStderr())

	var out, errs records
	h.SetStdio(host.Stdout, host.Plan{Terminal: true}, &out)
	h.SetStdio(host.Stderr, host.Plan{Hold: true}, &errs)
	a, b := h.GetStdout(), h.GetStdout()
	assert.NotEqual(t, a, b)
	for _, s := range []uint32{a, b} {
		h.CheckWrite(s)
		h.Write(s, []byte("out"))
	}
	assert.Equal(t, "outout", out.String())
	e := h.GetStderr()
	h.CheckWrite(e)
	h.Write(e, []byte("errs"))
	h.DropStream(e)
	e = h.GetStderr() // the stream is the host's and lives on
	assert.Equal(t, done, h.Flush(e))
	assert.Equal(t, "errs", errs.String())

	terminal := h.GetTerminalStdout()
	assert.NotZero(t, terminal)
	assert.Contains(t, h.Live(), fmt.Sprintf("terminal-output(%d)", terminal))
	h.DropTerminal(terminal)
	assert.Zero(t, h.GetTerminalStderr())
}

func TestIsTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	assert.False(t, host.IsTerminal(null))
	f, err := os.Create(t.TempDir() + "/file")
	require.NoError(t, err)
	assert.False(t, host.IsTerminal(f))
	f.Close()
	assert.False(t, host.IsTerminal(f), "closed")
	if pts, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err == nil {
		defer pts.Close()
		assert.True(t, host.IsTerminal(pts))
	}
}

func TestClocks(t *testing.T) {
	g := newGuest(host.Plan{})
	assert.Zero(t, g.Now())
	g.Block(g.SubscribeDuration(10))
	assert.EqualValues(t, 10, g.Now())
	instant := g.SubscribeInstant(15)
	assert.False(t, g.Ready(instant))
	past := g.SubscribeInstant(3)
	assert.True(t, g.Ready(past))
	assert.Equal(t, []uint32{1}, g.Poll([]uint32{instant, past}))
	assert.Equal(t, []uint32{0}, g.Poll([]uint32{instant, g.SubscribeInstant(20)}))
	assert.EqualValues(t, 15, g.Now())
	assert.False(t, g.Ready(g.SubscribeDuration(1<<64-1)))
	far := g.SubscribeInstant(1<<63 - 2) // just within what the clock counts
	g.Block(far)
	assert.EqualValues(t, 1<<63-2, g.Now())
}

func TestWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := host.New(host.Options{})
		h.Block(h.SubscribeDuration(uint64(time.Hour)))
		assert.EqualValues(t, time.Hour, h.Now())
	})
}

func TestHistoryIsARing(t *testing.T) {
	g := newGuestWith(host.Options{Keep: 3}, host.Plan{Permits: []uint64{1, 2, 3, 4, 5}})
	lines := func() (lines []string) {
		for _, c := range g.Calls() {
			lines = append(lines, c.String())
		}
		return lines
	}
	assert.Empty(t, lines())
	write := func(n uint64) {
		t.Helper()
		g.permit(t, n)
		require.Equal(t, done, g.Write(g.s, make([]byte, n)))
	}
	write(1)
	assert.Equal(t, []string{"output-stream(1).check-write = 1", "output-stream(1).write(1)"}, lines())
	write(2)
	write(3)
	write(4)
	assert.Equal(t, []string{"output-stream(1).write(3)", "output-stream(1).check-write = 4", "output-stream(1).write(4)"}, lines())
	assert.EqualValues(t, 4, g.Count(host.OpCheckWrite))
	assert.EqualValues(t, 4, g.Count(host.OpWrite))
	assert.Zero(t, g.Count(host.OpFlush))

	calls := g.Calls()
	g.permit(t, 5)
	assert.EqualValues(t, 3, calls[0].Arg, "a copy")
	trap := trapOf(t, func() { g.Flush(0) })
	assert.Len(t, trap.Calls, 3)
	assert.Equal(t, "output-stream.flush = trap", trap.Calls[2].String())
}

func TestOnCall(t *testing.T) {
	var seen []string
	h := host.New(host.Options{Clock: new(host.VirtualClock), OnCall: func(c *host.Call) { seen = append(seen, c.String()) }})
	s := h.GetStdout()
	h.CheckWrite(s)
	trapOf(t, func() { h.DropError(s) })
	assert.Equal(t, []string{
		"stdout.get-stdout = output-stream(1)",
		"output-stream(1).check-write = 1048576",
		"error(1).drop = trap",
	}, seen)
}

func TestLive(t *testing.T) {
	g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtFlush}}})
	g.SetStdio(host.Stderr, host.Plan{Terminal: true}, io.Discard)
	g.Subscribe(g.s)
	g.Flush(g.s)
	g.GetTerminalStderr()
	g.SubscribeDuration(1)
	g.SubscribeInput(g.GetStdin())
	assert.Equal(t, []string{"output-stream(1)", "pollable(2)", "error(3)", "terminal-output(4)", "pollable(5)",
		"input-stream(6)", "pollable(7)"}, g.Live())
}

func TestHandlesAreNotUsedAgainSoon(t *testing.T) {
	g := newGuest(host.Plan{})
	seen := map[uint32]bool{g.s: true}
	for range 10_000 {
		p := g.Subscribe(g.s)
		require.False(t, seen[p])
		seen[p] = true
		g.DropPollable(p)
	}
}

// How calls read in a trace, and how many bytes the host took in them.
func TestCallString(t *testing.T) {
	for _, c := range []struct {
		want  string
		taken uint64
		call  host.Call
	}{
		{"stdout.get-stdout = output-stream(4)", 0,
			host.Call{Op: host.OpGetStdout, Result: host.Handle, Value: 4}},
		{"stderr.get-stderr = output-stream(4)", 0,
			host.Call{Op: host.OpGetStderr, Result: host.Handle, Value: 4}},
		{"output-stream(4).check-write = 18446744073709551615", 0,
			host.Call{Op: host.OpCheckWrite, Handle: 4, Result: host.Permit, Value: 1<<64 - 1}},
		{"output-stream(4).write(7)", 7,
			host.Call{Op: host.OpWrite, Handle: 4, Arg: 7, Result: host.Done}},
		{"output-stream(4).write(7) = last-operation-failed(error(5))", 0,
			host.Call{Op: host.OpWrite, Handle: 4, Arg: 7, Result: host.LastOperationFailed, Value: 5}},
		{"output-stream(4).write-zeroes(7)", 7,
			host.Call{Op: host.OpWriteZeroes, Handle: 4, Arg: 7, Result: host.Done}},
		{"output-stream(4).flush", 0, host.Call{Op: host.OpFlush, Handle: 4, Result: host.Done}},
		{"output-stream(4).blocking-write-and-flush(7)", 7,
			host.Call{Op: host.OpBlockingWriteAndFlush, Handle: 4, Arg: 7, Result: host.Done}},
		{"output-stream(4).blocking-write-zeroes-and-flush(7)", 7,
			host.Call{Op: host.OpBlockingWriteZeroesAndFlush, Handle: 4, Arg: 7, Result: host.Done}},
		{"output-stream(4).blocking-flush", 0,
			host.Call{Op: host.OpBlockingFlush, Handle: 4, Result: host.Done}},
		{"output-stream(4).subscribe = pollable(5)", 0,
			host.Call{Op: host.OpSubscribe, Handle: 4, Result: host.Handle, Value: 5}},
		{"output-stream(4).drop = trap", 0, host.Call{Op: host.OpDropStream, Handle: 4}},
		{"stdin.get-stdin = input-stream(2)", 0,
			host.Call{Op: host.OpGetStdin, Result: host.Handle, Value: 2}},
		{"input-stream(2).read(7)", 0,
			host.Call{Op: host.OpRead, Handle: 2, Arg: 7, Result: host.Done}},
		{"input-stream(2).blocking-read(7) = closed", 0,
			host.Call{Op: host.OpBlockingRead, Handle: 2, Arg: 7, Result: host.Closed}},
		{"input-stream(2).skip(7) = 3", 0,
			host.Call{Op: host.OpSkip, Handle: 2, Arg: 7, Result: host.Permit, Value: 3}},
		{"input-stream(2).blocking-skip(7) = 0", 0,
			host.Call{Op: host.OpBlockingSkip, Handle: 2, Arg: 7, Result: host.Permit}},
		{"input-stream(2).subscribe = pollable(5)", 0,
			host.Call{Op: host.OpSubscribeInput, Handle: 2, Result: host.Handle, Value: 5}},
		{"output-stream(1).splice(input-stream(2), 100) = 7", 7,
			host.Call{Op: host.OpSplice, Handle: 1, Source: 2, Arg: 100, Result: host.Permit, Value: 7}},
		{"output-stream(1).splice(input-stream(2), 1099511627776) = last-operation-failed(error(3))", 0,
			host.Call{Op: host.OpSplice, Handle: 1, Source: 2, Arg: 1 << 40,
				Result: host.LastOperationFailed, Value: 3}},
		{"output-stream(1).blocking-splice(input-stream(2), 100) = trap", 0,
			host.Call{Op: host.OpBlockingSplice, Handle: 1, Source: 2, Arg: 100}},
		{"pollable(5).ready = true", 0,
			host.Call{Op: host.OpReady, Handle: 5, Result: host.Bool, Value: 1}},
		{"pollable(5).ready = false", 0, host.Call{Op: host.OpReady, Handle: 5, Result: host.Bool}},
		{"poll.poll(2 pollables)", 0, host.Call{Op: host.OpPoll, Arg: 2, Result: host.Done}},
		{"error(6).to-debug-string", 0,
			host.Call{Op: host.OpDebugString, Handle: 6, Result: host.Done}},
		{"terminal-stdout.get-terminal-stdout = none", 0,
			host.Call{Op: host.OpGetTerminalStdout, Result: host.Handle}},
		{"terminal-stderr.get-terminal-stderr = terminal-output(7)", 0,
			host.Call{Op: host.OpGetTerminalStderr, Result: host.Handle, Value: 7}},
		{"terminal-output(7).drop", 0,
			host.Call{Op: host.OpDropTerminal, Handle: 7, Result: host.Done}},
		{"monotonic-clock.now = 1.5µs", 0,
			host.Call{Op: host.OpNow, Result: host.Instant, Value: 1500}},
		{"monotonic-clock.subscribe-duration(2s) = pollable(8)", 0,
			host.Call{Op: host.OpSubscribeDuration, Arg: 2e9, Result: host.Handle, Value: 8}},
		{"monotonic-clock.subscribe-instant(3ns) = pollable(8)", 0,
			host.Call{Op: host.OpSubscribeInstant, Arg: 3, Result: host.Handle, Value: 8}},
	} {
		assert.Equal(t, c.want, c.call.String())
		assert.Equal(t, c.taken, c.call.Taken(), c.want)
	}
}

func TestCallWaits(t *testing.T) {
	for _, op := range []host.Op{host.OpBlockingRead, host.OpBlockingSkip, host.OpBlockingWriteAndFlush,
		host.OpBlockingWriteZeroesAndFlush, host.OpBlockingFlush, host.OpBlockingSplice, host.OpBlock, host.OpPoll} {
		assert.True(t, (&host.Call{Op: op}).Waits(), op)
	}
	for _, op := range []host.Op{host.OpRead, host.OpWrite, host.OpFlush, host.OpReady, host.OpDropPollable, host.OpSubscribeInstant} {
		assert.False(t, (&host.Call{Op: op}).Waits(), op)
	}
}

func TestNamed(t *testing.T) {
	assert.NotEmpty(t, host.Names())
	for _, name := range host.Names() {
		t.Run(name, func(t *testing.T) {
			plan, err := host.Named(name)
			require.NoError(t, err)
			if name == "wasmtime-22-async" {
				return // nothing that waits for the stream alone gets through
			}
			g := newGuest(plan)
			text := strings.Repeat("x", 20_000)
			for rest := text; rest != ""; {
				r := g.CheckWrite(g.s)
				require.Equal(t, host.Permit, r.Kind)
				if r.Value == 0 {
					g.wait()
					continue
				}
				n := min(r.Value, uint64(len(rest)))
				require.Equal(t, done, g.Write(g.s, []byte(rest[:n])))
				rest = rest[n:]
			}
			require.Equal(t, done, g.BlockingFlush(g.s))
			g.DropStream(g.s)
			assert.Equal(t, text, g.out.String())
			assert.Empty(t, g.Live())
		})
	}
	_, err := host.Named("toaster")
	assert.EqualError(t, err, `unknown host "toaster" (known are `+strings.Join(host.Names(), ", ")+")")
}

// A plan that makes no sense is an error.
func TestCheck(t *testing.T) {
	fault := func(f host.Fault) host.Plan { return host.Plan{Faults: []host.Fault{{At: "write"}, f}} }
	for want, p := range map[string]host.Plan{
		"an output stream has no End": {End: host.EndSilent},
		`no such point to fail at: "splice" (there are check-write, write, flush, flushed)`: fault(host.Fault{At: "splice"}),
		`no such point to fail at: "read" (there are check-write, write, flush, flushed)`:   fault(host.Fault{At: "read"}),
		"no such Then: 3":                           fault(host.Fault{At: "flush", Then: 3}),
		"there is no call -1":                       fault(host.Fault{At: "flush", Call: -1}),
		`only a write delivers a part, not "flush"`: fault(host.Fault{At: "flush", Partial: 1}),
		"a flush cannot take -2 waits":              {FlushWaits: []int{1, -2}},
		"a delay of -1ns is negative":               {Delay: -1},
	} {
		assert.EqualError(t, host.CheckOutput(p), want)
	}
	assert.NoError(t, host.CheckOutput(fault(host.Fault{At: "flushed", Call: 2, Then: host.ThenWorks})))
	assert.EqualError(t, host.CheckInput(host.Plan{End: 3}), "no such End: 3")
	assert.EqualError(t, host.CheckInput(host.Plan{Faults: []host.Fault{{At: "write"}}}), `no such point to fail at: "write" (there are read)`)
	assert.NoError(t, host.CheckInput(host.Plan{End: host.EndSilent, Faults: []host.Fault{{At: "read"}}}))
}

// A drop may wait until what was written has been taken.
func TestDropWaits(t *testing.T) {
	const delay = time.Hour
	for _, c := range []struct {
		name  string
		plan  host.Plan
		guest func(t *testing.T, g *guest)
		took  time.Duration // the drop
	}{
		{"after a write", host.Plan{}, func(t *testing.T, g *guest) { g.put(t, "text") }, delay},
		{"after a write and a flush", host.Plan{}, func(t *testing.T, g *guest) {
			g.put(t, "text")
			g.Flush(g.s)
		}, delay},
		{"after a splice", host.Plan{}, func(t *testing.T, g *guest) {
			in := g.NewInput(host.Plan{}, strings.NewReader("text"))
			require.Equal(t, moves(4), g.Splice(g.s, in, 9))
		}, delay},
		{"after a part of a write", host.Plan{Faults: []host.Fault{
			{At: host.AtWrite, Call: 1, Partial: 1, Then: host.ThenWorks}}}, func(t *testing.T, g *guest) {
			g.CheckWrite(g.s)
			textOf(t, g, g.Write(g.s, []byte("text")))
		}, delay},
		{"in the wait", host.Plan{}, func(t *testing.T, g *guest) {
			g.put(t, "text")
			g.permit(t, 0)
			g.Block(g.SubscribeDuration(uint64(delay / 4)))
		}, delay - delay/4},
		{"for spurious wake-ups", host.Plan{Permits: []uint64{5, 0, 0, 0}}, func(t *testing.T, g *guest) { g.put(t, "text") }, 3 * delay},
		{"for a flush", host.Plan{Permits: []uint64{5}, FlushWaits: []int{2}}, func(t *testing.T, g *guest) {
			g.put(t, "text")
			g.Flush(g.s)
		}, 2 * delay},
		{"after the wait", host.Plan{}, func(t *testing.T, g *guest) {
			g.put(t, "text")
			g.permit(t, 0)
			g.wait()
			g.permit(t, 5)
		}, 0},
		{"of a stream that is not busy", host.Plan{Permits: []uint64{5}}, func(t *testing.T, g *guest) { g.put(t, "text") }, 0},
		{"of a stream that fails", host.Plan{Faults: []host.Fault{{At: host.AtFlush}}}, func(t *testing.T, g *guest) {
			g.put(t, "text")
			textOf(t, g, g.Flush(g.s))
		}, 0},
		{"of a stream that is full", host.Plan{Capacity: 4}, func(t *testing.T, g *guest) {
			g.put(t, "text")
			require.Equal(t, closed, g.CheckWrite(g.s))
		}, 0},
		{"without a write", host.Plan{Permits: []uint64{0, 5}}, func(t *testing.T, g *guest) { g.permit(t, 0) }, 0},
		{"without more than a write of nothing", host.Plan{}, func(t *testing.T, g *guest) { g.put(t, "") }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, waits := range []bool{true, false} {
				c.plan.DropWaits, c.plan.Delay = waits, delay
				if c.plan.Permits == nil {
					c.plan.Permits = []uint64{5, 0}
				}
				g := newGuest(c.plan)
				c.guest(t, g)
				g.DropStream(g.s)
				calls := g.Calls()
				if took := calls[len(calls)-1].Took; waits {
					assert.Equal(t, c.took, took)
				} else {
					assert.Zero(t, took)
				}
				assert.NotContains(t, g.Live(), "output-stream(1)")
			}
		})
	}
	t.Run("forever", func(t *testing.T) {
		g := newGuest(host.Plan{Permits: []uint64{5, 0}, DropWaits: true, Delay: 1<<63 - 1})
		g.Block(g.SubscribeDuration(1))
		g.put(t, "text")
		trap := trapOf(t, func() { g.DropStream(g.s) })
		assert.Equal(t, hangs, trap.Reason)
	})
	t.Run("while others go on", func(t *testing.T) {
		var g *guest
		slept := 0
		g = newGuestWith(host.Options{Clock: &sleeper{before: func(time.Duration) {
			slept++
			assert.Empty(t, g.Live())
			assert.Zero(t, g.Count(host.OpDropStream))
		}}}, host.Plan{Permits: []uint64{5, 0}, DropWaits: true, Delay: delay})
		g.put(t, "text")
		g.DropStream(g.s)
		assert.Positive(t, slept)
	})
}

// A stream with HoldLine holds an incomplete line and no more.
func TestHoldLine(t *testing.T) {
	long, short := strings.Repeat("x", 1024), strings.Repeat("y", 1023)
	for _, c := range []struct {
		writes []string
		want   []string // before the flush
		flush  string   // what it adds
	}{
		{[]string{"one\n"}, []string{"one\n"}, ""},
		{[]string{"one\ntwo\n"}, []string{"one\ntwo\n"}, ""},
		{[]string{"one"}, nil, "one"},
		{[]string{"one", "two"}, nil, "onetwo"},
		{[]string{"one", "two\n"}, []string{"onetwo\n"}, ""},
		{[]string{"one\ntwo"}, []string{"one\n"}, "two"},
		{[]string{"one\ntwo", "three\nfour"}, []string{"one\n", "twothree\n"}, "four"},
		{[]string{"", "one", "", "\n", ""}, []string{"one\n"}, ""},
		{[]string{short}, nil, short},
		{[]string{long}, []string{long}, ""},
		{[]string{"one", long}, []string{"one", long}, ""},
		{[]string{"one\n" + long}, []string{"one\n", long}, ""},
		{[]string{"one", short}, []string{"one"}, short},
		{[]string{"1", short}, nil, "1" + short},
		{[]string{"1", short, "2"}, []string{"1" + short}, "2"},
		{[]string{"1", short[1:] + "\n"}, []string{"1" + short[1:] + "\n"}, ""},
		{[]string{"1", short + "\n"}, []string{"1", short + "\n"}, ""},
		{[]string{"1", long + "\n2"}, []string{"1", long + "\n"}, "2"},
	} {
		g := newGuest(host.Plan{HoldLine: true})
		for _, text := range c.writes {
			g.put(t, text)
		}
		assert.Equal(t, c.want, g.out.got, "%.20q", c.writes)
		require.Equal(t, done, g.Flush(g.s))
		if c.flush != "" {
			c.want = append(c.want, c.flush)
		}
		assert.Equal(t, c.want, g.out.got, "%.20q", c.writes)
		require.Equal(t, done, g.Flush(g.s))
		assert.Len(t, g.out.got, len(c.want))
	}
	t.Run("splice", func(t *testing.T) {
		r := newReader(host.Plan{HoldLine: true}, host.Plan{}, strings.NewReader("one\ntwo"))
		r.splice(t, 9, 7)
		assert.Equal(t, "one\n", r.out.String())
	})
	t.Run("Hold goes before it", func(t *testing.T) {
		g := newGuest(host.Plan{HoldLine: true, Hold: true})
		g.put(t, "one\n")
		assert.Empty(t, g.out.got)
	})
	t.Run("drop", func(t *testing.T) {
		g := newGuest(host.Plan{})
		plan := host.Plan{HoldLine: true}
		g.SetStdio(host.Stdout, plan, &g.out)
		for _, text := range []string{"one", "two\nthree"} {
			s := g.GetStdout()
			g.CheckWrite(s)
			require.Equal(t, done, g.Write(s, []byte(text)))
			g.DropStream(s)
		}
		assert.Equal(t, []string{"onetwo\n"}, g.out.got, "standard output goes on")
		g.Exit()
		g.Exit()
		assert.Equal(t, []string{"onetwo\n", "three"}, g.out.got)
	})
	t.Run("a sink that fails", func(t *testing.T) {
		broken := true
		g := newGuest(host.Plan{})
		out := writerFunc(func(p []byte) (int, error) {
			if broken {
				return 0, errors.New("disk full")
			}
			return g.out.Write(p)
		})
		plan := host.Plan{HoldLine: true, WorksAgain: true}
		g.s = g.NewStream(plan, out)
		for _, flush := range []func(uint32) host.Result{g.Flush, g.BlockingFlush} {
			g.put(t, "lost")
			assert.Equal(t, "disk full", textOf(t, g, flush(g.s)))
		}
		g.put(t, "lost")
		g.permit(t, 1<<20)
		assert.Equal(t, "disk full", textOf(t, g, g.Write(g.s, []byte("lost\n"))))
		broken = false
		g.put(t, "works\n")
		assert.Equal(t, "works\n", g.out.String())
	})
}

// Standard output of some hosts works again after its destination failed.
func TestWorksAgain(t *testing.T) {
	for _, name := range []string{"wasmtime-stdout", "spin", "viceroy", "golem"} {
		for _, err := range []error{syscall.EPIPE, errors.New("disk full")} {
			plan, nameErr := host.Named(name)
			require.NoError(t, nameErr)
			g := newGuest(host.Plan{})
			g.s = g.NewStream(plan, writerFunc(func(p []byte) (int, error) {
				if bytes.Contains(p, []byte("fail")) {
					return 0, err
				}
				return g.out.Write(p)
			}))
			for range 2 {
				g.permit(t, 1<<20)
				if r := g.Write(g.s, []byte("fail\n")); err == syscall.EPIPE {
					assert.Equal(t, closed, r)
				} else {
					assert.Equal(t, "disk full", textOf(t, g, r))
				}
				if name == "golem" {
					assert.Equal(t, closed, g.CheckWrite(g.s))
					break
				}
				g.put(t, "works\n")
			}
			if name != "golem" {
				assert.Equal(t, "works\nworks\n", g.out.String())
			}
		}
	}
}

// Many goroutines on one host, each with a handle of its own on the same stream.
func TestConcurrentUse(t *testing.T) {
	const goroutines, rounds = 8, 200
	g := newGuest(host.Plan{Permits: []uint64{1 << 20}, FlushWaits: []int{0, 1}, Hold: true, Delay: time.Millisecond})
	var wg sync.WaitGroup
	for i := range goroutines {
		s := g.SameSink(g.s)
		wg.Go(func() {
			for range rounds {
				assert.Equal(t, done, g.BlockingWriteAndFlush(s, []byte{byte('a' + i)}))
				p := g.Subscribe(s)
				g.Block(p)
				g.Ready(p)
				g.DropPollable(p)
				g.Live()
				g.Calls()
				g.Now()
			}
			g.DropStream(s)
		})
	}
	wg.Wait()
	for i := range goroutines {
		assert.Equal(t, rounds, strings.Count(g.out.String(), string(rune('a'+i))))
	}
	assert.Equal(t, []string{"output-stream(1)"}, g.Live())
	assert.Nil(t, g.Trapped())
}

// never is how long the host sleeps if only bytes can wake it.
const never time.Duration = 1<<63 - 1

// A sleeper is a clock that calls a function before it sleeps, until a wake-up if there can be one.
type sleeper struct {
	host.VirtualClock
	before func(d time.Duration)
}

func (c *sleeper) Sleep(d time.Duration, wake, interrupt <-chan struct{}) {
	if c.before(d); wake != nil {
		d = never
	}
	c.VirtualClock.Sleep(d, wake, interrupt)
}

// If a pollable is dropped while another goroutine waits on it, the wait is a trap, and does not
// go on with the pollable that takes its place.
func TestPollableDroppedDuringTheWait(t *testing.T) {
	var h *host.Host
	var p uint32
	h = host.New(host.Options{Clock: &sleeper{before: func(time.Duration) {
		h.DropPollable(p)
		h.SubscribeDuration(0)
	}}})
	p = h.SubscribeDuration(1)
	trap := trapOf(t, func() { h.Block(p) })
	assert.Equal(t, "handle 1 is unknown, or was dropped", trap.Reason)
}

// A guest that never flushes does not use up the memory of its host.
func TestHeldBytesAreBounded(t *testing.T) {
	g := newGuest(host.Plan{Permits: []uint64{1 << 30}, Hold: true})
	much := make([]byte, 128<<20)
	for range 2 {
		g.CheckWrite(g.s)
		g.Write(g.s, much)
	}
	g.CheckWrite(g.s)
	assert.PanicsWithError(t, "wasi host: trap: more than 268435456 bytes written and not flushed\n"+
		"\toutput-stream(1).check-write = 1073741824\n\toutput-stream(1).write(134217728)\n"+
		"\toutput-stream(1).check-write = 1073741824\n\toutput-stream(1).write(134217728)\n"+
		"\toutput-stream(1).check-write = 1073741824\n\toutput-stream(1).write(1) = trap",
		func() { g.Write(g.s, []byte{1}) })
}
