package wasiotest_test

import (
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/wasiotest"
)

// fakeT is a test that records its failures.
type fakeT struct {
	testing.TB // nil, so other methods panic
	name       string
	errors     []string
	fatal      string
	cleanups   []func()
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Name() string      { return f.name }
func (f *fakeT) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

func (f *fakeT) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeT) Fatal(args ...any) {
	f.fatal = strings.TrimSuffix(fmt.Sprintln(args...), "\n")
	panic(f)
}

// run runs a test and its cleanups.
func (f *fakeT) run(test func(t testing.TB)) {
	defer func() {
		if r := recover(); r != nil && r != any(f) {
			panic(r)
		}
		for i := len(f.cleanups) - 1; i >= 0; i-- {
			f.cleanups[i]()
		}
	}()
	test(f)
}

// open returns the stream as a type of the bindings.
func open(s *wasiotest.Stream) streams.OutputStream { return streams.OutputStream(s.Handle()) }

func TestPassingTest(t *testing.T) {
	var f fakeT
	f.run(func(t testing.TB) {
		w := wasio.NewWriter(wasiotest.NewStream(t, wasiotest.Plan{}).Handle())
		fmt.Fprint(w, "text")
		w.Close()
	})
	assert.Empty(t, f.errors)
	assert.Empty(t, f.fatal)
}

func TestLeakIsReported(t *testing.T) {
	for want, leak := range map[string]func(s *wasiotest.Stream){
		"output-stream(1)":                   func(*wasiotest.Stream) {},
		"output-stream(1), pollable(2)":      func(s *wasiotest.Stream) { open(s).Subscribe() },
		"output-stream(1), output-stream(2)": func(s *wasiotest.Stream) { s.Another() },
		"output-stream(2)": func(s *wasiotest.Stream) {
			s.Another()
			open(s).ResourceDrop()
		},
		"error(2)": func(s *wasiotest.Stream) {
			open(s).Flush()
			open(s).ResourceDrop()
		},
	} {
		var f fakeT
		f.run(func(t testing.TB) {
			leak(wasiotest.NewStream(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}}))
		})
		assert.Equal(t, []string{"wasiotest: not dropped: " + want}, f.errors)
	}
}

func TestRecoveredTrapIsReported(t *testing.T) {
	var f fakeT
	f.run(func(t testing.TB) {
		s := wasiotest.NewStream(t, wasiotest.Plan{})
		p := open(s).Subscribe()
		func() {
			defer func() { recover() }()
			open(s).ResourceDrop()
		}()
		p.ResourceDrop()
		open(s).ResourceDrop() // so that no leak is reported instead
	})
	assert.Equal(t, []string{"wasiotest: wasi host: trap: output-stream dropped while it has live pollables: 1\n" +
		"\toutput-stream(1).subscribe = pollable(2)\n" +
		"\toutput-stream(1).drop = trap"}, f.errors)
}

func TestTrapPanics(t *testing.T) {
	var f fakeT
	f.run(func(fake testing.TB) {
		s := open(wasiotest.NewStream(fake, wasiotest.Plan{}))
		s.ResourceDrop()
		assert.Panics(t, func() { s.CheckWrite() })
	})
	assert.Len(t, f.errors, 1)
}

func TestWaitThatWouldNeverEnd(t *testing.T) {
	var f fakeT
	f.run(func(fake testing.TB) {
		s := wasiotest.NewStream(fake, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Hour, LoseWakeups: true})
		assert.Panics(t, func() { wasio.NewWriter(s.Handle()).Flush() })
	})
	require.Len(t, f.errors, 1)
	assert.Contains(t, f.errors[0], "the guest hangs: it waits for a wake-up that never comes")
}

func TestInvalidPlanIsFatal(t *testing.T) {
	for want, plan := range map[string]wasiotest.Plan{
		`wasiotest: no such point to fail at: "splice" (there are check-write, write, flush, flushed)`: {Faults: []wasiotest.Fault{{At: "splice"}}},
		`wasiotest: no such point to fail at: "" (there are check-write, write, flush, flushed)`:       {Faults: []wasiotest.Fault{{}}},
		`wasiotest: there is no call -1`:                       {Faults: []wasiotest.Fault{{At: "write", Call: -1}}},
		`wasiotest: a flush cannot take -2 waits`:              {FlushWaits: []int{1, -2}},
		`wasiotest: a delay of -1ns is negative`:               {Delay: -1},
		`wasiotest: no such Then: 3`:                           {Faults: []wasiotest.Fault{{At: "write", Then: 3}}},
		`wasiotest: only a write delivers a part, not "flush"`: {Faults: []wasiotest.Fault{{At: "flush", Partial: 1}}},
		`wasiotest: an output stream has no End`:               {End: wasiotest.EndWhenRead},
	} {
		var f fakeT
		f.run(func(t testing.TB) { wasiotest.NewStream(t, plan) })
		assert.Equal(t, want, f.fatal)
		assert.Empty(t, f.errors)
		assert.Empty(t, f.cleanups)
	}
}

func TestStreamOfFinishedTest(t *testing.T) {
	var f fakeT
	var s streams.OutputStream
	f.run(func(t testing.TB) { s = open(wasiotest.NewStream(t, wasiotest.Plan{})) })
	for range 4000 { // other tests, none of which gets the same handle
		var f fakeT
		f.run(func(fake testing.TB) { require.NotEqual(t, s, open(wasiotest.NewStream(fake, wasiotest.Plan{}))) })
	}
	assert.PanicsWithError(t, "wasi host: trap: a handle of a host that is gone", func() { s.CheckWrite() })
}

// permits calls check-write n times and returns the answers. After each it uses the permit, or
// waits for one.
func permits(s *wasiotest.Stream, n int) (answers []uint64) {
	for range n {
		permit, _, _ := open(s).CheckWrite().Result()
		answers = append(answers, permit)
		if permit > 0 {
			open(s).Write(listOf(""))
		}
		p := open(s).Subscribe()
		p.Block()
		p.ResourceDrop()
	}
	return answers
}

