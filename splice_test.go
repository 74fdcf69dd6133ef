package wasio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/wasiotest"
)

// An echo has what a splice needs: a Writer on a stream, and an input stream.
type echo struct {
	*wasiotest.Stream
	w  *wasio.Writer
	in *wasiotest.Input
}

func newEcho(t *testing.T, out, in wasiotest.Plan, content io.Reader) *echo {
	t.Helper()
	s := wasiotest.NewStream(t, out)
	e := &echo{s, wasio.NewWriter(s.Handle()), s.NewInput(t, in, content)}
	t.Cleanup(func() {
		e.in.Drop() // Splice does not own it
		e.w.Close()
	})
	return e
}

// splice calls Splice and checks what always holds.
func (e *echo) splice(t *testing.T, n int64) (int64, error) {
	t.Helper()
	before := len(e.Bytes())
	moved, err := wasio.Splice(e.w, e.in.Handle(), n)
	assert.EqualValues(t, len(e.Bytes())-before, moved, "all bytes moved are out")
	return moved, err
}

// wantError checks the operation and the reason of an error, and whether it sticks.
func (e *echo) wantError(t *testing.T, err error, op, text string, sticks bool) {
	t.Helper()
	var failed *wasio.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, op, failed.Op)
	assert.Equal(t, op == "read", failed.Source)
	assert.Equal(t, text, failed.Err.Error())
	calls := len(e.Calls())
	_, again := e.w.Write(nil)
	if !sticks {
		assert.NoError(t, again)
		return
	}
	assert.Same(t, err, again)
	moved, again := wasio.Splice(e.w, e.in.Handle(), -1)
	assert.Zero(t, moved)
	assert.Same(t, err, again)
	assert.Len(t, e.Calls(), calls, "no host call")
}

func TestSplice(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{FlushWaits: []int{1}, Hold: true}, wasiotest.Plan{}, strings.NewReader("hello"))
	moved, err := e.splice(t, -1)
	require.NoError(t, err)
	assert.EqualValues(t, 5, moved)
	assert.Equal(t, "hello", e.String())
	assert.Equal(t, []string{
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 1048576",
		"output-stream(1).splice(input-stream(2), 1048576) = 5",
		"input-stream(2).skip(0) = closed",
		"output-stream(1).flush",
		"output-stream(1).check-write = 0",
		"output-stream(1).subscribe = pollable(3)",
		"pollable(3).block",
		"pollable(3).drop",
		"output-stream(1).check-write = 1048576",
	}, e.Calls())
}

// The handle may be a number of either kind, as for NewWriter.
func TestSpliceTakesHandlesOfAllBindings(t *testing.T) {
	type inputStream uint32
	e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{}, strings.NewReader("abc"))
	for _, splice := range []func() (int64, error){
		func() (int64, error) { return wasio.Splice(e.w, e.in.Handle(), 1) },
		func() (int64, error) { return wasio.Splice(e.w, inputStream(e.in.Handle()), 1) },
		func() (int64, error) { return wasio.Splice(e.w, int32(e.in.Handle()), 1) },
	} {
		moved, err := splice()
		assert.NoError(t, err)
		assert.EqualValues(t, 1, moved)
	}
	assert.Equal(t, "abc", e.String())
}

// With the reader of the example, io.Copy splices.
func TestCopyThatSplices(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{}, strings.NewReader("hello"))
	n, err := io.Copy(e.w, Source{nil, InputStream(e.in.Handle())})
	assert.NoError(t, err)
	assert.EqualValues(t, 5, n)
	assert.Equal(t, 1, countOf(e.Calls(), "= 5"))
	assert.Zero(t, e.Count("write"))
	var other strings.Builder
	n, err = io.Copy(&other, Source{strings.NewReader("elsewhere"), 0})
	assert.NoError(t, err)
	assert.EqualValues(t, 9, n)
	assert.Equal(t, "elsewhere", other.String())
}

