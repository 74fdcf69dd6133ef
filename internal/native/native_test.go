package native_test

import (
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stderr"
	"github.com/wasio-dev/wasio/generated/wasi/cli/stdout"
	terminalstdout "github.com/wasio-dev/wasio/generated/wasi/cli/terminal-stdout"
	monotonicclock "github.com/wasio-dev/wasio/generated/wasi/clocks/monotonic-clock"
	ioerror "github.com/wasio-dev/wasio/generated/wasi/io/error"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
	"go.bytecodealliance.org/cm"
)

// A guest is a host, a stream of it, and what the stream has delivered.
type guest struct {
	*host.Host
	s   uint32
	out strings.Builder
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

// lines returns the calls so far.
func (g *guest) lines() (lines []string) {
	for _, c := range g.Calls() {
		lines = append(lines, c.String())
	}
	return lines
}

// trapOf returns the trap that f ends in.
func trapOf(t *testing.T, f func()) (trap *host.Trap) {
	t.Helper()
	defer func() {
		t.Helper()
		require.ErrorAs(t, recover().(error), &trap)
	}()
	f()
	return nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// expose makes the host usable through the generated bindings and returns its stream.
func expose(t *testing.T, g *guest) streams.OutputStream {
	t.Helper()
	base, err := native.Expose(g.Host)
	require.NoError(t, err)
	t.Cleanup(func() { native.Withdraw(base) })
	assert.NotZero(t, base, "0 is the clock's")
	return streams.OutputStream(base | g.s)
}

// TestBindings calls each function of the generated bindings once.
func TestBindings(t *testing.T) {
	g := newGuest(host.Plan{Permits: []uint64{5}, FlushWaits: []int{1}})
	s := expose(t, g)
	n, _, isErr := s.CheckWrite().Result()
	require.False(t, isErr)
	assert.EqualValues(t, 5, n)
	_, _, isErr = s.Write(cm.ToList([]byte("hello"))).Result()
	require.False(t, isErr)
	_, _, isErr = s.Flush().Result()
	require.False(t, isErr)
	p := s.Subscribe()
	assert.True(t, p.Ready())
	p.Block()
	p.ResourceDrop()
	s.ResourceDrop()
	assert.Equal(t, "hello", g.out.String())
	assert.Equal(t, []string{
		"output-stream(1).check-write = 5",
		"output-stream(1).write(5)",
		"output-stream(1).flush",
		"output-stream(1).subscribe = pollable(2)",
		"pollable(2).ready = true",
		"pollable(2).block",
		"pollable(2).drop",
		"output-stream(1).drop",
	}, g.lines())
}

func TestBindingsPassErrorsOn(t *testing.T) {
	g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtFlush}}})
	s := expose(t, g)
	_, e, isErr := s.Flush().Result()
	require.True(t, isErr)
	failure := e.LastOperationFailed()
	require.NotNil(t, failure)
	failure.ResourceDrop()
	_, e, isErr = s.CheckWrite().Result()
	require.True(t, isErr)
	assert.True(t, e.Closed())
	s.ResourceDrop()
	assert.Empty(t, g.Live())
}

// exposeInput returns an input stream of the guest whose output stream s is.
func exposeInput(g *guest, s streams.OutputStream, p host.Plan, content string) streams.InputStream {
	return streams.InputStream(uint32(s)&^g.s | g.NewInput(p, strings.NewReader(content)))
}

func TestBindingsOfInput(t *testing.T) {
	g := newGuest(host.Plan{})
	s := expose(t, g)
	in := exposeInput(g, s, host.Plan{}, "content")
	n, _, isErr := in.Skip(3).Result()
	require.False(t, isErr)
	assert.EqualValues(t, 3, n)
	p := in.Subscribe()
	assert.True(t, p.Ready())
	p.Block()
	p.ResourceDrop()
	n, _, isErr = s.Splice(in, 100).Result()
	require.False(t, isErr)
	assert.EqualValues(t, 4, n)
	in.ResourceDrop()
	s.ResourceDrop()
	assert.Equal(t, "tent", g.out.String())
	assert.Equal(t, []string{
		"input-stream(2).skip(3) = 3",
		"input-stream(2).subscribe = pollable(3)",
		"pollable(3).ready = true",
		"pollable(3).block",
		"pollable(3).drop",
		"output-stream(1).splice(input-stream(2), 100) = 4",
		"input-stream(2).drop",
		"output-stream(1).drop",
	}, g.lines())
	assert.Empty(t, g.Live())
}