// as returns a stream that imitates the named host, with a change to its plan.
func as(t testing.TB, name string, change func(*wasiotest.Plan)) *wasiotest.Stream {
	plan := wasiotest.As(name)
	change(&plan)
	return wasiotest.NewStream(t, plan)
}

// drop drops the stream.
func drop(s *wasiotest.Stream) { open(s).ResourceDrop() }

func TestAs(t *testing.T) {
	t.Run("as it is", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.As("wasmtime-file"))
		assert.Equal(t, []uint64{1 << 20, 0, 1 << 20}, permits(s, 3))
		drop(s)
	})
	t.Run("with other permits", func(t *testing.T) {
		s := as(t, "wasmtime-file", func(p *wasiotest.Plan) { p.Permits = []uint64{5} })
		assert.Equal(t, []uint64{5, 5}, permits(s, 2))
		open(s).CheckWrite()
		open(s).Write(listOf("lost"))
		drop(s)
		assert.Empty(t, s.String(), "held, as in a file of Wasmtime")
	})
	t.Run("with other flushes", func(t *testing.T) {
		s := as(t, "wasmtime-async", func(p *wasiotest.Plan) { p.FlushWaits = []int{3} })
		open(s).Flush()
		assert.Equal(t, []uint64{0, 0, 0, 8192}, permits(s, 4))
		drop(s)
	})
	t.Run("with a fault", func(t *testing.T) {
		s := as(t, "spin", func(p *wasiotest.Plan) { p.Faults = []wasiotest.Fault{{At: "check-write", Closed: true}} })
		_, e, failed := open(s).CheckWrite().Result()
		assert.True(t, failed)
		assert.True(t, e.Closed())
		drop(s)
	})
	t.Run("with a capacity", func(t *testing.T) {
		s := as(t, "wago", func(p *wasiotest.Plan) { p.Capacity = 9 })
		assert.Equal(t, []uint64{9}, permits(s, 1))
		drop(s)
	})
	t.Run("with Background undone", func(t *testing.T) {
		s := as(t, "viceroy", func(p *wasiotest.Plan) { p.Background, p.Permits = false, []uint64{0, 1} })
		for range 3 {
			n, _, _ := open(s).CheckWrite().Result()
			assert.Zero(t, n)
		}
		drop(s)
	})
	t.Run("unknown", func(t *testing.T) {
		assert.PanicsWithValue(t, `wasiotest: unknown host "toaster" (known are `+strings.Join(wasiotest.Hosts(), ", ")+")",
			func() { wasiotest.As("toaster") })
	})
}

// TestPlan checks the effect of each field of a Plan.
func TestPlan(t *testing.T) {
	ready := func(s *wasiotest.Stream) bool {
		p := open(s).Subscribe()
		defer p.ResourceDrop()
		return p.Ready()
	}
	t.Run("zero", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{})
		open(s).Flush()
		assert.Equal(t, []uint64{1 << 20, 1 << 20}, permits(s, 2))
		assert.True(t, ready(s))
		drop(s)
	})
	t.Run("Delay", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{0, 1}, Delay: time.Hour})
			permits(s, 1)
			assert.Equal(t, time.Hour, time.Since(start))
			drop(s)
		})
	})
	t.Run("Background", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{0, 2}, Background: true})
		open(s).CheckWrite()
		n, _, _ := open(s).CheckWrite().Result()
		assert.EqualValues(t, 2, n)
		drop(s)
	})
	t.Run("Latch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := wasiotest.NewStream(t, wasiotest.Plan{FlushWaits: []int{1}, Latch: true, Delay: time.Hour})
			p := open(s).Subscribe()
			assert.True(t, p.Ready())
			open(s).Flush()
			assert.True(t, p.Ready())
			assert.False(t, ready(s))
			p.ResourceDrop()
			drop(s)
		})
	})
	t.Run("NeverReady", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{NeverReady: true})
		assert.False(t, ready(s))
		drop(s)
	})
	t.Run("Hold", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{Hold: true})
		open(s).CheckWrite()
		open(s).Write(listOf("held"))
		assert.Empty(t, s.String())
		open(s).Flush()
		assert.Equal(t, "held", s.String())
		drop(s)
	})
	t.Run("HoldLine", func(t *testing.T) {
		for _, plan := range []wasiotest.Plan{{HoldLine: true}, wasiotest.As("wasmtime-stdout")} {
			s := wasiotest.NewStream(t, plan)
			open(s).CheckWrite()
			open(s).Write(listOf("a line\nand more"))
			assert.Equal(t, "a line\n", s.String())
			open(s).Flush()
			assert.Equal(t, []string{"a line\n", "and more"}, s.Records())
			open(s).CheckWrite()
			open(s).Write(listOf("lost"))
			drop(s)
			assert.Equal(t, "a line\nand more", s.String())
		}
	})
	t.Run("DropWaits", func(t *testing.T) {
		for _, plan := range []wasiotest.Plan{
			{DropWaits: true, Permits: []uint64{5, 0}, Delay: time.Hour},
			{DropWaits: true, Permits: []uint64{64 << 10, 0}, Background: true, Delay: time.Hour},
		} {
			synctest.Test(t, func(t *testing.T) {
				s := wasiotest.NewStream(t, plan)
				open(s).CheckWrite()
				open(s).Write(listOf("taken"))
				start := time.Now()
				drop(s)
				assert.Equal(t, time.Hour, time.Since(start))
			})
		}
		var f fakeT
		f.run(func(fake testing.TB) {
			s := as(fake, "wasmtime-tcp", func(p *wasiotest.Plan) { p.Delay = math.MaxInt64 })
			open(s).CheckWrite()
			open(s).Write(listOf("never taken"))
			assert.Panics(t, func() { drop(s) })
		})
		require.Len(t, f.errors, 1)
		assert.Contains(t, f.errors[0], "the guest hangs: it waits for a wake-up that never comes")
	})
	t.Run("Handles", func(t *testing.T) {
		var f fakeT
		f.run(func(fake testing.TB) {
			s := wasiotest.NewStream(fake, wasiotest.Plan{Handles: 2})
			open(s).Subscribe()
			assert.Panics(t, func() { open(s).Subscribe() })
		})
		require.Len(t, f.errors, 1)
		assert.Contains(t, f.errors[0], "the handle table is full: all 2 handles are live")
	})
	t.Run("Faults", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{2}, Faults: []wasiotest.Fault{
			{At: "write", Call: 2, Then: wasiotest.ThenWorks},
			{At: "check-write", Bytes: 4, Closed: true},
		}})
		var results []string
		for range 4 {
			w := wasio.NewWriter(s.Another())
			n, err := w.WriteString("ab")
			results = append(results, fmt.Sprint(n, err))
			w.Close()
		}
		assert.Equal(t, []string{
			"2 <nil>",
			"0 wasio: write: last operation failed",
			"2 <nil>",
			"0 wasio: check-write: stream closed by the host",
		}, results)
		drop(s)
	})
}

