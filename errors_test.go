//go:build !module.std

package wasio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
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

// errorsOf returns one error of each kind that a Writer can return.
func errorsOf(t *testing.T) map[string]error {
	write := func(w *wasio.Writer) error {
		_, err := w.WriteString("x")
		require.Error(t, err)
		return err
	}
	on := func(plan wasiotest.Plan) *wasio.Writer {
		w, _ := newWriter(t, plan)
		return w
	}
	late := on(wasiotest.Plan{})
	late.SetWriteDeadline(time.Now())
	return map[string]error{
		"closed":           write(new(wasio.Writer)),
		"timeout":          write(late),
		"closed by host":   write(on(wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write", Closed: true}}})),
		"no progress":      write(on(wasiotest.Plan{Permits: []uint64{0}})),
		"failed":           write(on(wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write", Text: "i/o timeout"}}})),
		"closed BufWriter": new(wasio.BufWriter).Flush(),
	}
}

// Every error matches its own sentinels and no others.
func TestErrorsMatchTheirSentinels(t *testing.T) {
	sentinels := map[string]error{
		"os.ErrClosed":             os.ErrClosed,
		"fs.ErrClosed":             fs.ErrClosed,
		"os.ErrDeadlineExceeded":   os.ErrDeadlineExceeded,
		"io.ErrClosedPipe":         io.ErrClosedPipe,
		"io.ErrNoProgress":         io.ErrNoProgress,
		"io.EOF":                   io.EOF,
		"io.ErrUnexpectedEOF":      io.ErrUnexpectedEOF,
		"io.ErrShortWrite":         io.ErrShortWrite,
		"os.ErrInvalid":            os.ErrInvalid,
		"fs.ErrNotExist":           fs.ErrNotExist,
		"os.ErrNoDeadline":         os.ErrNoDeadline,
		"net.ErrClosed":            net.ErrClosed,
		"context.Canceled":         context.Canceled,
		"context.DeadlineExceeded": context.DeadlineExceeded,
		"errors.ErrUnsupported":    errors.ErrUnsupported,
		"os.ErrProcessDone":        os.ErrProcessDone,
	}
	want := map[string][]string{
		"closed":           {"fs.ErrClosed", "os.ErrClosed"},
		"closed BufWriter": {"fs.ErrClosed", "os.ErrClosed"},
		"timeout":          {"os.ErrDeadlineExceeded"},
		"closed by host":   {"io.ErrClosedPipe"},
		"no progress":      {"io.ErrNoProgress"},
		"failed":           nil,
	}
	synctest.Test(t, func(t *testing.T) {
		for kind, err := range errorsOf(t) {
			for _, err := range []error{err, fmt.Errorf("wrapped: %w", err), errors.Unwrap(err)} {
				var matched []string
				for name, sentinel := range sentinels {
					if errors.Is(err, sentinel) {
						matched = append(matched, name)
					}
				}
				assert.ElementsMatch(t, want[kind], matched, "%s: %v", kind, err)
			}
			assert.ErrorIs(t, err, err)
			assert.Equal(t, kind == "timeout", err.(net.Error).Timeout(), kind)
			assert.Equal(t, kind == "timeout", err.(interface{ Temporary() bool }).Temporary(), kind)
		}
	})
}

type temporary interface {
	error
	Timeout() bool
	Temporary() bool
}

// uncomparable is an error that == cannot compare.
type uncomparable []string

func (uncomparable) Error() string   { return "timeout" }
func (uncomparable) Timeout() bool   { return true }
func (uncomparable) Temporary() bool { return true }

// errors.Is must not panic for a target whose Error method panics, such as a nil pointer or a
// struct that wraps nothing.
func TestErrorsAreAskedForAnyTarget(t *testing.T) {
	targets := []error{
		&wasio.Error{}, (*wasio.Error)(nil), &wasio.Error{Op: "write", Err: io.ErrClosedPipe},
		&fs.PathError{}, (*fs.PathError)(nil),
		&os.SyscallError{}, (*os.SyscallError)(nil),
		&os.LinkError{}, (*os.LinkError)(nil),
		&net.OpError{}, (*net.OpError)(nil),
		&net.DNSError{}, (*net.DNSError)(nil),
		&net.AddrError{}, (*net.AddrError)(nil),
		(*net.DNSConfigError)(nil),
		&url.Error{}, (*url.Error)(nil),
		&json.UnmarshalTypeError{}, (*json.UnmarshalTypeError)(nil),
		&json.SyntaxError{}, (*json.SyntaxError)(nil),
		struct{ error }{}, &struct{ error }{}, (*struct{ error })(nil),
		(*struct{ temporary })(nil),
		uncomparable{"x"}, uncomparable(nil),
		errors.Join(io.EOF, io.ErrShortBuffer), fmt.Errorf("%w", io.EOF),
		errors.New("another"),
	}
	synctest.Test(t, func(t *testing.T) {
		for kind, err := range errorsOf(t) {
			for _, target := range targets {
				assert.NotPanics(t, func() {
					assert.False(t, errors.Is(err, target), "%s and %T", kind, target)
				}, "%s and %T", kind, target)
			}
			assert.False(t, errors.Is(err, nil))
			var pathError *fs.PathError
			assert.False(t, errors.As(err, &pathError))
			var e *wasio.Error
			assert.True(t, errors.As(err, &e))
		}
	})
}

// If a Writer or BufWriter is not open, Op says what the caller asked for.
func TestOpOfWriterThatIsNotOpen(t *testing.T) {
	closedWriter := func(t *testing.T) *wasio.Writer {
		w, _ := newWriter(t, wasiotest.Plan{})
		require.NoError(t, w.Close())
		return w
	}
	closedByBuffer := func(t *testing.T) *wasio.Writer {
		w, _ := newWriter(t, wasiotest.Plan{})
		require.NoError(t, wasio.NewBufWriter(w).Close())
		return w
	}
	// A stream that closed with the last byte it took needs no flush, but after Close the
	// Writer is closed all the same.
	closedAtTheEnd := func(t *testing.T) *wasio.Writer {
		w, _ := newWriter(t, wasiotest.Plan{Capacity: 4})
		_, err := w.WriteString("body")
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return w
	}
	afterAFailure := func(t *testing.T) *wasio.Writer {
		w, _ := newWriter(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
		_, err := w.WriteString("x")
		require.Error(t, err)
		require.Error(t, w.Close())
		return w
	}
	afterADeadline := func(t *testing.T) *wasio.Writer {
		w, _ := newWriter(t, wasiotest.Plan{})
		w.SetWriteDeadline(time.Now())
		require.Error(t, w.Close())
		return w
	}
	for name, get := range map[string]func(t *testing.T) *wasio.Writer{
		"zero":          func(*testing.T) *wasio.Writer { return new(wasio.Writer) },
		"closed":        closedWriter,
		"by BufWriter":  closedByBuffer,
		"ended":         closedAtTheEnd,
		"failed":        afterAFailure,
		"past deadline": afterADeadline,
	} {
		t.Run("Writer/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := get(t)
				for range 2 {
					for call, c := range map[string]struct {
						op string
						f  func() error
					}{
						"Write":               {"write", func() error { _, err := w.Write([]byte("x")); return err }},
						"Write of nothing":    {"write", func() error { _, err := w.Write(nil); return err }},
						"WriteString":         {"write", func() error { _, err := w.WriteString("x"); return err }},
						"ReadFrom":            {"write", func() error { _, err := w.ReadFrom(strings.NewReader("x")); return err }},
						"Flush":               {"flush", w.Flush},
						"SetWriteDeadline":    {"set-write-deadline", func() error { return w.SetWriteDeadline(time.Now()) }},
						"SetWriteDeadline, 0": {"set-write-deadline", func() error { return w.SetWriteDeadline(time.Time{}) }},
					} {
						assertNotOpen(t, c.op, c.f(), call)
					}
				}
				assert.NoError(t, w.Close())
			})
		})
	}
	closed := func(w *wasio.Writer) *wasio.BufWriter {
		b := wasio.NewBufWriterSize(w, 16)
		require.NoError(t, b.Close())
		return b
	}
	for name, get := range map[string]func(t *testing.T) *wasio.BufWriter{
		"zero":   func(*testing.T) *wasio.BufWriter { return new(wasio.BufWriter) },
		"no w":   func(*testing.T) *wasio.BufWriter { return wasio.NewBufWriter(nil) },
		"closed": func(t *testing.T) *wasio.BufWriter { w, _ := newWriter(t, wasiotest.Plan{}); return closed(w) },
		"closed, on a shared Writer": func(t *testing.T) *wasio.BufWriter {
			wasiotest.SetStdout(t, wasiotest.Plan{})
			return closed(wasio.Stdout())
		},
		"Reset to nothing": func(t *testing.T) *wasio.BufWriter {
			b, _ := newBufWriter(t, 16, wasiotest.Plan{})
			b.Reset(nil)
			return b
		},
	} {
		t.Run("BufWriter/"+name, func(t *testing.T) {
			b := get(t)
			b.SetLineMode(true)
			for range 2 {
				for call, c := range map[string]struct {
					op string
					f  func() error
				}{
					"Write":               {"write", func() error { _, err := b.Write([]byte("x")); return err }},
					"Write of nothing":    {"write", func() error { _, err := b.Write(nil); return err }},
					"WriteString":         {"write", func() error { _, err := b.WriteString("x\n"); return err }},
					"WriteByte":           {"write", func() error { return b.WriteByte('\n') }},
					"WriteRune":           {"write", func() error { _, err := b.WriteRune('x'); return err }},
					"ReadFrom":            {"write", func() error { _, err := b.ReadFrom(strings.NewReader("x")); return err }},
					"ReadFrom of nothing": {"write", func() error { _, err := b.ReadFrom(strings.NewReader("")); return err }},
					"Flush":               {"flush", b.Flush},
					"SetWriteDeadline":    {"set-write-deadline", func() error { return b.SetWriteDeadline(time.Now()) }},
					"SetWriteDeadline, 0": {"set-write-deadline", func() error { return b.SetWriteDeadline(time.Time{}) }},
				} {
					assertNotOpen(t, c.op, c.f(), call)
				}
			}
			assert.Zero(t, b.Buffered())
			assert.NoError(t, b.Close())
		})
	}
	t.Run("BufWriter/on a closed Writer", func(t *testing.T) {
		w, _ := newWriter(t, wasiotest.Plan{})
		b := wasio.NewBufWriterSize(w, 16)
		require.NoError(t, w.Close())
		assertNotOpen(t, "set-write-deadline", b.SetWriteDeadline(time.Now()), "SetWriteDeadline")
		b.WriteString("x")
		err := b.Flush()
		assertNotOpen(t, "write", err, "Flush of bytes")
		assert.Same(t, err, b.Close())
	})
}

// newFailing returns a Writer on a host that fails at the given point.
func newFailing(t *testing.T, at string, text string) (w *wasio.Writer, h *host.Host, base uint32) {
	t.Helper()
	h = host.New(host.Options{})
	base = expose(t, h)
	plan := host.Plan{Faults: []host.Fault{{At: at, Text: text, Then: host.ThenAgain}}}
	w = wasio.NewWriter(base | h.NewStream(plan, io.Discard))
	t.Cleanup(func() {
		w.Close()
		assert.Empty(t, h.Live())
	})
	return w, h, base
}

// errQuota is a reason that a program's own bindings might return.
type errQuota struct{ left int }

func (e *errQuota) Error() string { return fmt.Sprint("quota exceeded: ", e.left, " left") }

// The decoder gets the live error handle, and its result becomes Err.
func TestReason(t *testing.T) {
	for name, at := range map[string]string{
		"check-write": host.AtCheckWrite, "write": host.AtWrite, "flush": host.AtFlush, "flushed": host.AtFlushed,
	} {
		t.Run(name, func(t *testing.T) {
			w, h, base := newFailing(t, at, "disk full")
			quota := &errQuota{7}
			var text string
			calls := 0
			w.SetErrorDecoder(func(e wasio.ErrorHandle) error {
				calls++
				text = h.DebugString(uint32(e) &^ base)
				assert.Zero(t, h.Count(host.OpDropError), "the error is live")
				return quota
			})
			n, err := w.WriteString("x")
			assert.Equal(t, "disk full", text)
			assert.Equal(t, 1, calls)
			assert.EqualValues(t, 1, h.Count(host.OpDropError))
			assert.Len(t, h.Live(), 1, "the stream")
			assert.ErrorIs(t, err, quota)
			var e *wasio.Error
			require.ErrorAs(t, err, &e)
			assert.Same(t, quota, e.Err)
			assert.Equal(t, strings.Replace(name, "flushed", "check-write", 1), e.Op)
			assert.EqualError(t, err, "wasio: "+e.Op+": quota exceeded: 7 left")
			var got *errQuota
			require.ErrorAs(t, err, &got)
			assert.Equal(t, 7, got.left)
			assert.Equal(t, at == host.AtFlush || at == host.AtFlushed, n == 1)

			again, err2 := w.WriteString("x")
			assert.Zero(t, again)
			assert.Same(t, err, err2)
			assert.Equal(t, 1, calls, "the error sticks")
			assert.Same(t, err, w.Close())
		})
	}
}

// If the decoder returns nil, Err is what it is without a decoder.
func TestReasonOfNil(t *testing.T) {
	for name, set := range map[string]func(w *wasio.Writer){
		"never set":   func(*wasio.Writer) {},
		"returns nil": func(w *wasio.Writer) { w.SetErrorDecoder(func(wasio.ErrorHandle) error { return nil }) },
		"removed": func(w *wasio.Writer) {
			w.SetErrorDecoder(func(wasio.ErrorHandle) error { return io.ErrShortWrite })
			w.SetErrorDecoder(nil)
		},
	} {
		w, h, _ := newFailing(t, host.AtWrite, "text")
		set(w)
		_, err := w.WriteString("x")
		assert.EqualError(t, err, "wasio: write: text", name)
		assert.EqualValues(t, 1, h.Count(host.OpDropError), name)
	}
}

// The decoder is called only if the host returns an error handle.
func TestReasonIsOnlyForFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, plan := range map[string]wasiotest.Plan{
			"closed":      {Faults: []wasiotest.Fault{{At: "write", Closed: true}}},
			"full":        {Capacity: 1},
			"no progress": {Permits: []uint64{0}},
			"deadline":    {Permits: []uint64{0}, Delay: time.Hour},
		} {
			w, _ := newWriter(t, plan)
			w.SetErrorDecoder(func(wasio.ErrorHandle) error { t.Error("called for", name); return nil })
			if name == "deadline" {
				w.SetWriteDeadline(time.Now().Add(time.Second))
			}
			_, err := w.WriteString("xy")
			assert.Error(t, err)
		}
	})
}