// Splice waits for the stream that makes it wait, on a new pollable of that stream, which it drops
// before the next call.
func TestSpliceWaitsForEitherStream(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{Permits: []uint64{2, 0}}, wasiotest.Plan{Permits: []uint64{0, 3}}, strings.NewReader("abc"))
	moved, err := e.splice(t, 3)
	require.NoError(t, err)
	assert.EqualValues(t, 3, moved)
	assert.Equal(t, []string{"ab", "c"}, e.Records())
	assert.Equal(t, []string{
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 2",
		"output-stream(1).splice(input-stream(2), 3) = 0",
		"input-stream(2).subscribe = pollable(3)",
		"pollable(3).block",
		"pollable(3).drop",
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 2",
		"output-stream(1).splice(input-stream(2), 3) = 2",
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 0",
		"output-stream(1).subscribe = pollable(4)",
		"pollable(4).block",
		"pollable(4).drop",
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 2",
		"output-stream(1).splice(input-stream(2), 1) = 1",
	}, e.Calls()[:17])
}

func TestSpliceWaitsForTheSource(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{Permits: []uint64{0, 3}}, strings.NewReader("abc"))
	moved, err := e.splice(t, 3)
	require.NoError(t, err)
	assert.EqualValues(t, 3, moved)
	assert.Equal(t, []string{
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 1048576",
		"output-stream(1).splice(input-stream(2), 3) = 0",
		"input-stream(2).subscribe = pollable(3)",
		"pollable(3).block",
		"pollable(3).drop",
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 1048576",
		"output-stream(1).splice(input-stream(2), 3) = 3",
		"output-stream(1).flush",
		"output-stream(1).check-write = 1048576",
	}, e.Calls())
}

func TestSpliceOfNothing(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{}, strings.NewReader("abc"))
	moved, err := e.splice(t, 0)
	assert.NoError(t, err)
	assert.Zero(t, moved)
	assert.Empty(t, e.Calls())
}

// A source without bytes ends like any other, and costs one flush.
func TestSpliceOfAnEmptySource(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{}, strings.NewReader(""))
	moved, err := e.splice(t, -1)
	assert.NoError(t, err)
	assert.Zero(t, moved)
	assert.Equal(t, 1, e.Count("flush"))
}

func TestSpliceFromASourceThatEndsEarly(t *testing.T) {
	for name, content := range map[string]io.Reader{
		"after its bytes": strings.NewReader("abc"),
		"with its bytes":  iotest.DataErrReader(strings.NewReader("abc")),
		"byte by byte":    iotest.OneByteReader(strings.NewReader("abc")),
	} {
		t.Run(name, func(t *testing.T) {
			e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{Permits: []uint64{2, 0}}, content)
			moved, err := e.splice(t, 10)
			assert.NoError(t, err, "the end is not an error")
			assert.EqualValues(t, 3, moved)
			assert.Equal(t, "abc", e.String())
			assert.Equal(t, 1, e.Count("flush"))
			moved, err = e.splice(t, 10)
			assert.NoError(t, err)
			assert.Zero(t, moved, "it has ended")
			_, err = e.w.Write([]byte("!"))
			assert.NoError(t, err)
		})
	}
}

// Splice asks a source for at most n bytes, so it does not find its end there.
func TestSpliceFromASourceThatEndsAtN(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{}, strings.NewReader("abc"))
	moved, err := e.splice(t, 3)
	assert.NoError(t, err)
	assert.EqualValues(t, 3, moved)
	assert.Equal(t, []string{
		"input-stream(2).skip(0) = 0",
		"output-stream(1).check-write = 1048576",
		"output-stream(1).splice(input-stream(2), 3) = 3",
		"output-stream(1).flush",
		"output-stream(1).check-write = 1048576",
	}, e.Calls())
}

// Splice leaves the rest of a source alone.
func TestSpliceLeavesTheRest(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{}, strings.NewReader("abcdef"))
	for _, want := range []string{"ab", "abcd", "abcdef"} {
		moved, err := e.splice(t, 2)
		assert.NoError(t, err)
		assert.EqualValues(t, 2, moved)
		assert.Equal(t, want, e.String())
	}
}

