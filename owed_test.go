package wasio_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/wasio-dev/wasio"
	"github.com/wasio-dev/wasio/wasiotest"
)

// flushers lists the calls that flush the stream: on b, whose buffer is empty, on another
// BufWriter on the same Writer, and on the Writer w itself.
var flushers = []struct {
	name  string
	flush func(b, other *wasio.BufWriter, w *wasio.Writer) error
}{
	{"b.Flush", func(b, _ *wasio.BufWriter, _ *wasio.Writer) error { return b.Flush() }},
	{"b.Write, line", func(b, _ *wasio.BufWriter, _ *wasio.Writer) error { return writeLine(b) }},
	{"b.WriteByte, newline", func(b, _ *wasio.BufWriter, _ *wasio.Writer) error {
		b.SetLineMode(true)
		defer b.SetLineMode(false)
		return b.WriteByte('\n')
	}},
	{"w.Flush", func(_, _ *wasio.BufWriter, w *wasio.Writer) error { return w.Flush() }},
	{"w.Write", func(_, _ *wasio.BufWriter, w *wasio.Writer) error { _, err := w.Write([]byte("x")); return err }},
	{"w.ReadFrom", func(_, _ *wasio.BufWriter, w *wasio.Writer) error {
		_, err := w.ReadFrom(strings.NewReader("x"))
		return err
	}},
	{"other.Flush", func(_, other *wasio.BufWriter, _ *wasio.Writer) error { return other.Flush() }},
	{"other.Write, line", func(_, other *wasio.BufWriter, _ *wasio.Writer) error { return writeLine(other) }},
}

// writeLine writes a line to b in line mode.
func writeLine(b *wasio.BufWriter) error {
	b.SetLineMode(true)
	defer b.SetLineMode(false)
	_, err := b.WriteString("x\n")
	return err
}

// If a BufWriter has handed bytes over without a flush, any call that flushes the Writer
// delivers them. Then b.Flush has nothing to do.
func TestOwedFlushIsSettledByAny(t *testing.T) {
	for _, f := range flushers {
		t.Run(f.name, func(t *testing.T) {
			w, s := newWriter(t, wasiotest.Plan{Hold: true})
			b, other := wasio.NewBufWriterSize(w, 16), wasio.NewBufWriterSize(w, 16)
			require.NoError(t, b.Flush())
			assert.Empty(t, s.Calls(), "no flush is owed at first")
			b.Write(pattern(100))
			assert.Empty(t, s.Bytes())
			require.NoError(t, f.flush(b, other, w))
			assert.GreaterOrEqual(t, len(s.Bytes()), 100)
			assert.Equal(t, 1, s.Count("flush"))
			before := len(s.Calls())
			require.NoError(t, b.Flush())
			require.NoError(t, other.Flush())
			require.NoError(t, b.Flush())
			assert.Len(t, s.Calls(), before, "no flush is owed any more")
			require.NoError(t, w.Close())
			assert.Equal(t, []string{"drop"}, callsOf(s)[before:])
		})
	}
}