func TestBindingsOfInputPassErrorsOn(t *testing.T) {
	type result = cm.Result[uint64, uint64, streams.StreamError]
	for name, op := range map[string]func(streams.OutputStream, streams.InputStream) result{
		"skip":   func(_ streams.OutputStream, in streams.InputStream) result { return in.Skip(1) },
		"splice": func(s streams.OutputStream, in streams.InputStream) result { return s.Splice(in, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuest(host.Plan{})
			s := expose(t, g)
			fails := host.Plan{Faults: []host.Fault{{At: host.AtRead, Text: "oops"}}}
			in := exposeInput(g, s, fails, "content")
			result := op(s, in)
			require.True(t, result.IsErr())
			failure := result.Err().LastOperationFailed()
			require.NotNil(t, failure)
			assert.Equal(t, "oops", g.DebugString(uint32(*failure)&^(uint32(s)&^g.s)))
			failure.ResourceDrop()
			result = op(s, in)
			require.True(t, result.IsErr())
			assert.True(t, result.Err().Closed())
			in.ResourceDrop()
			s.ResourceDrop()
			assert.Empty(t, g.Live())
			assert.Empty(t, g.out.String())
		})
	}
}

// A native program may have streams of several hosts. No bytes can move from one host to another.
func TestSpliceAcrossHosts(t *testing.T) {
	g, other := newGuest(host.Plan{}), newGuest(host.Plan{})
	s, same := expose(t, g), expose(t, other)
	in := exposeInput(other, same, host.Plan{}, "content")
	trap := trapOf(t, func() { s.Splice(in, 100) })
	assert.EqualError(t, trap, "wasi host: trap: splice of streams of two hosts")
	n, _, isErr := same.Splice(in, 100).Result()
	assert.False(t, isErr)
	assert.EqualValues(t, 7, n, "nothing was lost")
	assert.Empty(t, g.out.String())

	in = streams.InputStream(1 << 31) // a host that is not there
	assert.EqualError(t, trapOf(t, func() { s.Splice(in, 1) }), "wasi host: trap: a handle of a host that is gone")
}

// The standard streams write to the files that os.Stdout and os.Stderr hold at that time.
func TestBindingsOfStandardStreams(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	before := [2]*os.File{os.Stdout, os.Stderr}
	defer func() { os.Stdout, os.Stderr = before[0], before[1] }()
	os.Stdout, os.Stderr = w, w
	for _, s := range []streams.OutputStream{stdout.GetStdout(), stderr.GetStderr()} {
		s.CheckWrite()
		_, _, isErr := s.Write(cm.ToList([]byte("to a file "))).Result()
		assert.False(t, isErr)
		s.ResourceDrop()
	}
	require.NoError(t, w.Close())
	written, err := io.ReadAll(r)
	require.NoError(t, err)
	assert.Equal(t, "to a file to a file ", string(written))
}

func TestBindingsOfTerminalsAndClocks(t *testing.T) {
	g := newGuest(host.Plan{})
	expose(t, g)
	base, err := native.Expose(g.Host)
	require.NoError(t, err)
	defer native.Withdraw(base)
	defer native.SwapStandard(host.Stdout, native.SwapStandard(host.Stdout, base))
	live := g.Live()
	option := terminalstdout.GetTerminalStdout()
	assert.Nil(t, option.Some())
	g.SetStdio(host.Stdout, host.Plan{Terminal: true}, io.Discard)
	option = terminalstdout.GetTerminalStdout()
	require.NotNil(t, option.Some())
	option.Some().ResourceDrop()
	assert.Equal(t, live, g.Live())
	before := monotonicclock.Now()
	timer := monotonicclock.SubscribeDuration(1 << 40)
	assert.False(t, timer.Ready())
	timer.ResourceDrop()
	assert.GreaterOrEqual(t, monotonicclock.Now(), before)
}