func TestSpliceFromASourceThatFails(t *testing.T) {
	for _, then := range []wasiotest.Then{wasiotest.ThenClosed, wasiotest.ThenAgain} {
		e := newEcho(t, wasiotest.Plan{},
			wasiotest.Plan{Permits: []uint64{2}, Faults: []wasiotest.Fault{{At: "read", Bytes: 4, Text: "disk gone\n\nCaused by:", Then: then}}},
			strings.NewReader("abcdef"))
		var handle wasio.ErrorHandle
		e.w.SetErrorDecoder(func(err wasio.ErrorHandle) error { handle = err; return nil })
		moved, err := e.splice(t, -1)
		assert.EqualValues(t, 4, moved)
		e.wantError(t, err, "read", "disk gone", false)
		assert.NotZero(t, handle)
		assert.NotErrorIs(t, err, io.ErrClosedPipe)
		assert.Equal(t, 1, e.Count("flush"), "the bytes moved are flushed")
		_, err = e.w.Write([]byte("!"))
		assert.NoError(t, err)
		assert.Equal(t, "abcd!", e.String())
	}
}

// The decoder is called for the errors of both streams.
func TestSpliceReason(t *testing.T) {
	reason := errors.New("reason")
	for op, faults := range map[string][2][]wasiotest.Fault{
		"read":        {nil, {{At: "read"}}},
		"splice":      {{{At: "write"}}, nil},
		"check-write": {{{At: "check-write", Call: 3}}, nil},
	} {
		in := wasiotest.Plan{Faults: faults[1]}
		if op == "check-write" {
			in.Permits = []uint64{0, 1} // so the second call comes before any byte is moved
		}
		e := newEcho(t, wasiotest.Plan{Faults: faults[0]}, in, strings.NewReader("abc"))
		e.w.SetErrorDecoder(func(wasio.ErrorHandle) error { return reason })
		moved, err := e.splice(t, -1)
		assert.Zero(t, moved)
		assert.ErrorIs(t, err, reason)
		e.wantError(t, err, op, "reason", op != "read")
	}
}

// A failure is attributed to the stream that reports it, whatever it does afterwards, and its error
// handles are dropped, even the second one.
func TestSpliceToAWriterThatFails(t *testing.T) {
	for _, c := range []struct {
		at   string
		call int
		then wasiotest.Then
		op   string
		n    int64
	}{
		{"check-write", 2, wasiotest.ThenClosed, "splice", 0},
		{"check-write", 3, wasiotest.ThenClosed, "check-write", 2},
		{"check-write", 3, wasiotest.ThenAgain, "check-write", 2},
		{"check-write", 3, wasiotest.ThenWorks, "check-write", 2},
		{"write", 2, wasiotest.ThenClosed, "splice", 2},
		{"write", 2, wasiotest.ThenAgain, "splice", 2},
		{"write", 2, wasiotest.ThenWorks, "splice", 2},
		{"flush", 1, wasiotest.ThenClosed, "flush", 6},
		{"flushed", 1, wasiotest.ThenClosed, "check-write", 6},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			e := newEcho(t, wasiotest.Plan{Permits: []uint64{2}, Faults: []wasiotest.Fault{{At: c.at, Call: c.call, Then: c.then}}},
				wasiotest.Plan{}, strings.NewReader("abcdef"))
			moved, err := e.splice(t, -1)
			assert.Equal(t, c.n, moved)
			e.wantError(t, err, c.op, "last operation failed", true)
			assert.Zero(t, e.Count("flush")-b2i(c.n == 6), "no flush after the failure")
		})
	}
}

// A Writer that closes at byte k refuses the next byte. That is an error only if there is another
// byte to move.
func TestSpliceToAWriterThatClosesAtByteK(t *testing.T) {
	const content = "abcdef"
	for k := 1; k <= len(content)+1; k++ {
		for _, n := range []int64{-1, int64(len(content))} {
			t.Run(fmt.Sprint(k, n), func(t *testing.T) {
				e := newEcho(t, wasiotest.Plan{Capacity: uint64(k), Permits: []uint64{2}}, wasiotest.Plan{}, strings.NewReader(content))
				moved, err := e.splice(t, n)
				assert.EqualValues(t, min(k, len(content)), moved)
				assert.Equal(t, content[:moved], e.String())
				switch {
				case k > len(content):
					assert.NoError(t, err)
				case k == len(content):
					assert.NoError(t, err, "the host closed after all bytes")
					_, err = e.w.Write([]byte("x"))
					assert.ErrorIs(t, err, io.ErrClosedPipe)
				default:
					assert.ErrorIs(t, err, io.ErrClosedPipe)
					e.wantError(t, err, "check-write", "stream closed by the host", true)
					assert.Zero(t, countOf(e.Calls(), "skip(1)"), "the source keeps its bytes")
				}
			})
		}
	}
}