// A flush stays owed until it is made, whatever else is called.
func TestFlushIsOwedUntilMade(t *testing.T) {
	for name, write := range map[string]func(b *wasio.BufWriter){
		"nothing":                 func(*wasio.BufWriter) {},
		"small Write":             func(b *wasio.BufWriter) { b.WriteString("x") },
		"large Write":             func(b *wasio.BufWriter) { b.Write(pattern(50)) },
		"Write of nothing":        func(b *wasio.BufWriter) { b.Write(nil) },
		"WriteByte":               func(b *wasio.BufWriter) { b.WriteByte('x') },
		"ReadFrom":                func(b *wasio.BufWriter) { b.ReadFrom(strings.NewReader(strings.Repeat("x", 50))) },
		"no line in line mode":    func(b *wasio.BufWriter) { b.SetLineMode(true); b.WriteString("x"); b.SetLineMode(false) },
		"SetLineMode":             func(b *wasio.BufWriter) { b.SetLineMode(true) },
		"Reset to the same":       nil,
		"Reset to another":        nil,
		"Reset to none":           nil,
		"another BufWriter is on": nil,
	} {
		for _, settle := range []string{"b.Flush", "w.Flush", "w.Close", "b.Close"} {
			t.Run(name+"/"+settle, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, s := newWriter(t, wasiotest.Plan{Hold: true})
					b := wasio.NewBufWriterSize(w, 16)
					b.Write(pattern(100))
					switch name {
					case "Reset to the same":
						b.WriteString("discarded")
						b.Reset(w)
					case "Reset to another":
						other, s2 := newWriter(t, wasiotest.Plan{})
						b.Reset(other)
						require.NoError(t, b.Flush())
						assert.Empty(t, s2.Calls(), "the new Writer owes nothing")
						b.Reset(w)
					case "Reset to none":
						b.Reset(nil)
						b.Reset(w)
					case "another BufWriter is on":
						b = wasio.NewBufWriterSize(w, 16)
					default:
						write(b)
					}
					assert.Zero(t, s.Count("flush"))
					switch settle {
					case "b.Flush":
						require.NoError(t, b.Flush())
					case "w.Flush":
						require.NoError(t, w.Flush())
					case "w.Close":
						require.NoError(t, w.Close())
					case "b.Close":
						require.NoError(t, b.Close())
					}
					assert.Equal(t, 1, s.Count("flush"))
					assert.GreaterOrEqual(t, len(s.Bytes()), 100)
				})
			})
		}
	}
}

// Reset keeps line mode. It neither flushes nor closes the old Writer.
func TestResetLeavesTheOldWriterAlone(t *testing.T) {
	for _, lineMode := range []bool{true, false} {
		w, s := newWriter(t, wasiotest.Plan{})
		w2, s2 := newWriter(t, wasiotest.Plan{})
		b := wasio.NewBufWriterSize(w, 20)
		b.SetLineMode(lineMode)
		b.Write(pattern(20)[:19])
		require.NoError(t, b.Flush())
		b.WriteString("discarded")
		before := s.Calls()
		b.Reset(w2)
		assert.Equal(t, before, s.Calls(), "neither flushed nor closed")
		assert.Equal(t, 20, b.Size())
		assert.Equal(t, 20, b.Available())
		assert.Zero(t, b.Buffered())
		b.WriteString("line\n")
		assert.Equal(t, lineMode, s2.String() == "line\n", "the mode is kept")
		require.NoError(t, b.Close())
		assert.Equal(t, "line\n", s2.String())
		assert.Equal(t, before, s.Calls())
		_, err := w.WriteString("w is open")
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(s.String(), "w is open"))
	}
}

// Reset clears the error of b, not that of the Writer.
func TestResetClearsTheError(t *testing.T) {
	w, _ := newWriter(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
	w2, s2 := newWriter(t, wasiotest.Plan{})
	b := wasio.NewBufWriterSize(w, 16)
	b.WriteString("lost")
	err := b.Flush()
	require.Error(t, err)
	b.Reset(w2)
	require.NoError(t, b.Flush())
	assert.Empty(t, s2.Calls())
	_, again := b.WriteString("found")
	require.NoError(t, again)
	require.NoError(t, b.Flush())
	assert.Equal(t, "found", s2.String())
	assert.Same(t, err, w.Flush())

	b.Reset(w)
	_, again = b.WriteString("x")
	assert.NoError(t, again, "the error does not show yet")
	assert.Same(t, err, b.Flush())
	assert.Same(t, err, b.Close())
}

// Writer.Flush always flushes the stream, since somebody else may have written to it. Close does
// so unless nothing was written since the last complete flush.
func TestWhatIsKnownOfFlushesIsForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		before  func(t *testing.T, w *wasio.Writer)
		flushes int // how many Close makes
	}{
		"nothing": {func(*testing.T, *wasio.Writer) {}, 1},
		"Write":   {func(_ *testing.T, w *wasio.Writer) { w.WriteString("x") }, 0},
		"Flush":   {func(_ *testing.T, w *wasio.Writer) { w.Flush() }, 0},
		"Write of nothing": {func(_ *testing.T, w *wasio.Writer) {
			w.Flush()
			w.Write(nil)
		}, 0},
		"Write without a flush": {func(_ *testing.T, w *wasio.Writer) {
			w.Flush()
			wasio.NewBufWriterSize(w, 16).Write(pattern(100))
		}, 1},
		"reader that fails": {func(t *testing.T, w *wasio.Writer) {
			w.Flush()
			_, err := w.ReadFrom(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(io.ErrNoProgress)))
			require.Error(t, err)
		}, 0},
		"reader that panics": {func(t *testing.T, w *wasio.Writer) {
			w.Flush()
			require.Panics(t, func() {
				w.ReadFrom(io.MultiReader(bytes.NewReader(pattern(32<<10)), readerFunc(func([]byte) (int, error) { panic("reader") })))
			})
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := wasiotest.NewStream(t, wasiotest.Plan{})
				w := wasio.NewWriter(s.Handle())
				c.before(t, w)
				before := s.Count("flush")
				require.NoError(t, w.Close())
				assert.Equal(t, c.flushes, s.Count("flush")-before)
			})
		})
		t.Run(name+"/then Flush", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, s := newWriter(t, wasiotest.Plan{})
				c.before(t, w)
				before := s.Count("flush")
				require.NoError(t, w.Flush())
				assert.Equal(t, 1, s.Count("flush")-before)
			})
		})
	}
}