func TestRandomPlanDependsOnSeed(t *testing.T) {
	distinct := make(map[string]bool)
	for seed := range uint64(100) {
		plan := wasiotest.RandomPlan(seed)
		assert.Equal(t, plan, wasiotest.RandomPlan(seed))
		assert.NotEmpty(t, plan.Permits)
		assert.Positive(t, plan.Permits[len(plan.Permits)-1], "some bytes are permitted")
		assert.NotEmpty(t, plan.FlushWaits)
		assert.Empty(t, plan.Faults)
		assert.Zero(t, plan.Capacity)
		distinct[fmt.Sprintf("%+v", plan)] = true
	}
	assert.Greater(t, len(distinct), 95)
}

func TestWhatAStreamRecords(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{3, 0, 9}, Faults: []wasiotest.Fault{{At: "flush", Call: 2, Text: "disk full"}}})
	assert.Empty(t, s.Bytes())
	assert.Empty(t, s.Records())
	assert.Empty(t, s.Calls())
	w := wasio.NewWriter(s.Handle())
	io.WriteString(w, "one two")
	assert.Equal(t, []string{
		"output-stream(1).check-write = 3",
		"output-stream(1).write(3)",
		"output-stream(1).check-write = 0",
		"output-stream(1).subscribe = pollable(2)",
		"pollable(2).block",
		"pollable(2).drop",
		"output-stream(1).check-write = 9",
		"output-stream(1).write(4)",
		"output-stream(1).flush",
		"output-stream(1).check-write = 3",
	}, s.Calls())
	before := len(s.Calls())
	assert.Error(t, w.Flush())
	assert.Error(t, w.Close())
	assert.Equal(t, []string{
		"output-stream(1).flush = last-operation-failed(error(3))",
		"error(3).to-debug-string",
		"error(3).drop",
		"output-stream(1).drop",
	}, s.Calls()[before:])
	assert.Equal(t, []string{"one", " two"}, s.Records())
	assert.Equal(t, "one two", s.String())

	b := s.Bytes()
	b[0] = 'X'
	assert.Equal(t, []byte("one two"), s.Bytes(), "a copy")
}

func TestAnother(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	other := s.Another()
	assert.NotEqual(t, s.Handle(), other)
	w := wasio.NewWriter(other)
	io.WriteString(w, "through another handle")
	require.NoError(t, w.Close())
	drop(s)
	assert.Equal(t, "through another handle", s.String())
	assert.Contains(t, s.Calls(), "output-stream(2).drop")
}

// Hundreds of streams may be in use at once. At the limit the test fails with a message.
func TestLimitOfStreams(t *testing.T) {
	for range 300 {
		s := wasiotest.NewStream(t, wasiotest.Plan{})
		w := wasio.NewWriter(s.Handle())
		io.WriteString(w, "text")
		defer func() {
			require.NoError(t, w.Close())
			assert.Equal(t, "text", s.String())
		}()
	}
	var f fakeT
	n := 0
	f.run(func(t testing.TB) {
		for ; n < 10_000; n++ {
			drop(wasiotest.NewStream(t, wasiotest.Plan{}))
		}
	})
	assert.Equal(t, "wasiotest: too many streams in use; the maximum is 4093", f.fatal)
	assert.LessOrEqual(t, n, 4093-300)
	assert.Greater(t, n, 3700)
	assert.Empty(t, f.errors)

	f = fakeT{}
	f.run(func(fake testing.TB) {
		for range 10_000 {
			drop(wasiotest.NewStream(fake, wasiotest.Plan{}))
			if len(f.cleanups) == n-1 {
				wasiotest.SetStderr(fake, wasiotest.Plan{})
				assert.Empty(t, f.fatal)
				wasiotest.SetStdout(fake, wasiotest.Plan{})
			}
		}
	})
	assert.Contains(t, f.fatal, "too many streams in use")
	wasiotest.SetStdout(t, wasiotest.Plan{}) // works after the one that failed
	drop(wasiotest.NewStream(t, wasiotest.Plan{}))
}

// With Lost, a stream that closes loses the bytes that it holds.
func TestLost(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for _, at := range []string{"flush", "flushed", "check-write"} {
			s := wasiotest.NewStream(t, wasiotest.Plan{Hold: true, FlushWaits: []int{1},
				Faults: []wasiotest.Fault{{At: at, Bytes: 4, Closed: true, Lost: lost}}})
			w := wasio.NewWriter(s.Handle())
			n, err := io.WriteString(w, "held")
			require.NoError(t, err, "a stream may close with the last byte it took")
			assert.Equal(t, 4, n)
			require.NoError(t, w.Close())
			assert.Equal(t, lost, s.String() == "", at)
		}
	}
}

// Lost does not affect bytes that were flushed before.
func TestLostSparesFlushedBytes(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Hold: true,
		Faults: []wasiotest.Fault{{At: "flush", Call: 2, Closed: true, Lost: true}}})
	w := wasio.NewWriter(s.Handle())
	io.WriteString(w, "flushed")
	io.WriteString(w, "lost")
	require.NoError(t, w.Close())
	assert.Equal(t, "flushed", s.String())
}

