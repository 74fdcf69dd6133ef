package builtins

import (
	"bytes"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
)

// slow is a reader that takes all of a write, after a second.
type slow struct{ code int }

func (slow) Step(at Point, n int, _ time.Duration) Step {
	if at == AtWrite {
		return Step{Status: Blocked}
	}
	return Step{Take: n, After: time.Second}
}

func (s slow) Result() (code int, after time.Duration) { return s.code, time.Second }

// gone is a reader that has dropped its end.
type gone struct{ Keen }

func (gone) Step(Point, int, time.Duration) Step { return Step{Status: Dropped} }

type guest struct {
	*Host
	out   bytes.Buffer
	event [2]uint32
	data  [8]byte
	code  [2]byte
}

// open returns the writable end of a stream.
func (g *guest) open(script Script) (stream uint32) {
	ends := g.StreamNew()
	g.Attach(uint32(ends), script, &g.out)
	return uint32(ends >> 32)
}

func (g *guest) write(stream uint32) uint32 {
	return g.StreamWrite(stream, unsafe.Pointer(&g.data), 8)
}

func (g *guest) stdout(script Script) (stream, future uint32) {
	g.SetStdio(1, script, &g.out)
	ends := g.StreamNew()
	return uint32(ends >> 32), g.WriteViaStream(1, uint32(ends))
}

// join puts a waitable into a new set.
func (g *guest) join(waitable uint32) (set uint32) {
	set = g.WaitableSetNew()
	g.WaitableJoin(waitable, set)
	return set
}

// The model traps where the canonical ABI does.
func TestTraps(t *testing.T) {
	for reason, f := range map[string]func(g *guest){
		"handle 7 is <nil>, not *builtins.stream": func(g *guest) { g.write(7) },
		"handle 1 is *builtins.stream, not *builtins.future": func(g *guest) {
			g.FutureDropReadable(g.open(Keen{}))
		},
		"handle 2 is <nil>, not builtins.readable": func(g *guest) {
			g.open(Keen{})
			g.Attach(2, Keen{}, &g.out)
		},
		"a write is under way": func(g *guest) {
			s := g.open(slow{})
			g.write(s)
			g.write(s)
		},
		"write after the reader has gone": func(g *guest) {
			s := g.open(gone{})
			g.write(s)
			g.write(s)
		},
		"more bytes than a write may have": func(g *guest) { g.StreamWrite(g.open(Keen{}), nil, 1<<28) },
		"a write on a stream that is in a set, which may hold an old event": func(g *guest) {
			s := g.open(Keen{})
			g.join(s)
			g.write(s)
		},
		"no write to cancel": func(g *guest) { g.StreamCancelWrite(g.open(Keen{})) },
		"cancel of a write whose stream is in a set": func(g *guest) {
			s := g.open(slow{})
			g.write(s)
			g.join(s)
			g.StreamCancelWrite(s)
		},
		"drop of a stream with a write under way": func(g *guest) {
			s := g.open(slow{})
			g.write(s)
			g.StreamDropWritable(s)
		},
		"drop of a stream that is in a set": func(g *guest) {
			s := g.open(Keen{})
			g.join(s)
			g.StreamDropWritable(s)
		},
		"a read is under way": func(g *guest) {
			_, f := g.stdout(Keen{})
			g.FutureRead(f, unsafe.Pointer(&g.code))
			g.FutureRead(f, unsafe.Pointer(&g.code))
		},
		"read of a future that was read": func(g *guest) {
			s, f := g.stdout(Keen{})
			g.StreamDropWritable(s)
			g.FutureRead(f, unsafe.Pointer(&g.code))
			g.FutureRead(f, unsafe.Pointer(&g.code))
		},
		"no read to cancel": func(g *guest) {
			_, f := g.stdout(Keen{})
			g.FutureCancelRead(f)
		},
		"cancel of a read whose future is in a set": func(g *guest) {
			_, f := g.stdout(Keen{})
			g.FutureRead(f, unsafe.Pointer(&g.code))
			g.join(f)
			g.FutureCancelRead(f)
		},
		"drop of a future with a read under way": func(g *guest) {
			_, f := g.stdout(Keen{})
			g.FutureRead(f, unsafe.Pointer(&g.code))
			g.FutureDropReadable(f)
		},
		"drop of a future that is in a set": func(g *guest) {
			_, f := g.stdout(Keen{})
			g.join(f)
			g.FutureDropReadable(f)
		},
		"cancel of a subtask that is over": func(g *guest) {
			clock := g.WaitFor(1) >> 4
			g.SubtaskCancel(clock)
			g.SubtaskCancel(clock)
		},
		"cancel of a subtask that is in a set": func(g *guest) {
			clock := g.WaitFor(1) >> 4
			g.join(clock)
			g.SubtaskCancel(clock)
		},
		"drop of a subtask that is not over": func(g *guest) { g.SubtaskDrop(g.WaitFor(1) >> 4) },
		"drop of a subtask that is in a set": func(g *guest) {
			clock := g.WaitFor(1) >> 4
			g.SubtaskCancel(clock)
			g.join(clock)
			g.SubtaskDrop(clock)
		},
		"drop of a set that is not empty": func(g *guest) { g.WaitableSetDrop(g.join(g.open(Keen{}))) },
		"a wait that nothing ends":        func(g *guest) { g.WaitableSetWait(g.WaitableSetNew(), unsafe.Pointer(&g.event)) },
	} {
		t.Run(reason, func(t *testing.T) {
			assert.PanicsWithError(t, "trap: "+reason, func() { f(&guest{Host: New()}) })
		})
	}
}

