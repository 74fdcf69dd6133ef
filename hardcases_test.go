package wasio_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/wasiotest"
)

// ways lists the ways to write p to a stream and flush it. Each returns how many bytes the
// host took, and the error.
var ways = []struct {
	name  string
	write func(w *wasio.Writer, p []byte) (int, error)
}{
	{"Write", (*wasio.Writer).Write},
	{"WriteString", func(w *wasio.Writer, p []byte) (int, error) { return w.WriteString(string(p)) }},
	{"ReadFrom", func(w *wasio.Writer, p []byte) (int, error) {
		n, err := w.ReadFrom(bytes.NewReader(p))
		return int(n), err
	}},
	{"BufWriter larger than p", throughBuffer(1 << 20)},
	{"BufWriter smaller than p", throughBuffer(1)},
}

// throughBuffer returns a way through a BufWriter. It does not count bytes that stay in the
// buffer.
func throughBuffer(size int) func(*wasio.Writer, []byte) (int, error) {
	return func(w *wasio.Writer, p []byte) (int, error) {
		b := wasio.NewBufWriterSize(w, size)
		n, err := b.Write(p)
		if err == nil {
			err = b.Flush()
		}
		return n - b.Buffered(), err
	}
}

// through is a Writer with one of the ways.
type through struct {
	*wasio.Writer
	write func(w *wasio.Writer, p []byte) (int, error)
}

func (t through) Write(p []byte) (int, error) { return t.write(t.Writer, p) }

// The ways do what the contract demands of any writer.
func TestHardCases(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			wasiotest.TestWriter(t, func(handle uint32) io.WriteCloser {
				return through{wasio.NewWriter(handle), way.write}
			})
		})
	}
}

// A hardCase is something that a host does, and what wasio promises beyond the contract: the
// calls, which error it is, that it sticks, and how long a host may be ready for nothing.
type hardCase struct {
	name  string
	plan  wasiotest.Plan
	n     int      // how many bytes are taken, if there is an error
	err   error    // a sentinel such as io.ErrClosedPipe, or failed
	calls []string // of Write; nil: any
}

// failed stands for a failure of the host, which matches no sentinel.
var failed error = &wasio.Error{}

const mib = 1 << 20