// ReadFrom returns the error of its source rather than that of the flush that follows.
func TestReadFromReturnsTheFirstError(t *testing.T) {
	broken := errors.New("broken reader")
	w, s := newWriter(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}})
	n, err := w.ReadFrom(readerFunc(func(p []byte) (int, error) { return copy(p, "so far"), broken }))
	assert.EqualValues(t, 6, n)
	assert.Same(t, broken, err)
	assert.Equal(t, 1, s.Count("flush"))
	flushed := w.Flush() // the error of the flush, which sticks
	assert.ErrorContains(t, flushed, "last operation failed")
	n, err = w.ReadFrom(iotest.ErrReader(broken))
	assert.Zero(t, n)
	assert.Same(t, flushed, err, "returned before r is read")

	w, _ = newWriter(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}})
	n, err = w.ReadFrom(strings.NewReader("all"))
	assert.EqualValues(t, 3, n)
	assert.ErrorContains(t, err, "wasio: flush: last operation failed")
}

// ReadFrom makes no host call after an error, even on a host that would work again.
func TestReadFromTriesNothingAfterAnError(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Permits: []uint64{4}, Faults: []wasiotest.Fault{{At: "write", Call: 2, Then: wasiotest.ThenWorks}}})
	reads := 0
	n, err := w.ReadFrom(readerFunc(func(p []byte) (int, error) {
		reads++
		return copy(p, "123456"), nil
	}))
	assert.EqualValues(t, 4, n)
	assert.ErrorContains(t, err, "wasio: write: last operation failed")
	assert.Equal(t, 1, reads)
	assert.Equal(t, []string{"check-write = 4", "write(4)", "check-write = 4", "write(2) = last-operation-failed(error)", "error.to-debug-string", "error.drop"}, callsOf(s))
}

// BufWriter.Close returns the first error of its own flush and of Writer.Close.
func TestBufWriterCloseReturnsTheFirstError(t *testing.T) {
	t.Run("of the flush", func(t *testing.T) {
		w, _ := newWriter(t, wasiotest.Plan{})
		b := wasio.NewBufWriterSize(w, 16)
		b.WriteString("x")
		require.NoError(t, w.Close())
		assertNotOpen(t, "write", b.Close(), "Close, of a Writer that is closed")
	})
	t.Run("of the Writer", func(t *testing.T) {
		b, s := newBufWriter(t, 16, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}})
		assert.ErrorContains(t, b.Close(), "wasio: flush: last operation failed")
		assert.Equal(t, 1, s.Count("flush"))
		assert.Equal(t, 1, s.Count("drop"))
	})
	t.Run("of both", func(t *testing.T) {
		var b *wasio.BufWriter
		var first error
		t.Run("the first", func(t *testing.T) {
			wasiotest.SetStdout(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
			b = wasio.NewBufWriterSize(wasio.Stdout(), 16)
			b.WriteString("x")
			first = b.Flush()
			require.Error(t, first)
		})
		t.Run("the second", func(t *testing.T) { // the Writer is as new, and b is not
			s := wasiotest.SetStdout(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "flush"}}})
			assert.Same(t, first, b.Close())
			assert.Equal(t, 1, s.Count("flush"), "the Writer is closed all the same")
		})
	})
}