// If the decoder panics, the handle is dropped and no lock stays held.
func TestReasonThatPanics(t *testing.T) {
	w, h, _ := newFailing(t, host.AtFlush, "")
	w.SetErrorDecoder(func(wasio.ErrorHandle) error { panic("no reason") })
	assert.PanicsWithValue(t, "no reason", func() { w.WriteString("x") })
	assert.EqualValues(t, 1, h.Count(host.OpDropError))
	assert.Len(t, h.Live(), 1, "the stream")
	w.SetErrorDecoder(nil)
	assert.Error(t, w.Flush())
}

// An error sticks even if the decoder says that it is a timeout: only the Writer's own deadline
// can be extended.
func TestReasonThatIsATimeoutSticks(t *testing.T) {
	for _, reason := range []error{os.ErrDeadlineExceeded, context.DeadlineExceeded, &net.DNSError{IsTimeout: true}} {
		w, h, _ := newFailing(t, host.AtWrite, "")
		w.SetErrorDecoder(func(wasio.ErrorHandle) error { return reason })
		b := wasio.NewBufWriterSize(w, 16)
		b.WriteString("buffered")
		err := b.Flush()
		require.ErrorIs(t, err, reason)
		assert.True(t, err.(net.Error).Timeout())
		before := h.Total()
		_, again := b.WriteString("x")
		assert.Same(t, err, again)
		assert.Same(t, err, b.Flush())
		_, again = w.WriteString("x")
		assert.Same(t, err, again)
		assert.Equal(t, before, h.Total())
		assert.Same(t, err, b.Close())
		assert.NoError(t, w.Close(), "again")
	}
}