// hardCases are named after rows of docs/contract.md.
var hardCases = []hardCase{
	{name: "C1 permits that are small and vary", plan: wasiotest.Plan{Permits: []uint64{3, 1, 2}},
		calls: sequence("check-write = 3", "write(3)", "check-write = 1", "write(1)", "check-write = 2", "write(2)",
			"check-write = 3", "write(3)", "flush", "check-write = 1")},
	{name: "C2 a permit of 2^64-1", plan: wasiotest.Plan{Permits: []uint64{1<<64 - 1}},
		calls: sequence("check-write = 18446744073709551615", "write(9)", "flush", "check-write = 18446744073709551615")},
	{name: "C5 nothing permitted until waited for", plan: wasiotest.Plan{Permits: []uint64{0, 6}},
		calls: sequence("check-write = 0", wait, "check-write = 6", "write(6)", "check-write = 0", wait,
			"check-write = 6", "write(3)", "flush", "check-write = 0", wait, "check-write = 6")},
	{name: "C7 spurious wake-ups", plan: wasiotest.Plan{Permits: []uint64{0, 0, 0, 9}},
		calls: sequence("check-write = 0", wait, "check-write = 0", wait, "check-write = 0", wait,
			"check-write = 9", "write(9)",
			"flush", "check-write = 0", wait, "check-write = 0", wait, "check-write = 0", wait, "check-write = 9")},
	{name: "C7 as many spurious wake-ups as wasio tolerates", plan: wasiotest.Plan{Permits: append(make([]uint64, 207), 9)}},
	{name: "C7 a consumer that needs 5 ms but is said to be ready", plan: wasiotest.Plan{Permits: []uint64{3, 0},
		FlushWaits: []int{1}, Delay: 5 * time.Millisecond, Premature: true, Hold: true}},
	{name: "C8 ready forever, but nothing permitted", plan: wasiotest.Plan{Permits: []uint64{0}}, err: io.ErrNoProgress},
	{name: "C8 ready forever, but nothing permitted in the flush", plan: wasiotest.Plan{FlushWaits: []int{1 << 30}},
		n: 9, err: io.ErrNoProgress},
	{name: "C12 C13 a flush that takes a while", plan: wasiotest.Plan{FlushWaits: []int{3}, Hold: true},
		calls: sequence("check-write = 1048576", "write(9)", "flush", "check-write = 0", wait, "check-write = 0", wait,
			"check-write = 0", wait, "check-write = 1048576")},
	{name: "C17 failure of a flush, reported by the next check-write",
		plan: wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flushed", Text: "disk full"}}}, n: 9, err: failed,
		calls: sequence("check-write = 1048576", "write(9)", "flush",
			"check-write = last-operation-failed(error)", "error.to-debug-string", "error.drop")},
	{name: "C17 failure of an earlier operation, reported by check-write",
		plan: wasiotest.Plan{Permits: []uint64{4}, Faults: []wasiotest.Fault{{At: "check-write", Call: 2}}}, n: 4, err: failed},
	{name: "C18 failure of the flush itself",
		plan: wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}}, n: 9, err: failed,
		calls: sequence("check-write = 1048576", "write(9)", "flush = last-operation-failed(error)", "error.to-debug-string", "error.drop")},
	{name: "C19 flush ok, failure only at check-write after the wait",
		plan: wasiotest.Plan{FlushWaits: []int{1}, Faults: []wasiotest.Fault{{At: "flushed"}}}, n: 9, err: failed,
		calls: sequence("check-write = 1048576", "write(9)", "flush", "check-write = 0", wait,
			"check-write = 0", wait, "check-write = last-operation-failed(error)", "error.to-debug-string", "error.drop")},
	{name: "C20 failure at the third write",
		plan: wasiotest.Plan{Permits: []uint64{4}, Faults: []wasiotest.Fault{{At: "write", Call: 3}}}, n: 8, err: failed,
		calls: sequence("check-write = 4", "write(4)", "check-write = 4", "write(4)", "check-write = 4",
			"write(1) = last-operation-failed(error)", "error.to-debug-string", "error.drop")},
	{name: "C21 failure at every call",
		plan: wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush", Then: wasiotest.ThenAgain}}}, n: 9, err: failed},
	{name: "C22 failure after which the stream works again",
		plan: wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write", Call: 1, Then: wasiotest.ThenWorks}}}, err: failed},
	{name: "C23 C27 closed before any write",
		plan: wasiotest.Plan{Faults: []wasiotest.Fault{{At: "check-write", Closed: true}}}, err: io.ErrClosedPipe,
		calls: sequence("check-write = closed")},
	{name: "C24 closed between check-write and write",
		plan: wasiotest.Plan{Permits: []uint64{5}, Faults: []wasiotest.Fault{{At: "write", Call: 2, Closed: true}}},
		n:    5, err: io.ErrClosedPipe,
		calls: sequence("check-write = 5", "write(5)", "check-write = 5", "write(4) = closed")},
	{name: "C26 closed in the middle", plan: wasiotest.Plan{Capacity: 7}, n: 7, err: io.ErrClosedPipe,
		calls: sequence("check-write = 7", "write(7)", "check-write = closed")},
	{name: "C27 closed while waiting",
		plan: wasiotest.Plan{Permits: []uint64{5, 0}, Faults: []wasiotest.Fault{{At: "check-write", Call: 3, Closed: true}}},
		n:    5, err: io.ErrClosedPipe,
		calls: sequence("check-write = 5", "write(5)", "check-write = 0", wait, "check-write = closed")},
	{name: "C28 failure while waiting",
		plan: wasiotest.Plan{Permits: []uint64{5, 0}, Faults: []wasiotest.Fault{{At: "check-write", Call: 3}}}, n: 5, err: failed},
	{name: "C42 permitted, and failed at once",
		plan: wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write", Call: 1}}}, err: failed},
	{name: "C44 a failure with a strange text",
		plan: wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write", Text: "line\nline\x00" + strings.Repeat("x", mib)}}}, err: failed},
}

func TestHardCasesOfWasio(t *testing.T) {
	for _, c := range hardCases {
		for _, way := range ways {
			t.Run(c.name+"/"+way.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { c.run(t, way.name == "Write", way.write) })
			})
		}
	}
}

func (c hardCase) run(t *testing.T, strict bool, write func(*wasio.Writer, []byte) (int, error)) {
	p := []byte("9: é€😀"[:3] + "é€x") // 9 bytes
	w, s := newWriter(t, c.plan)
	n, err := write(w, p)
	if c.calls != nil && strict {
		assert.Equal(t, c.calls, callsOf(s))
	}
	if c.err == nil {
		require.NoError(t, err)
		assert.Equal(t, len(p), n)
		assert.True(t, bytes.Equal(p, s.Bytes()), "every byte once and in order")
		return
	}
	assert.Equal(t, c.n, n)
	var e *wasio.Error
	require.ErrorAs(t, err, &e)
	if c.err == failed {
		assert.NotErrorIs(t, err, io.ErrClosedPipe)
		assert.NotErrorIs(t, err, io.ErrNoProgress)
	} else {
		assert.ErrorIs(t, err, c.err)
	}
	assert.Equal(t, string(p[:len(s.Bytes())]), s.String(), "a prefix of what was written")
	if !c.plan.Hold {
		assert.Len(t, s.Bytes(), n, "what was counted was delivered")
	}

	before := len(s.Calls())
	for range 2 {
		m, again := w.Write([]byte("more"))
		assert.Zero(t, m)
		assert.Same(t, err, again)
		m, again = w.Write(nil)
		assert.Zero(t, m)
		assert.Same(t, err, again)
		assert.Same(t, err, w.Flush())
	}
	assert.Len(t, s.Calls(), before, "no host call after an error")
}

// C4: the permit is larger than what the engine carries in one call. The model traps
// above 128 MiB, as Wasmtime does.
func TestC4PermitLargerThanACallCarries(t *testing.T) {
	h := host.New(host.Options{})
	base := expose(t, h)
	plan := host.Plan{Permits: []uint64{1 << 30}}
	w := wasio.NewWriter(base | h.NewStream(plan, io.Discard))
	n, err := w.Write(make([]byte, 128*mib+1))
	require.NoError(t, err)
	assert.Equal(t, 128*mib+1, n)
	assert.EqualValues(t, 3, h.Count(host.OpWrite))
	require.NoError(t, w.Close())
	assert.Empty(t, h.Live())
}

// C8: a stream may be ready and permit nothing for about a second.
func TestC8PausesAddUpToASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{0}})
		start := time.Now()
		_, err := w.WriteString("x")
		require.ErrorIs(t, err, io.ErrNoProgress)
		assert.GreaterOrEqual(t, time.Since(start), time.Second)
		assert.Less(t, time.Since(start), 1100*time.Millisecond)
		assert.Less(t, s.Count("check-write"), 250, "pauses grow")
		assert.Equal(t, s.Count("check-write"), s.Count("pollable.drop"))
	})
}