func TestHandleOfAHostThatIsGone(t *testing.T) {
	g := newGuest(host.Plan{})
	base, err := native.Expose(g.Host)
	require.NoError(t, err)
	native.Withdraw(base)
	trap := trapOf(t, func() { ioerror.Error(base | 1).ResourceDrop() })
	assert.EqualError(t, trap, "wasi host: trap: a handle of a host that is gone")
}

func TestTooManyHosts(t *testing.T) {
	seen := make(map[uint32]bool)
	h := host.New(host.Options{})
	for {
		base, err := native.Expose(h)
		if err != nil {
			assert.EqualError(t, err, "too many streams in use; the maximum is 4093")
			break
		}
		defer native.Withdraw(base)
		require.False(t, seen[base])
		seen[base] = true
	}
	assert.Len(t, seen, 4093)
}

// Expose and Withdraw are safe for concurrent use.
func TestExposeAtOnce(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				g := newGuest(host.Plan{})
				base, err := native.Expose(g.Host)
				if !assert.NoError(t, err) {
					return
				}
				s := streams.OutputStream(base | g.s)
				s.CheckWrite()
				s.Write(cm.ToList([]byte("mine")))
				s.ResourceDrop()
				native.Withdraw(base)
				assert.Equal(t, "mine", g.out.String())
			}
		})
	}
	wg.Wait()
}

// SwapStandard replaces the host of a standard stream and returns the one before.
func TestSwapStandard(t *testing.T) {
	for _, fd := range []int{host.Stdout, host.Stderr} {
		h, base := native.Standard(fd)
		g := newGuest(host.Plan{})
		own, err := native.Expose(g.Host)
		require.NoError(t, err)
		defer native.Withdraw(own)
		assert.Equal(t, base, native.SwapStandard(fd, own))
		now, nowBase := native.Standard(fd)
		assert.Same(t, g.Host, now)
		assert.Equal(t, own, nowBase)
		assert.Equal(t, own, native.SwapStandard(fd, base))
		now, _ = native.Standard(fd)
		assert.Same(t, h, now)
	}
	out, _ := native.Standard(host.Stdout)
	err, _ := native.Standard(host.Stderr)
	assert.NotSame(t, out, err, "neither waits for the other")
}

func TestTextOf(t *testing.T) {
	g := newGuest(host.Plan{Faults: []host.Fault{{At: host.AtFlush, Text: "disk full"}}})
	s := expose(t, g)
	_, e, _ := s.Flush().Result()
	failure := e.LastOperationFailed()
	require.NotNil(t, failure)
	assert.Equal(t, "disk full", native.TextOf(uint32(*failure)))
	failure.ResourceDrop()
	trapOf(t, func() { native.TextOf(uint32(*failure)) })
}

// Interrupt ends each Block of the host, and no other.
func TestInterrupt(t *testing.T) {
	slow := host.Plan{Permits: []uint64{0, 5}, Delay: time.Hour}
	synctest.Test(t, func(t *testing.T) {
		g, other := newGuestWith(host.Options{}, slow), newGuestWith(host.Options{}, slow)
		s, apart := expose(t, g), expose(t, other)
		in := exposeInput(g, s, slow, "content")
		start := time.Now()
		g.permit(t, 0)
		other.permit(t, 0)
		in.Skip(1)
		p, q := s.Subscribe(), in.Subscribe()
		var took [4]time.Duration // of the calls of Block
		var wg sync.WaitGroup
		for i, p := range []interface{ Block() }{p, p, q, apart.Subscribe()} {
			wg.Go(func() {
				p.Block()
				took[i] = time.Since(start)
			})
		}
		time.Sleep(time.Second)
		native.Interrupt(uint32(s))
		wg.Wait()
		assert.Equal(t, [4]time.Duration{time.Second, time.Second, time.Second, time.Hour}, took)
	})
	synctest.Test(t, func(t *testing.T) {
		g := newGuestWith(host.Options{}, slow)
		s := expose(t, g)
		start := time.Now()
		g.permit(t, 0)
		native.Interrupt(uint32(s)) // nothing waits: no effect
		p := s.Subscribe()
		native.Interrupt(uint32(s)) // before the wait, and after the pollable was made
		p.Block()
		assert.Zero(t, time.Since(start))
		for i := range 3 {
			go func() {
				time.Sleep(time.Second)
				native.Interrupt(uint32(s))
			}()
			p.Block()
			assert.Equal(t, time.Duration(i+1)*time.Second, time.Since(start))
			assert.False(t, p.Ready(), "a spurious wake-up")
			g.permit(t, 0)
		}
		p.Block() // for the rest
		assert.Equal(t, time.Hour, time.Since(start))
		g.permit(t, 5)
		p.Block()
		native.Interrupt(uint32(s))
		p.Block()
		p.ResourceDrop()
		s.ResourceDrop()
		assert.Empty(t, g.Live())
	})
}