// SetErrorDecoder costs no host call and no allocation until there is a failure.
func TestReasonCostsNothing(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{})
	p := []byte("hello\n")
	w.Write(p)
	want := callsOf(s)
	w.SetErrorDecoder(func(wasio.ErrorHandle) error { return io.ErrUnexpectedEOF })
	assert.Equal(t, want, callsOf(s))
	w.Write(p)
	assert.Equal(t, append(want, want...), callsOf(s))
	assert.Zero(t, testing.AllocsPerRun(100, func() { w.Write(p) }))
}

// An error that sticks takes precedence over a deadline that has passed.
func TestErrorThatSticksComesBeforeADeadline(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
	b := wasio.NewBufWriterSize(w, 16)
	_, err := w.WriteString("x")
	require.Error(t, err)
	b.WriteString("buffered")
	require.Same(t, err, b.Flush())
	w.SetWriteDeadline(time.Now())
	before := len(s.Calls())
	_, again := w.WriteString("x")
	assert.Same(t, err, again)
	assert.Same(t, err, w.Flush())
	_, again = w.ReadFrom(strings.NewReader("x"))
	assert.Same(t, err, again)
	_, again = b.WriteString("x")
	assert.Same(t, err, again)
	assert.Same(t, err, b.Flush())
	assert.Same(t, err, b.Close())
	assert.Equal(t, []string{"drop"}, callsOf(s)[before:])
}