// BufWriter.Close closes b even if the Writer stays open.
func TestBufWriterCloseOfSharedWriter(t *testing.T) {
	s := wasiotest.SetStdout(t, wasiotest.Plan{})
	b := wasio.NewBufWriterSize(wasio.Stdout(), 16)
	b.WriteString("text")
	require.NoError(t, b.Close())
	assert.Equal(t, "text", s.String())
	_, err := b.WriteString("late")
	assert.ErrorIs(t, err, os.ErrClosed)
	require.NoError(t, b.Close())
	_, err = wasio.Stdout().WriteString(", more")
	require.NoError(t, err)
	assert.Equal(t, "text, more", s.String())
	b.Reset(wasio.Stdout())
	b.WriteString(", and more")
	require.NoError(t, b.Close())
	assert.Equal(t, "text, more, and more", s.String())
}

// BufWriter.Close closes b even if it fails.
func TestBufWriterCloseOfSharedWriterThatFails(t *testing.T) {
	for name, plan := range map[string]wasiotest.Plan{
		"failed": {Faults: []wasiotest.Fault{{At: "write"}}},
		"closed": {Faults: []wasiotest.Fault{{At: "flushed", Closed: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			wasiotest.SetStdout(t, plan)
			b := wasio.NewBufWriterSize(wasio.Stdout(), 16)
			b.WriteString("text")
			err := b.Close()
			require.ErrorAs(t, err, new(*wasio.Error))
			assert.Same(t, err, wasio.Stdout().Flush())
			assert.Zero(t, b.Buffered())
			_, err = b.WriteString("late")
			assertNotOpen(t, "write", err, "Write")
			assert.NoError(t, b.Close())
		})
	}
}

// A stream that closed with the last byte it took needs no flush. Once it has refused a write,
// every call returns the error.
func TestStreamThatEndedOwesNothing(t *testing.T) {
	end := func(t *testing.T) (*wasio.BufWriter, *wasio.Writer, *wasiotest.Stream) {
		w, s := newWriter(t, wasiotest.Plan{Capacity: 20})
		b := wasio.NewBufWriterSize(w, 16)
		n, err := b.Write(pattern(20))
		require.NoError(t, err)
		assert.Equal(t, 20, n)
		require.NoError(t, b.Flush())
		assert.Len(t, s.Bytes(), 20)
		return b, w, s
	}
	_, w, s := end(t)
	before := len(s.Calls())
	require.NoError(t, w.Flush())
	require.NoError(t, w.Close())
	assert.Equal(t, []string{"drop"}, callsOf(s)[before:])

	b, _, _ := end(t)
	require.NoError(t, b.Flush())
	require.NoError(t, b.Close())

	b, w, _ = end(t)
	_, err := w.WriteString("x")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Same(t, err, b.Flush())
	assert.Same(t, err, w.Flush())
	assert.Same(t, err, b.Close())

	b, w, _ = end(t)
	n, err := b.WriteString("x")
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	err = b.Flush()
	require.ErrorIs(t, err, io.ErrClosedPipe)
	assert.Same(t, err, w.Close())
}

// An empty Write makes no host call, so it succeeds on a stream that has ended.
func TestEmptyWriteOnAnEndedStream(t *testing.T) {
	w, s := newWriter(t, wasiotest.Plan{Capacity: 4})
	_, err := w.WriteString("body")
	require.NoError(t, err)
	before := len(s.Calls())
	_, err = w.Write(nil)
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	assert.Len(t, s.Calls(), before)
	require.NoError(t, w.Close())
}

// ReadFrom returns an error that sticks before it reads.
func TestReadFromReadsNothingAfterAnError(t *testing.T) {
	w, _ := newWriter(t, wasiotest.Plan{Faults: []wasiotest.Fault{{At: "write"}}})
	_, first := w.WriteString("x")
	require.Error(t, first)
	r := strings.NewReader("left alone")
	_, err := w.ReadFrom(r)
	assert.Same(t, first, err)
	assert.Equal(t, 10, r.Len())
}