// Interrupt ends a wait for a silent reader. Bytes that come later end the next wait.
func TestInterruptOfAFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuestWith(host.Options{}, host.Plan{})
		s := expose(t, g)
		r, w := io.Pipe()
		in := streams.InputStream(uint32(s)&^g.s | g.NewInput(host.Plan{}, host.NewFeed(r)))
		p := in.Subscribe()
		go func() {
			time.Sleep(time.Second)
			native.Interrupt(uint32(s))
			time.Sleep(time.Second)
			io.WriteString(w, "text")
			w.Close()
		}()
		start := time.Now()
		p.Block()
		assert.Equal(t, time.Second, time.Since(start))
		p.Block()
		assert.Equal(t, 2*time.Second, time.Since(start))
		n, _, _ := in.Skip(9).Result()
		assert.EqualValues(t, 4, n)
		p.Block()
	})
}

func TestInterruptWithoutAHost(t *testing.T) {
	g := newGuest(host.Plan{})
	base, err := native.Expose(g.Host)
	require.NoError(t, err)
	native.Withdraw(base)
	for _, handle := range []uint32{0, 7, base, base | g.s, 1<<32 - 1} {
		assert.NotPanics(t, func() { native.Interrupt(handle) })
	}
	s := uint32(expose(t, g))
	assert.Zero(t, testing.AllocsPerRun(100, func() { native.Interrupt(s) }))
}

// Interrupt does not wait for a sink that blocks.
func TestInterruptWhileASinkBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuestWith(host.Options{}, host.Plan{})
		s := uint32(expose(t, g))
		writing, written := make(chan struct{}), make(chan struct{})
		slow := g.NewStream(host.Plan{}, writerFunc(func(p []byte) (int, error) {
			close(writing)
			<-written
			return len(p), nil
		}))
		g.CheckWrite(slow)
		go g.Write(slow, []byte("text"))
		<-writing
		native.Interrupt(s)
		close(written)
	})
}

// A wait that never ends is a hang, even if it could be interrupted.
func TestInterruptDoesNotHideAHang(t *testing.T) {
	g := newGuest(host.Plan{Permits: []uint64{0, 5}, LoseWakeups: true, Delay: time.Hour})
	s := expose(t, g)
	g.permit(t, 0)
	p := s.Subscribe()
	trap := trapOf(t, func() { p.Block() })
	assert.Equal(t, "the guest hangs: it waits for a wake-up that never comes", trap.Reason)
	native.Interrupt(uint32(s))
}

// Interrupts and waits may come at any time.
func TestInterruptAtAnyTime(t *testing.T) {
	g := newGuestWith(host.Options{}, host.Plan{Permits: []uint64{0, 5}, Delay: time.Microsecond})
	s := expose(t, g)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 500 {
			for g.CheckWrite(g.s).Value == 0 {
				p := g.Subscribe(g.s)
				g.Block(p)
				g.DropPollable(p)
			}
			g.Write(g.s, []byte("x"))
		}
	}()
	for {
		select {
		case <-done:
			assert.Len(t, g.out.String(), 500)
			assert.Equal(t, []string{"output-stream(1)"}, g.Live())
			return
		default:
			native.Interrupt(uint32(s))
		}
	}
}
