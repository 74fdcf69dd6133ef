package wasiotest_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/generated/wasi/io/streams"
	"github.com/wasio-dev/wasio/wasiotest"
)

// fakeT is a test that notes what becomes of it.
type fakeT struct {
	testing.TB // panics at anything else, as it is nil
	errors     []string
	fatal      string
	cleanups   []func()
}

func (f *fakeT) Helper()           {}
func (f *fakeT) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }

func (f *fakeT) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeT) Fatal(args ...any) {
	f.fatal = strings.TrimSuffix(fmt.Sprintln(args...), "\n")
	panic(f)
}

// run runs a test, to the end of its cleanups.
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

// open returns the stream as the bindings see it.
func open(s *wasiotest.Stream) streams.OutputStream { return streams.OutputStream(s.Handle()) }

func TestContentTest(t *testing.T) {
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

func TestTrapIsReportedThoughRecovered(t *testing.T) {
	var f fakeT
	f.run(func(t testing.TB) {
		s := wasiotest.NewStream(t, wasiotest.Plan{})
		p := open(s).Subscribe()
		func() {
			defer func() { recover() }()
			open(s).ResourceDrop()
		}()
		p.ResourceDrop()
		open(s).ResourceDrop() // so that there is no leak to be told of instead
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

func TestPlanWithoutSenseIsFatal(t *testing.T) {
	for want, plan := range map[string]wasiotest.Plan{
		`wasiotest: no host is known as "toaster" (there are ` + strings.Join(wasiotest.Hosts(), ", ") + ")": {As: "toaster"},
		`wasiotest: no such point to fail at: "splice" (there are check-write, write, flush, flushed)`:       {Faults: []wasiotest.Fault{{At: "splice"}}},
		`wasiotest: no such point to fail at: "" (there are check-write, write, flush, flushed)`:             {Faults: []wasiotest.Fault{{}}},
		`wasiotest: there is no call -1`:          {Faults: []wasiotest.Fault{{At: "write", Call: -1}}},
		`wasiotest: a flush cannot take -2 waits`: {FlushWaits: []int{1, -2}},
		`wasiotest: a delay of -1ns is negative`:  {Delay: -1},
		`wasiotest: no such After: 3`:             {Faults: []wasiotest.Fault{{At: "write", Then: 3}}},
		`wasiotest: no such After: -1`:            {Faults: []wasiotest.Fault{{At: "write", Then: -1}}},
	} {
		var f fakeT
		f.run(func(t testing.TB) { wasiotest.NewStream(t, plan) })
		assert.Equal(t, want, f.fatal)
		assert.Empty(t, f.errors)
		assert.Empty(t, f.cleanups)
	}
}

func TestStreamOfATestThatIsOver(t *testing.T) {
	var f fakeT
	var s streams.OutputStream
	f.run(func(t testing.TB) { s = open(wasiotest.NewStream(t, wasiotest.Plan{})) })
	assert.PanicsWithError(t, "wasi host: trap: a handle of a host that is gone", func() { s.CheckWrite() })
}

// permits returns the first answers of check-write, with a wait after each.
func permits(s *wasiotest.Stream, n int) (answers []uint64) {
	for range n {
		permit, _, _ := open(s).CheckWrite().Result()
		answers = append(answers, permit)
		p := open(s).Subscribe()
		p.Block()
		p.ResourceDrop()
	}
	return answers
}

// drop ends the use of a stream.
func drop(s *wasiotest.Stream) { open(s).ResourceDrop() }

func TestAs(t *testing.T) {
	t.Run("as it is", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{As: "wasmtime-file"})
		assert.Equal(t, []uint64{1 << 20, 0, 1 << 20}, permits(s, 3))
		drop(s)
	})
	t.Run("with other permits", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{As: "wasmtime-file", Permits: []uint64{5}})
		assert.Equal(t, []uint64{5, 5}, permits(s, 2))
		open(s).Write(listOf("lost"))
		drop(s)
		assert.Empty(t, s.String(), "held, as files of Wasmtime do")
	})
	t.Run("with other flushes", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{As: "wasmtime-async", FlushWaits: []int{3}})
		open(s).Flush()
		assert.Equal(t, []uint64{0, 0, 0, 8192}, permits(s, 4))
		drop(s)
	})
	t.Run("that fails", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{As: "spin", Faults: []wasiotest.Fault{{At: "check-write", Closed: true}}})
		_, e, failed := open(s).CheckWrite().Result()
		assert.True(t, failed)
		assert.True(t, e.Closed())
		drop(s)
	})
	t.Run("with a capacity", func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{As: "wago", Capacity: 9})
		assert.Equal(t, []uint64{9}, permits(s, 1))
		drop(s)
	})
}

// Each field of a plan has its effect.
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
		permits(s, 1)
		open(s).Write(listOf("held"))
		assert.Empty(t, s.String())
		open(s).Flush()
		assert.Equal(t, "held", s.String())
		drop(s)
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

func TestRandomPlanIsThatOfItsSeed(t *testing.T) {
	distinct := make(map[string]bool)
	for seed := range uint64(100) {
		plan := wasiotest.RandomPlan(seed)
		assert.Equal(t, plan, wasiotest.RandomPlan(seed))
		assert.NotEmpty(t, plan.Permits)
		assert.Positive(t, plan.Permits[len(plan.Permits)-1], "something is permitted")
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

func TestManyStreamsAtOnce(t *testing.T) {
	for i := range 50 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			s := wasiotest.NewStream(t, wasiotest.RandomPlan(uint64(i)))
			w := wasio.NewWriter(s.Handle())
			fmt.Fprint(w, i)
			require.NoError(t, w.Close())
			assert.Equal(t, fmt.Sprint(i), s.String(), "no stream has what is another's")
		})
	}
}