// With Partial, some bytes of a failed write arrive all the same.
func TestPartial(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Faults: []wasiotest.Fault{
		{At: "write", Call: 2, Partial: 3, Text: "disk full", Then: wasiotest.ThenWorks}}})
	in := s.NewInput(t, wasiotest.Plan{}, strings.NewReader("abcdef"))
	n, _, failed := open(s).Splice(openInput(in), 2).Result()
	require.False(t, failed)
	assert.EqualValues(t, 2, n)
	_, e, failed := open(s).Splice(openInput(in), 4).Result()
	require.True(t, failed)
	e.LastOperationFailed().ResourceDrop()
	assert.Equal(t, "abcde", s.String())
	in.Drop()
	drop(s)
}

// With ThenWorks, a stream that was closed works again.
func TestClosedAndThenWorks(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush", Call: 1, Closed: true, Then: wasiotest.ThenWorks}}})
	in := s.NewInput(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read", Call: 1, Closed: true, Then: wasiotest.ThenWorks}}},
		strings.NewReader("text"))
	_, e, failed := open(s).Flush().Result()
	assert.True(t, failed && e.Closed())
	_, _, failed = open(s).Flush().Result()
	assert.False(t, failed)
	_, e, failed = open(s).Splice(openInput(in), 9).Result()
	assert.True(t, failed && e.Closed())
	open(s).Splice(openInput(in), 9)
	assert.Equal(t, "text", s.String())
	in.Drop()
	drop(s)
}

// With Premature, pollables are ready at once and permits come after Delay.
func TestPremature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{0, 5}, FlushWaits: []int{1}, Premature: true, Delay: time.Second})
		start := time.Now()
		assert.Equal(t, []uint64{0, 0, 0}, permits(s, 3))
		p := open(s).Subscribe()
		assert.True(t, p.Ready())
		p.Block()
		p.ResourceDrop()
		assert.Zero(t, time.Since(start), "no wait takes any time")
		time.Sleep(time.Second - 1)
		assert.Equal(t, []uint64{0}, permits(s, 1))
		time.Sleep(time.Nanosecond)
		assert.Equal(t, []uint64{5}, permits(s, 1))
		open(s).Flush()
		assert.Equal(t, []uint64{0, 0}, permits(s, 2))
		time.Sleep(time.Second)
		assert.Equal(t, []uint64{0}, permits(s, 1)) // the flush is complete, and the plan permits 0
		drop(s)
	})
}

// out is like a variable of a program that keeps the Writer from its start.
var out = wasio.Stdout()

// standardStreams lists both standard streams, for tests that apply to either.
var standardStreams = []struct {
	name string
	file **os.File
	get  func() *wasio.Writer
	set  func(testing.TB, wasiotest.Plan) *wasiotest.Stream
}{
	{"Stdout", &os.Stdout, wasio.Stdout, wasiotest.SetStdout},
	{"Stderr", &os.Stderr, wasio.Stderr, wasiotest.SetStderr},
}

// capture replaces a standard stream by a file until the test ends. The function that it
// returns returns what was written to the file.
func capture(t *testing.T, standard **os.File) (written func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "captured")
	f, err := os.Create(path)
	require.NoError(t, err)
	before := *standard
	*standard = f
	t.Cleanup(func() {
		*standard = before
		f.Close()
	})
	return func() string {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(b)
	}
}

// The Writer writes to the stream during the test, and to the file of the process before
// and after.
func TestSetStandardStream(t *testing.T) {
	for _, c := range standardStreams {
		t.Run(c.name, func(t *testing.T) {
			file := capture(t, c.file)
			w := c.get()
			fmt.Fprint(w, "before ")
			for _, text := range []string{"first", "second"} {
				t.Run(text, func(t *testing.T) {
					s := c.set(t, wasiotest.Plan{Permits: []uint64{3}})
					assert.Same(t, w, c.get(), "the same Writer")
					fmt.Fprint(w, text)
					assert.Equal(t, text, s.String())
					assert.Equal(t, text[:3], s.Records()[0])
					require.NoError(t, w.Close())
					fmt.Fprint(c.get(), ".")
					assert.Equal(t, text+".", s.String(), "Close leaves it open")
				})
				fmt.Fprint(w, "between ")
			}
			assert.Equal(t, "before between between ", file())
		})
	}
}

func TestSetStdoutOfAWriterInAVariable(t *testing.T) {
	file := capture(t, &os.Stdout)
	t.Run("", func(t *testing.T) {
		s := wasiotest.SetStdout(t, wasiotest.Plan{})
		require.NoError(t, greet(out, "variable"))
		assert.Equal(t, "hello, variable\n", s.String())
	})
	require.NoError(t, greet(out, "world"))
	assert.Equal(t, "hello, world\n", file())
}

// SetStdout does not change Stderr, nor SetStderr Stdout.
func TestSetStdoutLeavesStderrAlone(t *testing.T) {
	for i, c := range standardStreams {
		other := standardStreams[1-i]
		t.Run(c.name, func(t *testing.T) {
			file := capture(t, other.file)
			s := c.set(t, wasiotest.Plan{})
			fmt.Fprint(other.get(), "other")
			fmt.Fprint(c.get(), "set")
			assert.Equal(t, "set", s.String())
			assert.Equal(t, "other", file())
		})
	}
	out := wasiotest.SetStdout(t, wasiotest.Plan{})
	err := wasiotest.SetStderr(t, wasiotest.Plan{})
	fmt.Fprint(wasio.Stdout(), "out")
	fmt.Fprint(wasio.Stderr(), "err")
	assert.Equal(t, "out", out.String())
	assert.Equal(t, "err", err.String())
}

// The first use of a standard stream may come after it was set. The test runs itself in a
// new process, where there was none before.
func TestSetStandardStreamThatWasNeverUsed(t *testing.T) {
	const name = "WASIOTEST_FIRST"
	if os.Getenv(name) != "" {
		t.Run("", func(t *testing.T) {
			s := wasiotest.SetStderr(t, wasiotest.Plan{})
			fmt.Fprint(wasio.Stderr(), "set")
			assert.Equal(t, "set", s.String())
			for _, call := range s.Calls() {
				assert.NotContains(t, call, "get-stderr", "the host is not asked for another stream")
			}
		})
		fmt.Fprint(wasio.Stderr(), "the process's own")
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), name+"=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	require.NoError(t, err, "%s%s", output, stderr.String())
	assert.Equal(t, "the process's own", stderr.String())
}