// C25: the stream closes after all bytes were accepted. The Write succeeds, and the next one
// fails.
func TestC25ClosedAfterAllWasTaken(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"exactly full":                 {Capacity: 9},
		"closed by flush":              {Faults: []wasiotest.Fault{{At: "flush", Closed: true}}},
		"closed while flushing":        {Faults: []wasiotest.Fault{{At: "flushed", Closed: true}}},
		"closed at the end of a flush": {FlushWaits: []int{1}, Faults: []wasiotest.Fault{{At: "flushed", Closed: true}}},
	} {
		for _, way := range ways {
			t.Run(name+"/"+way.name, func(t *testing.T) {
				w, s := newWriter(t, plan)
				n, err := way.write(w, []byte("nine byte"))
				require.NoError(t, err)
				assert.Equal(t, 9, n)
				assert.Equal(t, "nine byte", s.String())
				before := len(s.Calls())
				n, err = way.write(w, []byte("more"))
				assert.Zero(t, n)
				assert.ErrorIs(t, err, io.ErrClosedPipe)
				assert.Len(t, s.Calls(), before)
			})
		}
	}
}

// C29: many waits on a host with a small table of handles.
func TestC29ManyWaits(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{0, 10}, Handles: 2})
	n, err := w.Write(make([]byte, 1_000_000))
	require.NoError(t, err)
	assert.Equal(t, 1_000_000, n)
	require.NoError(t, w.Close())
	assert.Len(t, s.Bytes(), n)
}

// C30: every error handle is dropped once, even if every call would return another.
func TestC30ErrorHandlesAreDropped(t *testing.T) {
	for _, at := range []string{"check-write", "write", "flush", "flushed"} {
		w, s := newWriter(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: at, Then: wasiotest.ThenAgain}}})
		for range 3 {
			_, err := w.Write([]byte("x"))
			require.Error(t, err)
		}
		assert.Equal(t, 1, s.Count("error.drop"), at)
	}
}

// C32: the host loses what is not flushed when the stream is dropped.
func TestC32CloseLosesNothing(t *testing.T) {
	for _, waits := range []int{0, 1, 5} {
		s := wasiotest.NewStream(t, wasiotest.Plan{Hold: true, FlushWaits: []int{waits}})
		b := wasio.NewBufWriter(wasio.NewWriter(s.Handle()))
		b.WriteString("held until flushed")
		require.NoError(t, b.Close())
		assert.Equal(t, "held until flushed", s.String())
	}
}