// Of two events at the same time, that of the waitable which joined last comes first.
func TestEvents(t *testing.T) {
	g := &guest{Host: New()}
	s := g.open(slow{})
	assert.EqualValues(t, Blocked, g.write(s))
	set := g.join(s)
	assert.Zero(t, g.WaitableSetPoll(set, unsafe.Pointer(&g.event)))
	clock := g.WaitFor(uint64(time.Second)) >> 4
	g.WaitableJoin(clock, set)
	assert.EqualValues(t, 1, g.WaitableSetWait(set, unsafe.Pointer(&g.event)))
	assert.Equal(t, [2]uint32{clock, Returned}, g.event)
	assert.Equal(t, time.Second, g.Now())
	assert.EqualValues(t, 3, g.WaitableSetPoll(set, unsafe.Pointer(&g.event)))
	assert.Equal(t, [2]uint32{s, 8 << 4}, g.event)
	assert.Zero(t, g.WaitableSetPoll(set, unsafe.Pointer(&g.event)), "an event comes once")
	assert.Equal(t, 8, g.out.Len())
	assert.Equal(t, []string{"stream(1)", "set(3)", "subtask(4)"}, g.Live())
}

// A cancel that is too late returns the result of the operation.
func TestLateCancel(t *testing.T) {
	g := &guest{Host: New()}
	s, f := g.stdout(slow{code: 1})
	g.write(s)
	clock := g.WaitFor(uint64(time.Second)) >> 4
	set := g.join(clock)
	g.WaitableSetWait(set, unsafe.Pointer(&g.event))
	assert.EqualValues(t, 8<<4, g.StreamCancelWrite(s))
	g.StreamDropWritable(s)
	assert.EqualValues(t, Blocked, g.FutureRead(f, unsafe.Pointer(&g.code)))
	assert.EqualValues(t, Cancelled, g.FutureCancelRead(f))
	assert.EqualValues(t, Blocked, g.FutureRead(f, unsafe.Pointer(&g.code)))
	late := g.WaitFor(uint64(time.Second)) >> 4
	g.WaitableJoin(late, set)
	g.WaitableSetWait(set, unsafe.Pointer(&g.event))
	assert.EqualValues(t, Completed, g.FutureCancelRead(f))
	assert.Equal(t, [2]byte{1, 1}, g.code)
}