func TestSetStdoutReportsLeaks(t *testing.T) {
	for want, leak := range map[string]func(s *wasiotest.Stream){
		"pollable(2)":                   func(s *wasiotest.Stream) { open(s).Subscribe() },
		"error(2)":                      func(s *wasiotest.Stream) { open(s).Flush() },
		"output-stream(2)":              func(s *wasiotest.Stream) { s.Another() },
		"not dropped: output-stream(2)": func(s *wasiotest.Stream) { s.Another(); drop(s) },
	} {
		var f fakeT
		f.run(func(t testing.TB) {
			leak(wasiotest.SetStdout(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}}))
		})
		if assert.Len(t, f.errors, 1, want) {
			assert.Contains(t, f.errors[0], "wasiotest: not dropped: ")
			assert.Contains(t, f.errors[0], want)
		}
	}
	var f fakeT
	f.run(func(t testing.TB) {
		s := wasiotest.SetStdout(t, wasiotest.Plan{})
		w := wasio.NewWriter(s.Another())
		io.WriteString(w, "x")
		w.Close()
	})
	assert.Empty(t, f.errors, "the stream itself need not be dropped")
}

// A test may drop the stream itself, as it must drop one of NewStream.
func TestSetStdoutOfAStreamThatIsDropped(t *testing.T) {
	for want, use := range map[string]func(s *wasiotest.Stream){
		"": drop,
		"wasiotest: not dropped: error(2)": func(s *wasiotest.Stream) {
			open(s).Flush()
			drop(s)
		},
	} {
		var f fakeT
		assert.NotPanics(t, func() {
			f.run(func(t testing.TB) {
				use(wasiotest.SetStdout(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}}))
			})
		})
		assert.Equal(t, want, strings.Join(f.errors, "\n"))
	}
	s := wasiotest.SetStdout(t, wasiotest.Plan{}) // works as usual
	io.WriteString(wasio.Stdout(), "x")
	assert.Equal(t, "x", s.String())
}

func TestSetStdoutReportsTraps(t *testing.T) {
	var f fakeT
	f.run(func(fake testing.TB) {
		wasiotest.SetStdout(fake, wasiotest.Plan{Handles: 1, Permits: []uint64{0}})
		assert.Panics(t, func() { io.WriteString(wasio.Stdout(), "x") })
	})
	require.Len(t, f.errors, 1)
	assert.Contains(t, f.errors[0], "wasiotest: wasi host: trap: the handle table is full")
	s := wasiotest.SetStdout(t, wasiotest.Plan{}) // no lock is held, and no state is left
	io.WriteString(wasio.Stdout(), "x")
	assert.Equal(t, "x", s.String())
}

func TestSetStdoutTwiceAtOnceIsFatal(t *testing.T) {
	for i, c := range standardStreams {
		t.Run(c.name, func(t *testing.T) {
			s := c.set(t, wasiotest.Plan{})
			for name, want := range map[string]string{
				t.Name():          "wasiotest: this test has already set the stream",
				t.Name() + "/sub": "wasiotest: " + t.Name() + ", which this test is part of, has already set the stream",
				t.Name() + "ward": "wasiotest: " + t.Name() + ", which is still running, has already set the stream",
			} {
				f := fakeT{name: name}
				f.run(func(t testing.TB) { c.set(t, wasiotest.Plan{}) })
				assert.Equal(t, want, f.fatal)
				assert.Empty(t, f.cleanups)
			}
			io.WriteString(c.get(), "x")
			assert.Equal(t, "x", s.String(), "the first stream is still set")
			standardStreams[1-i].set(t, wasiotest.Plan{})
		})
	}
}

func TestSetStdoutWithInvalidPlanIsFatal(t *testing.T) {
	file := capture(t, &os.Stdout)
	var f fakeT
	f.run(func(t testing.TB) { wasiotest.SetStdout(t, wasiotest.Plan{Delay: -1}) })
	assert.Equal(t, "wasiotest: a delay of -1ns is negative", f.fatal)
	assert.Empty(t, f.cleanups)
	io.WriteString(out, "x")
	assert.Equal(t, "x", file(), "nothing was set")
	wasiotest.SetStdout(t, wasiotest.Plan{})
}

// With Terminal, a BufWriter on standard output is in line mode.
func TestTerminal(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		t.Run(fmt.Sprint(terminal), func(t *testing.T) {
			s := wasiotest.SetStdout(t, wasiotest.Plan{Terminal: terminal})
			b := wasio.NewBufWriter(wasio.Stdout())
			io.WriteString(b, "a line\n")
			assert.Equal(t, terminal, s.String() == "a line\n")
			require.NoError(t, b.Flush())
		})
	}
	s := wasiotest.NewStream(t, wasiotest.Plan{Terminal: true})
	b := wasio.NewBufWriter(wasio.NewWriter(s.Handle()))
	io.WriteString(b, "a line\n")
	assert.Empty(t, s.String(), "no other stream is a terminal")
	require.NoError(t, b.Close())
}

