package wasio_test

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/internal/host"
	"github.com/wasio-dev/wasio/internal/native"
	"github.com/wasio-dev/wasio/wasiotest"
)

// newWriter returns a Writer on a new stream. It is closed when the test ends.
func newWriter(t testing.TB, plan wasiotest.Plan) (*wasio.Writer, *wasiotest.Stream) {
	t.Helper()
	s := wasiotest.NewStream(t, plan)
	w := wasio.NewWriter(s.Handle())
	t.Cleanup(func() { w.Close() })
	return w, s
}

// newBufWriter returns a BufWriter on such a Writer.
func newBufWriter(t testing.TB, size int, plan wasiotest.Plan) (*wasio.BufWriter, *wasiotest.Stream) {
	t.Helper()
	w, s := newWriter(t, plan)
	return wasio.NewBufWriterSize(w, size), s
}

// skipInGuest skips a test of what a guest cannot do: script its host, or run programs.
func skipInGuest(tb testing.TB) {
	tb.Helper()
	if runtime.GOARCH == "wasm" {
		tb.Skip("not in a guest")
	}
}

// expose makes the handles of h usable until the test ends, with base added to each.
func expose(tb testing.TB, h *host.Host) (base uint32) {
	tb.Helper()
	skipInGuest(tb)
	base, err := native.Expose(h)
	require.NoError(tb, err)
	tb.Cleanup(func() { native.Withdraw(base) })
	return base
}

// handles matches the number of a resource in a call.
var handles = regexp.MustCompile(`(output-stream|pollable|error)\(\d+\)`)

// callsOf returns the calls that a stream has received, without handles.
func callsOf(s *wasiotest.Stream) []string {
	calls := s.Calls()
	for i, c := range calls {
		calls[i] = strings.TrimPrefix(handles.ReplaceAllString(c, "$1"), "output-stream.")
	}
	return calls
}

// countOf returns how many calls contain part.
func countOf(calls []string, part string) (n int) {
	for _, c := range calls {
		if strings.Contains(c, part) {
			n++
		}
	}
	return n
}

// wait lists the calls that one wait makes.
var wait = []string{"subscribe = pollable", "pollable.block", "pollable.drop"}

// sequence joins single calls and lists of them.
func sequence(parts ...any) []string {
	var calls []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			calls = append(calls, p)
		case []string:
			calls = append(calls, p...)
		}
	}
	return calls
}

// times returns n copies of the list, one after the other.
func times(n int, list ...uint64) []uint64 {
	var all []uint64
	for range n {
		all = append(all, list...)
	}
	return all
}

// pattern returns n pseudo-random bytes, the same ones each time.
func pattern(n int) []byte {
	p := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// write writes text to w, and expects success.
func write(t *testing.T, w io.Writer, text string) {
	t.Helper()
	n, err := io.WriteString(w, text)
	assert.NoError(t, err)
	assert.Equal(t, len(text), n)
}

// readerFunc is a function that implements io.Reader.
type readerFunc func(p []byte) (n int, err error)

func (f readerFunc) Read(p []byte) (n int, err error) { return f(p) }

// writerFunc is a function that implements io.Writer.
type writerFunc func(p []byte) (n int, err error)

func (f writerFunc) Write(p []byte) (n int, err error) { return f(p) }

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

// slowFlush makes the first flush take an hour.
var slowFlush = wasiotest.Plan{FlushWaits: append([]int{1}, make([]int, 99)...), Delay: time.Hour}

// start calls f in a new goroutine and returns once f has returned or is blocked. The
// function that it returns reports whether f has returned.
func start(f func()) (returned func() bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	returned = func() bool {
		synctest.Wait()
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	returned()
	return returned
}

// assertTimeout checks that err is a timeout.
func assertTimeout(t *testing.T, err error) {
	t.Helper()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.NotErrorIs(t, err, os.ErrClosed)
	assert.EqualError(t, err, "wasio: check-write: i/o timeout")
	netErr, ok := err.(net.Error) // directly, as users of package net do
	require.True(t, ok)
	assert.True(t, netErr.Timeout())
	assert.True(t, err.(interface{ Temporary() bool }).Temporary())
}

// assertNotOpen checks the error of an operation op on a writer that is not open.
func assertNotOpen(t *testing.T, op string, err error, call string) {
	t.Helper()
	var e *wasio.Error
	if assert.ErrorAs(t, err, &e, call) {
		assert.Equal(t, op, e.Op, call)
		assert.ErrorIs(t, err, os.ErrClosed, call)
		assert.NotErrorIs(t, err, io.ErrClosedPipe, call)
		assert.False(t, e.Timeout(), call)
	}
}

// b2i returns 1 if b is true, and 0 otherwise.
func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