// A host may close a stream in check-write, and only there.
func TestSpliceToAWriterThatClosesWhileTheSourceWaits(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "check-write", Call: 3, Closed: true}}},
		wasiotest.Plan{Permits: []uint64{0, 1}}, strings.NewReader("abc"))
	moved, err := e.splice(t, -1)
	assert.Zero(t, moved)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	e.wantError(t, err, "check-write", "stream closed by the host", true)
}

// The end of the source does not hide a failure of the Writer.
func TestSpliceWhereBothEnd(t *testing.T) {
	for _, at := range []string{"check-write", "flush", "flushed"} {
		call := map[string]int{"check-write": 3}[at] // the first after the source has ended
		e := newEcho(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: at, Call: call}}}, wasiotest.Plan{}, strings.NewReader("abc"))
		moved, err := e.splice(t, -1)
		assert.EqualValues(t, 3, moved)
		op := map[string]string{"check-write": "check-write", "flush": "flush", "flushed": "check-write"}[at]
		e.wantError(t, err, op, "last operation failed", true)
	}
}

func TestSpliceToAWriterThatIsNotOpen(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{})
	in := s.NewInput(t, wasiotest.Plan{}, strings.NewReader("abc"))
	defer in.Drop()
	w := wasio.NewWriter(s.Handle())
	require.NoError(t, w.Close())
	calls := len(s.Calls())
	for _, w := range []*wasio.Writer{w, {}} {
		for _, n := range []int64{-1, 0, 1} {
			moved, err := wasio.Splice(w, in.Handle(), n)
			assert.Zero(t, moved)
			assert.ErrorIs(t, err, os.ErrClosed)
			assert.EqualError(t, err, "wasio: splice: writer is not open")
		}
	}
	assert.Len(t, s.Calls(), calls)
}

// If the host closes the stream at the end of a Write, the next Splice fails.
func TestSpliceAfterTheEnd(t *testing.T) {
	e := newEcho(t, wasiotest.Plan{Capacity: 3}, wasiotest.Plan{}, strings.NewReader("abc"))
	_, err := e.w.Write([]byte("xyz"))
	require.NoError(t, err)
	moved, err := wasio.Splice(e.w, e.in.Handle(), 0)
	assert.Zero(t, moved)
	assert.NoError(t, err)
	calls := len(e.Calls())
	moved, err = wasio.Splice(e.w, e.in.Handle(), -1)
	assert.Zero(t, moved)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Len(t, e.Calls(), calls)
	assert.Same(t, err, e.w.Flush(), "the error sticks")
	_, err = wasio.Splice(e.w, e.in.Handle(), 0)
	assert.ErrorIs(t, err, io.ErrClosedPipe)
}

// endless is a source without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// After spurious wake-ups of a source Splice pauses. It gives up a source that stays ready without
// bytes after about a second, as it does an output stream. That error does not stick.
func TestSpliceFromASourceThatIsReadyAndHasNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		zeros := make([]uint64, 40)
		e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{Permits: append(zeros, 3)}, strings.NewReader("abc"))
		start := time.Now()
		moved, err := wasio.Splice(e.w, e.in.Handle(), 3)
		assert.NoError(t, err)
		assert.EqualValues(t, 3, moved)
		assert.Greater(t, time.Since(start), 40*time.Millisecond, "it paused")
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t, wasiotest.Plan{}, wasiotest.Plan{Permits: []uint64{0}, Premature: true, Delay: time.Hour}, strings.NewReader("abc"))
		start := time.Now()
		moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
		assert.Zero(t, moved)
		assert.ErrorIs(t, err, io.ErrNoProgress)
		e.wantError(t, err, "read", "input stream is ready, but has no bytes", false)
		assert.InDelta(t, time.Second, time.Since(start), float64(100*time.Millisecond))
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEcho(t, wasiotest.Plan{Permits: []uint64{0}, Premature: true, Delay: time.Hour}, wasiotest.Plan{}, strings.NewReader("abc"))
		moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
		assert.Zero(t, moved)
		assert.ErrorIs(t, err, io.ErrNoProgress)
		e.wantError(t, err, "check-write", "stream is ready, but permits no bytes", true)
	})
}