// SetStdout leaves nothing of an earlier test in the Writer: no error that sticks, no deadline,
// no error decoder, and no state of flushes.
func TestSetStdoutStartsAnew(t *testing.T) {
	asNew := func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := wasiotest.SetStdout(t, wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Minute,
				Faults: []wasiotest.Fault{{At: "write", Call: 2}}})
			require.NoError(t, wasio.NewBufWriter(out).Flush())
			assert.NotContains(t, strings.Join(s.Calls(), "\n"), "flush", "no flush is owed")
			require.NoError(t, out.Close())
			assert.Contains(t, strings.Join(s.Calls(), "\n"), "flush", "and none is known to be complete")
			_, err := io.WriteString(out, "x")
			require.NoError(t, err)
			assert.NotContains(t, strings.Join(s.Calls(), "\n"), "ready", "no wait is bounded")
			_, err = io.WriteString(out, "y")
			assert.EqualError(t, err, "wasio: write: last operation failed", "no decoder is called")
		})
	}
	for name, spoil := range map[string]func(t *testing.T){
		"error": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}})
			require.Error(t, out.Flush())
		},
		"closed": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{Capacity: 1})
			io.WriteString(out, "xy")
		},
		"deadline": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{})
			out.SetWriteDeadline(time.Now())
			_, err := io.WriteString(out, "x")
			require.Error(t, err)
		},
		"recheck": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{})
			out.SetRecheckInterval(time.Second)
		},
		"reason": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{})
			out.SetErrorDecoder(func(wasio.ErrorHandle) error { return io.ErrShortBuffer })
		},
		"flushed": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{})
			require.NoError(t, out.Flush())
		},
		"owed": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{})
			wasio.NewBufWriterSize(out, 16).Write(make([]byte, 100))
		},
		"waits": func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{Handles: 2, Permits: []uint64{0}})
			synctest.Test(t, func(*testing.T) {
				_, err := io.WriteString(out, "x")
				require.ErrorIs(t, err, io.ErrNoProgress)
			})
		},
	} {
		t.Run(name, spoil)
		t.Run(name+"/as new", asNew)
	}
	file := capture(t, &os.Stdout)
	t.Run("error", func(t *testing.T) {
		wasiotest.SetStdout(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}})
		require.Error(t, out.Flush())
		out.SetWriteDeadline(time.Now())
	})
	_, err := io.WriteString(out, "as new")
	require.NoError(t, err)
	assert.Equal(t, "as new", file(), "and writes to the file of the process")
}

func TestManyStreamsAtOnce(t *testing.T) {
	for i := range 50 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := wasiotest.NewStream(t, wasiotest.RandomPlan(uint64(i)))
			w := wasio.NewWriter(s.Handle())
			fmt.Fprint(w, i)
			require.NoError(t, w.Close())
			assert.Equal(t, fmt.Sprint(i), s.String(), "no stream has the bytes of another")
		})
	}
}

// openInput returns the input stream as a type of the bindings.
func openInput(in *wasiotest.Input) streams.InputStream { return streams.InputStream(in.Handle()) }

// splice calls splice of the bindings until the input is closed, and waits for both streams
// after each call. It returns how many bytes each call moved.
func splice(s *wasiotest.Stream, in *wasiotest.Input) (moved []uint64) {
	for {
		n, _, failed := open(s).Splice(openInput(in), 100).Result()
		if failed {
			return moved
		}
		moved = append(moved, n)
		for _, p := range []interface {
			Block()
			ResourceDrop()
		}{open(s).Subscribe(), openInput(in).Subscribe()} {
			p.Block()
			p.ResourceDrop()
		}
	}
}

func TestNewInput(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{4, 100}})
	in := s.NewInput(t, wasiotest.Plan{Permits: []uint64{5, 0, 2}}, strings.NewReader("some content"))
	assert.NotEqual(t, s.Handle(), in.Handle())
	assert.Equal(t, []uint64{4, 1, 0, 2, 5, 0}, splice(s, in))
	assert.Equal(t, []string{"some", " ", "co", "ntent"}, s.Records())
	n, e, failed := openInput(in).Skip(1).Result()
	assert.Zero(t, n)
	require.True(t, failed)
	assert.True(t, e.Closed(), "closed where the reader ends")
	in.Drop()
	drop(s)
	assert.Contains(t, s.Calls(), "output-stream(1).splice(input-stream(2), 100) = 4")
	assert.Contains(t, s.Calls(), "input-stream(2).drop")
}

// wasio.Splice takes the handle of an Input.
func TestSpliceOfWasio(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	in := s.NewInput(t, wasiotest.Plan{}, iotest.OneByteReader(strings.NewReader("content")))
	w := wasio.NewWriter(s.Handle())
	moved, err := wasio.Splice(w, in.Handle(), -1)
	require.NoError(t, err)
	assert.EqualValues(t, 7, moved)
	assert.Equal(t, "content", s.String())
	in.Drop()
	require.NoError(t, w.Close())
}