// C33: another handle of the sink flushes and writes in between.
func TestC33OtherHandleInBetween(t *testing.T) {
	s := wasiotest.NewStream(t, wasiotest.Plan{Permits: []uint64{2, 0}, FlushWaits: []int{1}, Hold: true})
	a, b := wasio.NewWriter(s.Handle()), wasio.NewBufWriterSize(wasio.NewWriter(s.Another()), 16)
	for i := range 10 {
		a.WriteString("direct ")
		b.WriteString("buffered ")
		if i%3 == 2 {
			require.NoError(t, b.Flush())
		}
	}
	require.NoError(t, b.Close())
	require.NoError(t, a.Close())
	assert.Equal(t, 10, strings.Count(s.String(), "direct "))
	assert.Equal(t, 10*len("direct ")+10*len("buffered "), len(s.String()))
}

// C37: each write is a record on some hosts.
func TestC37OneWriteForEachWrite(t *testing.T) {
	w, s := newWriter(t, wasiotest.As("viceroy"))
	var want []string
	for _, size := range []int{1, 4095, 4096, 4097, 100_000} {
		p := pattern(size)
		want = append(want, string(p))
		_, err := w.Write(p)
		require.NoError(t, err)
	}
	assert.Equal(t, want, s.Records())
}

// C48: the host takes part of a write that it reports as failed. n does not count that part.
func TestC48FailedWriteThatArrivesInPart(t *testing.T) {
	for name, fault := range map[string]wasiotest.Fault{
		"failed": {At: "write", Call: 2, Partial: 2},
		"closed": {At: "write", Call: 2, Partial: 2, Closed: true},
		"whole":  {At: "write", Call: 2, Partial: 4},
	} {
		for _, way := range ways {
			t.Run(name+"/"+way.name, func(t *testing.T) {
				w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{5}, Faults: []wasiotest.Fault{fault}})
				n, err := way.write(w, []byte("nine byte"))
				require.Error(t, err)
				assert.Equal(t, 5, n)
				assert.Equal(t, "nine byte"[:5+fault.Partial], s.String())
				assert.Equal(t, fault.Closed, errors.Is(err, io.ErrClosedPipe))
				_, again := w.Write([]byte("more"))
				assert.Same(t, err, again)
			})
		}
	}
}

// C49: the host does not say which stream a splice failed on. The end of src is no error, a
// failure of src is an error of src, and if that is not certain, the error is one of w. A standard
// stream works again after it has failed.
func TestC49WhoFailed(t *testing.T) {
	write := func(then wasiotest.Then, closed bool) []wasiotest.Fault {
		return []wasiotest.Fault{{At: "write", Call: 2, Then: then, Closed: closed, Text: "of w"}}
	}
	for _, c := range []struct {
		name     string
		standard bool
		out, in  []wasiotest.Fault
		end      wasiotest.End
		moved    int64
		op       string // "" means success
		text     string
	}{
		{name: "the end, known", moved: 6},
		{name: "the end, when read", end: wasiotest.EndWhenRead, moved: 6},
		{name: "the end, silent", end: wasiotest.EndSilent, moved: 6},
		{name: "the end, known, to stdout", standard: true, moved: 6},
		{name: "the end, silent, to stdout", standard: true, end: wasiotest.EndSilent, moved: 6},
		{name: "the end, when read, to stdout", standard: true, end: wasiotest.EndWhenRead, moved: 6, op: "splice", text: "stream closed by the host"},
		{name: "src", in: []wasiotest.Fault{{At: "read", Bytes: 3, Text: "of src"}}, moved: 3, op: "read", text: "of src"},
		{name: "src, to stdout", standard: true, in: []wasiotest.Fault{{At: "read", Bytes: 3, Text: "of src"}}, moved: 3, op: "read", text: "of src"},
		{name: "w", out: write(wasiotest.ThenClosed, false), moved: 3, op: "splice", text: "of w"},
		{name: "w, when read", out: write(wasiotest.ThenClosed, false), end: wasiotest.EndWhenRead, moved: 3, op: "splice", text: "of w"},
		{name: "w closed", out: write(wasiotest.ThenClosed, true), moved: 3, op: "splice", text: "stream closed by the host"},
		{name: "w again", out: write(wasiotest.ThenAgain, false), end: wasiotest.EndSilent, moved: 3, op: "splice", text: "of w"},
		// C51: stdout fails with the last piece of a body, and works again.
		{name: "C51 stdout", standard: true, out: write(wasiotest.ThenWorks, false), moved: 3, op: "splice", text: "of w"},
		{name: "C51 stdout closed", standard: true, out: write(wasiotest.ThenWorks, true), moved: 3, op: "splice", text: "stream closed by the host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s *wasiotest.Stream
			w, plan := wasio.Stdout(), wasiotest.Plan{Permits: []uint64{3}, Faults: c.out}
			if c.standard {
				s = wasiotest.SetStdout(t, plan)
			} else {
				w, s = newWriter(t, plan)
			}
			in := s.NewInput(t, wasiotest.Plan{Faults: c.in, End: c.end}, strings.NewReader("abcdef"))
			defer in.Drop()
			moved, err := wasio.Splice(w, in.Handle(), -1)
			assert.Equal(t, c.moved, moved)
			assert.Equal(t, "abcdef"[:moved], s.String())
			_, now := w.Write(nil)
			if c.op == "" {
				assert.NoError(t, err)
				assert.NoError(t, now)
				return
			}
			var failed *wasio.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, c.op, failed.Op)
			assert.Equal(t, c.text, failed.Err.Error())
			if assert.Equal(t, c.op == "read", failed.Source); failed.Source {
				assert.NoError(t, now)
			} else {
				assert.Same(t, err, now, "the error sticks")
			}
		})
	}
}