// Waits for a source are counted from its last bytes, and waits for the Writer from its last
// permit: neither stream is given up because of the other.
func TestSpliceCountsWaitsOfEachStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := strings.Repeat("x", 1000)
		e := newEcho(t, wasiotest.Plan{Permits: []uint64{0, 0, 0, 1}}, wasiotest.Plan{Permits: []uint64{0, 0, 0, 1}}, strings.NewReader(content))
		moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
		assert.NoError(t, err)
		assert.EqualValues(t, 1000, moved)
		assert.Equal(t, content, e.String())
	})
}

// A Splice is in one piece: no Write comes in between.
func TestSpliceIsNotInterleaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		content := strings.Repeat("s", 50)
		e := newEcho(t, wasiotest.Plan{Permits: []uint64{3, 0}, Delay: time.Millisecond},
			wasiotest.Plan{Permits: []uint64{2, 0}, Delay: time.Millisecond}, strings.NewReader(content))
		var wg sync.WaitGroup
		wg.Go(func() {
			moved, err := wasio.Splice(e.w, e.in.Handle(), -1)
			assert.NoError(t, err)
			assert.EqualValues(t, 50, moved)
		})
		for range 3 {
			wg.Go(func() {
				_, err := e.w.WriteString("wwwww")
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Contains(t, e.String(), content)
		assert.Equal(t, 65, len(e.Bytes()))
	})
}

// Two goroutines may splice to one Writer, each from its own stream.
func TestTwoSplicesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{3, 0}, FlushWaits: []int{1}, Delay: time.Millisecond})
		w := wasio.NewWriter(s.Handle())
		var wg sync.WaitGroup
		for _, text := range []string{strings.Repeat("a", 20), strings.Repeat("b", 20)} {
			in := s.NewInput(t, wasiotest.Plan{Permits: []uint64{7, 0}, Delay: time.Millisecond}, strings.NewReader(text))
			wg.Go(func() {
				defer in.Drop()
				moved, err := wasio.Splice(w, in.Handle(), -1)
				assert.NoError(t, err)
				assert.EqualValues(t, 20, moved)
			})
		}
		wg.Wait()
		assert.Contains(t, []string{strings.Repeat("a", 20) + strings.Repeat("b", 20), strings.Repeat("b", 20) + strings.Repeat("a", 20)}, s.String())
		require.NoError(t, w.Close())
	})
}

// A panic of the host, as a trap is natively, leaves the Writer unlocked.
func TestSpliceThatTraps(t *testing.T) {
	h := host.New(host.Options{})
	base := expose(t, h)
	w := wasio.NewWriter(base | h.NewStream(host.Plan{}, io.Discard))
	assert.Panics(t, func() { wasio.Splice(w, base|77, -1) })
	_, err := w.Write([]byte("not locked"))
	assert.NoError(t, err)
}

// Large streams are moved in pieces of at most 1 MiB, without memory of the program.
func TestSpliceOfManyBytes(t *testing.T) {
	const size = 5<<20 + 3
	e := newEcho(t, wasiotest.Plan{Permits: []uint64{1 << 40}}, wasiotest.Plan{Permits: []uint64{1 << 40}}, io.LimitReader(endless{}, size))
	moved, err := e.splice(t, -1)
	assert.NoError(t, err)
	assert.EqualValues(t, size, moved)
	assert.Len(t, e.Records(), 6)
	assert.Equal(t, bytes.Repeat([]byte{'x'}, size), e.Bytes())
}

func TestSpliceDoesNotAllocate(t *testing.T) {
	h := host.New(host.Options{Keep: 1})
	base := expose(t, h)
	w := wasio.NewWriter(base | h.NewStream(host.Plan{}, io.Discard))
	in := base | h.NewInput(host.Plan{Permits: []uint64{0, 1}}, endless{})
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { wasio.Splice(w, in, 8) }), 8.0, "allocations of the model, one for each piece")
}