// TestPlanOfInput checks the effect of each field of the plan of an Input.
func TestPlanOfInput(t *testing.T) {
	fails := []wasiotest.Fault{{At: "read", Call: 2, Text: "oops", Then: wasiotest.ThenWorks}}
	for name, c := range map[string]struct {
		plan    wasiotest.Plan
		content io.Reader // nil: the text "content"
		use     func(t *testing.T, s *wasiotest.Stream, in streams.InputStream)
	}{
		"Capacity": {wasiotest.Plan{Capacity: 3}, nil, func(t *testing.T, s *wasiotest.Stream, in streams.InputStream) {
			open(s).Splice(in, 100)
			assert.Equal(t, "con", s.String())
			result := in.Skip(1)
			require.True(t, result.IsErr())
			assert.True(t, result.Err().Closed())
		}},
		"Faults": {wasiotest.Plan{Faults: fails}, nil,
			func(t *testing.T, s *wasiotest.Stream, in streams.InputStream) {
				open(s).Splice(in, 3)
				result := open(s).Splice(in, 3)
				require.True(t, result.IsErr())
				result.Err().LastOperationFailed().ResourceDrop()
				open(s).Splice(in, 100)
				assert.Equal(t, "content", s.String(), "no byte was lost")
			}},
		"a reader that fails": {wasiotest.Plan{}, iotest.ErrReader(io.ErrNoProgress),
			func(t *testing.T, _ *wasiotest.Stream, in streams.InputStream) {
				result := in.Skip(1)
				require.True(t, result.IsErr())
				failure := result.Err().LastOperationFailed()
				require.NotNil(t, failure)
				failure.ResourceDrop()
			}},
		"Delay": {wasiotest.Plan{Permits: []uint64{0, 9}, Delay: time.Hour}, nil,
			func(t *testing.T, s *wasiotest.Stream, in streams.InputStream) {
				start := time.Now()
				in.Skip(0)
				p := in.Subscribe()
				assert.False(t, p.Ready())
				p.Block()
				p.ResourceDrop()
				assert.Equal(t, time.Hour, time.Since(start))
			}},
		"Background": {wasiotest.Plan{Permits: []uint64{0, 3}, Background: true}, nil,
			func(t *testing.T, s *wasiotest.Stream, in streams.InputStream) {
				in.Skip(1)
				n, _, _ := in.Skip(9).Result()
				assert.EqualValues(t, 3, n)
			}},
		"Latch": {wasiotest.Plan{Permits: []uint64{0, 9}, Delay: time.Hour, Latch: true}, nil,
			func(t *testing.T, s *wasiotest.Stream, in streams.InputStream) {
				p := in.Subscribe()
				assert.True(t, p.Ready())
				in.Skip(1)
				assert.True(t, p.Ready())
				p.ResourceDrop()
			}},
		"NeverReady": {wasiotest.Plan{NeverReady: true}, nil,
			func(t *testing.T, s *wasiotest.Stream, in streams.InputStream) {
				p := in.Subscribe()
				assert.False(t, p.Ready())
				p.Block()
				p.ResourceDrop()
			}},
		"Premature": {wasiotest.Plan{Permits: []uint64{0, 9}, Delay: time.Hour, Premature: true}, nil,
			func(t *testing.T, s *wasiotest.Stream, in streams.InputStream) {
				in.Skip(1)
				p := in.Subscribe()
				assert.True(t, p.Ready())
				p.ResourceDrop()
				n, _, _ := in.Skip(1).Result()
				assert.Zero(t, n)
			}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				content := c.content
				if content == nil {
					content = strings.NewReader("content")
				}
				s := wasiotest.NewStream(t, wasiotest.Plan{})
				in := s.NewInput(t, c.plan, content)
				c.use(t, s, openInput(in))
				in.Drop()
				drop(s)
			})
		})
	}
	t.Run("LoseWakeups", func(t *testing.T) {
		var f fakeT
		f.run(func(fake testing.TB) {
			s := wasiotest.NewStream(fake, wasiotest.Plan{})
			lossy := wasiotest.Plan{Permits: []uint64{0, 9}, Delay: time.Hour, LoseWakeups: true}
			in := openInput(s.NewInput(fake, lossy, strings.NewReader("content")))
			in.Skip(1)
			assert.Panics(t, func() { in.Subscribe().Block() })
		})
		require.Len(t, f.errors, 1)
		assert.Contains(t, f.errors[0], "the guest hangs: it waits for a wake-up that never comes")
	})
}

// Each End decides which operations find the end, and which report it later.
func TestEnd(t *testing.T) {
	const open, closed = "open", "closed"
	for _, c := range []struct {
		end wasiotest.End

		// The results of a skip of 0 bytes before the end, and of 0, 1 and 0 bytes at the end.
		before, after, later, again string
	}{
		{wasiotest.EndKnown, open, closed, closed, closed},
		{wasiotest.EndWhenRead, open, open, closed, closed},
		{wasiotest.EndSilent, open, open, closed, open},
	} {
		s := wasiotest.NewStream(t, wasiotest.Plan{})
		in := s.NewInput(t, wasiotest.Plan{End: c.end}, strings.NewReader("content"))
		skip := func(n uint64) string {
			if _, e, failed := openInput(in).Skip(n).Result(); failed && e.Closed() {
				return closed
			}
			return open
		}
		assert.Equal(t, c.before, skip(0))
		assert.Equal(t, open, skip(7))
		assert.Equal(t, c.after, skip(0))
		assert.Equal(t, c.later, skip(1))
		assert.Equal(t, c.again, skip(0))
		in.Drop()
		drop(s)
	}
}