// C50: an output of known length closes as it takes the last byte, and is asked for one more
// splice. As in C25 that is a success, if src is known to have ended.
func TestC50ClosedWithTheLastByteOfASplice(t *testing.T) {
	for end, want := range map[wasiotest.End]error{
		wasiotest.EndKnown: nil, wasiotest.EndWhenRead: io.ErrClosedPipe, wasiotest.EndSilent: io.ErrClosedPipe,
	} {
		for _, n := range []int64{-1, 6} {
			w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{3}, Capacity: 6})
			in := s.NewInput(t, wasiotest.Plan{End: end}, strings.NewReader("abcdef"))
			moved, err := wasio.Splice(w, in.Handle(), n)
			in.Drop()
			assert.EqualValues(t, 6, moved)
			assert.Equal(t, "abcdef", s.String())
			if want != nil && n < 0 {
				assert.ErrorIs(t, err, want)
			} else {
				assert.NoError(t, err)
			}
			before := len(s.Calls())
			_, err = w.WriteString("x")
			assert.ErrorIs(t, err, io.ErrClosedPipe)
			assert.Len(t, s.Calls(), before)
		}
	}
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{3}, Capacity: 6})
	in := s.NewInput(t, wasiotest.Plan{}, strings.NewReader("abcdefg"))
	defer in.Drop()
	moved, err := wasio.Splice(w, in.Handle(), -1)
	assert.EqualValues(t, 6, moved)
	assert.ErrorIs(t, err, io.ErrClosedPipe, "src has not ended")
}

// C52: a permit of check-write holds until it is used, so a splice right after it has that
// permit. So Splice asks again only as often as the streams make it wait.
func TestC52PermitsHoldForSplices(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{2, 0}})
	in := s.NewInput(t, wasiotest.Plan{Permits: []uint64{0, 3}}, strings.NewReader("abcdef"))
	defer in.Drop()
	moved, err := wasio.Splice(w, in.Handle(), -1)
	require.NoError(t, err)
	assert.EqualValues(t, 6, moved)
	assert.Equal(t, "abcdef", s.String())
	calls := s.Calls()
	for i, c := range calls {
		if strings.Contains(c, ".splice(") && strings.HasSuffix(c, "= 0") {
			assert.Equal(t, "output-stream(1).check-write = 2", calls[i-1])
			assert.Contains(t, calls[i+1], "input-stream(2).subscribe", "Splice waits for the source")
		}
	}
}

// C54: a reset by the peer is a failure with the host's reason, not io.ErrClosedPipe.
func TestC54PeerThatResets(t *testing.T) {
	plan := wasiotest.As("wasmtime-tcp")
	plan.Faults = []wasiotest.Fault{{At: "write", Text: "connection-reset", Then: wasiotest.ThenAgain}}
	for _, way := range ways {
		w, _ := newWriter(t, plan)
		reset := errors.New("reset")
		w.SetErrorDecoder(func(wasio.ErrorHandle) error { return reset })
		n, err := way.write(w, []byte("nine byte"))
		assert.Zero(t, n)
		assert.ErrorIs(t, err, reset)
		assert.NotErrorIs(t, err, io.ErrClosedPipe)
		w, _ = newWriter(t, plan)
		_, err = way.write(w, []byte("nine byte"))
		var failed *wasio.Error
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, "connection-reset", failed.Err.Error())
	}
}