func TestInvalidPlanOfInputIsFatal(t *testing.T) {
	const noFields = "wasiotest: an input stream has no FlushWaits, Hold, HoldLine, DropWaits, WorksAgain, Terminal or Handles"
	noPoint := func(name string) string {
		return fmt.Sprintf("wasiotest: no such point to fail at: %q (there are read)", name)
	}
	for _, c := range []struct {
		want string
		plan wasiotest.Plan
	}{
		{noPoint("check-write"), wasiotest.Plan{Faults: []wasiotest.Fault{{At: "check-write"}}}},
		{noPoint("write"), wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read"}, {At: "write"}}}},
		{noPoint("splice"), wasiotest.Plan{Faults: []wasiotest.Fault{{At: "splice"}}}},
		{noPoint(""), wasiotest.Plan{Faults: []wasiotest.Fault{{}}}},
		{noFields, wasiotest.As("spin")},
		{noFields, wasiotest.Plan{FlushWaits: []int{0}}},
		{noFields, wasiotest.Plan{Hold: true}},
		{noFields, wasiotest.Plan{HoldLine: true}},
		{noFields, wasiotest.Plan{DropWaits: true}},
		{noFields, wasiotest.Plan{Terminal: true}},
		{noFields, wasiotest.Plan{Handles: 5}},
		{"wasiotest: there is no call -1", wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read", Call: -1}}}},
		{"wasiotest: a delay of -1ns is negative", wasiotest.Plan{Delay: -1}},
		{"wasiotest: no such End: 3", wasiotest.Plan{End: 3}},
		{`wasiotest: only a write delivers a part, not "read"`, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read", Partial: 1}}}},
		{"wasiotest: no such Then: 3", wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read", Then: 3}}}},
	} {
		s := wasiotest.NewStream(t, wasiotest.Plan{})
		var f fakeT
		f.run(func(t testing.TB) { s.NewInput(t, c.plan, strings.NewReader("content")) })
		assert.Equal(t, c.want, f.fatal)
		assert.Empty(t, f.errors)
		assert.Empty(t, f.cleanups)
		drop(s) // nothing else was made
	}
	// "read" is not a point of an output stream.
	var f fakeT
	f.run(func(t testing.TB) { wasiotest.NewStream(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read"}}}) })
	assert.Equal(t, `wasiotest: no such point to fail at: "read" (there are check-write, write, flush, flushed)`, f.fatal)
}

func TestInputThatIsNotDropped(t *testing.T) {
	for _, c := range []struct {
		want string
		leak func(s *wasiotest.Stream, in *wasiotest.Input)
	}{
		{"input-stream(2)", func(*wasiotest.Stream, *wasiotest.Input) {}},
		{"input-stream(2), pollable(3)", func(_ *wasiotest.Stream, in *wasiotest.Input) { openInput(in).Subscribe() }},
		{"error(3)", func(_ *wasiotest.Stream, in *wasiotest.Input) {
			openInput(in).Skip(1)
			in.Drop()
		}},
	} {
		var f fakeT
		f.run(func(t testing.TB) {
			s := wasiotest.NewStream(t, wasiotest.Plan{})
			in := s.NewInput(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "read"}}}, strings.NewReader("content"))
			c.leak(s, in)
			drop(s)
		})
		assert.Equal(t, []string{"wasiotest: not dropped: " + c.want}, f.errors)
	}
	var f fakeT
	f.run(func(t testing.TB) {
		s := wasiotest.SetStdout(t, wasiotest.Plan{})
		s.NewInput(t, wasiotest.Plan{}, strings.NewReader("content"))
	})
	require.Len(t, f.errors, 1)
	assert.Contains(t, f.errors[0], "input-stream(2)", "a stream of SetStdout reports it, too")
}

func TestInputTraps(t *testing.T) {
	for want, misuse := range map[string]func(s *wasiotest.Stream, in *wasiotest.Input){
		"input-stream dropped while it has live pollables: 1": func(_ *wasiotest.Stream, in *wasiotest.Input) {
			openInput(in).Subscribe()
			in.Drop()
		},
		"handle 2 is unknown, or was dropped": func(s *wasiotest.Stream, in *wasiotest.Input) {
			in.Drop()
			open(s).Splice(openInput(in), 1)
		},
		"handle 1 is of a resource output-stream, not input-stream": func(s *wasiotest.Stream, _ *wasiotest.Input) {
			open(s).Splice(streams.InputStream(s.Handle()), 1)
		},
	} {
		var f fakeT
		f.run(func(fake testing.TB) {
			s := wasiotest.NewStream(fake, wasiotest.Plan{})
			in := s.NewInput(fake, wasiotest.Plan{}, strings.NewReader("content"))
			assert.Panics(t, func() { misuse(s, in) })
		})
		require.Len(t, f.errors, 1)
		assert.Contains(t, f.errors[0], "wasiotest: wasi host: trap: "+want+"\n")
	}
}

// TestCount checks that Count tells functions of the same name apart, and counts more calls than
// Calls remembers.
func TestCount(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	for range 1 << 16 {
		open(s).CheckWrite()
	}
	p := open(s).Subscribe()
	p.Block()
	p.ResourceDrop()
	in := s.NewInput(t, wasiotest.Plan{}, strings.NewReader(""))
	in.Drop()
	assert.Equal(t, 1<<16, s.Count("check-write"))
	assert.Equal(t, []int{1, 0, 1, 1, 0}, []int{s.Count("subscribe"), s.Count("input-stream.subscribe"),
		s.Count("pollable.drop"), s.Count("input-stream.drop"), s.Count("drop")})
	drop(s)
	assert.Equal(t, 1, s.Count("drop"))
	assert.PanicsWithValue(t, `wasi host: no function "output-stream.fluhs"`, func() { s.Count("fluhs") })
}

// The doc comments of the aliases Plan and Fault list the fields of the types behind them.
func TestFieldsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("wasiotest.go")
	require.NoError(t, err)
	source, err := os.ReadFile("../internal/host/plan.go")
	require.NoError(t, err)
	for _, name := range []string{"Plan", "Fault"} {
		fields := regexp.MustCompile(`(?m)^type ` + name + ` struct \{\n((?:\t[A-Z].*\n)+)`).FindSubmatch(source)
		require.NotNil(t, fields)
		list := strings.ReplaceAll("\n"+strings.TrimSuffix(string(fields[1]), "\n"), "\n", "\n//")
		assert.True(t, strings.Contains(string(doc), list), "%s lacks %s", name, list)
	}
}

// If a goroutine of the code under test still waits for the stream when the test ends, it gets
// an error, and the test does not hang.
func TestWaitThatOutlastsTheTest(t *testing.T) {
	slow := wasiotest.Plan{Permits: []uint64{0, 1}, Delay: 1000 * time.Hour}
	for name, c := range map[string]struct {
		plan wasiotest.Plan
		call func(w *wasio.Writer) error
		want error
	}{
		"Write": {slow, func(w *wasio.Writer) error { _, err := w.Write([]byte("x")); return err }, io.ErrClosedPipe},
		"Flush": {wasiotest.Plan{FlushWaits: []int{1}, Delay: time.Hour}, (*wasio.Writer).Flush, nil},
	} {
		for _, standard := range []bool{true, false} {
			t.Run(fmt.Sprint(name, " ", standard), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var f fakeT
					result := make(chan error, 1)
					start := time.Now()
					f.run(func(t testing.TB) {
						var w *wasio.Writer
						if standard {
							wasiotest.SetStdout(t, c.plan)
							w = wasio.Stdout()
						} else {
							w = wasio.NewWriter(wasiotest.NewStream(t, c.plan).Handle())
						}
						go func() { result <- c.call(w) }()
						synctest.Wait()
					})
					assert.Equal(t, []string{"wasiotest: a call is still waiting"}, f.errors)
					if err := <-result; c.want != nil {
						assert.ErrorIs(t, err, c.want)
					}
					assert.Zero(t, time.Since(start))
				})
			})
		}
	}
	t.Run("drop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var f fakeT
			dropped := make(chan bool)
			f.run(func(t testing.TB) {
				s := wasiotest.NewStream(t, wasiotest.Plan{DropWaits: true, Permits: []uint64{5, 0}, Delay: time.Hour})
				open(s).CheckWrite()
				open(s).Write(listOf("taken"))
				go func() { drop(s); close(dropped) }()
				synctest.Wait()
			})
			assert.Equal(t, []string{"wasiotest: a call is still waiting"}, f.errors)
			<-dropped
		})
	})
}

func TestNewInputWithoutAReaderIsFatal(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	var f fakeT
	f.run(func(t testing.TB) { s.NewInput(t, wasiotest.Plan{}, nil) })
	assert.Equal(t, "wasiotest: NewInput needs a reader", f.fatal)
	drop(s)
}
